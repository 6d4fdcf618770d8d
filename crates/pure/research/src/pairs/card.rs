//! From facts to score cards.

use super::facts::PairFacts;
use super::filter::FilterFacts;
use remora_estimators::{Measured, shrink};
use serde::Serialize;

const BPS: f64 = 1e-4;

/// Says what would be committed to a pair and at which fee.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CardSettings {
    /// What everything is reported in.
    pub currency: String,
    /// Committed to each pair, reporting currency.
    pub capital: f64,
    /// Maker fee, basis points; a rebate is below zero.
    pub maker_fee_bps: f64,
    /// The same at the next tier, where the card shows it too.
    pub next_maker_fee_bps: Option<f64>,
    /// Share of a pair's volume that our quotes get, 0 to 1.
    pub participation: f64,
    /// The most that is filled a day, times the capital.
    pub turnover_max: f64,
    /// Typical inventory, share of the capital.
    pub inventory_share: f64,
    /// Price of inventory risk: cost of a day's standard deviation of it.
    pub risk_aversion: f64,
    /// Errors that are taken off.
    pub error_multiple: f64,
}

/// Is one part of a score, reporting currency per day.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// What it adds; below zero what it takes.
    pub value: f64,
}

/// Is the score card of a pair.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Card {
    /// What it rests on.
    pub facts: PairFacts,
    /// What we would fill a day, reporting currency.
    pub fills_day: f64,
    /// Whether the capital, not the pair's volume, bounds it.
    pub is_bound_by_capital: bool,
    /// The maker fee that was taken off, basis points.
    pub maker_fee_bps: f64,
    /// Kept less the maker fee, basis points, as measured.
    pub edge_bps: f64,
    /// The same drawn towards the mean of all pairs.
    pub shrunk_edge_bps: f64,
    /// Its error after that.
    pub edge_se_bps: f64,
    /// Parts that add up to the score times the capital.
    pub parts: Vec<Part>,
    /// Expected profit less inventory cost, before the error is taken off; reporting currency per day.
    pub expected_day: f64,
    /// Score: the lower bound, basis points of the capital per day.
    pub score_bps: f64,
    /// The same at the next fee tier.
    pub next_tier_score_bps: Option<f64>,
    /// The source system's rule, 0 to 100, for comparison; `null` where the data lack what it needs.
    pub source_score: Option<f64>,
}

/// Makes a card of every pair. Edges are drawn towards their mean where there are three pairs or more.
#[must_use]
pub fn cards(facts: Vec<PairFacts>, settings: &CardSettings) -> Vec<Card> {
    let measured: Vec<Measured> = facts
        .iter()
        .map(|f| Measured { value: f.kept_bps.value - settings.maker_fee_bps, se: f.kept_bps.se })
        .collect();
    let shrunk: Vec<(f64, f64)> = if measured.len() >= 3 {
        shrink(&measured).map_or_else(
            |_| measured.iter().map(|m| (m.value, m.se)).collect(),
            |group| group.members.iter().map(|m| (m.mean, m.sd)).collect(),
        )
    } else {
        measured.iter().map(|m| (m.value, m.se)).collect()
    };
    facts.into_iter().zip(shrunk).map(|(facts, edge)| card(facts, edge, settings)).collect()
}

impl Card {
    /// Gives what filters ask.
    #[must_use]
    pub fn filter_facts(&self) -> FilterFacts<'_> {
        let facts = &self.facts;
        FilterFacts {
            pair: &facts.pair,
            status: facts.status,
            volume_day: Some(facts.volume_day.value),
            spread_bps: facts.spread_bps,
            edge_bps: Some(self.shrunk_edge_bps),
            score_bps: Some(self.score_bps),
            depth: facts.depth.map(|[_, ten, _]| ten),
            tick_bps: facts.tick_bps,
            maker_fee_bps: Some(self.maker_fee_bps),
            volatility_pct: Some(100.0 * facts.volatility_day),
            history_days: Some(facts.history_days),
            listed_days: Some(facts.listed_days),
            coverage: Some(facts.coverage),
            feed_health: facts.feed_health,
            order_min: facts.order_min,
            has_future: facts.has_future,
            record: facts.record,
        }
    }
}

fn card(facts: PairFacts, (edge_bps, edge_se_bps): (f64, f64), settings: &CardSettings) -> Card {
    let by_volume = settings.participation * facts.volume_day.value;
    let by_capital = settings.turnover_max * settings.capital;
    let fills_day = by_volume.min(by_capital);
    let is_bound_by_capital = by_capital <= by_volume;
    let per_bps = BPS * fills_day;
    let raw_edge = facts.kept_bps.value - settings.maker_fee_bps;
    let inventory =
        settings.risk_aversion * facts.volatility_day * settings.inventory_share * settings.capital;
    // Where the capital bounds the fills, what the volume is does not matter to them.
    let volume_se =
        if is_bound_by_capital { 0.0 } else { settings.participation * facts.volume_day.se };
    let of_edge = edge_se_bps * per_bps;
    let of_volume = edge_bps * BPS * volume_se;
    let error = settings.error_multiple * libm::sqrt(of_edge * of_edge + of_volume * of_volume);
    let mut parts = captured(&facts, per_bps);
    parts.extend([
        // Added to zero, so that no fee is not shown as minus nothing.
        Part { name: "maker fee", value: 0.0 - settings.maker_fee_bps * per_bps },
        Part { name: "shrinkage", value: (edge_bps - raw_edge) * per_bps },
        Part { name: "inventory risk", value: -inventory },
        Part { name: "uncertainty", value: -error },
    ]);
    let total: f64 = parts.iter().map(|part| part.value).sum();
    let score = |total: f64| total / settings.capital / BPS;
    let next = |fee: f64| score(total + (settings.maker_fee_bps - fee) * per_bps);
    Card {
        fills_day,
        is_bound_by_capital,
        maker_fee_bps: settings.maker_fee_bps,
        edge_bps: raw_edge,
        shrunk_edge_bps: edge_bps,
        edge_se_bps,
        parts,
        expected_day: total + error,
        score_bps: score(total),
        next_tier_score_bps: settings.next_maker_fee_bps.map(next),
        source_score: facts.spread_bps.zip(facts.change_24h_pct).zip(facts.has_future).map(
            |((spread, change), has_future)| {
                source_rule(facts.volume_day.value, spread, change, has_future)
            },
        ),
        facts,
    }
}

/// What is captured and lost again, where the data tell it; else what is kept of it.
fn captured(facts: &PairFacts, per_bps: f64) -> Vec<Part> {
    match facts.effective_half_spread_bps {
        Some(effective) => vec![
            Part { name: "spread captured", value: effective.value * per_bps },
            Part {
                name: "adverse selection",
                value: (facts.kept_bps.value - effective.value) * per_bps,
            },
        ],
        None => {
            vec![Part { name: "spread kept (upper bound)", value: facts.kept_bps.value * per_bps }]
        }
    }
}

/// Gives the source system's score (strategy facts, section 3.1): volume of 24 hours in US dollars, spread in basis points, change of 24 hours in
/// percent, whether a future is listed; at most 100. For comparison only: a spread ten times dearer costs 9 points of 100.
#[must_use]
pub fn source_rule(volume_24h: f64, spread_bps: f64, change_pct: f64, has_future: bool) -> f64 {
    let volume = (12.0 * libm::log10(volume_24h / 1e6)).min(40.0);
    let spread = (30.0 - spread_bps / 3.0).max(0.0);
    let change = (4.0 * change_pct.abs()).min(20.0);
    volume + spread + change + if has_future { 10.0 } else { 0.0 }
}
