//! The gate's half: the signing key and what it signs.

use crate::canonical;
use ed25519_dalek::Signer as _;
use remora_domain::{ApprovalFields, OrderApproval};
use std::fmt;

/// Says why text or bytes are not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 64 hexadecimal digits.
    #[error("read key: want exactly 64 hexadecimal digits")]
    Format,
    /// 32 bytes that are not a point of the curve.
    #[error("read verifying key: not a valid Ed25519 public key")]
    Point,
    /// Not 128 hexadecimal digits.
    #[error("read signature: want exactly 128 hexadecimal digits")]
    SignatureFormat,
}

/// Holds a signing key: the gate's, which exists only in the gate, or that of the person who owns its limits. Prints as
/// `***`; wiped on drop.
pub struct Signer {
    pub(crate) key: ed25519_dalek::SigningKey,
}

/// Is the public half: of the gate's key, which routers hold, or of the key of its limits, which the gate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyingKey(pub(crate) ed25519_dalek::VerifyingKey);

impl Signer {
    /// Takes the 32 secret bytes.
    #[must_use]
    pub fn from_bytes(secret: &[u8; 32]) -> Self {
        Self { key: ed25519_dalek::SigningKey::from_bytes(secret) }
    }

    /// Reads the secret from 64 hexadecimal digits (a key file), ignoring white space around them.
    ///
    /// # Errors
    /// Refuses anything else, without repeating it.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let mut secret = bytes_of_hex(text).ok_or(KeyError::Format)?;
        let signer = Self::from_bytes(&secret);
        zeroize::Zeroize::zeroize(&mut secret);
        Ok(signer)
    }

    /// Gives the public half.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.key.verifying_key())
    }

    /// Signs an approval.
    #[must_use]
    pub fn sign(&self, fields: ApprovalFields) -> OrderApproval {
        let signature = self.key.sign(&canonical::bytes(&fields)).to_bytes();
        OrderApproval { fields, signature }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(***)")
    }
}

impl VerifyingKey {
    /// Reads the key from 64 hexadecimal digits.
    ///
    /// # Errors
    /// Refuses anything else.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let bytes = bytes_of_hex(text).ok_or(KeyError::Format)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes);
        key.map(Self).map_err(|_| KeyError::Point)
    }

    /// Gives the first eight digits, by which people tell keys apart.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, self.0.as_bytes())
    }
}

pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

pub(crate) fn bytes_of_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.trim().as_bytes();
    if digits.len() != N.saturating_mul(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut out = [0_u8; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}
