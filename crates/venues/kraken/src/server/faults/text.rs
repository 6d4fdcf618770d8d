//! What can be told of a request or frame from its text, as far as faults need it.

use crate::server::io::HttpCall;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Says what an outgoing frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind<'a> {
    /// Data of a channel.
    Data(&'a str),
    /// An answer, a heartbeat, or anything else.
    Other,
}

/// Tells a frame's channel; heartbeats are left in peace, as they prove nothing about data.
pub(crate) fn kind_of(text: &str) -> FrameKind<'_> {
    let channel = text.strip_prefix("{\"channel\":\"").and_then(|rest| rest.split('"').next());
    match channel {
        Some("heartbeat") | None => FrameKind::Other,
        Some(channel) => FrameKind::Data(channel),
    }
}

/// Gives the text of the first member of this name that is a plain string.
pub(crate) fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let quoted = format!("\"{name}\"");
    let behind = text.split_once(quoted.as_str())?.1.trim_start().strip_prefix(':')?;
    behind.trim_start().strip_prefix('"')?.split('"').next()
}

/// Tells whether an answer says that the request was accepted.
pub(crate) fn is_accepted(text: &str) -> bool {
    text.contains("\"success\":true") || text.contains("\"error\":[]")
}

/// Gives the text with its checksum wrong by one bit; none where there is no checksum.
pub(crate) fn corrupt(text: &str) -> Option<String> {
    const NAME: &str = "\"checksum\":";
    let start = text.rfind(NAME)?.checked_add(NAME.len())?;
    let (before, behind) = text.split_at_checked(start)?;
    let digits = behind.split(|letter: char| !letter.is_ascii_digit()).next()?;
    let wrong = digits.parse::<u32>().ok()? ^ 1;
    let rest = behind.strip_prefix(digits)?;
    Some(format!("{before}{wrong}{rest}"))
}

/// Gives the name of a REST call: the last part of its path.
pub(crate) fn rest_method(call: &HttpCall) -> &str {
    call.path.rsplit('/').next().unwrap_or_default()
}

/// Gives the pair that a REST call names, in the client's spelling.
pub(crate) fn rest_pair(call: &HttpCall) -> Option<String> {
    let body = std::str::from_utf8(&call.body).unwrap_or_default();
    if body.trim_start().starts_with('{') {
        let members: BTreeMap<Cow<'_, str>, serde_json::Value> = serde_json::from_str(body).ok()?;
        return members.get("pair")?.as_str().map(str::to_owned);
    }
    let fields = call.query.split('&').chain(body.split('&'));
    let pair = fields.filter_map(|field| field.strip_prefix("pair=")).next()?;
    Some(pair.replace("%2F", "/").replace("%2f", "/"))
}

/// Is what an answer repeats of a WebSocket request.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct WsHead<'a> {
    #[serde(borrow, default)]
    pub(crate) method: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) req_id: Option<i64>,
}

/// Reads it; what is unreadable repeats nothing.
pub(crate) fn ws_head(text: &str) -> WsHead<'_> {
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_apart_by_their_start() {
        assert_eq!(kind_of(r#"{"channel":"book","type":"update"}"#), FrameKind::Data("book"));
        assert_eq!(kind_of(r#"{"channel":"heartbeat"}"#), FrameKind::Other);
        assert_eq!(kind_of(r#"{"method":"pong"}"#), FrameKind::Other);
        assert_eq!(kind_of(""), FrameKind::Other);
    }

    #[test]
    fn members_are_found_with_and_without_spaces() {
        let text = r#"{"data":[{"symbol": "BTC/USD","x":1}],"token":"t/1"}"#;
        assert_eq!(member(text, "symbol"), Some("BTC/USD"));
        assert_eq!(member(text, "token"), Some("t/1"));
        assert_eq!(member(text, "x"), None);
        assert_eq!(member(text, "y"), None);
    }

    #[test]
    fn a_corrupted_checksum_is_a_number_of_32_bits_and_nothing_else_changes() {
        let with = |sum: &str| format!("{{\"channel\":\"book\",\"checksum\":{sum},\"x\":7}}");
        assert_eq!(corrupt(&with("4294967295")).unwrap(), with("4294967294"));
        assert_eq!(corrupt(&with("0")).unwrap(), with("1"));
        assert_eq!(corrupt(&with("x")), None);
        assert_eq!(corrupt("{}"), None);
    }

    #[test]
    fn the_pair_of_a_call_is_found_in_query_form_and_json() {
        let call = |query: &str, body: &str| HttpCall {
            method: "POST".to_owned(),
            path: "/0/private/AddOrder".to_owned(),
            query: query.to_owned(),
            content_type: None,
            api_key: None,
            api_sign: None,
            body: body.as_bytes().to_vec(),
            address: String::new(),
        };
        assert_eq!(rest_pair(&call("pair=XBTUSD", "")).as_deref(), Some("XBTUSD"));
        assert_eq!(rest_pair(&call("", "a=1&pair=BTC%2FUSD")).as_deref(), Some("BTC/USD"));
        assert_eq!(rest_pair(&call("", r#"{"pair": "X"}"#)).as_deref(), Some("X"));
        assert_eq!(rest_pair(&call("", r#"{"pair": ["X"]}"#)), None);
        assert_eq!(rest_pair(&call("", "")), None);
        assert_eq!(rest_method(&call("", "")), "AddOrder");
    }
}
