//! Dead letters: messages that somebody could not read or keep, as they are stored for a person to look at.

use crate::{MAX_PAYLOAD_BYTES, OutMessage};
use bytes::Bytes;
use std::collections::BTreeMap;

/// How many characters of a subject or a reason a header holds.
const HEADER_LENGTH_MAX: usize = 400;

/// Gives the subject of messages that `service` could not deal with.
#[must_use]
pub fn dead_letter_subject(service: &str) -> String {
    format!("remora.v1.dead.{service}")
}

/// Makes the letter in which `service` sets aside a message of `subject`, and why. The payload is cut to what may be
/// published; the header `remora-bytes` tells its whole length. A letter to be published durably needs a
/// `message_id` of its own.
#[must_use]
pub fn dead_letter(service: &str, subject: &str, reason: &str, mut payload: Bytes) -> OutMessage {
    let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    let header =
        |text: &str| -> String { text.chars().take(HEADER_LENGTH_MAX).map(printable).collect() };
    let headers = BTreeMap::from([
        ("remora-subject".to_owned(), header(subject)),
        ("remora-reason".to_owned(), header(reason)),
        ("remora-bytes".to_owned(), payload.len().to_string()),
    ]);
    // Another client may publish more than we do; what is left must still fit.
    payload.truncate(MAX_PAYLOAD_BYTES);
    let (subject, message_id) = (dead_letter_subject(service), String::new());
    OutMessage { subject, message_id, headers, payload }
}
