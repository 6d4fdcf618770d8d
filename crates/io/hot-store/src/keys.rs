//! The one table of what is in Redis: key, owner, type, expiry, schema version.

use remora_domain::{Kind, Service, Subject};
use std::time::Duration;

/// The version of keys and values. A change starts new keys; the old ones expire.
pub const SCHEMA: u32 = 1;

const FIVE_MINUTES: Duration = Duration::from_secs(5 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Describes the keys of one kind of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// The kind of message under these keys; the subject ends the key.
    pub kind: Kind,
    /// The only writer.
    pub owner: Service,
    /// The type in Redis.
    pub redis_type: &'static str,
    /// After how long without a newer message the key vanishes.
    pub expiry: Duration,
    /// The version of the value.
    pub schema: u32,
    /// What a person finds there.
    pub content: &'static str,
}

/// Everything this system keeps in Redis. Each hash has `mark` (publish time and sequence, for ordering) and
/// `message` (wire bytes of the envelope).
pub const KEYS: [KeySpec; 4] = [
    // A quiet pair may go minutes without a change; a book older than that is better absent.
    spec(Kind::MdBook, FIVE_MINUTES, "top of book"),
    spec(Kind::PairsUniverse, DAY, "universe in force"),
    spec(Kind::AccountBalance, DAY, "holdings, as the venue says"),
    spec(Kind::ControlState, DAY, "condition of gate and routers"),
];

const fn spec(kind: Kind, expiry: Duration, content: &'static str) -> KeySpec {
    let (owner, redis_type) = (Service::Persister, "hash");
    KeySpec { kind, owner, redis_type, expiry, schema: SCHEMA, content }
}

/// Builds the key of a subject.
#[must_use]
pub fn key_of(subject: &Subject) -> String {
    format!("remora:hot:{SCHEMA}:{subject}")
}

/// Gives the glob pattern of all keys of a kind. Subjects hold no character that globs treat specially.
pub(crate) fn pattern_of(kind: Kind) -> String {
    format!("remora:hot:{SCHEMA}:{}", kind.pattern().replace('>', "*"))
}

pub(crate) fn spec_of(kind: Kind) -> Option<&'static KeySpec> {
    KEYS.iter().find(|spec| spec.kind == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_listed_once_is_read_by_its_owner_and_expires() {
        for (at, spec) in KEYS.iter().enumerate() {
            assert!(KEYS.iter().skip(at + 1).all(|other| other.kind != spec.kind));
            assert!(spec.owner.reads().contains(&spec.kind), "{:?}", spec.kind);
            assert!(!spec.expiry.is_zero());
        }
    }
}
