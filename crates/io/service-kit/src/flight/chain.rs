//! The chain of a recording: each entry carries a digest over its own bytes and the digest before it, so that nothing in
//! the middle can be changed, added or taken out unseen.
//!
//! It is no signature: who can write the whole folder can make the chain anew from any place on. A head that was noted
//! elsewhere (`/status` shows it, and the run after it names it) is what such a change does not fit.

use super::MAGIC;
use remora_domain::SessionId;
use remora_wire::flight::FlightHead;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Is SHA-256 over what stands before and the bytes of an entry.
pub(super) type Link = [u8; 32];

/// Gives the link of the header, with which every chain begins.
pub(super) fn first_link(header: &[u8]) -> Link {
    Sha256::new().chain_update(MAGIC).chain_update(header).finalize().into()
}

/// Gives the link of an entry; no bytes are the mark of the close.
pub(super) fn next_link(before: &Link, entry: &[u8]) -> Link {
    Sha256::new().chain_update(before).chain_update(entry).finalize().into()
}

/// Is a head as people note and give it: `SESSION:ENTRY:LINK`, the first and the last hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotedHead(pub FlightHead);

impl fmt::Display for NotedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FlightHead { session, sequence, link } = self.0;
        write!(f, "{session}:{sequence}:{}", hex::encode(link))
    }
}

/// Says why a text is not a head.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read head {0:?}: want SESSION:ENTRY:LINK, as a service's /status shows it")]
pub struct HeadError(pub String);

impl FromStr for NotedHead {
    type Err = HeadError;

    fn from_str(text: &str) -> Result<Self, HeadError> {
        read(text).ok_or_else(|| HeadError(text.to_owned()))
    }
}

fn read(text: &str) -> Option<NotedHead> {
    let (session, rest) = text.trim().split_once(':')?;
    let (sequence, link_text) = rest.split_once(':')?;
    let mut link = [0; 32];
    hex::decode_to_slice(link_text, &mut link).ok()?;
    let session = SessionId::new(u64::from_str_radix(session, 16).ok()?);
    Some(NotedHead(FlightHead { session, sequence: sequence.parse().ok()?, link }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noted_head_is_read_back_and_anything_else_is_refused() {
        let head = FlightHead { session: SessionId::new(7), sequence: 12, link: [0xab; 32] };
        let text = NotedHead(head).to_string();
        assert_eq!(text.parse(), Ok(NotedHead(head)));
        for wrong in ["", "7", "7:12", "7:12:ab", "x:12:ab", &text[1..text.len() - 1]] {
            let error = wrong.parse::<NotedHead>().unwrap_err();
            assert!(error.to_string().contains("SESSION:ENTRY:LINK"), "{error}");
        }
    }

    #[test]
    fn a_link_depends_on_what_stands_before_it() {
        let (one, other) = (first_link(b"a"), first_link(b"b"));
        assert_ne!(next_link(&one, b"x"), next_link(&other, b"x"));
        assert_ne!(next_link(&one, b"x"), next_link(&one, b"y"));
    }
}
