//! Requests, approvals and everything a router says about an order.

use crate::{account, amount, asset, at_ms, key, px, qty, strategy};
use remora_approval::Signer;
use remora_domain::{
    ApprovalFields, CancelReason, ClOrdId, ExecId, ExecType, Fee, Fill, Liquidity, OrdStatus,
    OrderApproval, OrderCancel, OrderEvent, OrderEventReason, OrderId, OrderRequest, Price, Qty,
    SessionId, Side, TimeInForce, Timestamp,
};

/// Makes a client order id.
#[must_use]
pub fn cl_ord_id(text: &str) -> ClOrdId {
    ClOrdId::new(text).unwrap()
}

/// Makes a request: post-only bid for 1 BTC-USD at 100, good until cancelled, with a deadline of one hour.
#[must_use]
pub fn request(id: &str) -> OrderRequest {
    OrderRequest {
        cl_ord_id: cl_ord_id(id),
        account: account(),
        strategy: strategy(),
        instrument: key("BTC-USD"),
        side: Side::Buy,
        price: px("100"),
        qty: qty("1"),
        tif: TimeInForce::Gtc,
        is_post_only: true,
        deadline: at_ms(3_600_000),
        orig_cl_ord_id: None,
        orig_cum_qty: Qty::ZERO,
    }
}

/// Gives the signing key of the tests.
#[must_use]
pub fn signer() -> Signer {
    Signer::from_bytes(&[7; 32])
}

/// Signs an approval of the request with the tests' key.
#[must_use]
pub fn approval(
    request: OrderRequest,
    epoch: u64,
    sequence: u64,
    expires_at: Timestamp,
) -> OrderApproval {
    signer().sign(ApprovalFields {
        request,
        epoch,
        gate_session: SessionId::new(1),
        approval_sequence: sequence,
        expires_at,
    })
}

/// Makes the cancel of a request.
#[must_use]
pub fn cancel(request: &OrderRequest, reason: CancelReason) -> OrderCancel {
    OrderCancel {
        cl_ord_id: request.cl_ord_id.clone(),
        account: request.account.clone(),
        instrument: request.instrument.clone(),
        reason,
    }
}

/// Makes any statement about an order; `cum` is what was filled so far. Leaves follow from the status.
#[must_use]
pub fn event(
    request: &OrderRequest,
    exec_type: ExecType,
    status: OrdStatus,
    cum: Qty,
) -> OrderEvent {
    let open = request.qty.checked_sub(cum).unwrap();
    OrderEvent {
        cl_ord_id: request.cl_ord_id.clone(),
        order_id: None,
        account: request.account.clone(),
        instrument: request.instrument.clone(),
        side: request.side,
        price: request.price,
        order_qty: request.qty,
        exec_type,
        ord_status: status,
        cum_qty: cum,
        leaves_qty: if status.is_terminal() { Qty::ZERO } else { open },
        fill: None,
        reason: OrderEventReason::None,
        venue_time: None,
        orig_cl_ord_id: request.orig_cl_ord_id.clone(),
    }
}

/// Says the order is about to be sent.
#[must_use]
pub fn sending(request: &OrderRequest) -> OrderEvent {
    event(request, ExecType::Sending, OrdStatus::InFlight, Qty::ZERO)
}

/// Says nobody knows whether the order arrived.
#[must_use]
pub fn submit_unknown(request: &OrderRequest) -> OrderEvent {
    event(request, ExecType::SubmitUnknown, OrdStatus::SubmitUnknown, Qty::ZERO)
}

/// Says the venue took the order.
#[must_use]
pub fn accepted(request: &OrderRequest) -> OrderEvent {
    let order_id = OrderId::new(&format!("v-{}", request.cl_ord_id)).unwrap();
    OrderEvent {
        order_id: Some(order_id),
        ..event(request, ExecType::New, OrdStatus::Working, Qty::ZERO)
    }
}

/// Says the venue refused the order.
#[must_use]
pub fn rejected(request: &OrderRequest, reason: OrderEventReason) -> OrderEvent {
    OrderEvent { reason, ..event(request, ExecType::Rejected, OrdStatus::Rejected, Qty::ZERO) }
}

/// Says the router never sent the order.
#[must_use]
pub fn router_refused(request: &OrderRequest, reason: OrderEventReason) -> OrderEvent {
    OrderEvent { reason, ..event(request, ExecType::RouterRefused, OrdStatus::Rejected, Qty::ZERO) }
}

/// Says the order was cancelled after `cum` was filled.
#[must_use]
pub fn cancelled(request: &OrderRequest, cum: Qty) -> OrderEvent {
    OrderEvent {
        reason: OrderEventReason::UserRequested,
        ..event(request, ExecType::Cancelled, OrdStatus::Cancelled, cum)
    }
}

/// Makes an execution as maker, with a fee in USD.
#[must_use]
pub fn fill(exec_id: &str, price: &str, quantity: &str, fee_usd: &str) -> Fill {
    fill_of(exec_id, px(price), qty(quantity), fee_usd)
}

fn fill_of(exec_id: &str, last_px: Price, last_qty: Qty, fee_usd: &str) -> Fill {
    Fill {
        exec_id: ExecId::new(exec_id).unwrap(),
        last_px,
        last_qty,
        liquidity: Liquidity::Maker,
        cost: None,
        fee: Fee { asset: asset("USD"), amount: amount(fee_usd) },
    }
}

/// Says `last` of the order traded at its limit price without a fee, after `before` was filled.
#[must_use]
pub fn filled(request: &OrderRequest, exec_id: &str, before: Qty, last: Qty) -> OrderEvent {
    let cum = before.checked_add(last).unwrap();
    let status = if cum == request.qty { OrdStatus::Filled } else { OrdStatus::Working };
    OrderEvent {
        fill: Some(fill_of(exec_id, request.price, last, "0")),
        ..event(request, ExecType::Trade, status, cum)
    }
}
