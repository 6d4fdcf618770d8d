//! Which pairs are worth quoting: expected net maker edge per day for the capital committed, with its uncertainty.
//!
//! Facts of a pair come from candles or from a recording of its book and trades; what the data do not tell stays unknown and excludes the
//! pair from whatever needs it. Score of a pair, in the reporting currency per day and then in basis points of the capital:
//!
//! `captured − adverse − fee + shrinkage − inventory − k·error`, each over the fills we would have: `participation · volume`, at most
//! `turnover_max` times the capital. `captured − adverse` is what a maker keeps of the spread some seconds later, measured on trades. Candles
//! show no book: there the part of the spread that reverts is estimated (Abdi, Ranaldo 2017), which is an upper bound of it.
//! Edges of all pairs are drawn towards their common mean by how much of their spread is noise (Paule–Mandel), so the best of many is no
//! winner by luck. Parts add up to the score (tested). The source system's rule stands beside it as `source_rule`, for comparison only.
//! Selection: hard filters, each with its reason, the same that the live service asks; then greedy by score less what correlation with those already chosen costs; then
//! hysteresis against the universe before. Sources: strategy facts 3.1 and 3.3; `quant-methods.md`, sections 16 and 17.

mod card;
mod facts;
mod filter;
mod record;
mod recording;
mod refusal;
mod select;

pub use card::{Card, CardSettings, Part, cards, source_rule};
pub use facts::{Evidence, FactsRefusal, Figure, PairFacts, candle_facts, in_currency};
pub use filter::{Filter, FilterFacts, Pattern, smallest_order_est};
pub use record::{OwnFill, Realised, Record, RecordSettings};
pub use recording::{BookSight, RecordingFacts};
pub use refusal::FilterRefusal;
pub use select::{ClusterLimit, Membership, Place, SelectSettings, Universe, select};
