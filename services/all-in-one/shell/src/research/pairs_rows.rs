//! The rows of `remora pairs`: of the CSV file, and what our own record says in a cell and in a line.

use super::pairs::membership;
use remora_domain::InstrumentStatus;
use remora_research::pairs::{Card, Realised, Record, Universe};
use serde::Serialize;

pub(crate) fn record_cell(record: &Record) -> String {
    match record {
        Record::NoRecord | Record::TooShort { .. } => "no record".to_owned(),
        Record::Realised(Realised { net_day, low, high, .. }) => {
            format!("{net_day:+.2} [{low:+.2}, {high:+.2}]")
        }
    }
}

/// Says what our own fills have earned.
pub(crate) fn record_line(record: &Record, currency: &str) -> String {
    match record {
        Record::NoRecord => "No record of our own.".to_owned(),
        Record::TooShort { fills, days, want } => format!(
            "No record of our own yet: {fills} fills with a mid after them on {days} days, want {} on {}.",
            want.fills_min, want.days_min
        ),
        Record::Realised(Realised { net_day, low, high, net_bps, fills, days, unmarked }) => {
            format!(
                "Our own {fills} fills on {days} days earned {net_day:+.4} {currency} a day after fees [{low:+.4}, {high:+.4}], {net_bps:+.3} bps of their value; {unmarked} fills without a mid after them are left out."
            )
        }
    }
}

/// Is one row of the CSV file.
#[derive(Serialize)]
pub(crate) struct Row<'a> {
    pair: &'a str,
    membership: Option<&'static str>,
    rank: Option<usize>,
    score_bps: f64,
    expected_day: f64,
    edge_bps: f64,
    shrunk_edge_bps: f64,
    edge_se_bps: f64,
    kept_bps: f64,
    kept_se_bps: f64,
    adverse_5s_bps: Option<f64>,
    adverse_60s_bps: Option<f64>,
    spread_bps: Option<f64>,
    depth_10bps: Option<f64>,
    volume_day: f64,
    fills_day: f64,
    volatility_day: f64,
    history_days: f64,
    coverage: f64,
    next_tier_score_bps: Option<f64>,
    source_score: Option<f64>,
    status: Option<&'static str>,
    order_min: Option<f64>,
    feed_health: Option<f64>,
    listed_days: f64,
    realised_day: Option<f64>,
    reasons: String,
}

/// Makes the row of a card.
pub(crate) fn row<'a>(card: &'a Card, universe: Option<&Universe>) -> Row<'a> {
    let facts = &card.facts;
    let place = universe.and_then(|u| u.places.iter().find(|place| place.pair == facts.pair));
    Row {
        pair: &facts.pair,
        membership: place.map(|place| membership(place.membership)),
        rank: place.and_then(|place| place.rank),
        score_bps: card.score_bps,
        expected_day: card.expected_day,
        edge_bps: card.edge_bps,
        shrunk_edge_bps: card.shrunk_edge_bps,
        edge_se_bps: card.edge_se_bps,
        kept_bps: facts.kept_bps.value,
        kept_se_bps: facts.kept_bps.se,
        adverse_5s_bps: facts.adverse_5s_bps.map(|a| a.value),
        adverse_60s_bps: facts.adverse_60s_bps.map(|a| a.value),
        spread_bps: facts.spread_bps,
        depth_10bps: facts.depth.map(|[_, ten, _]| ten),
        volume_day: facts.volume_day.value,
        fills_day: card.fills_day,
        volatility_day: facts.volatility_day,
        history_days: facts.history_days,
        coverage: facts.coverage,
        next_tier_score_bps: card.next_tier_score_bps,
        source_score: card.source_score,
        status: facts.status.map(InstrumentStatus::as_str),
        order_min: facts.order_min,
        feed_health: facts.feed_health,
        listed_days: facts.listed_days,
        realised_day: match facts.record {
            Some(Record::Realised(realised)) => Some(realised.net_day),
            Some(Record::NoRecord | Record::TooShort { .. }) | None => None,
        },
        reasons: place.map_or_else(String::new, |place| place.reasons.join("; ")),
    }
}
