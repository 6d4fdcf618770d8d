//! Why bytes are not a message.

use remora_domain::{AmountError, IdError};

/// Says why bytes are not a message of ours: which field, which value, what is allowed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WireError {
    /// Not protobuf.
    #[error("decode protobuf message")]
    Protobuf(#[source] prost::DecodeError),
    /// Too large.
    #[error("decode message of {len} bytes: at most {max} are accepted")]
    Oversize {
        /// How large.
        len: usize,
        /// The bound.
        max: usize,
    },
    /// A field that must be there is not.
    #[error("decode {field}: missing")]
    Missing {
        /// Which field.
        field: &'static str,
    },
    /// An enum value that is unspecified or unknown to this version.
    #[error("decode {field}: enum value {value} is unspecified or unknown")]
    Enum {
        /// Which field.
        field: &'static str,
        /// The number.
        value: i32,
    },
    /// A word that is not in its list.
    #[error("decode {field}: unknown word {word:?}")]
    Word {
        /// Which field.
        field: &'static str,
        /// The word, cut to 60 characters.
        word: String,
    },
    /// An identifier that breaks its rule.
    #[error("decode {field}")]
    Id {
        /// Which field.
        field: &'static str,
        /// Why.
        #[source]
        cause: IdError,
    },
    /// An amount that breaks its rule.
    #[error("decode {field}")]
    Amount {
        /// Which field.
        field: &'static str,
        /// Why.
        #[source]
        cause: AmountError,
    },
    /// A number outside of what it can be.
    #[error("decode {field}: out of range")]
    Range {
        /// Which field.
        field: &'static str,
    },
    /// An amount below zero where none can be.
    #[error("decode {field}: below zero")]
    Negative {
        /// Which field.
        field: &'static str,
    },
    /// A scale above 28.
    #[error("decode {field}: decimal scale {scale}, at most 28 is allowed")]
    Scale {
        /// Which field.
        field: &'static str,
        /// The scale.
        scale: u32,
    },
    /// An estimate that is not a finite number.
    #[error("decode {field}: estimate is not finite")]
    NotFinite {
        /// Which field.
        field: &'static str,
    },
    /// Bytes of a wrong length.
    #[error("decode {field}: {len} bytes, want {want}")]
    Length {
        /// Which field.
        field: &'static str,
        /// How many.
        len: usize,
        /// How many are wanted.
        want: usize,
    },
    /// Text that is too long.
    #[error("decode {field}: {len} characters, at most {max} are accepted")]
    TextLength {
        /// Which field.
        field: &'static str,
        /// How many.
        len: usize,
        /// The bound.
        max: usize,
    },
}
