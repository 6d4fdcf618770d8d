//! Signed calls with throw-away keys.

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};

/// Is a throw-away key of a simulated exchange.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) public: String,
    mac: Hmac<Sha512>,
}

/// Is a call that is ready to be sent.
pub(crate) struct Signed {
    pub(crate) body: String,
    pub(crate) sign: String,
}

impl Key {
    /// Takes both parts as the simulator prints them.
    pub(crate) fn new(public: &str, secret: &str) -> Result<Self> {
        let secret = STANDARD.decode(secret).context("read the secret of a throw-away key")?;
        let mac = Hmac::new_from_slice(&secret).context("use the secret of a throw-away key")?;
        Ok(Self { public: public.to_owned(), mac })
    }

    /// Signs a call: `base64(HMAC-SHA-512(secret, path || SHA-256(nonce || body)))`.
    pub(crate) fn sign(&self, path: &str, nonce: u64, fields: &str) -> Signed {
        let body = format!("nonce={nonce}&{fields}");
        let digest = Sha256::new().chain_update(nonce.to_string()).chain_update(&body).finalize();
        let mut mac = self.mac.clone();
        mac.update(path.as_bytes());
        mac.update(&digest);
        Signed { sign: STANDARD.encode(mac.finalize().into_bytes()), body }
    }
}
