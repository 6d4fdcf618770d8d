//! The bytes an approval is signed over: every field, each with its length, in a fixed order.

use remora_domain::{ApprovalFields, OrderRequest, Side, TimeInForce};

/// Separates this use of the key from any other, and versions the layout.
const DOMAIN: &str = "remora/approval/v1";
/// The same for an order that takes the place of another. A router that does not know such orders must not read the
/// approval as one of an order beside the others.
const DOMAIN_AMEND: &str = "remora/approval/amend/v1";

/// Gives the canonical bytes. Two different approvals never share them: every text is length-prefixed.
pub(crate) fn bytes(fields: &ApprovalFields) -> Vec<u8> {
    let ApprovalFields { request, epoch, gate_session, approval_sequence, expires_at } = fields;
    let OrderRequest {
        cl_ord_id,
        account,
        strategy,
        instrument,
        side,
        price,
        qty,
        tif,
        is_post_only,
        deadline,
        orig_cl_ord_id,
        orig_cum_qty,
    } = request;
    let mut out = Vec::with_capacity(256);
    match orig_cl_ord_id {
        None => text(&mut out, DOMAIN),
        Some(orig) => {
            text(&mut out, DOMAIN_AMEND);
            text(&mut out, orig.as_str());
            text(&mut out, &orig_cum_qty.to_decimal().normalize().to_string());
        }
    }
    text(&mut out, cl_ord_id.as_str());
    text(&mut out, account.as_str());
    text(&mut out, strategy.as_str());
    text(&mut out, instrument.venue.as_str());
    text(&mut out, instrument.instrument.as_str());
    out.push(match side {
        Side::Buy => 1,
        Side::Sell => 2,
    });
    // Normalised, so that 1.0 and 1.00 (equal amounts) have equal bytes.
    text(&mut out, &price.to_decimal().normalize().to_string());
    text(&mut out, &qty.to_decimal().normalize().to_string());
    out.push(match tif {
        TimeInForce::Gtc => 1,
        TimeInForce::Ioc => 2,
    });
    out.push(u8::from(*is_post_only));
    out.extend_from_slice(&deadline.as_ns().to_be_bytes());
    out.extend_from_slice(&epoch.to_be_bytes());
    out.extend_from_slice(&gate_session.get().to_be_bytes());
    out.extend_from_slice(&approval_sequence.to_be_bytes());
    out.extend_from_slice(&expires_at.as_ns().to_be_bytes());
    out
}

pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}
