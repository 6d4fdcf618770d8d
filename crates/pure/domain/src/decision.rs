//! Why a quote is where it is, or why there is none.

use crate::{InstrumentKey, Position, Price, Qty};

macro_rules! decision_reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// Says what the decision was based on, or what was missing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DecisionReason { $($(#[$doc])* $name,)* }

        impl DecisionReason {
            /// All reasons.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Gives the word used in metrics, reports and storage.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

decision_reasons! {
    /// Two quotes stand.
    QuotingBoth = "quoting_both";
    /// Only the bid stands: inventory or funds allow no ask.
    QuotingBidOnly = "quoting_bid_only";
    /// Only the ask stands: inventory or funds allow no bid.
    QuotingAskOnly = "quoting_ask_only";
    /// No definition of the instrument is known.
    NoInstrument = "no_instrument";
    /// The instrument may not be traded now.
    NotTradable = "not_tradable";
    /// The pair is not in the universe in force.
    NotInUniverse = "not_in_universe";
    /// No book is known.
    NoBook = "no_book";
    /// The book failed a check.
    BookInvalid = "book_invalid";
    /// The book is too old.
    BookStale = "book_stale";
    /// The book is one-sided, locked or crossed.
    BookCrossed = "book_crossed";
    /// No volatility estimate yet.
    NoVolatility = "no_volatility";
    /// No fee tier is known.
    NoFees = "no_fees";
    /// No balance is known.
    NoBalance = "no_balance";
    /// No conversion rate is configured.
    NoConversion = "no_conversion";
    /// The venue has not said what its minimum order value is.
    CostMinUnknown = "cost_min_unknown";
    /// The smallest allowed order is above what we may risk.
    SizeBelowMin = "size_below_min";
    /// Neither side has funds or inventory room.
    NoRoom = "no_room";
    /// Quoting is halted.
    Halted = "halted";
    /// The venue is not open.
    VenueNotOpen = "venue_not_open";
    /// The gate refused and the pause after a refusal is running.
    RefusalPause = "refusal_pause";
    /// The risk gate gives no sign of life.
    GateSilent = "gate_silent";
    /// The router of the venue gives no sign of life.
    RouterSilent = "router_silent";
    /// The venue's account and ours differ in the pair or in an asset of it.
    ReconciliationBreak = "reconciliation_break";
    /// Only reducing is allowed: at most the side that does so is quoted, with no more than there is to reduce.
    ReduceOnly = "reduce_only";
    /// The service is told to stop.
    Stopping = "stopping";
    /// A number could not be brought to the instrument's steps.
    OutOfRange = "out_of_range";
}

impl std::fmt::Display for DecisionReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Is one wanted quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuoteTarget {
    /// Limit price, on the tick.
    pub price: Price,
    /// Quantity, on the lot.
    pub qty: Qty,
}

/// Is one decision about one pair. Published when targets or reasons change.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionRecord {
    /// About which instrument.
    pub instrument: InstrumentKey,
    /// What it was based on.
    pub reason: DecisionReason,
    /// Wanted bid.
    pub bid: Option<QuoteTarget>,
    /// Wanted ask.
    pub ask: Option<QuoteTarget>,
    /// Inventory at the decision.
    pub position: Position,
    /// Fair value in quote currency.
    pub fair_value_est: Option<f64>,
    /// Price volatility, quote currency per square-root second.
    pub volatility_est: Option<f64>,
    /// Distance of the bid from fair value, quote currency.
    pub bid_offset_est: Option<f64>,
    /// Distance of the ask from fair value, quote currency.
    pub ask_offset_est: Option<f64>,
}
