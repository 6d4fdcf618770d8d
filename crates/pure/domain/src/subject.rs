//! Bus subjects: `remora.v1.<kind>[.<account>].<venue>.<instrument>`, built by one function, parsed by its inverse.

use crate::{AccountId, Body, Envelope, InstrumentId, InstrumentKey, ProducerId, VenueId};
use std::fmt;

/// Starts every subject of this wire version.
const PREFIX: &str = "remora.v1.";

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal, durable = $durable:literal;)*) => {
        /// Says what a message is about; decides its subject and its delivery.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Gives the two words of the kind in a subject.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Tells whether messages of this kind are stored (JetStream) rather than latest-wins.
            #[must_use]
            pub const fn is_durable(self) -> bool {
                match self { $(Self::$name => $durable,)* }
            }

            /// Tells whether messages of this kind are about a market, not about us.
            #[must_use]
            pub fn is_market_data(self) -> bool {
                self.as_str().starts_with("md.")
            }
        }
    };
}

kinds! {
    /// Top of book on every change.
    MdBook = "md.book", durable = false;
    /// Public trades.
    MdTrade = "md.trade", durable = false;
    /// 24-hour summaries.
    MdTicker = "md.ticker", durable = false;
    /// Venue status, and feed health per instrument.
    MdStatus = "md.status", durable = false;
    /// Instrument definitions.
    MdInstrument = "md.instrument", durable = true;
    /// One-minute bars.
    MdBar = "md.bar", durable = true;
    /// The universe in force.
    PairsUniverse = "pairs.universe", durable = true;
    /// Requests to the gate.
    OrderRequest = "order.request", durable = true;
    /// The gate's signed yes.
    OrderApproval = "order.approval", durable = true;
    /// The gate's no.
    OrderRefusal = "order.refusal", durable = true;
    /// Orders taken back.
    OrderCancel = "order.cancel", durable = true;
    /// The router's statements about orders; fills among them.
    OrderEvent = "order.event", durable = true;
    /// Venue truth of holdings.
    AccountBalance = "account.balance", durable = true;
    /// Our view of holdings.
    AccountPosition = "account.position", durable = true;
    /// Fee tier in force.
    AccountFee = "account.fee", durable = true;
    /// Differences between the venue's account and ours.
    AccountBreak = "account.break", durable = true;
    /// Why a quote is where it is.
    DecisionRecord = "decision.record", durable = true;
    /// Halt and resume.
    ControlCommand = "control.command", durable = true;
    /// Condition of gate and routers.
    ControlState = "control.state", durable = true;
    /// Signs of life.
    SvcHeartbeat = "svc.heartbeat", durable = false;
}

impl Kind {
    /// Tells whether subjects of this kind name an account before the venue.
    #[must_use]
    pub fn has_account(self) -> bool {
        self.as_str().starts_with("order.") || self.as_str().starts_with("account.")
    }

