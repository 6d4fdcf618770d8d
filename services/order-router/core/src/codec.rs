//! The bytes of local inputs and outputs in a flight recording. Layout: one tag byte, then the fields in order.

use crate::bytes::{Reader, Writer};
use crate::{RouterInput, RouterOutput};
use remora_domain::{
    Balance, Balances, Fee, FeeSchedule, Fill, InstrumentKey, Liquidity, OpenOrder,
    OrderEventReason, OrderRequest, Side, TimeInForce, Timestamp, VenueReport,
};
use remora_machine::{LocalCodec, LocalCodecError};
use remora_venue_api::VenueCommand;

type Read<T> = Result<T, LocalCodecError>;

impl LocalCodec for RouterInput {
    fn encode(&self, bytes: &mut Vec<u8>) {
        let mut to = Writer(bytes);
        match self {
            Self::Stored { cl_ord_id } => {
                to.tag(1);
                to.text(cl_ord_id);
            }
            Self::StoreFailed { cl_ord_id } => {
                to.tag(2);
                to.text(cl_ord_id);
            }
            Self::Venue(report) => put_report(&mut to, report),
        }
    }

    fn decode(bytes: &[u8]) -> Read<Self> {
        let mut from = Reader::new("router input", bytes);
        let input = match from.tag()? {
            1 => Self::Stored { cl_ord_id: from.text()? },
            2 => Self::StoreFailed { cl_ord_id: from.text()? },
            tag => Self::Venue(get_report(&mut from, tag)?),
        };
        from.end(input)
    }
}

impl LocalCodec for RouterOutput {
    fn encode(&self, bytes: &mut Vec<u8>) {
        let mut to = Writer(bytes);
        match self {
            Self::StoreIntent(envelope) => {
                to.tag(1);
                to.bytes(&remora_wire::encode(envelope));
            }
            Self::Venue(VenueCommand::Submit(order)) => {
                to.tag(2);
                put_request(&mut to, order.request());
                to.number(order.expires_at().as_ns());
            }
            Self::Venue(VenueCommand::Cancel { cl_ord_id, order_id }) => {
                to.tag(3);
                to.text(cl_ord_id);
                to.option(order_id.as_ref(), Writer::text);
            }
            Self::Venue(VenueCommand::QueryOpenOrders { asked_at }) => {
                to.tag(4);
                to.number(asked_at.as_ns());
            }
            Self::Venue(VenueCommand::QueryAccount) => to.tag(5),
            Self::Venue(VenueCommand::CancelAccount) => to.tag(6),
            Self::Venue(VenueCommand::ForgetCancelAccount) => to.tag(7),
        }
    }

    /// Outputs are compared by their bytes and never read back: an approved order must not come out of a file.
    fn decode(_: &[u8]) -> Read<Self> {
        let problem = "outputs are compared, never read back".to_owned();
        Err(LocalCodecError { what: "router output", problem })
    }
}

fn put_request(to: &mut Writer<'_>, request: &OrderRequest) {
    to.text(&request.cl_ord_id);
    to.text(&request.account);
    to.text(&request.strategy);
    put_key(to, &request.instrument);
    put_side(to, request.side);
    to.text(&request.price);
    to.text(&request.qty);
    to.tag(match request.tif {
        TimeInForce::Gtc => 1,
        TimeInForce::Ioc => 2,
    });
    to.flag(request.is_post_only);
    to.number(request.deadline.as_ns());
    if let Some(orig) = &request.orig_cl_ord_id {
        to.text(orig);
        to.text(&request.orig_cum_qty);
    }
}

