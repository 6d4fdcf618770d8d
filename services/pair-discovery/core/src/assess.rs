//! The filters, in the order in which they are asked, and the ranking.

use crate::moves::Moves;
use crate::observed::Observed;
use crate::settings::{PairDiscoveryConfig, day_pct};
use remora_domain::{
    Asset, ContractKind, FeeSchedule, Instrument, InstrumentKey, InstrumentStatus, PairReason,
    PairScore, Timestamp,
};
use remora_research::pairs::{Filter, FilterFacts, FilterRefusal, smallest_order_est};
use std::collections::{BTreeMap, BTreeSet};

/// Assesses every pair and ranks those that pass.
pub(crate) fn assess(
    config: &PairDiscoveryConfig,
    fees: impl Fn(&InstrumentKey) -> Option<FeeSchedule>,
    pairs: &BTreeMap<InstrumentKey, Observed>,
    moves: Option<&mut Moves>,
    now: Timestamp,
) -> Vec<PairScore> {
    let contracts = pairs.values().map(|pair| &pair.instrument);
    let contracts: Vec<&Instrument> =
        contracts.filter(|instrument| instrument.kind != ContractKind::Spot).collect();
    let listed = contracts.iter().filter(|one| one.status != InstrumentStatus::Closed);
    let futures: BTreeSet<&Asset> = listed.map(|contract| &contract.base).collect();
    // Where no venue of contracts was ever heard, nobody could say so.
    let is_told = !contracts.is_empty();
    let score = |(key, pair): (&InstrumentKey, &Observed)| {
        let has_future = is_told.then(|| futures.contains(&pair.instrument.base));
        score(config, fees(key), pair, has_future, now)
    };
    let mut scores: Vec<PairScore> = pairs.iter().map(score).collect();
    rank(config, pairs, moves, &mut scores);
    scores
}

/// Fills the numbers that are known and finds the first reason that keeps the pair out.
fn score(
    config: &PairDiscoveryConfig,
    fees: Option<FeeSchedule>,
    pair: &Observed,
    has_future: Option<bool>,
    now: Timestamp,
) -> PairScore {
    let settings = &config.settings;
    let instrument = &pair.instrument;
    let spread_bps_est = pair.spread_bps_est(now);
    let rate_est = config.reporting.rate_est(&instrument.quote);
    let volume_day_est = pair.volume_day_quote_est(now).zip(rate_est).map(|(v, rate)| v * rate);
    let edge_bps_est = spread_bps_est
        .zip(fees)
        .map(|(spread, fees)| spread / 2.0 - fees.maker_bps.to_est() - settings.adverse_bps);
    let score_est = edge_bps_est
        .zip(volume_day_est)
        .map(|(edge, volume)| edge / 1e4 * volume * settings.participation_frac);
    let mut score = PairScore {
        instrument: instrument.key.clone(),
        is_selected: false,
        rank: None,
        reason: PairReason::RankTooLow,
        spread_bps_est,
        volume_day_est,
        volatility_bps_est: pair.volatility_bps_est(),
        edge_bps_est,
        score_est,
        known_since: Some(pair.known_since),
    };
    let excluded = excluded_by_kind(config, instrument)
        .or_else(|| excluded_by_data(config, pair, fees, &score, now))
        .or_else(|| excluded_by_numbers(config, pair, fees, has_future, &score, now));
    score.reason = excluded.unwrap_or(PairReason::Selected);
    score
}

/// Gives the reason of the first filter that a pair does not pass; what a filter asks and nobody knows is missing data.
fn refused(filters: &[(Filter, PairReason)], facts: &FilterFacts<'_>) -> Option<PairReason> {
    let mut refusals = filters.iter().filter_map(|(filter, reason)| {
        let refusal = filter.refusal(facts)?;
        let is_unknown = matches!(refusal, FilterRefusal::Unknown { .. });
        Some(if is_unknown { PairReason::NotEnoughData } else { *reason })
    });
    refusals.next()
}

fn excluded_by_kind(config: &PairDiscoveryConfig, instrument: &Instrument) -> Option<PairReason> {
    if instrument.kind != ContractKind::Spot {
        return Some(PairReason::ReferenceOnly);
    }
    let facts = FilterFacts {
        pair: instrument.key.instrument.as_str(),
        status: Some(instrument.status),
        ..FilterFacts::default()
    };
    refused(&config.kind_filters, &facts)
}

