//! All relations and directions judged together.

use super::direction::{DirectionFinding, DirectionReport, direction, refusal};
use super::relation::{LeadFinding, RelationReport, common, lead, shares};
use super::{EdgeSettings, QuoteTape};
use remora_estimators::{Dependence, NotReady, adjusted_p_values};
use serde::Serialize;

/// A receive time this much before the exchange's is a clock defect, milliseconds.
const CLOCK_TOLERANCE_MS: f64 = 5.0;

/// Is the answer for a recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EdgeReport {
    /// How it was asked.
    pub settings: EdgeSettings,
    /// What the recording holds.
    pub markets: Vec<MarketReport>,
    /// Who leads, for every two markets of one asset.
    pub relations: Vec<RelationReport>,
    /// What following pays, in both directions of each.
    pub directions: Vec<DirectionReport>,
}

/// Is one market of the recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MarketReport {
    /// Venue and symbol.
    pub market: String,
    /// The asset.
    pub base: String,
    /// Usable quotes.
    pub quotes: usize,
    /// Seconds from first to last.
    pub seconds: f64,
    /// Middle spread, basis points.
    pub spread_bps: Option<f64>,
    /// Middle time between quotes, milliseconds.
    pub gap_ms: f64,
    /// Longest time between quotes, milliseconds.
    pub gap_ms_max: f64,
    /// Middle of receive time less exchange time, milliseconds.
    pub receive_delay_ms: Option<f64>,
    /// What is wrong with it.
    pub problems: Vec<String>,
}

/// Names two tapes by their place, the first before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Place of the first market.
    pub first: usize,
    /// Place of the second.
    pub second: usize,
}

/// Is everything found of one relation.
#[derive(Clone, Debug, PartialEq)]
pub struct Studied {
    base: String,
    markets: (String, String),
    seconds: f64,
    lead: Result<LeadFinding, NotReady>,
    information_share_first: Option<(f64, f64)>,
    directions: [DirectionFinding; 2],
}

/// Lists every two markets of one asset.
#[must_use]
pub fn relations(tapes: &[QuoteTape]) -> Vec<Relation> {
    let mut relations = Vec::new();
    for (first, a) in tapes.iter().enumerate() {
        for (second, b) in tapes.iter().enumerate().skip(first + 1) {
            if a.base == b.base {
                relations.push(Relation { first, second });
            }
        }
    }
    relations
}

/// Studies one relation in both directions. Fees are those of taking at each market, basis points. Takes O(surrogates · lags · quotes).
#[must_use]
pub fn study(
    first: &QuoteTape,
    second: &QuoteTape,
    taker_fees_bps: (f64, f64),
    settings: &EdgeSettings,
) -> Studied {
    let seconds =
        common(first, second).map_or(0.0, |(from, until)| until.since(from).as_seconds_est());
    Studied {
        base: first.base.clone(),
        markets: (first.market.clone(), second.market.clone()),
        seconds,
        lead: lead(first, second, settings),
        information_share_first: shares(first, second),
        directions: [
            direction(first, second, taker_fees_bps.1, settings),
            direction(second, first, taker_fees_bps.0, settings),
        ],
    }
}

/// Judges all relations together: give every one that was studied.
///
/// # Errors
/// None in practice: p-values lie in their range.
pub fn judge_edges(
    tapes: &[QuoteTape],
    studied: Vec<Studied>,
    settings: &EdgeSettings,
) -> Result<EdgeReport, NotReady> {
    let leads = studied.iter().filter_map(|s| s.lead.as_ref().ok());
    let lead_p_values: Vec<f64> = leads.map(|lead| lead.null.p_value).collect();
    let edge_p_values: Vec<f64> =
        studied.iter().flat_map(|s| &s.directions).filter_map(DirectionFinding::p_value).collect();
    let mut lead_adjusted = adjusted_p_values(&lead_p_values, Dependence::Positive)?.into_iter();
    let mut edge_adjusted = adjusted_p_values(&edge_p_values, Dependence::Positive)?.into_iter();
    let (mut relations, mut directions) = (Vec::new(), Vec::new());
    for studied in studied {
        let (lead, refused) = match &studied.lead {
            Ok(lead) => (Some(lead.report(lead_adjusted.next().unwrap_or(1.0), settings)), None),
            Err(cause) => (None, Some(refusal(*cause))),
        };
        relations.push(RelationReport {
            base: studied.base,
            first: studied.markets.0,
            second: studied.markets.1,
            seconds: studied.seconds,
            lead,
            refused,
            information_share_first: studied.information_share_first,
        });
        for finding in studied.directions {
            let p_adjusted = finding.p_value().and_then(|_| edge_adjusted.next());
            directions.push(finding.judged(p_adjusted, settings));
        }
    }
    let markets = tapes.iter().map(market).collect();
    Ok(EdgeReport { settings: settings.clone(), markets, relations, directions })
}

fn market(tape: &QuoteTape) -> MarketReport {
    let seconds = tape.span().map_or(0.0, |(from, until)| until.since(from).as_seconds_est());
    let (gap_ms, gap_ms_max) = tape.gaps_ms();
    let mut problems = Vec::new();
    if tape.unusable > 0 {
        problems.push(format!("{} crossed or impossible quotes left out", tape.unusable));
    }
    if let Some(delay) = tape.receive_delay_ms.filter(|delay| *delay < -CLOCK_TOLERANCE_MS) {
        problems.push(format!(
            "the recorder's clock is {:.0} ms behind the exchange's: differences of receive times are sound, latency is unknown",
            -delay
        ));
    }
    MarketReport {
        market: tape.market.clone(),
        base: tape.base.clone(),
        quotes: tape.quotes.len(),
        seconds,
        spread_bps: tape.spread_bps(),
        gap_ms,
        gap_ms_max,
        receive_delay_ms: tape.receive_delay_ms,
        problems,
    }
}
