//! The venue's ids.

/// Is an id as the venue writes it, such as `OQCLML-BW3P3-BUCMWZ`: 19 ASCII characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdText([u8; 19]);

impl IdText {
    /// Gives the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}
