//! Values that are never shown.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use zeroize::Zeroize;

/// What is shown instead of a secret.
pub(crate) const HIDDEN: &str = "***";

/// Holds a value that prints as `***` wherever it is printed or serialised, and is overwritten when dropped.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Hides a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Gives the value, for the one place that needs it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize + Clone> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl<T: Zeroize> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl<T: Zeroize> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

impl<'de, T: Zeroize + Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// Tells whether a key by its name holds a secret itself (not the name of a file that holds one).
pub(crate) fn is_secret_key(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    let is_file = ["_file", "_files", "_folder"].iter().any(|end| name.ends_with(end));
    let words =
        ["password", "passphrase", "secret", "token", "private_key", "api_key", "signing_key"];
    !is_file && words.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[derive(Debug, Serialize, Deserialize)]
    struct Settings {
        password: Secret<String>,
    }

    #[test]
    fn a_secret_is_hidden_in_debug_display_serialisation_and_panics() {
        let settings: Settings = serde_json::from_str(r#"{"password":"hunter2"}"#).unwrap();
        assert_eq!(settings.password.expose(), "hunter2");
        let panic = std::panic::catch_unwind(|| {
            let secret = Secret::new("hunter2".to_owned());
            assert!(secret.expose().is_empty(), "secret is {secret:?}");
        });
        let panic = panic.unwrap_err();
        let shown = [
            format!("{settings:?}"),
            format!("{}", settings.password),
            serde_json::to_string(&settings).unwrap(),
            panic.downcast_ref::<String>().unwrap().clone(),
        ];
        for text in shown {
            assert!(text.contains("***") && !text.contains("hunter2"), "{text}");
        }
    }

    static WAS_ZEROED: AtomicBool = AtomicBool::new(false);

    struct Witness;

    impl Zeroize for Witness {
        fn zeroize(&mut self) {
            WAS_ZEROED.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_dropped_secret_is_overwritten() {
        drop(Secret::new(Witness));
        assert!(WAS_ZEROED.load(Ordering::SeqCst));
    }

    #[test]
    fn keys_that_hold_secrets_are_known_by_their_name() {
        assert!(is_secret_key("bus.password"));
        assert!(is_secret_key("order_router.api_key"));
        assert!(!is_secret_key("bus.password_file"));
        assert!(!is_secret_key("risk_gate.order_rate_max"));
    }
}
