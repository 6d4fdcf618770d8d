//! Differences between the venue's account and ours.

use crate::WireError;
use crate::amounts::{amount, dec, enum_map, id, key_from, key_to, ns, text, time};
use crate::generated::accounts;
use remora_domain::{AccountBreak, BreakKind, Timestamp};

enum_map!(kind_to, kind_from, BreakKind, accounts::BreakKind, {
    Order = Order, Execution = Execution, Balance = Balance,
});

pub(crate) fn break_to(m: &AccountBreak) -> accounts::AccountBreak {
    accounts::AccountBreak {
        break_id: m.break_id.to_string(),
        account: m.account.to_string(),
        venue: m.venue.to_string(),
        kind: kind_to(m.kind),
        instrument: m.instrument.as_ref().and_then(key_to),
        asset: m.asset.as_ref().map(ToString::to_string),
        cl_ord_id: m.cl_ord_id.as_ref().map(ToString::to_string),
        cause: m.cause.clone(),
        expected: m.expected.and_then(dec),
        actual: m.actual.and_then(dec),
        opened_ns: m.opened_at.as_ns(),
        ended_ns: ns(m.ended_at),
        resolution: m.resolution.clone(),
    }
}

pub(crate) fn break_from(m: accounts::AccountBreak) -> Result<AccountBreak, WireError> {
    let key = |key| key_from("account_break.instrument", Some(key));
    let (asset, cl_ord_id) = (m.asset.as_deref(), m.cl_ord_id.as_deref());
    let expected = m.expected.map(|value| amount("account_break.expected", Some(value)));
    let actual = m.actual.map(|value| amount("account_break.actual", Some(value)));
    Ok(AccountBreak {
        break_id: id("account_break.break_id", &m.break_id)?,
        account: id("account_break.account", &m.account)?,
        venue: id("account_break.venue", &m.venue)?,
        kind: kind_from("account_break.kind", m.kind)?,
        instrument: m.instrument.map(key).transpose()?,
        asset: asset.map(|name| id("account_break.asset", name)).transpose()?,
        cl_ord_id: cl_ord_id.map(|text| id("account_break.cl_ord_id", text)).transpose()?,
        cause: text("account_break.cause", m.cause)?,
        expected: expected.transpose()?,
        actual: actual.transpose()?,
        opened_at: Timestamp::from_ns(m.opened_ns),
        ended_at: time(m.ended_ns),
        resolution: text("account_break.resolution", m.resolution)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::{
        AccountId, Amount, Asset, BreakId, ClOrdId, InstrumentId, InstrumentKey, VenueId,
    };

    #[test]
    fn a_difference_of_accounts_survives_the_wire_while_it_is_open_and_when_it_has_ended() {
        let open = AccountBreak {
            break_id: BreakId::new("0000000000000001-1").unwrap(),
            account: AccountId::new("paper").unwrap(),
            venue: VenueId::new("kraken-spot").unwrap(),
            kind: BreakKind::Balance,
            instrument: None,
            asset: Some(Asset::new("USD").unwrap()),
            cl_ord_id: None,
            cause: "the venue tells another balance".to_owned(),
            expected: Some(Amount::parse("10.50").unwrap()),
            actual: Some(Amount::parse("9").unwrap()),
            opened_at: Timestamp::from_ns(5),
            ended_at: None,
            resolution: String::new(),
        };
        let ended = AccountBreak {
            kind: BreakKind::Order,
            instrument: Some(InstrumentKey::new(
                VenueId::new("kraken-spot").unwrap(),
                InstrumentId::new("BTC-USD").unwrap(),
            )),
            asset: None,
            cl_ord_id: Some(ClOrdId::new("r-1").unwrap()),
            expected: None,
            actual: None,
            ended_at: Some(Timestamp::from_ns(9)),
            resolution: "both agree".to_owned(),
            ..open.clone()
        };
        assert_eq!(break_from(break_to(&open)).unwrap(), open);
        assert_eq!(break_from(break_to(&ended)).unwrap(), ended);
    }
}