fn put_report(to: &mut Writer<'_>, report: &VenueReport) {
    match report {
        VenueReport::Accepted { cl_ord_id, order_id, venue_time } => {
            to.tag(10);
            to.text(cl_ord_id);
            to.text(order_id);
            to.number(venue_time.as_ns());
        }
        VenueReport::Rejected { cl_ord_id, reason, venue_time } => {
            to.tag(11);
            to.text(cl_ord_id);
            to.tag(tag_of(*reason));
            to.number(venue_time.as_ns());
        }
        VenueReport::Filled { cl_ord_id, order_id, fill, cum_qty, venue_time } => {
            to.tag(12);
            to.text(cl_ord_id);
            to.text(order_id);
            put_fill(to, fill);
            to.text(cum_qty);
            to.number(venue_time.as_ns());
        }
        VenueReport::Cancelled { cl_ord_id, reason, venue_time } => {
            to.tag(13);
            to.text(cl_ord_id);
            to.tag(tag_of(*reason));
            to.number(venue_time.as_ns());
        }
        VenueReport::CancelRejected { cl_ord_id, reason, venue_time } => {
            to.tag(14);
            to.text(cl_ord_id);
            to.tag(tag_of(*reason));
            to.number(venue_time.as_ns());
        }
        VenueReport::SubmitUnknown { cl_ord_id } => {
            to.tag(15);
            to.text(cl_ord_id);
        }
        // 16 was the same without the instant it was asked at, 21 without what could not be read.
        VenueReport::OpenOrders { orders, unread, asked_at, venue_time } => {
            to.tag(23);
            to.count(orders.len());
            orders.iter().for_each(|open| put_open(to, open));
            to.number(i64::try_from(*unread).unwrap_or(i64::MAX));
            [asked_at, venue_time].into_iter().for_each(|time| to.number(time.as_ns()));
        }
        VenueReport::Balances(balances) => {
            to.tag(17);
            put_balances(to, balances);
        }
        VenueReport::Fees(FeeSchedule { maker_bps, taker_bps }) => {
            to.tag(18);
            to.text(maker_bps);
            to.text(taker_bps);
        }
        VenueReport::Session { is_up } => {
            to.tag(19);
            to.flag(*is_up);
        }
        VenueReport::Guard { is_guarded } => {
            to.tag(22);
            to.flag(*is_guarded);
        }
        VenueReport::Replaced { orig_cl_ord_id, cl_ord_id, order_id, order_qty, venue_time } => {
            to.tag(20);
            to.text(orig_cl_ord_id);
            to.text(cl_ord_id);
            to.text(order_id);
            to.text(order_qty);
            to.number(venue_time.as_ns());
        }
    }
}

fn get_report(from: &mut Reader<'_>, tag: u8) -> Read<VenueReport> {
    Ok(match tag {
        10 => VenueReport::Accepted {
            cl_ord_id: from.text()?,
            order_id: from.text()?,
            venue_time: get_time(from)?,
        },
        11 => VenueReport::Rejected {
            cl_ord_id: from.text()?,
            reason: get_reason(from)?,
            venue_time: get_time(from)?,
        },
        12 => VenueReport::Filled {
            cl_ord_id: from.text()?,
            order_id: from.text()?,
            fill: get_fill(from)?,
            cum_qty: from.text()?,
            venue_time: get_time(from)?,
        },
        13 => VenueReport::Cancelled {
            cl_ord_id: from.text()?,
            reason: get_reason(from)?,
            venue_time: get_time(from)?,
        },
        14 => VenueReport::CancelRejected {
            cl_ord_id: from.text()?,
            reason: get_reason(from)?,
            venue_time: get_time(from)?,
        },
        15 => VenueReport::SubmitUnknown { cl_ord_id: from.text()? },
        21 | 23 => VenueReport::OpenOrders {
            orders: from.list(get_open)?,
            unread: if tag == 21 { 0 } else { get_count(from)? },
            asked_at: get_time(from)?,
            venue_time: get_time(from)?,
        },
        17 => VenueReport::Balances(get_balances(from)?),
        18 => VenueReport::Fees(FeeSchedule { maker_bps: from.text()?, taker_bps: from.text()? }),
        19 => VenueReport::Session { is_up: from.flag()? },
        22 => VenueReport::Guard { is_guarded: from.flag()? },
        20 => VenueReport::Replaced {
            orig_cl_ord_id: from.text()?,
            cl_ord_id: from.text()?,
            order_id: from.text()?,
            order_qty: from.text()?,
            venue_time: get_time(from)?,
        },
        other => return Err(from.error(format!("tag {other} is unknown"))),
    })
}

fn put_fill(to: &mut Writer<'_>, fill: &Fill) {
    to.text(&fill.exec_id);
    to.text(&fill.last_px);
    to.text(&fill.last_qty);
    to.tag(match (fill.liquidity, fill.cost) {
        (Liquidity::Maker, None) => 1,
        (Liquidity::Taker, None) => 2,
        (Liquidity::Maker, Some(_)) => 3,
        (Liquidity::Taker, Some(_)) => 4,
    });
    to.text(&fill.fee.asset);
    to.text(&fill.fee.amount);
    if let Some(cost) = fill.cost {
        to.text(&cost);
    }
}

