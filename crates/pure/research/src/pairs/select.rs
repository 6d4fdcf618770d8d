//! From score cards to a universe: filters, diversification, hysteresis, drain.
//!
//! Greedy: of the pairs that pass every filter, next comes the one with the largest `score − penalty`, where the penalty is its own inventory
//! risk once more for each pair already chosen, times their correlation (not below zero). A pair enters when its rank is at most `pairs_max`
//! and `score − penalty` above zero in two runs in a row, and leaves when its rank is above `pairs_max + slack` or nothing is left in two runs,
//! or at once when a filter fails; it then drains: nothing new is opened. Without a universe before, the first ranks enter at once. Source: strategy facts, section 3.3.

use super::card::Card;
use super::filter::{Filter, FilterResult};
use crate::candles::est;
use remora_estimators::pearson;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Fewest common returns for a correlation; with fewer it is unknown and counts as 1.
const OVERLAP_MIN: usize = 20;
/// Runs in a row that a change of membership wants.
const RUNS: u32 = 2;

/// Says how a universe is chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SelectSettings {
    /// Pairs to quote at most.
    pub pairs_max: usize,
    /// Ranks beyond it that a member may fall.
    pub slack: usize,
    /// How much correlation counts: 0 not at all, 1 as the risk that it is.
    pub correlation_weight: f64,
    /// What every pair must meet.
    pub filters: Vec<Filter>,
}

/// Says where a pair stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    /// Quoted.
    In,
    /// Ranked well, but not in enough runs in a row.
    Entering,
    /// Leaving: inventory is sold, nothing is opened.
    Drain,
    /// Not quoted.
    Out,
}

/// Is one pair's place in the universe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The pair.
    pub pair: String,
    /// Where it stands.
    pub membership: Membership,
    /// Its rank from 1; `None` where a filter failed.
    pub rank: Option<usize>,
    /// Score, basis points of the capital per day.
    pub score_bps: f64,
    /// What correlation with better ones costs it, the same unit.
    pub correlation_cost_bps: f64,
    /// Runs in a row that speak for the other side: outside and ranked to enter, inside and ranked to leave.
    pub runs: u32,
    /// Why it stands there.
    pub reasons: Vec<String>,
}

/// Is a versioned choice of pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Universe {
    /// Counts universes from 1.
    pub version: u64,
    /// Best first, then those that failed a filter by name.
    pub places: Vec<Place>,
}

/// Chooses; `before` is the universe of the last run.
#[must_use]
pub fn select(
    cards: &[Card],
    settings: &SelectSettings,
    capital: f64,
    before: Option<&Universe>,
) -> Universe {
    let failed = |card: &Card| -> Vec<FilterResult> {
        let results = settings.filters.iter().map(|filter| filter.test(card));
        results.filter(|result| !result.is_passed).collect()
    };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for card in cards {
        let failed = failed(card);
        if failed.is_empty() {
            good.push(card);
        } else {
            bad.push((card, failed));
        }
    }
    let known: BTreeMap<&str, &Place> = before
        .iter()
        .flat_map(|universe| universe.places.iter().map(|p| (p.pair.as_str(), p)))
        .collect();
    let mut places = Vec::new();
    for (place, (card, cost)) in rank(good, settings, capital).into_iter().enumerate() {
        let was = before.map(|_| known.get(card.facts.pair.as_str()).copied());
        places.push(ranked(card, place + 1, cost, was, settings));
    }
    bad.sort_by(|a, b| a.0.facts.pair.cmp(&b.0.facts.pair));
    for (card, failed) in bad {
        let was = known.get(card.facts.pair.as_str()).map(|place| place.membership);
        places.push(excluded(card, &failed, was));
    }
    Universe { version: before.map_or(0, |universe| universe.version).saturating_add(1), places }
}

