//! Orders and accounts.

use crate::WireError;
use crate::amounts::{
    amount, dec, enum_map, id, informative_map, key_from, key_to, need, ns, side_from, side_to,
    text, time, word,
};
use crate::generated::{accounts, orders};
use remora_domain::{
    AccountFees, ApprovalFields, Balance, Balances, CancelReason, ExecType, Fee, FeeSchedule, Fill,
    Liquidity, Notional, OrdStatus, OrderApproval, OrderCancel, OrderEvent, OrderEventReason,
    OrderRefusal, OrderRequest, PositionSnapshot, Qty, RefusalReason, SessionId, TimeInForce,
    Timestamp,
};

enum_map!(tif_to, tif_from, TimeInForce, orders::TimeInForce, { Gtc = Gtc, Ioc = Ioc });
informative_map!(cancel_reason_to, cancel_reason_from, CancelReason, orders::CancelReason, {
    Requote = Requote, PairDeselected = PairDeselected, MarketDataLost = MarketDataLost,
    Halted = Halted, InventoryLimit = InventoryLimit, Shutdown = Shutdown, Orphaned = Orphaned,
    Unknown = Unknown,
});
enum_map!(exec_type_to, exec_type_from, ExecType, orders::ExecType, {
    Sending = Sending, SubmitUnknown = SubmitUnknown, New = New, Trade = Trade,
    CancelPending = CancelPending, CancelRejected = CancelRejected, Cancelled = Cancelled,
    Rejected = Rejected, Expired = Expired, RouterRefused = RouterRefused,
    Replaced = Replaced,
});
enum_map!(ord_status_to, ord_status_from, OrdStatus, orders::OrdStatus, {
    InFlight = InFlight, SubmitUnknown = SubmitUnknown, Working = Working,
    CancelPending = CancelPending, Filled = Filled, Cancelled = Cancelled, Rejected = Rejected,
    Expired = Expired,
});
informative_map!(event_reason_to, event_reason_from, OrderEventReason, orders::OrderEventReason, {
    None = None, BadSignature = BadSignature, ApprovalExpired = ApprovalExpired,
    OldEpoch = OldEpoch, Reused = Reused, Halted = Halted, WrongVenue = WrongVenue,
    PostOnlyWouldCross = PostOnlyWouldCross, InsufficientFunds = InsufficientFunds,
    InstrumentRule = InstrumentRule, RateLimited = RateLimited, UnknownOrder = UnknownOrder,
    UserRequested = UserRequested, VenueOther = VenueOther, Unknown = Unknown,
});
enum_map!(liquidity_to, liquidity_from, Liquidity, orders::Liquidity, {
    Maker = Maker, Taker = Taker,
});

pub(crate) fn request_to(m: &OrderRequest) -> orders::OrderRequest {
    orders::OrderRequest {
        cl_ord_id: m.cl_ord_id.to_string(),
        account: m.account.to_string(),
        strategy: m.strategy.to_string(),
        instrument: key_to(&m.instrument),
        side: side_to(m.side),
        price: dec(m.price),
        qty: dec(m.qty),
        tif: tif_to(m.tif),
        is_post_only: m.is_post_only,
        deadline_ns: m.deadline.as_ns(),
        orig_cl_ord_id: m.orig_cl_ord_id.as_ref().map(ToString::to_string),
        orig_cum_qty: m.orig_cl_ord_id.as_ref().and_then(|_| dec(m.orig_cum_qty)),
    }
}

pub(crate) fn request_from(m: orders::OrderRequest) -> Result<OrderRequest, WireError> {
    let orig = m.orig_cl_ord_id.as_deref();
    let orig = orig.map(|text| id("order_request.orig_cl_ord_id", text)).transpose()?;
    let orig_cum_qty = match orig {
        Some(_) => amount("order_request.orig_cum_qty", m.orig_cum_qty)?,
        None => Qty::ZERO,
    };
    Ok(OrderRequest {
        cl_ord_id: id("order_request.cl_ord_id", &m.cl_ord_id)?,
        account: id("order_request.account", &m.account)?,
        strategy: id("order_request.strategy", &m.strategy)?,
        instrument: key_from("order_request.instrument", m.instrument)?,
        side: side_from("order_request.side", m.side)?,
        price: amount("order_request.price", m.price)?,
        qty: amount("order_request.qty", m.qty)?,
        tif: tif_from("order_request.tif", m.tif)?,
        is_post_only: m.is_post_only,
        deadline: Timestamp::from_ns(m.deadline_ns),
        orig_cl_ord_id: orig,
        orig_cum_qty,
    })
}

pub(crate) fn approval_to(m: &OrderApproval) -> orders::OrderApproval {
    orders::OrderApproval {
        request: Some(request_to(&m.fields.request)),
        epoch: m.fields.epoch,
        gate_session: m.fields.gate_session.get(),
        approval_sequence: m.fields.approval_sequence,
        expires_at_ns: m.fields.expires_at.as_ns(),
        signature: m.signature.to_vec().into(),
    }
}

