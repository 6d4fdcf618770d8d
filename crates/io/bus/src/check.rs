//! What both implementations refuse before anything moves.

use crate::pattern::{check_patterns, check_subject};
use crate::{BusError, MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES, OutMessage, Stream};

/// Refuses what could not travel over any bus.
pub(crate) fn check_message(message: &OutMessage) -> Result<(), BusError> {
    check_subject(&message.subject)?;
    for (name, value) in &message.headers {
        let is_name = |b: u8| b.is_ascii_graphic() && b != b':';
        let is_reserved = name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("nats-"));
        let is_fine = !name.is_empty() && name.bytes().all(is_name) && !is_reserved;
        if !is_fine || value.bytes().any(|b| b == b'\r' || b == b'\n') {
            return Err(BusError::Header { name: name.chars().take(200).collect() });
        }
    }
    let header_bytes: usize =
        message.headers.iter().map(|(n, v)| n.len().saturating_add(v.len())).sum();
    if header_bytes > MAX_HEADER_BYTES {
        let name = message.headers.keys().next().cloned().unwrap_or_default();
        return Err(BusError::Header { name });
    }
    let bytes = message.payload.len();
    if bytes > MAX_PAYLOAD_BYTES {
        let subject = message.subject.clone();
        return Err(BusError::PayloadTooLarge { subject, bytes, max: MAX_PAYLOAD_BYTES });
    }
    Ok(())
}

/// Refuses a durable message that no stream stores or that has no identity.
pub(crate) fn check_durable(message: &OutMessage) -> Result<Stream, BusError> {
    check_message(message)?;
    let subject = || message.subject.clone();
    let stream = Stream::of_subject(&message.subject)
        .ok_or_else(|| BusError::NotDurable { subject: subject() })?;
    let id = &message.message_id;
    if id.is_empty() || id.len() > 200 || !id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(BusError::MessageId { subject: subject() });
    }
    Ok(stream)
}

/// Refuses a register that is none.
pub(crate) fn check_register(subject: &str) -> Result<(), BusError> {
    check_subject(subject)?;
    match Stream::of_subject(subject) {
        Some(Stream::Leases) => Ok(()),
        Some(_) | None => Err(BusError::NotRegister { subject: subject.to_owned() }),
    }
}

/// Refuses a subscription that could never receive, or receive twice.
pub(crate) fn check_subscription(patterns: &[String], capacity: usize) -> Result<(), BusError> {
    if patterns.is_empty() || capacity == 0 {
        return Err(BusError::EmptySubscription { patterns: patterns.len(), capacity });
    }
    check_patterns(patterns)
}