/// Orders pairs greedily; gives each with what correlation costs it. Once one is not chosen, none after it is, and what
/// is not chosen burdens nobody: the rest stand as their scores and costs are.
fn rank<'a>(cards: Vec<&'a Card>, settings: &SelectSettings, capital: f64) -> Vec<(&'a Card, f64)> {
    let net = |(card, cost): &(&Card, f64)| card.score_bps - cost;
    // Of equal ones the first by name, so that equal inputs give equal universes.
    let better = |a: &(&Card, f64), b: &(&Card, f64)| {
        net(b).total_cmp(&net(a)).then_with(|| a.0.facts.pair.cmp(&b.0.facts.pair))
    };
    let mut rest: Vec<(&'a Card, f64)> = cards.into_iter().map(|card| (card, 0.0)).collect();
    let mut ranked: Vec<(&'a Card, f64)> = Vec::new();
    while ranked.len() < settings.pairs_max {
        let best = rest.iter().enumerate().min_by(|(_, a), (_, b)| better(a, b));
        let Some(best) = best.filter(|(_, best)| net(best) > 0.0).map(|(at, _)| at) else { break };
        let (chosen, cost) = rest.swap_remove(best);
        for (card, cost) in &mut rest {
            let shared = correlation(card, chosen).max(0.0);
            *cost += settings.correlation_weight * shared * risk_bps(card, capital);
        }
        ranked.push((chosen, cost));
    }
    rest.sort_by(better);
    ranked.extend(rest);
    ranked
}

/// Gives the inventory risk of a card, basis points of the capital per day.
fn risk_bps(card: &Card, capital: f64) -> f64 {
    let part = card.parts.iter().find(|part| part.name == "inventory risk");
    part.map_or(0.0, |part| -part.value / capital * 1e4)
}

fn correlation(a: &Card, b: &Card) -> f64 {
    let common = a.facts.returns.iter().filter_map(|(at, x)| {
        let y = b.facts.returns.get(at)?;
        Some((*x, *y))
    });
    let (x, y): (Vec<f64>, Vec<f64>) = common.unzip();
    if x.len() < OVERLAP_MIN { 1.0 } else { pearson(&x, &y).unwrap_or(0.0) }
}

/// `was` is `None` in a first run, `Some(None)` where the pair is new.
fn ranked(
    card: &Card,
    rank: usize,
    cost: f64,
    was: Option<Option<&Place>>,
    settings: &SelectSettings,
) -> Place {
    let is_worth_it = card.score_bps > cost;
    let may_enter = rank <= settings.pairs_max && is_worth_it;
    let must_leave = rank > settings.pairs_max + settings.slack || !is_worth_it;
    let runs = |is_turning: bool, place: Option<&Place>| {
        if is_turning { place.map_or(0, |place| place.runs).saturating_add(1) } else { 0 }
    };
    let (membership, runs) = match was {
        None => (if may_enter { Membership::In } else { Membership::Out }, 0),
        Some(place) => match place.map_or(Membership::Out, |place| place.membership) {
            Membership::In => {
                let runs = runs(must_leave, place);
                if runs >= RUNS { (Membership::Drain, 0) } else { (Membership::In, runs) }
            }
            Membership::Out | Membership::Entering | Membership::Drain => {
                let runs = runs(may_enter, place);
                let is_draining = place.is_some_and(|place| place.membership == Membership::Drain);
                if runs >= RUNS {
                    (Membership::In, 0)
                } else if is_draining {
                    (Membership::Drain, runs)
                } else if may_enter {
                    (Membership::Entering, runs)
                } else {
                    (Membership::Out, 0)
                }
            }
        },
    };
    let mut reasons = vec![format!("rank {rank} of at most {}", settings.pairs_max)];
    if cost > 0.0 {
        reasons.push(format!("correlation with better ones costs {cost:.1} bps"));
    }
    if !is_worth_it {
        reasons.push("nothing is left of its score".to_owned());
    }
    if runs > 0 {
        reasons.push(format!("run {runs} of {RUNS} towards a change"));
    }
    Place {
        pair: card.facts.pair.clone(),
        membership,
        rank: Some(rank),
        score_bps: card.score_bps,
        correlation_cost_bps: cost,
        runs,
        reasons,
    }
}

fn excluded(card: &Card, failed: &[FilterResult], was: Option<Membership>) -> Place {
    let is_held = matches!(was, Some(Membership::In | Membership::Drain));
    let reason = |result: &FilterResult| {
        format!("{}: {}", result.filter, result.reason.clone().unwrap_or_default())
    };
    Place {
        pair: card.facts.pair.clone(),
        membership: if is_held { Membership::Drain } else { Membership::Out },
        rank: None,
        score_bps: card.score_bps,
        correlation_cost_bps: 0.0,
        runs: 0,
        reasons: failed.iter().map(reason).collect(),
    }
}

impl Universe {
    /// Gives the share of pairs that are in now and were not in `before`, of those in now; 0 where none is.
    #[must_use]
    pub fn turnover(&self, before: &Self) -> f64 {
        let is_in = |universe: &Self, pair: &str| {
            universe.places.iter().any(|p| p.pair == pair && p.membership == Membership::In)
        };
        let now = self.places.iter().filter(|p| p.membership == Membership::In);
        let (mut all, mut new) = (0, 0);
        for place in now {
            all += 1;
            new += u64::from(!is_in(before, &place.pair));
        }
        if all == 0 { 0.0 } else { est(new) / est(all) }
    }
}
