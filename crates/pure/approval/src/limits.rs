//! Signatures over the gate's limits. In: the document as bytes, made by the gate's core. Out: a signature, or whether
//! one fits. Must never happen: that one of them is taken for an approval, or an approval for one of them.

use crate::canonical::text;
use crate::sign::{KeyError, Signer, VerifyingKey, bytes_of_hex, write_hex};
use ed25519_dalek::Signer as _;
use std::fmt;

/// Separates this use of a key from any other, approvals included, and versions the layout.
const DOMAIN: &str = "remora/limits/v1";

/// Is the signature of the person who owns the limits over one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsSignature([u8; 64]);

impl LimitsSignature {
    /// Reads a signature from 128 hexadecimal digits.
    ///
    /// # Errors
    /// Refuses anything else.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        bytes_of_hex(text).map(Self).ok_or(KeyError::SignatureFormat)
    }
}

impl fmt::Display for LimitsSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl Signer {
    /// Signs a document of limits.
    #[must_use]
    pub fn sign_limits(&self, document: &[u8]) -> LimitsSignature {
        LimitsSignature(self.key.sign(&bytes(document)).to_bytes())
    }
}

impl VerifyingKey {
    /// Tells whether a signature fits a document of limits.
    #[must_use]
    pub fn has_signed_limits(&self, document: &[u8], signature: &LimitsSignature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(&bytes(document), &signature).is_ok()
    }
}

fn bytes(document: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(document.len().saturating_add(32));
    text(&mut out, DOMAIN);
    out.extend_from_slice(document);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(of: u8) -> Signer {
        Signer::from_bytes(&[of; 32])
    }

    #[test]
    fn a_signature_fits_its_document_and_key_only() {
        let signature = signer(1).sign_limits(b"ten");
        assert!(signer(1).verifying_key().has_signed_limits(b"ten", &signature));
        assert!(!signer(1).verifying_key().has_signed_limits(b"tens", &signature));
        assert!(!signer(2).verifying_key().has_signed_limits(b"ten", &signature));
    }

    #[test]
    fn a_signature_is_read_as_it_is_written() {
        let signature = signer(1).sign_limits(b"ten");
        assert_eq!(LimitsSignature::from_hex(&format!(" {signature}\n")), Ok(signature));
        for wrong in [String::new(), "é".repeat(64), "0".repeat(127), "+1".repeat(64)] {
            assert_eq!(LimitsSignature::from_hex(&wrong), Err(KeyError::SignatureFormat));
        }
    }

    #[test]
    fn bytes_that_were_signed_without_the_separation_do_not_count() {
        let signer = signer(1);
        let plain = LimitsSignature(signer.key.sign(b"ten").to_bytes());
        assert!(!signer.verifying_key().has_signed_limits(b"ten", &plain));
    }
}
