//! Who moves ahead of whom among instruments of one asset.
//!
//! Each couple is measured in parts of equal length (Hayashi–Yoshida, `quant-methods.md`, section 9). The first half of the newest parts
//! chooses who leads; the second half confirms it or not: under no lead either sign is as likely, so `k` of `n` parts with the chosen one
//! have the chance `P(Bin(n, ½) ≥ k)`, adjusted for all couples (Benjamini–Yekutieli). A part whose lag is below its resolution confirms
//! nothing. Lag: median of the parts that confirm. Share: their mean correlation, as two prices of one asset vary alike.

use crate::insight_settings::InsightSettings;
use remora_domain::{Asset, DurationNs, Instrument, InstrumentKey, Lead, Timestamp};
use remora_estimators::{
    Dependence, LagGrid, LeadLagSettings, LeadLagStream, NO_DECAY, adjusted_p_values,
};
use std::collections::{BTreeMap, VecDeque};

/// Batches of a part.
const BATCHES: i64 = 10;
/// Batches without which a part says nothing.
const BATCHES_MIN: u64 = 5;
/// Ticks of one instrument that wait within a batch.
const TICKS_MAX: usize = 20_000;
/// Least mean correlation.
const RHO_MIN: f64 = 0.1;

/// Is what one part said.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// Above zero where the first leads; zero where it is below what can be told.
    lag: DurationNs,
    rho: f64,
}

/// Is two instruments of one asset.
#[derive(Debug)]
struct Couple {
    first: InstrumentKey,
    second: InstrumentKey,
    stream: LeadLagStream,
    began: Option<Timestamp>,
    parts: VecDeque<Part>,
}

/// Is what a couple's parts come to, before it is judged with the others.
struct Finding {
    leader: InstrumentKey,
    follower: InstrumentKey,
    p_value: f64,
    lag: DurationNs,
    share: f64,
    parts: u32,
}

/// Holds every couple.
#[derive(Debug)]
pub(crate) struct Leads {
    settings: InsightSettings,
    assets: BTreeMap<Asset, Vec<InstrumentKey>>,
    couples: Vec<Couple>,
    /// Places of the couples of an instrument.
    of: BTreeMap<InstrumentKey, Vec<usize>>,
}

impl Leads {
    pub(crate) const fn new(settings: InsightSettings) -> Self {
        Self { settings, assets: BTreeMap::new(), couples: Vec::new(), of: BTreeMap::new() }
    }

    /// Takes an instrument; couples it with those of the same asset, up to the bound.
    pub(crate) fn define(&mut self, instrument: &Instrument) {
        let others = self.assets.entry(instrument.base.clone()).or_default();
        if others.contains(&instrument.key) {
            return;
        }
        let most = usize::try_from(self.settings.lead_couples_max).unwrap_or(0);
        for other in others.iter() {
            let Some(stream) = stream(&self.settings) else { continue };
            if self.couples.len() >= most {
                break;
            }
            let place = self.couples.len();
            let (first, second) = (other.clone(), instrument.key.clone());
            for key in [&first, &second] {
                self.of.entry(key.clone()).or_default().push(place);
            }
            let parts = VecDeque::new();
            self.couples.push(Couple { first, second, stream, began: None, parts });
        }
        others.push(instrument.key.clone());
    }

    /// Takes a mid as it was received; `None` where the book may not be used.
    pub(crate) fn observe(&mut self, key: &InstrumentKey, at: Timestamp, mid_est: Option<f64>) {
        for place in self.of.get(key).into_iter().flatten() {
            let Some(couple) = self.couples.get_mut(*place) else { continue };
            match mid_est {
                None => couple.stream.restart(),
                Some(mid) if couple.first == *key => couple.stream.observe_x(at, mid),
                Some(mid) => couple.stream.observe_y(at, mid),
            }
            couple.began.get_or_insert(at);
        }
    }

    /// Ends the parts that are over; gives every follower's leads where one ended.
    pub(crate) fn step(&mut self, now: Timestamp) -> Option<BTreeMap<InstrumentKey, Vec<Lead>>> {
        let length = DurationNs::from_ms(self.settings.lead_part_ms);
        let most = usize::try_from(self.settings.lead_parts).unwrap_or(1);
        let mut has_ended = false;
        for couple in &mut self.couples {
            if couple.began.is_none_or(|began| now.since(began) < length) {
                continue;
            }
            if let Ok(seen) = couple.stream.estimate(BATCHES_MIN) {
                let lag = seen.peak.lag;
                let is_told = lag.as_ns().saturating_abs() >= seen.resolution.as_ns();
                let lag = if is_told { lag } else { DurationNs::ZERO };
                couple.parts.push_back(Part { lag, rho: seen.peak.rho });
                while couple.parts.len() > most {
                    couple.parts.pop_front();
                }
                has_ended = true;
            }
            if let Some(fresh) = stream(&self.settings) {
                couple.stream = fresh;
            }
            couple.began = Some(now);
        }
        has_ended.then(|| self.judge())
    }