    /// Gives the pattern that matches every subject of this kind.
    #[must_use]
    pub fn pattern(self) -> String {
        format!("{PREFIX}{}.>", self.as_str())
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

/// Is the address of a message on the bus.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// What it is about.
    pub kind: Kind,
    /// Of which account, for order and account kinds.
    pub account: Option<AccountId>,
    /// Of which venue.
    pub venue: Option<VenueId>,
    /// Of which instrument.
    pub instrument: Option<InstrumentId>,
    /// From whom, for kinds without a venue.
    pub producer: Option<ProducerId>,
}

/// Says why text is not a subject of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parse subject {text:?}: want remora.v1.<kind>[.<account>].<venue>.<instrument>")]
pub struct SubjectError {
    text: String,
}

impl Subject {
    /// Builds the subject of a message.
    #[must_use]
    pub fn of(envelope: &Envelope) -> Self {
        let bare =
            |kind| Self { kind, account: None, venue: None, instrument: None, producer: None };
        let at = |kind, key: &InstrumentKey| Self {
            venue: Some(key.venue.clone()),
            instrument: Some(key.instrument.clone()),
            ..bare(kind)
        };
        let order = |kind, account: &AccountId, key: &InstrumentKey| Self {
            account: Some(account.clone()),
            ..at(kind, key)
        };
        let account = |kind, account: &AccountId, venue: &VenueId| Self {
            account: Some(account.clone()),
            venue: Some(venue.clone()),
            ..bare(kind)
        };
        let from = |kind| Self { producer: Some(envelope.header.producer.clone()), ..bare(kind) };
        match &envelope.body {
            Body::Book(m) => at(Kind::MdBook, &m.instrument),
            Body::Trade(m) => at(Kind::MdTrade, &m.instrument),
            Body::Ticker(m) => at(Kind::MdTicker, &m.instrument),
            Body::MarketStatus(m) => Self { venue: Some(m.venue.clone()), ..bare(Kind::MdStatus) },
            Body::FeedStatus(m) => at(Kind::MdStatus, &m.instrument),
            Body::Instrument(m) => at(Kind::MdInstrument, &m.key),
            Body::Bar(m) => at(Kind::MdBar, &m.instrument),
            Body::Universe(_) => from(Kind::PairsUniverse),
            Body::OrderRequest(m) => order(Kind::OrderRequest, &m.account, &m.instrument),
            Body::OrderApproval(m) => {
                let request = &m.fields.request;
                order(Kind::OrderApproval, &request.account, &request.instrument)
            }
            Body::OrderRefusal(m) => order(Kind::OrderRefusal, &m.account, &m.instrument),
            Body::OrderCancel(m) => order(Kind::OrderCancel, &m.account, &m.instrument),
            Body::OrderEvent(m) => order(Kind::OrderEvent, &m.account, &m.instrument),
            Body::Balances(m) => account(Kind::AccountBalance, &m.account, &m.venue),
            Body::Position(m) => order(Kind::AccountPosition, &m.account, &m.instrument),
            Body::AccountFees(m) => account(Kind::AccountFee, &m.account, &m.venue),
            Body::AccountBreak(m) => account(Kind::AccountBreak, &m.account, &m.venue),
            Body::DecisionRecord(m) => at(Kind::DecisionRecord, &m.instrument),
            Body::ControlCommand(_) => from(Kind::ControlCommand),
            Body::ControlState(_) => from(Kind::ControlState),
            Body::Heartbeat(_) => from(Kind::SvcHeartbeat),
        }
    }

    /// Parses a subject; the inverse of `Display`.
    ///
    /// # Errors
    /// Refuses anything that `Display` would not have written.
    pub fn parse(text: &str) -> Result<Self, SubjectError> {
        let err = || SubjectError { text: text.chars().take(200).collect() };
        let rest = text.strip_prefix(PREFIX).ok_or_else(err)?;
        let mut words = rest.split('.');
        let (area, what) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let kind = Kind::parse(&format!("{area}.{what}")).ok_or_else(err)?;
        let mut made = Self { kind, account: None, venue: None, instrument: None, producer: None };
        if made.kind.has_account() {
            made.account = Some(word(words.next()).ok_or_else(err)?);
        }
        if matches!(area, "control" | "svc" | "pairs") {
            made.producer = Some(word(words.next()).ok_or_else(err)?);
        } else {
            made.venue = Some(word(words.next()).ok_or_else(err)?);
            made.instrument = words.next().map(|w| word(Some(w)).ok_or_else(err)).transpose()?;
        }
        if words.next().is_some() || made.to_string() != text { Err(err()) } else { Ok(made) }
    }
}

fn word<T: std::str::FromStr>(text: Option<&str>) -> Option<T> {
    text?.parse().ok()
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.kind.as_str())?;
        if let Some(account) = &self.account {
            write!(f, ".{account}")?;
        }
        if let Some(venue) = &self.venue {
            write!(f, ".{venue}")?;
        }
        if let Some(instrument) = &self.instrument {
            write!(f, ".{instrument}")?;
        }
        if let Some(producer) = &self.producer {
            write!(f, ".{producer}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, is_valid: bool) {
        match Subject::parse(text) {
            Ok(subject) => {
                assert!(is_valid, "{text} parsed as {subject:?}");
                assert_eq!(subject.to_string(), text);
            }
            Err(_) => assert!(!is_valid, "{text}"),
        }
    }

    #[test]
    fn a_subject_is_parsed_by_the_inverse_of_what_built_it() {
        check("remora.v1.md.book.kraken-spot.BTC-USD", true);
        check("remora.v1.md.status.kraken-spot", true);
        check("remora.v1.order.event.paper.kraken-spot.BTC-USD", true);
        check("remora.v1.account.balance.paper.kraken-spot", true);
        check("remora.v1.control.state.risk-gate", true);
    }

    #[test]
    fn a_foreign_or_broken_subject_is_refused() {
        check("remora.v2.md.book.kraken-spot.BTC-USD", false);
        check("remora.v1.md.bock.kraken-spot.BTC-USD", false);
        check("remora.v1.md.book", false);
        check("remora.v1.md.book.kraken-spot.BTC-USD.extra", false);
        check("remora.v1.order.event.paper", false);
        check("", false);
    }
}