/// Recordings made before venues' costs were kept have tags 1 and 2 only.
fn get_fill(from: &mut Reader<'_>) -> Read<Fill> {
    let (exec_id, last_px, last_qty) = (from.text()?, from.text()?, from.text()?);
    let (liquidity, has_cost) = match from.tag()? {
        1 => (Liquidity::Maker, false),
        2 => (Liquidity::Taker, false),
        3 => (Liquidity::Maker, true),
        4 => (Liquidity::Taker, true),
        other => return Err(from.error(format!("liquidity {other}, want 1 to 4"))),
    };
    let fee = Fee { asset: from.text()?, amount: from.text()? };
    let cost = has_cost.then(|| from.text()).transpose()?;
    Ok(Fill { exec_id, last_px, last_qty, liquidity, cost, fee })
}

fn put_open(to: &mut Writer<'_>, open: &OpenOrder) {
    to.option(open.cl_ord_id.as_ref(), Writer::text);
    to.text(&open.order_id);
    put_key(to, &open.instrument);
    put_side(to, open.side);
    to.text(&open.price);
    to.text(&open.order_qty);
    to.text(&open.cum_qty);
}

fn get_open(from: &mut Reader<'_>) -> Read<OpenOrder> {
    Ok(OpenOrder {
        cl_ord_id: from.option(Reader::text)?,
        order_id: from.text()?,
        instrument: InstrumentKey::new(from.text()?, from.text()?),
        side: get_side(from)?,
        price: from.text()?,
        order_qty: from.text()?,
        cum_qty: from.text()?,
    })
}

fn put_balances(to: &mut Writer<'_>, balances: &Balances) {
    to.text(&balances.account);
    to.text(&balances.venue);
    to.count(balances.entries.len());
    for entry in &balances.entries {
        to.text(&entry.asset);
        to.text(&entry.total);
        to.text(&entry.held);
    }
}

fn get_balances(from: &mut Reader<'_>) -> Read<Balances> {
    let entry = |from: &mut Reader<'_>| {
        Ok(Balance { asset: from.text()?, total: from.text()?, held: from.text()? })
    };
    Ok(Balances { account: from.text()?, venue: from.text()?, entries: from.list(entry)? })
}

fn put_key(to: &mut Writer<'_>, key: &InstrumentKey) {
    to.text(&key.venue);
    to.text(&key.instrument);
}

fn put_side(to: &mut Writer<'_>, side: Side) {
    to.tag(match side {
        Side::Buy => 1,
        Side::Sell => 2,
    });
}

fn get_side(from: &mut Reader<'_>) -> Read<Side> {
    match from.tag()? {
        1 => Ok(Side::Buy),
        2 => Ok(Side::Sell),
        other => Err(from.error(format!("side {other}, want 1 or 2"))),
    }
}

fn get_time(from: &mut Reader<'_>) -> Read<Timestamp> {
    from.number().map(Timestamp::from_ns)
}

fn get_count(from: &mut Reader<'_>) -> Read<u64> {
    let number = from.number()?;
    u64::try_from(number).map_err(|_| from.error(format!("count {number}, want 0 or more")))
}

/// All reasons; a reason's tag is its place, checked by a test against `tag_of`.
const REASONS: [OrderEventReason; 15] = [
    OrderEventReason::None,
    OrderEventReason::BadSignature,
    OrderEventReason::ApprovalExpired,
    OrderEventReason::OldEpoch,
    OrderEventReason::Reused,
    OrderEventReason::Halted,
    OrderEventReason::WrongVenue,
    OrderEventReason::PostOnlyWouldCross,
    OrderEventReason::InsufficientFunds,
    OrderEventReason::InstrumentRule,
    OrderEventReason::RateLimited,
    OrderEventReason::UnknownOrder,
    OrderEventReason::UserRequested,
    OrderEventReason::VenueOther,
    OrderEventReason::Unknown,
];

