//! Text that is never shown.

use std::fmt;

/// Holds text that may contain a credential or what an account does: it prints as `***`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Confidential(String);

impl Confidential {
    /// Gives the text, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Confidential {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Confidential {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Confidential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_nothing() {
        assert_eq!(format!("{:?}", Confidential::from("key")), "***");
    }
}
