//! Dead letters: messages that somebody could not read or keep, as they are stored for a person to look at.

use crate::OutMessage;
use bytes::Bytes;
use std::collections::BTreeMap;

/// How many characters of a subject or a reason a header holds.
const HEADER_LENGTH_MAX: usize = 400;
/// How much of a payload a letter holds: many times the largest message of ours about orders, and little enough that
/// letters leave the disk to what matters.
pub(crate) const LETTER_BYTES_MAX: usize = 65_536;

/// Gives the subject of messages that `service` could not deal with.
#[must_use]
pub fn dead_letter_subject(service: &str) -> String {
    format!("remora.v1.dead.{service}")
}

/// Makes the letter in which `service` sets aside a message of `subject`, and why. The payload is cut to
/// 65,536 bytes; the header `remora-bytes` tells its whole length. A letter to be published durably needs a
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
    payload.truncate(LETTER_BYTES_MAX);
    let (subject, message_id) = (dead_letter_subject(service), String::new());
    OutMessage { subject, message_id, headers, payload }
}
