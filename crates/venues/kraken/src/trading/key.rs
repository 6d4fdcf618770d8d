//! What our API key may do: what trading needs, and nothing that takes money out of the account.
//! Source: Kraken REST reference, `GetApiKeyInfo` and key permissions (checked June 2026).

/// What order entry needs.
const NEEDED: [&str; 5] =
    ["query-funds", "query-open-trades", "query-closed-trades", "modify-trades", "close-trades"];
/// What the private socket needs beside.
const NEEDED_BY_SOCKET: &str = "create-ws-token";
/// What a key that lies on a trading machine must not have.
const FORBIDDEN: &str = "withdraw-funds";

/// Says why a key with these permissions is not used, if so.
pub(super) fn objection(permissions: &[String], has_socket: bool) -> Option<String> {
    let has = |name: &str| permissions.iter().any(|permission| permission == name);
    if has(FORBIDDEN) {
        return Some(format!("the API key may take money out ({FORBIDDEN}): use one that may not"));
    }
    let needed = NEEDED.into_iter().chain(has_socket.then_some(NEEDED_BY_SOCKET));
    let missing: Vec<&str> = needed.filter(|name| !has(name)).collect();
    let missing = (!missing.is_empty()).then(|| missing.join(", "));
    missing.map(|missing| format!("the API key lacks permissions: {missing}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(permissions: &str, has_socket: bool, want: Option<&str>) {
        let permissions: Vec<String> = permissions.split(' ').map(str::to_owned).collect();
        let said = objection(&permissions, has_socket);
        assert_eq!(said.is_some(), want.is_some(), "{said:?}");
        assert!(said.unwrap_or_default().contains(want.unwrap_or_default()));
    }

    #[test]
    fn a_key_needs_what_trading_needs_and_must_not_take_money_out() {
        let trading =
            "query-funds query-open-trades query-closed-trades modify-trades close-trades";
        check(trading, false, None);
        check(trading, true, Some("create-ws-token"));
        check(&format!("{trading} create-ws-token query-ledger"), true, None);
        check(&format!("{trading} create-ws-token withdraw-funds"), true, Some("withdraw-funds"));
        check("query-funds modify-trades", false, Some("query-open-trades, query-closed-trades"));
    }
}
