//! From score cards to a universe: filters, diversification, hysteresis, drain.
//!
//! Greedy: of the pairs that pass every filter, next comes the one with the largest `score − penalty`, where the penalty is its own inventory
//! risk once more for each pair already chosen, times their correlation (not below zero). A pair enters when its rank is at most `pairs_max`
//! and `score − penalty` above zero in two runs in a row, and leaves when its rank is above `pairs_max + slack` or nothing is left in two runs,
//! or at once when a filter fails; it then drains: nothing new is opened. Where a cluster is limited, a pair that moves with as many chosen ones
//! as are allowed is passed over, whatever its score; a member so passed over leaves after two runs. Without a universe before, the first ranks enter at once. Source: strategy facts, section 3.3.

use super::card::Card;
use super::filter::Filter;
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
    /// How many that move together may be chosen; `None`: any.
    pub cluster: Option<ClusterLimit>,
}

/// Limits how many pairs of one correlation cluster are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClusterLimit {
    /// Correlation from which two pairs are one bet, 0 to 1; an unknown one counts as 1.
    pub correlation: f64,
    /// Pairs of a cluster at most, the pair itself counted.
    pub pairs_max: usize,
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
    /// Its rank from 1; `None` where a filter failed or its cluster is full.
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
    let failed = |card: &Card| -> Vec<String> {
        let facts = card.filter_facts();
        let refusals = settings
            .filters
            .iter()
            .filter_map(|filter| Some(format!("{}: {}", filter.name(), filter.refusal(&facts)?)));
        refusals.collect()
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
    let mut rank_next = 1;
    for candidate in rank(good, settings, capital) {
        let was = before.map(|_| known.get(candidate.card.facts.pair.as_str()).copied());
        let rank = candidate.full_cluster.is_none().then_some(rank_next);
        rank_next += usize::from(rank.is_some());
        places.push(ranked(&candidate, rank, was, settings));
    }
    bad.sort_by(|a, b| a.0.facts.pair.cmp(&b.0.facts.pair));
    for (card, failed) in bad {
        let was = known.get(card.facts.pair.as_str()).map(|place| place.membership);
        places.push(excluded(card, failed, was));
    }
    Universe { version: before.map_or(0, |universe| universe.version).saturating_add(1), places }
}

/// Is a pair that passed every filter, on its way to a rank.
struct Candidate<'a> {
    card: &'a Card,
    /// What correlation with those chosen costs it.
    cost: f64,
    /// Those chosen that it moves with.
    cluster: Vec<&'a str>,
    /// Why it is passed over: its cluster is full.
    full_cluster: Option<String>,
}

impl Candidate<'_> {
    fn net(&self) -> f64 {
        self.card.score_bps - self.cost
    }
}

/// Orders pairs greedily; gives each with what correlation with those chosen costs it. Once one is not chosen, none after it is, and what
/// is not chosen burdens nobody: the rest stand as their scores and costs are. Those whose cluster is full come last.
fn rank<'a>(cards: Vec<&'a Card>, settings: &SelectSettings, capital: f64) -> Vec<Candidate<'a>> {
    // Of equal ones the first by name, so that equal inputs give equal universes.
    let better = |a: &Candidate<'_>, b: &Candidate<'_>| {
        b.net().total_cmp(&a.net()).then_with(|| a.card.facts.pair.cmp(&b.card.facts.pair))
    };
    let candidate = |card| Candidate { card, cost: 0.0, cluster: Vec::new(), full_cluster: None };
    let mut rest: Vec<Candidate<'a>> = cards.into_iter().map(candidate).collect();
    let (mut ranked, mut full): (Vec<Candidate<'a>>, Vec<Candidate<'a>>) = (Vec::new(), Vec::new());
    while ranked.len() < settings.pairs_max {
        let best = rest.iter().enumerate().min_by(|(_, a), (_, b)| better(a, b));
        let Some(best) = best.filter(|(_, best)| best.net() > 0.0).map(|(at, _)| at) else { break };
        let mut chosen = rest.swap_remove(best);
        let limit = settings.cluster.filter(|limit| chosen.cluster.len() >= limit.pairs_max);
        if let Some(limit) = limit {
            chosen.full_cluster = Some(format!(
                "cluster_max: moves with {} (correlation at least {}), at most {} of them together",
                chosen.cluster.join(", "),
                limit.correlation,
                limit.pairs_max
            ));
            full.push(chosen);
            continue;
        }
        for candidate in &mut rest {
            let correlation = correlation(candidate.card, chosen.card);
            let shared = correlation.max(0.0);
            candidate.cost +=
                settings.correlation_weight * shared * risk_bps(candidate.card, capital);
            if settings.cluster.is_some_and(|limit| correlation >= limit.correlation) {
                candidate.cluster.push(&chosen.card.facts.pair);
            }
        }
        ranked.push(chosen);
    }
    rest.sort_by(better);
    ranked.extend(rest);
    ranked.extend(full);
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
    candidate: &Candidate<'_>,
    rank: Option<usize>,
    was: Option<Option<&Place>>,
    settings: &SelectSettings,
) -> Place {
    let (card, cost) = (candidate.card, candidate.cost);
    let is_worth_it = candidate.net() > 0.0;
    let is_within = |most: usize| rank.is_some_and(|rank| rank <= most);
    let may_enter = is_within(settings.pairs_max) && is_worth_it;
    let must_leave = !is_within(settings.pairs_max + settings.slack) || !is_worth_it;
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
    let mut reasons: Vec<String> = candidate.full_cluster.iter().cloned().collect();
    reasons.extend(rank.map(|rank| format!("rank {rank} of at most {}", settings.pairs_max)));
    if cost > 0.0 {
        reasons.push(format!("correlation with better ones costs {cost:.1} bps"));
    }
    if !is_worth_it {
        reasons.push("nothing is left of its score".to_owned());
    }
    if runs > 0 {
        reasons.push(format!("run {runs} of {RUNS} towards a change"));
    }
    let facts = card.filter_facts();
    reasons.extend(settings.filters.iter().filter_map(|filter| filter.remark(&facts)));
    Place {
        pair: card.facts.pair.clone(),
        membership,
        rank,
        score_bps: card.score_bps,
        correlation_cost_bps: cost,
        runs,
        reasons,
    }
}

fn excluded(card: &Card, reasons: Vec<String>, was: Option<Membership>) -> Place {
    let is_held = matches!(was, Some(Membership::In | Membership::Drain));
    Place {
        pair: card.facts.pair.clone(),
        membership: if is_held { Membership::Drain } else { Membership::Out },
        rank: None,
        score_bps: card.score_bps,
        correlation_cost_bps: 0.0,
        runs: 0,
        reasons,
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