    fn judge(&self) -> BTreeMap<InstrumentKey, Vec<Lead>> {
        let wanted = usize::try_from(self.settings.lead_parts).unwrap_or(usize::MAX);
        let whole = self.couples.iter().filter(|couple| couple.parts.len() >= wanted);
        let found: Vec<Finding> = whole.map(Couple::finding).collect();
        let p_values: Vec<f64> = found.iter().map(|finding| finding.p_value).collect();
        let adjusted = adjusted_p_values(&p_values, Dependence::Any).unwrap_or_default();
        let mut leads: BTreeMap<InstrumentKey, Vec<Lead>> = BTreeMap::new();
        for (finding, p_value_est) in found.into_iter().zip(adjusted) {
            let is_significant =
                p_value_est <= self.settings.false_share_max && finding.share >= RHO_MIN;
            leads.entry(finding.follower).or_default().push(Lead {
                leader: finding.leader,
                is_significant,
                lag: finding.lag,
                share_est: finding.share,
                p_value_est,
                parts: finding.parts,
            });
        }
        leads
    }
}

impl Couple {
    /// Lets the first half of the parts choose and the second half confirm.
    fn finding(&self) -> Finding {
        let half = self.parts.len() / 2;
        let says_first = |part: &Part| part.lag > DurationNs::ZERO;
        let says_second = |part: &Part| part.lag < DurationNs::ZERO;
        let chosen: Vec<&Part> = self.parts.iter().take(half).collect();
        let first = chosen.iter().filter(|part| says_first(part)).count();
        let second = chosen.iter().filter(|part| says_second(part)).count();
        let is_first = first >= second;
        let confirms = |part: &&Part| if is_first { says_first(part) } else { says_second(part) };
        let confirming: Vec<&Part> = self.parts.iter().skip(half).filter(confirms).collect();
        let trials = self.parts.len() - half;
        let mut lags: Vec<i64> =
            confirming.iter().map(|part| part.lag.as_ns().saturating_abs()).collect();
        lags.sort_unstable();
        let lag = DurationNs::from_ns(lags.get(lags.len() / 2).copied().unwrap_or(0));
        let rho: f64 = confirming.iter().map(|part| part.rho).sum();
        let share = (rho / est(confirming.len()).max(1.0)).clamp(0.0, 1.0);
        let (leader, follower) =
            if is_first { (&self.first, &self.second) } else { (&self.second, &self.first) };
        Finding {
            leader: leader.clone(),
            follower: follower.clone(),
            p_value: at_least(confirming.len(), trials),
            lag,
            share,
            parts: u32::try_from(self.parts.len()).unwrap_or(u32::MAX),
        }
    }
}

/// Gives the chance of at least `k` heads of `n` throws.
fn at_least(k: usize, n: usize) -> f64 {
    let (mut all, mut ways, mut sum) = (0.0, 1.0, 0.0);
    for heads in 0..=n {
        all += ways;
        if heads >= k {
            sum += ways;
        }
        ways *= est(n - heads) / est(heads + 1);
    }
    (sum / all).clamp(0.0, 1.0)
}

fn est(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// Makes an empty measurement; batches do not fade, a part is one sum.
fn stream(settings: &InsightSettings) -> Option<LeadLagStream> {
    let reach = DurationNs::from_ms(settings.lead_reach_ms);
    let grid = LagGrid::symmetric(reach, DurationNs::from_ms(settings.lead_step_ms)).ok()?;
    let batch = DurationNs::from_ms(settings.lead_part_ms / BATCHES);
    let settings = LeadLagSettings { grid, batch, half_life: NO_DECAY, ticks_max: TICKS_MAX };
    LeadLagStream::new(settings).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chance_of_throws_is_that_of_pascals_triangle() {
        for (k, n, want) in
            [(0, 4, 1.0), (4, 4, 1.0 / 16.0), (3, 4, 5.0 / 16.0), (8, 8, 1.0 / 256.0)]
        {
            assert!((at_least(k, n) - want).abs() < 1e-12, "{k} of {n}");
        }
    }
}
