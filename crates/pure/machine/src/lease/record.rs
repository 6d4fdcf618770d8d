//! What the register of a lease holds, as text that a person can read: `v1 epoch=7 holder=00000000000000ff`.

use remora_domain::SessionId;
use std::fmt;
use std::str::FromStr;

/// Is what the register of a lease holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRecord {
    /// The run that holds the lease; nobody where it was given back.
    pub holder: Option<SessionId>,
    /// The newest epoch that anybody may act under.
    pub epoch: u64,
}

/// Says why a text is no record. Whoever reads one does not lead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the record of a lease: {text:?} is not `v1 epoch=NUMBER holder=SESSION`")]
pub struct LeaseRecordError {
    /// As found, cut to 200 characters.
    pub text: String,
}

impl fmt::Display for LeaseRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1 epoch={} holder=", self.epoch)?;
        match self.holder {
            Some(holder) => write!(f, "{holder}"),
            None => f.write_str("nobody"),
        }
    }
}

impl FromStr for LeaseRecord {
    type Err = LeaseRecordError;

    fn from_str(text: &str) -> Result<Self, LeaseRecordError> {
        let read = || {
            let (epoch, holder) = text.strip_prefix("v1 epoch=")?.split_once(" holder=")?;
            let holder = match holder {
                "nobody" => None,
                session => Some(SessionId::new(u64::from_str_radix(session, 16).ok()?)),
            };
            let record = Self { holder, epoch: epoch.parse().ok()? };
            // Exactly as we write it: no sign, no other case, no space.
            (record.to_string() == text).then_some(record)
        };
        read().ok_or_else(|| LeaseRecordError { text: text.chars().take(200).collect() })
    }
}
