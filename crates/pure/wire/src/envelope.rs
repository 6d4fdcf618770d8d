//! The envelope: header and one body.

use crate::amounts::{message_id_from, message_id_to, need, ns, time};
use crate::generated::envelope as wire;
use crate::{WireError, accounts, market, operations, orders};
use bytes::Bytes;
use prost::Message as _;
use remora_domain::{Body, Envelope, Header, Timestamp};
use wire::envelope::Body as WireBody;

/// The largest message accepted, in bytes (the default bound of the bus).
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Encodes a message.
#[must_use]
pub fn encode(envelope: &Envelope) -> Bytes {
    let header = &envelope.header;
    let message = wire::Envelope {
        header: Some(wire::Header {
            id: Some(message_id_to(&header.message_id())),
            cause: header.cause.as_ref().map(message_id_to),
            venue_time_ns: ns(header.venue_time),
            receive_time_ns: ns(header.receive_time),
            publish_time_ns: header.publish_time.as_ns(),
        }),
        body: Some(body_to(&envelope.body)),
    };
    Bytes::from(message.encode_to_vec())
}

/// Decodes a message.
///
/// # Errors
/// Says which field is missing or wrong. Never panics, whatever the bytes.
pub fn decode(bytes: &[u8]) -> Result<Envelope, WireError> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(WireError::Oversize { len: bytes.len(), max: MESSAGE_BYTES_MAX });
    }
    let message = wire::Envelope::decode(Bytes::copy_from_slice(bytes));
    let message = message.map_err(WireError::Protobuf)?;
    let header = header_from(need("header", message.header)?)?;
    Ok(Envelope { header, body: body_from(need("body", message.body)?)? })
}

fn header_from(header: wire::Header) -> Result<Header, WireError> {
    let id = message_id_from("header.id", &need("header.id", header.id)?)?;
    let cause = header.cause.as_ref().map(|id| message_id_from("header.cause", id)).transpose()?;
    Ok(Header {
        producer: id.producer,
        session: id.session,
        sequence: id.sequence,
        cause,
        venue_time: time(header.venue_time_ns),
        receive_time: time(header.receive_time_ns),
        publish_time: Timestamp::from_ns(header.publish_time_ns),
    })
}

fn body_to(body: &Body) -> WireBody {
    match body {
        Body::Book(m) => WireBody::Book(market::book_to(m)),
        Body::Trade(m) => WireBody::Trade(market::trade_to(m)),
        Body::Ticker(m) => WireBody::Ticker(market::ticker_to(m)),
        Body::MarketStatus(m) => WireBody::MarketStatus(market::market_status_to(m)),
        Body::FeedStatus(m) => WireBody::FeedStatus(market::feed_status_to(m)),
        Body::Instrument(m) => WireBody::Instrument(market::instrument_to(m)),
        Body::Bar(m) => WireBody::Bar(market::bar_to(m)),
        Body::Universe(m) => WireBody::Universe(market::universe_to(m)),
        Body::OrderRequest(m) => WireBody::OrderRequest(orders::request_to(m)),
        Body::OrderApproval(m) => WireBody::OrderApproval(orders::approval_to(m)),
        Body::OrderRefusal(m) => WireBody::OrderRefusal(orders::refusal_to(m)),
        Body::OrderCancel(m) => WireBody::OrderCancel(orders::cancel_to(m)),
        Body::OrderEvent(m) => WireBody::OrderEvent(orders::event_to(m)),
        Body::Balances(m) => WireBody::Balances(orders::balances_to(m)),
        Body::Position(m) => WireBody::Position(orders::position_to(m)),
        Body::AccountFees(m) => WireBody::AccountFees(orders::fees_to(m)),
        Body::AccountBreak(m) => WireBody::AccountBreak(accounts::break_to(m)),
        Body::DecisionRecord(m) => WireBody::DecisionRecord(market::decision_to(m)),
        Body::ControlCommand(m) => WireBody::ControlCommand(operations::command_to(m)),
        Body::ControlState(m) => WireBody::ControlState(operations::control_state_to(m)),
        Body::Heartbeat(m) => WireBody::Heartbeat(operations::heartbeat_to(m)),
    }
}

fn body_from(body: WireBody) -> Result<Body, WireError> {
    Ok(match body {
        WireBody::Book(m) => Body::Book(market::book_from(m)?),
        WireBody::Trade(m) => Body::Trade(market::trade_from(m)?),
        WireBody::Ticker(m) => Body::Ticker(market::ticker_from(m)?),
        WireBody::MarketStatus(m) => Body::MarketStatus(market::market_status_from(&m)?),
        WireBody::FeedStatus(m) => Body::FeedStatus(market::feed_status_from(m)?),
        WireBody::Instrument(m) => Body::Instrument(market::instrument_from(m)?),
        WireBody::Bar(m) => Body::Bar(market::bar_from(m)?),
        WireBody::Universe(m) => Body::Universe(market::universe_from(m)?),
        WireBody::OrderRequest(m) => Body::OrderRequest(orders::request_from(m)?),
        WireBody::OrderApproval(m) => Body::OrderApproval(orders::approval_from(m)?),
        WireBody::OrderRefusal(m) => Body::OrderRefusal(orders::refusal_from(m)?),
        WireBody::OrderCancel(m) => Body::OrderCancel(orders::cancel_from(m)?),
        WireBody::OrderEvent(m) => Body::OrderEvent(orders::event_from(m)?),
        WireBody::Balances(m) => Body::Balances(orders::balances_from(m)?),
        WireBody::Position(m) => Body::Position(orders::position_from(m)?),
        WireBody::AccountFees(m) => Body::AccountFees(orders::fees_from(m)?),
        WireBody::AccountBreak(m) => Body::AccountBreak(accounts::break_from(m)?),
        WireBody::DecisionRecord(m) => Body::DecisionRecord(market::decision_from(m)?),
        WireBody::ControlCommand(m) => Body::ControlCommand(operations::command_from(m)?),
        WireBody::ControlState(m) => Body::ControlState(operations::control_state_from(m)?),
        WireBody::Heartbeat(m) => Body::Heartbeat(operations::heartbeat_from(m)?),
    })
}
