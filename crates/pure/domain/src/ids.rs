//! Identifiers. Each is its own type; each bounds its text so that a hostile peer cannot grow it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// Says why text is not an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be 1 to {max} characters from {allowed}, got {text:?}")]
pub struct IdError {
    what: &'static str,
    max: usize,
    allowed: &'static str,
    text: String,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $allowed:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes text that follows the rule of this identifier.
            ///
            /// # Errors
            /// Refuses empty, overlong or oddly spelt text.
            pub fn new(text: &str) -> Result<Self, IdError> {
                let check: fn(u8) -> bool = $check;
                if text.is_empty() || text.len() > $max || !text.bytes().all(check) {
                    let text = text.chars().take(80).collect();
                    return Err(IdError { what: $what, max: $max, allowed: $allowed, text });
                }
                Ok(Self(Arc::from(text)))
            }

            /// Gives the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

fn is_name(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
}

fn is_instrument(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-' || b == b'_'
}

fn is_asset(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

fn is_visible(b: u8) -> bool {
    b.is_ascii_graphic()
}

text_id!(
    /// Names a venue: one exchange product line with its own API and rules, such as `kraken-spot`.
    VenueId, "venue", 32, "a-z 0-9 -", is_name
);
text_id!(
    /// Names an instrument canonically, such as `BTC-USD` or `BTC-USD-PERP`; no dots or slashes.
    InstrumentId, "instrument", 48, "A-Z a-z 0-9 - _", is_instrument
);
text_id!(
    /// Names an asset, such as `BTC`.
    Asset, "asset", 24, "A-Z a-z 0-9 _", is_asset
);
text_id!(
    /// Names a trading account of ours, such as `paper` or `main`.
    AccountId, "account", 32, "a-z 0-9 -", is_name
);
text_id!(
    /// Names a strategy, such as `glft`.
    StrategyId, "strategy", 32, "a-z 0-9 -", is_name
);
text_id!(
    /// Names the producer of messages: service and instance, such as `ingestor-kraken-spot-0`.
    ProducerId, "producer", 64, "a-z 0-9 -", is_name
);
text_id!(
    /// Is our own order id (FIX 11). At most 18 characters: the tightest venue limit (Kraken, free text).
    ClOrdId, "cl_ord_id", 18, "a-z 0-9 -", is_name
);
text_id!(
    /// Is the venue's order id (FIX 37).
    OrderId, "order_id", 64, "visible ASCII", is_visible
);
text_id!(
    /// Is the venue's id of one execution (FIX 17).
    ExecId, "exec_id", 64, "visible ASCII", is_visible
);
text_id!(
    /// Is our id of one difference between the venue's account and ours: the router's run and its number in it.
    BreakId, "break_id", 64, "a-z 0-9 -", is_name
);

/// Writes venue text with the characters a subject allows; `_` and odd bytes become `_` and two hex digits.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("_{b:02X}"));
        }
    }
    out
}

impl Asset {
    /// Takes a venue's asset name, escaping odd characters reversibly (`XBT.F` becomes `XBT_2EF`).
    ///
    /// # Errors
    /// Refuses empty and overlong names.
    pub fn from_venue(name: &str) -> Result<Self, IdError> {
        Self::new(&escape(name))
    }

    /// Takes a venue's asset name by the name that everybody else uses, so that contracts on one asset name the same one:
    /// `XBT` becomes `BTC` and `XDG` becomes `DOGE` (ISO 4217 reserves `X` names for what no country issues; some venues
    /// spell these two so, in either case). Any other name stays as it is.
    ///
    /// # Errors
    /// Refuses empty and overlong names.
    pub fn canonical(name: &str) -> Result<Self, IdError> {
        Self::from_venue(Self::common_name(name))
    }

    /// Gives the name that everybody else uses for what some venues spell differently; see [`Asset::canonical`].
    #[must_use]
    pub fn common_name(name: &str) -> &str {
        let known = [("XBT", "BTC"), ("XDG", "DOGE")];
        let alias = known.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name));
        alias.map_or(name, |(_, common)| *common)
    }
}

impl InstrumentId {
    /// Makes the canonical name of a spot pair: `BTC-USD`. Odd characters are escaped reversibly.
    ///
    /// # Errors
    /// Refuses empty and overlong names.
    pub fn of_pair(base: &str, quote: &str) -> Result<Self, IdError> {
        Self::new(&format!("{}-{}", escape(base), escape(quote)))
    }

