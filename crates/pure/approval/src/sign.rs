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
}

/// Holds the gate's signing key. Exists only in the gate; prints as `***`; wiped on drop.
pub struct Signer {
    key: ed25519_dalek::SigningKey,
}

/// Is the public half, which routers hold.
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
        let mut secret = bytes_of_hex(text)?;
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
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes_of_hex(text)?);
        key.map(Self).map_err(|_| KeyError::Point)
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_bytes().iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

fn bytes_of_hex(text: &str) -> Result<[u8; 32], KeyError> {
    let digits = text.trim().as_bytes();
    if digits.len() != 64 {
        return Err(KeyError::Format);
    }
    let mut out = [0_u8; 32];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| KeyError::Format)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| KeyError::Format)?;
    }
    Ok(out)
}
