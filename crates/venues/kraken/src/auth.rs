//! `API-Sign`: one implementation for our side and the venue's.
//!
//! `base64(HMAC-SHA-512(secret, path || SHA-256(nonce || body)))`, over the bytes as sent.
//! Source: Kraken, "Spot REST authentication" (checked June 2026); its vectors are reproduced in `tests/signatures.rs`.
//! What must never happen here: a secret in an error or in `Debug`, a comparison whose time tells how much was right.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Says that a secret is not base64 of at least one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadSecret;

/// Is what is signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    /// Path, such as `/0/private/Balance`.
    pub(crate) path: &'a str,
    /// Query without the question mark; empty for none.
    pub(crate) query: &'a str,
    /// The nonce inside the body, as text.
    pub(crate) nonce: &'a str,
    /// The body's bytes as sent.
    pub(crate) body: &'a [u8],
}

/// Holds the HMAC with the secret already in it.
#[derive(Clone)]
pub(crate) struct ApiSigner(Hmac<Sha512>);

impl fmt::Debug for ApiSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiSigner(***)")
    }
}

impl ApiSigner {
    /// Takes a secret as the venue gives it.
    pub(crate) fn new(secret: &str) -> Result<Self, BadSecret> {
        let secret = Zeroizing::new(STANDARD.decode(secret).map_err(|_| BadSecret)?);
        if secret.is_empty() {
            return Err(BadSecret);
        }
        Hmac::new_from_slice(&secret).map(Self).map_err(|_| BadSecret)
    }

    /// Gives the text of `API-Sign`.
    pub(crate) fn sign(&self, signed: Signed<'_>) -> String {
        STANDARD.encode(self.raw(signed).finalize().into_bytes())
    }

    /// Tells whether this is the right `API-Sign`.
    pub(crate) fn is_right(&self, signed: Signed<'_>, api_sign: &str) -> bool {
        let want = self.raw(signed).finalize().into_bytes();
        let given = STANDARD.decode(api_sign).ok();
        given.is_some_and(|given| given.ct_eq(want.as_slice()).into())
    }

    fn raw(&self, signed: Signed<'_>) -> Hmac<Sha512> {
        let digest = Sha256::new().chain_update(signed.nonce.as_bytes()).chain_update(signed.body);
        let mut mac = self.0.clone();
        mac.update(signed.path.as_bytes());
        if !signed.query.is_empty() {
            mac.update(b"?");
            mac.update(signed.query.as_bytes());
        }
        mac.update(&digest.finalize());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_is_reproduced() {
        let signer = ApiSigner::new(
            "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==",
        )
        .unwrap();
        let signed = Signed {
            path: "/0/private/AddOrder",
            query: "",
            nonce: "1616492376594",
            body:
                b"nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25",
        };
        let want = "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ==";
        assert_eq!(signer.sign(signed), want);
        assert!(signer.is_right(signed, want));
        assert!(!signer.is_right(Signed { nonce: "1", ..signed }, want));
        assert_eq!(format!("{signer:?}"), "ApiSigner(***)");
    }

    #[test]
    fn a_secret_is_base64_of_something() {
        assert_eq!(ApiSigner::new("").unwrap_err(), BadSecret);
        assert_eq!(ApiSigner::new("not base64").unwrap_err(), BadSecret);
    }
}