const fn tag_of(reason: OrderEventReason) -> u8 {
    match reason {
        OrderEventReason::None => 0,
        OrderEventReason::BadSignature => 1,
        OrderEventReason::ApprovalExpired => 2,
        OrderEventReason::OldEpoch => 3,
        OrderEventReason::Reused => 4,
        OrderEventReason::Halted => 5,
        OrderEventReason::WrongVenue => 6,
        OrderEventReason::PostOnlyWouldCross => 7,
        OrderEventReason::InsufficientFunds => 8,
        OrderEventReason::InstrumentRule => 9,
        OrderEventReason::RateLimited => 10,
        OrderEventReason::UnknownOrder => 11,
        OrderEventReason::UserRequested => 12,
        OrderEventReason::VenueOther => 13,
        OrderEventReason::Unknown => 14,
    }
}

fn get_reason(from: &mut Reader<'_>) -> Read<OrderEventReason> {
    let tag = from.tag()?;
    let reason = REASONS.get(usize::from(tag)).copied();
    reason.ok_or_else(|| from.error(format!("reason {tag} is unknown")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_approval::Verifier;
    use remora_domain::ApprovalFields;
    use remora_testkit::{approval, cl_ord_id, key, px, qty, request, signer};
    use std::collections::BTreeSet;

    #[test]
    fn a_reasons_tag_is_its_place_in_the_list() {
        for (place, reason) in REASONS.into_iter().enumerate() {
            assert_eq!(usize::from(tag_of(reason)), place);
        }
    }

    #[test]
    fn submissions_that_differ_in_any_field_have_different_bytes() {
        type Change = fn(&mut ApprovalFields);
        let changes: [Change; 11] = [
            |_| {},
            |f| f.request.cl_ord_id = cl_ord_id("r-2"),
            |f| f.request.instrument = key("ETH-USD"),
            |f| f.request.side = Side::Sell,
            |f| f.request.price = px("101"),
            |f| f.request.qty = qty("2"),
            |f| f.request.tif = TimeInForce::Ioc,
            |f| f.request.is_post_only = false,
            |f| f.request.deadline = Timestamp::EPOCH,
            |f| f.request.orig_cl_ord_id = Some(cl_ord_id("r-0")),
            |f| f.expires_at = Timestamp::from_ns(5),
        ];
        let mut seen = BTreeSet::new();
        for change in changes {
            let mut fields = approval(request("r-1"), 1, 1, Timestamp::from_ns(9)).fields;
            change(&mut fields);
            let mut verifier = Verifier::new(signer().verifying_key());
            let order = verifier.verify(Timestamp::EPOCH, &signer().sign(fields)).unwrap();
            let mut bytes = Vec::new();
            RouterOutput::Venue(VenueCommand::Submit(order)).encode(&mut bytes);
            assert!(seen.insert(bytes));
        }
    }

    #[test]
    fn a_fill_is_read_back_with_and_without_the_venues_cost() {
        let plain = remora_testkit::fill("T-1", "100.5", "0.3", "0.1");
        let cost = Some(remora_testkit::notional("30.15001"));
        for fill in [plain.clone(), Fill { cost, ..plain }] {
            let input = RouterInput::Venue(VenueReport::Filled {
                cl_ord_id: cl_ord_id("r-1"),
                order_id: "O-1".parse().unwrap(),
                fill,
                cum_qty: qty("0.3"),
                venue_time: Timestamp::from_ns(7),
            });
            let mut bytes = Vec::new();
            input.encode(&mut bytes);
            assert_eq!(RouterInput::decode(&bytes).unwrap(), input);
        }
    }

    #[test]
    fn a_list_of_open_orders_is_read_back_also_of_before_unreadable_ones_were_counted() {
        let times = [Timestamp::from_ns(5), Timestamp::from_ns(7)];
        let list = |unread| {
            let [asked_at, venue_time] = times;
            let orders = vec![];
            RouterInput::Venue(VenueReport::OpenOrders { orders, unread, asked_at, venue_time })
        };
        let mut bytes = Vec::new();
        list(3).encode(&mut bytes);
        assert_eq!(RouterInput::decode(&bytes).unwrap(), list(3));
        let mut before = Vec::new();
        let mut to = Writer(&mut before);
        to.tag(21);
        to.count(0);
        times.into_iter().for_each(|time| to.number(time.as_ns()));
        assert_eq!(RouterInput::decode(&before).unwrap(), list(0));
    }

    #[test]
    fn an_output_is_never_read_back() {
        assert!(RouterOutput::decode(&[4]).is_err());
    }
}