    /// Makes the canonical name of a linear perpetual: `BTC-USD-PERP`.
    ///
    /// # Errors
    /// Refuses empty and overlong names.
    pub fn of_linear_perpetual(base: &str, quote: &str) -> Result<Self, IdError> {
        Self::new(&format!("{}-{}-PERP", escape(base), escape(quote)))
    }

    /// Makes the canonical name of a perpetual settled in its base: `BTC-USD-PERP-INVERSE`.
    ///
    /// # Errors
    /// Refuses empty and overlong names.
    pub fn of_inverse_perpetual(base: &str, quote: &str) -> Result<Self, IdError> {
        Self::new(&format!("{}-{}-PERP-INVERSE", escape(base), escape(quote)))
    }

    /// Makes the canonical name of a dated future that is linear in the quote: `ETH-USD-20261225`; `day` is the day of its
    /// maturity, UTC, as YYYYMMDD.
    ///
    /// # Errors
    /// Refuses empty and overlong names.
    pub fn of_linear_future(base: &str, quote: &str, day: u32) -> Result<Self, IdError> {
        Self::new(&format!("{}-{}-{day:08}", escape(base), escape(quote)))
    }

    /// Makes the canonical name of a dated future settled in its base: `BTC-USD-20260925-INVERSE`.
    ///
    /// # Errors
    /// Refuses empty and overlong names.
    pub fn of_inverse_future(base: &str, quote: &str, day: u32) -> Result<Self, IdError> {
        Self::new(&format!("{}-{}-{day:08}-INVERSE", escape(base), escape(quote)))
    }
}

/// Identifies one run of a producer; a new one at every start, fixed by the seed in a replay.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct SessionId(u64);

impl SessionId {
    /// Takes a session number.
    #[must_use]
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// Gives the session number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Identifies one message: who, in which run, the how-manieth. Consumers deduplicate on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId {
    /// Who published.
    pub producer: ProducerId,
    /// In which run.
    pub session: SessionId,
    /// The how-manieth message of that run, from 1.
    pub sequence: u64,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.producer, self.session, self.sequence)
    }
}

/// Identifies an instrument across venues.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstrumentKey {
    /// Where it trades.
    pub venue: VenueId,
    /// Its canonical name there.
    pub instrument: InstrumentId,
}

impl InstrumentKey {
    /// Joins a venue and a canonical name.
    #[must_use]
    pub const fn new(venue: VenueId, instrument: InstrumentId) -> Self {
        Self { venue, instrument }
    }
}

impl fmt::Display for InstrumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.venue, self.instrument)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_keeps_its_rule() {
        assert!(ClOrdId::new("a-0123456789abcdef").is_ok());
        assert!(ClOrdId::new("a-0123456789abcdefg").is_err());
        assert!(InstrumentId::new("BTC/USD").is_err());
        assert!(VenueId::new("").is_err());
    }

    #[test]
    fn an_asset_has_one_name_however_a_venue_spells_it() {
        for (spelt, want) in [("XBT", "BTC"), ("xbt", "BTC"), ("BTC", "BTC"), ("XDG", "DOGE")] {
            assert_eq!(Asset::canonical(spelt).unwrap().as_str(), want, "{spelt}");
        }
        assert_eq!(Asset::canonical("AAPLx").unwrap().as_str(), "AAPLx");
        assert_eq!(Asset::canonical("XBT.F").unwrap().as_str(), "XBT_2EF");
        assert!(Asset::canonical("").is_err());
    }

    #[test]
    fn the_name_of_a_contract_says_its_maturity_and_its_settlement() {
        let texts = [
            InstrumentId::of_linear_perpetual("BTC", "USD"),
            InstrumentId::of_inverse_perpetual("BTC", "USD"),
            InstrumentId::of_linear_future("ETH", "USD", 20_261_225),
            InstrumentId::of_inverse_future("BTC", "USD", 20_260_925),
        ];
        let texts = texts.map(|made| made.unwrap().to_string());
        let want = [
            "BTC-USD-PERP",
            "BTC-USD-PERP-INVERSE",
            "ETH-USD-20261225",
            "BTC-USD-20260925-INVERSE",
        ];
        assert_eq!(texts, want);
    }
}