fn excluded_by_data(
    config: &PairDiscoveryConfig,
    pair: &Observed,
    fees: Option<FeeSchedule>,
    score: &PairScore,
    now: Timestamp,
) -> Option<PairReason> {
    let observed_ms = pair.observed_for(now).as_ms();
    if fees.is_none() {
        Some(PairReason::FeesUnknown)
    } else if config.reporting.rate_est(&pair.instrument.quote).is_none() {
        Some(PairReason::ConversionUnknown)
    } else if pair.is_lost() {
        Some(PairReason::FeedUnhealthy)
    } else if observed_ms < config.settings.observation_ms_min
        || score.score_est.is_none()
        || score.volatility_bps_est.is_none()
    {
        Some(PairReason::NotEnoughData)
    } else if pair.instrument.cost_min.is_none() {
        Some(PairReason::CostMinUnknown)
    } else {
        None
    }
}

fn excluded_by_numbers(
    config: &PairDiscoveryConfig,
    pair: &Observed,
    fees: Option<FeeSchedule>,
    has_future: Option<bool>,
    score: &PairScore,
    now: Timestamp,
) -> Option<PairReason> {
    let instrument = &pair.instrument;
    let rate_est = config.reporting.rate_est(&instrument.quote);
    let tick_bps = pair.mid_est().map(|mid| instrument.tick.to_est() / mid * 1e4);
    let facts = FilterFacts {
        pair: instrument.key.instrument.as_str(),
        volume_day: score.volume_day_est,
        spread_bps: score.spread_bps_est,
        volatility_pct: score.volatility_bps_est.map(day_pct),
        edge_bps: score.edge_bps_est,
        order_min: pair
            .mid_est()
            .zip(rate_est)
            .and_then(|(mid, rate)| smallest_order_est(instrument, mid, rate)),
        depth: pair.depth_quote_est(now).zip(rate_est).map(|(depth, rate)| depth * rate),
        tick_bps,
        maker_fee_bps: fees.map(|fees| fees.maker_bps.to_est()),
        listed_days: Some(pair.known_days_est(now)),
        feed_health: pair.feed_health_est(now),
        has_future,
        ..FilterFacts::default()
    };
    refused(&config.number_filters, &facts)
}

/// Ranks by score, best first; a selected pair stays until it has fallen `hysteresis_ranks` below the line. Where clusters are limited, one that
/// moves with as many chosen ones as are allowed together is passed over and has no rank.
fn rank(
    config: &PairDiscoveryConfig,
    pairs: &BTreeMap<InstrumentKey, Observed>,
    mut moves: Option<&mut Moves>,
    scores: &mut [PairScore],
) {
    let mut order: Vec<&mut PairScore> =
        scores.iter_mut().filter(|score| score.reason == PairReason::Selected).collect();
    let value = |score: &PairScore| score.score_est.unwrap_or(f64::NEG_INFINITY);
    order.sort_by(|a, b| {
        value(b).total_cmp(&value(a)).then_with(|| a.instrument.cmp(&b.instrument))
    });
    let (pairs_max, extra) = (config.settings.pairs_max, config.settings.hysteresis_ranks);
    let mut chosen: Vec<InstrumentKey> = Vec::new();
    let has_room =
        |chosen: &[InstrumentKey]| u32::try_from(chosen.len()).is_ok_and(|n| n < pairs_max);
    // Those that are in first, so that nobody is put out by one that only comes near.
    let mut place: u32 = 0;
    for score in &order {
        let key = &score.instrument;
        let is_member = pairs.get(key).is_some_and(|pair| pair.is_selected);
        if is_in_full_cluster(moves.as_deref_mut(), &chosen, key, is_member) {
            continue;
        }
        place = place.saturating_add(1);
        if is_member && place <= pairs_max.saturating_add(extra) && has_room(&chosen) {
            chosen.push(key.clone());
        }
    }
    place = 0;
    for score in order {
        score.is_selected = chosen.contains(&score.instrument);
        if !score.is_selected
            && is_in_full_cluster(moves.as_deref_mut(), &chosen, &score.instrument, false)
        {
            score.reason = PairReason::ClusterFull;
            continue;
        }
        place = place.saturating_add(1);
        score.rank = Some(place);
        if !score.is_selected && place <= pairs_max && has_room(&chosen) {
            score.is_selected = true;
            chosen.push(score.instrument.clone());
        }
        if !score.is_selected {
            score.reason = PairReason::RankTooLow;
        }
    }
}

fn is_in_full_cluster(
    moves: Option<&mut Moves>,
    chosen: &[InstrumentKey],
    key: &InstrumentKey,
    is_member: bool,
) -> bool {
    let Some(moves) = moves else { return false };
    let with = chosen.iter().filter(|other| moves.are_one(other, key, is_member)).count();
    u32::try_from(with).is_ok_and(|with| with >= moves.pairs_max())
}