pub(crate) fn approval_from(m: orders::OrderApproval) -> Result<OrderApproval, WireError> {
    let field = "order_approval.signature";
    let signature = <[u8; 64]>::try_from(m.signature.as_ref()).map_err(|_| WireError::Length {
        field,
        len: m.signature.len(),
        want: 64,
    })?;
    let fields = ApprovalFields {
        request: request_from(need("order_approval.request", m.request)?)?,
        epoch: m.epoch,
        gate_session: SessionId::new(m.gate_session),
        approval_sequence: m.approval_sequence,
        expires_at: Timestamp::from_ns(m.expires_at_ns),
    };
    Ok(OrderApproval { fields, signature })
}

pub(crate) fn refusal_to(m: &OrderRefusal) -> orders::OrderRefusal {
    orders::OrderRefusal {
        cl_ord_id: m.cl_ord_id.to_string(),
        account: m.account.to_string(),
        instrument: key_to(&m.instrument),
        reason: m.reason.as_str().to_owned(),
        limit: m.limit.clone(),
        value: m.value.clone(),
    }
}

pub(crate) fn refusal_from(m: orders::OrderRefusal) -> Result<OrderRefusal, WireError> {
    let field = "order_refusal.reason";
    Ok(OrderRefusal {
        cl_ord_id: id("order_refusal.cl_ord_id", &m.cl_ord_id)?,
        account: id("order_refusal.account", &m.account)?,
        instrument: key_from("order_refusal.instrument", m.instrument)?,
        // A refusal is one whatever its reason is.
        reason: word(field, RefusalReason::ALL, RefusalReason::as_str, &m.reason)
            .unwrap_or(RefusalReason::Unknown),
        limit: text("order_refusal.limit", m.limit)?,
        value: text("order_refusal.value", m.value)?,
    })
}

pub(crate) fn cancel_to(m: &OrderCancel) -> orders::OrderCancel {
    orders::OrderCancel {
        cl_ord_id: m.cl_ord_id.to_string(),
        account: m.account.to_string(),
        instrument: key_to(&m.instrument),
        reason: cancel_reason_to(m.reason),
    }
}

pub(crate) fn cancel_from(m: orders::OrderCancel) -> Result<OrderCancel, WireError> {
    Ok(OrderCancel {
        cl_ord_id: id("order_cancel.cl_ord_id", &m.cl_ord_id)?,
        account: id("order_cancel.account", &m.account)?,
        instrument: key_from("order_cancel.instrument", m.instrument)?,
        reason: cancel_reason_from("order_cancel.reason", m.reason)?,
    })
}

pub(crate) fn fill_to(m: &Fill) -> orders::Fill {
    orders::Fill {
        exec_id: m.exec_id.to_string(),
        last_px: dec(m.last_px),
        last_qty: dec(m.last_qty),
        liquidity: liquidity_to(m.liquidity),
        fee_asset: m.fee.asset.to_string(),
        fee_amount: dec(m.fee.amount),
        cost: m.cost.and_then(dec),
    }
}

pub(crate) fn fill_from(m: orders::Fill) -> Result<Fill, WireError> {
    let cost = m.cost.map(|cost| amount("fill.cost", Some(cost))).transpose()?;
    if cost.is_some_and(|cost: Notional| cost < Notional::ZERO) {
        return Err(WireError::Negative { field: "fill.cost" });
    }
    Ok(Fill {
        exec_id: id("fill.exec_id", &m.exec_id)?,
        last_px: amount("fill.last_px", m.last_px)?,
        last_qty: amount("fill.last_qty", m.last_qty)?,
        liquidity: liquidity_from("fill.liquidity", m.liquidity)?,
        cost,
        fee: Fee {
            asset: id("fill.fee_asset", &m.fee_asset)?,
            amount: amount("fill.fee_amount", m.fee_amount)?,
        },
    })
}

pub(crate) fn event_to(m: &OrderEvent) -> orders::OrderEvent {
    orders::OrderEvent {
        cl_ord_id: m.cl_ord_id.to_string(),
        order_id: m.order_id.as_ref().map(ToString::to_string),
        account: m.account.to_string(),
        instrument: key_to(&m.instrument),
        side: side_to(m.side),
        price: dec(m.price),
        order_qty: dec(m.order_qty),
        exec_type: exec_type_to(m.exec_type),
        ord_status: ord_status_to(m.ord_status),
        cum_qty: dec(m.cum_qty),
        leaves_qty: dec(m.leaves_qty),
        fill: m.fill.as_ref().map(fill_to),
        reason: event_reason_to(m.reason),
        venue_time_ns: ns(m.venue_time),
        orig_cl_ord_id: m.orig_cl_ord_id.as_ref().map(ToString::to_string),
    }
}

pub(crate) fn event_from(m: orders::OrderEvent) -> Result<OrderEvent, WireError> {
    let order_id =
        m.order_id.as_deref().map(|text| id("order_event.order_id", text)).transpose()?;
    let orig = m.orig_cl_ord_id.as_deref();
    let orig = orig.map(|text| id("order_event.orig_cl_ord_id", text)).transpose()?;
    Ok(OrderEvent {
        cl_ord_id: id("order_event.cl_ord_id", &m.cl_ord_id)?,
        order_id,
        account: id("order_event.account", &m.account)?,
        instrument: key_from("order_event.instrument", m.instrument)?,
        side: side_from("order_event.side", m.side)?,
        price: amount("order_event.price", m.price)?,
        order_qty: amount("order_event.order_qty", m.order_qty)?,
        exec_type: exec_type_from("order_event.exec_type", m.exec_type)?,
        ord_status: ord_status_from("order_event.ord_status", m.ord_status)?,
        cum_qty: amount("order_event.cum_qty", m.cum_qty)?,
        leaves_qty: amount("order_event.leaves_qty", m.leaves_qty)?,
        fill: m.fill.map(fill_from).transpose()?,
        reason: event_reason_from("order_event.reason", m.reason)?,
        venue_time: time(m.venue_time_ns),
        orig_cl_ord_id: orig,
    })
}

pub(crate) fn balances_to(m: &Balances) -> accounts::Balances {
    let entry = |b: &Balance| accounts::Balance {
        asset: b.asset.to_string(),
        total: dec(b.total),
        held: dec(b.held),
    };
    accounts::Balances {
        account: m.account.to_string(),
        venue: m.venue.to_string(),
        entries: m.entries.iter().map(entry).collect(),
    }
}

pub(crate) fn balances_from(m: accounts::Balances) -> Result<Balances, WireError> {
    let entry = |b: accounts::Balance| {
        Ok(Balance {
            asset: id("balances.asset", &b.asset)?,
            total: amount("balances.total", b.total)?,
            held: amount("balances.held", b.held)?,
        })
    };
    Ok(Balances {
        account: id("balances.account", &m.account)?,
        venue: id("balances.venue", &m.venue)?,
        entries: m.entries.into_iter().map(entry).collect::<Result<_, _>>()?,
    })
}

pub(crate) fn position_to(m: &PositionSnapshot) -> accounts::Position {
    accounts::Position {
        account: m.account.to_string(),
        instrument: key_to(&m.instrument),
        position: dec(m.position),
        realised_pnl: dec(m.realised_pnl),
        fees: dec(m.fees),
    }
}

pub(crate) fn position_from(m: accounts::Position) -> Result<PositionSnapshot, WireError> {
    Ok(PositionSnapshot {
        account: id("position.account", &m.account)?,
        instrument: key_from("position.instrument", m.instrument)?,
        position: amount("position.position", m.position)?,
        realised_pnl: amount("position.realised_pnl", m.realised_pnl)?,
        fees: amount("position.fees", m.fees)?,
    })
}

pub(crate) fn fees_to(m: &AccountFees) -> accounts::AccountFees {
    accounts::AccountFees {
        account: m.account.to_string(),
        venue: m.venue.to_string(),
        maker_bps: dec(m.schedule.maker_bps),
        taker_bps: dec(m.schedule.taker_bps),
    }
}

pub(crate) fn fees_from(m: accounts::AccountFees) -> Result<AccountFees, WireError> {
    Ok(AccountFees {
        account: id("account_fees.account", &m.account)?,
        venue: id("account_fees.venue", &m.venue)?,
        schedule: FeeSchedule {
            maker_bps: amount("account_fees.maker_bps", m.maker_bps)?,
            taker_bps: amount("account_fees.taker_bps", m.taker_bps)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::{InstrumentId, InstrumentKey, Price, Side, VenueId};

    fn request() -> OrderRequest {
        let venue = VenueId::new("kraken-spot").unwrap();
        OrderRequest {
            cl_ord_id: "r-2".parse().unwrap(),
            account: "paper".parse().unwrap(),
            strategy: "glft".parse().unwrap(),
            instrument: InstrumentKey::new(venue, InstrumentId::new("BTC-USD").unwrap()),
            side: Side::Sell,
            price: Price::parse("61000.1").unwrap(),
            qty: Qty::parse("0.001").unwrap(),
            tif: TimeInForce::Gtc,
            is_post_only: true,
            deadline: Timestamp::from_ns(5),
            orig_cl_ord_id: Some("r-1".parse().unwrap()),
            orig_cum_qty: Qty::parse("0.0002").unwrap(),
        }
    }

    #[test]
    fn an_order_in_the_place_of_another_survives() {
        assert_eq!(request_from(request_to(&request())), Ok(request()));
        let plain = OrderRequest { orig_cl_ord_id: None, orig_cum_qty: Qty::ZERO, ..request() };
        assert_eq!(request_from(request_to(&plain)), Ok(plain));
    }

    #[test]
    fn what_the_other_had_filled_is_never_taken_for_nothing() {
        let mut silent = request_to(&request());
        silent.orig_cum_qty = None;
        assert!(request_from(silent).is_err());
    }
}
