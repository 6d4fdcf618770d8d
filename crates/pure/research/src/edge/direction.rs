//! Following one market's jumps in another: what it pays after spread, fees and latency.

use super::relation::{common, split};
use super::{DAY, EdgeSettings, QuoteTape, ms_est};
use remora_domain::{DurationNs, Timestamp};
use remora_estimators::{
    CatchUp, CatchUpSettings, EdgeCriteria, EdgePrior, EdgeValidation, EdgeVerdict, EventRule,
    ExpectedValue, FollowerTouch, NotReady, event_study, mean_inference, validate_edge,
};
use serde::Serialize;

/// Latencies of the sweep, milliseconds.
const LATENCIES_MS: [i64; 7] = [0, 10, 50, 100, 250, 500, 1_000];
/// Times after the jump at which the follower is looked at, milliseconds.
const CURVE_MS: [i64; 12] = [20, 50, 100, 150, 200, 300, 500, 750, 1_000, 2_000, 5_000, 10_000];
/// Clusters into which a recording of less than some days is cut, so that an interval exists at all.
const CLUSTERS: i64 = 40;
/// Overlapping neighbours that the error allows for: the cool-down leaves none within one rule, news bursts do.
const HAC_LAGS: usize = 5;
/// `1 bps`.
const BPS: f64 = 1e-4;

/// Says what came out of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeOutcome {
    /// The lower bound is above zero on data that did not choose the rule.
    Established,
    /// Enough data, and it does not pay.
    NoEdge,
    /// Not enough to say, or above zero by chance at best.
    NotEstablished,
}

/// Is the answer for following `leader` in `follower`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DirectionReport {
    /// The asset.
    pub base: String,
    /// Whose jumps are followed.
    pub leader: String,
    /// Where we would trade.
    pub follower: String,
    /// Fee of each trade there, basis points.
    pub taker_fee_bps: f64,
    /// What came out.
    pub outcome: EdgeOutcome,
    /// Why it is not established.
    pub reasons: Vec<String>,
    /// The rule that did best on the first part, out of [`Self::tried`].
    pub rule: Option<RuleReport>,
    /// Rules that were tried.
    pub tried: usize,
    /// What it gave where it was chosen: no promise.
    pub fitted: Option<ValueReport>,
    /// What it gave on the second part: the answer.
    pub confirmed: Option<ValueReport>,
    /// Its p-value there, adjusted for all directions.
    pub p_adjusted: Option<f64>,
    /// The rule on the second part at other latencies, basis points after costs.
    pub by_latency: Vec<LatencyPoint>,
    /// The first of those at which it does not pay, milliseconds; `null` where it pays at all of them or nothing is known.
    pub break_even_latency_ms: Option<i64>,
    /// Fee per trade at which the second part would end at zero, basis points.
    pub break_even_fee_bps: Option<f64>,
    /// Move of the follower's mid after a jump of the leader, towards it, before costs, whole recording, the rule's jumps.
    pub after_jump: Vec<EventPoint>,
    /// Share of a gap between both that the follower closes in a second, with its error: what quoting around a fair value can use.
    pub catch_up: Option<(f64, f64)>,
}

/// Is a rule of following.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RuleReport {
    /// Jump of the leader, basis points.
    pub threshold_bps: f64,
    /// Time over which it jumped, milliseconds.
    pub window_ms: f64,
    /// Time until our order is at the venue, milliseconds.
    pub latency_ms: f64,
    /// Time for which the position is held, milliseconds.
    pub hold_ms: f64,
}

/// Is what a rule gave on one part; basis points of value per event.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ValueReport {
    /// Events.
    pub events: usize,
    /// Groups of events that count as one observation each.
    pub clusters: usize,
    /// Share of events with a gain.
    pub probability: f64,
    /// Mean gain of those.
    pub gain_bps: Option<f64>,
    /// Mean loss of the others.
    pub loss_bps: Option<f64>,
    /// Mean of what spread and fees took.
    pub cost_bps: f64,
    /// Mean result after them.
    pub mean_bps: f64,
    /// Lower bound of it.
    pub low_bps: f64,
    /// Upper bound of it.
    pub high_bps: f64,
    /// Chance of such a mean where there is no edge.
    pub p_value: f64,
    /// Fractional Kelly stake with the estimation error, fraction of equity per event.
    pub stake: f64,
}

/// Is the mean result at one latency.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LatencyPoint {
    /// The latency, milliseconds.
    pub latency_ms: i64,
    /// Mean result, basis points; `null` without events.
    pub mean_bps: Option<f64>,
    /// Events.
    pub events: usize,
}

/// Is the mean move after a jump.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EventPoint {
    /// Time after the jump, milliseconds.
    pub after_ms: i64,
    /// Mean move of the follower's mid towards the jump, basis points.
    pub mean_bps: f64,
    /// Lower bound.
    pub low_bps: f64,
    /// Upper bound.
    pub high_bps: f64,
    /// Events.
    pub events: usize,
}

/// Is a direction before all are judged together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DirectionFinding {
    report: DirectionReport,
    verdict: Option<EdgeVerdict>,
    /// Days of the second part.
    days: f64,
}

struct Study<'a> {
    lead: Vec<(Timestamp, f64)>,
    follower: &'a [FollowerTouch],
    split: Timestamp,
    criteria: EdgeCriteria,
    settings: &'a EdgeSettings,
    taker_fee_bps: f64,
}

/// Studies one direction; `taker_fee_bps` is the follower's.
pub(super) fn direction(
    leader: &QuoteTape,
    follower: &QuoteTape,
    taker_fee_bps: f64,
    settings: &EdgeSettings,
) -> DirectionFinding {
    let mut report = DirectionReport {
        base: follower.base.clone(),
        leader: leader.market.clone(),
        follower: follower.market.clone(),
        taker_fee_bps,
        outcome: EdgeOutcome::NotEstablished,
        reasons: Vec::new(),
        rule: None,
        tried: 0,
        fitted: None,
        confirmed: None,
        p_adjusted: None,
        by_latency: Vec::new(),
        break_even_latency_ms: None,
        break_even_fee_bps: None,
        after_jump: Vec::new(),
        catch_up: catch_up(leader, follower),
    };
    let Some((from, until)) = common(leader, follower) else {
        report.reasons.push("never recorded at the same time".to_owned());
        return DirectionFinding { report, verdict: None, days: 0.0 };
    };
    let split = split(from, until, settings.fitted_share);
    let second = until.since(split);
    let days = second.as_seconds_est() / DAY.as_seconds_est();
    let study = Study {
        lead: leader.mids(),
        follower: &follower.quotes,
        split,
        criteria: criteria(settings, second),
        settings,
        taker_fee_bps,
    };
    let rules = study.rules();
    report.tried = rules.len();
    let (lead, touches) = (&study.lead, study.follower);
    let verdict = match validate_edge(lead, touches, &rules, split, &study.criteria) {
        Ok(found) => {
            study.fill(&mut report, &found);
            Some(found.confirmed)
        }
        Err(cause) => {
            report.reasons.push(format!("no rule had results on the first part: {cause}"));
            None
        }
    };
    DirectionFinding { report, verdict, days }
}

/// Days are the clusters; a recording without enough of them is cut finer, which gives numbers but never a verdict.
fn criteria(settings: &EdgeSettings, second: DurationNs) -> EdgeCriteria {
    let finer = DurationNs::from_ns((second.as_ns() / CLUSTERS).max(1));
    let is_long = second >= DAY.saturating_mul(CLUSTERS / 2);
    let sd = settings.prior_sd_bps * BPS;
    EdgeCriteria {
        events_min: settings.events_min,
        cluster: if is_long { DAY } else { finer },
        clusters_min: 10,
        confidence: settings.confidence,
        hac_lags: HAC_LAGS,
        prior: EdgePrior { mean: 0.0, variance: sd * sd },
        kelly_fraction: settings.kelly_fraction,
        stake_max: settings.stake_max,
    }
}

impl Study<'_> {
    fn rules(&self) -> Vec<EventRule> {
        let settings = self.settings;
        let mut rules = Vec::new();
        for threshold_bps in &settings.thresholds_bps {
            for window in &settings.windows_ms {
                for hold in &settings.holds_ms {
                    rules.push(self.rule(*threshold_bps, *window, *hold, settings.latency_ms));
                }
            }
        }
        rules
    }

    fn rule(&self, threshold_bps: f64, window: i64, hold: i64, latency: i64) -> EventRule {
        EventRule {
            window: DurationNs::from_ms(window),
            threshold_bps,
            // Until the position is closed no other is opened.
            cooldown: DurationNs::from_ms(window.max(hold.saturating_add(latency))),
            latency: DurationNs::from_ms(latency),
            hold: DurationNs::from_ms(hold),
            taker_fee_bps: self.taker_fee_bps,
            age_max: DurationNs::from_ms(self.settings.quote_age_ms_max),
        }
    }

    fn fill(&self, report: &mut DirectionReport, found: &EdgeValidation) {
        let rule = found.rule;
        report.rule = Some(RuleReport {
            threshold_bps: rule.threshold_bps,
            window_ms: ms_est(rule.window),
            latency_ms: ms_est(rule.latency),
            hold_ms: ms_est(rule.hold),
        });
        report.fitted = Some(value(&found.fitted));
        report.confirmed = match found.confirmed {
            EdgeVerdict::Established(x) | EdgeVerdict::NoEdge(x) | EdgeVerdict::Unsure(x) => {
                Some(x)
            }
            EdgeVerdict::TooLittle { value, .. } => value,
        }
        .map(|confirmed| value(&confirmed));
        let mean = report.confirmed.map(|confirmed| confirmed.mean_bps);
        report.break_even_fee_bps = mean.map(|mean| (mean + 2.0 * self.taker_fee_bps) / 2.0);
        report.by_latency = LATENCIES_MS.iter().map(|ms| self.at_latency(&rule, *ms)).collect();
        let loses = |point: &&LatencyPoint| point.mean_bps.is_some_and(|mean| mean <= 0.0);
        report.break_even_latency_ms = report.by_latency.iter().find(loses).map(|p| p.latency_ms);
        report.after_jump = CURVE_MS.iter().filter_map(|ms| self.after(&rule, *ms)).collect();
    }

    /// The rule on the second part at another latency: shown beside the answer, never chosen from.
    fn at_latency(&self, rule: &EventRule, latency_ms: i64) -> LatencyPoint {
        let rule = EventRule { latency: DurationNs::from_ms(latency_ms), ..*rule };
        let lead = self.lead.get(self.lead.partition_point(|(at, _)| *at < self.split)..);
        let touches = self.follower.partition_point(|touch| touch.at < self.split);
        let study = lead
            .zip(self.follower.get(touches..))
            .and_then(|(lead, touches)| event_study(lead, touches, &rule).ok());
        LatencyPoint {
            latency_ms,
            mean_bps: study.as_ref().and_then(remora_estimators::EventStudy::mean_net_bps),
            events: study.map_or(0, |study| study.events.len()),
        }
    }

    fn after(&self, rule: &EventRule, after_ms: i64) -> Option<EventPoint> {
        let hold = DurationNs::from_ms(after_ms);
        let rule = EventRule { latency: DurationNs::ZERO, hold, ..*rule };
        let study = event_study(&self.lead, self.follower, &rule).ok()?;
        let moves: Vec<(i64, f64)> = study
            .events
            .iter()
            .map(|event| {
                let cluster = event.at.as_ns().checked_div_euclid(self.criteria.cluster.as_ns());
                (cluster.unwrap_or(0), event.mid_move_bps * event.lead_move_bps.signum())
            })
            .collect();
        let inference = mean_inference(&moves, HAC_LAGS).ok()?;
        let (low_bps, high_bps) = inference.interval(self.criteria.confidence).ok()?;
        Some(EventPoint {
            after_ms,
            mean_bps: inference.mean,
            low_bps,
            high_bps,
            events: inference.n,
        })
    }
}

fn value(found: &ExpectedValue) -> ValueReport {
    ValueReport {
        events: found.inference.n,
        clusters: found.inference.clusters,
        probability: found.probability,
        gain_bps: found.gain_bps,
        loss_bps: found.loss_bps,
        cost_bps: found.cost_bps,
        mean_bps: found.inference.mean,
        low_bps: found.interval_bps.0,
        high_bps: found.interval_bps.1,
        p_value: found.inference.p_value,
        stake: found.stake,
    }
}

/// Gives the share of a gap that the follower closes in a second, with its error.
fn catch_up(leader: &QuoteTape, follower: &QuoteTape) -> Option<(f64, f64)> {
    let settings = CatchUpSettings {
        horizon: DurationNs::from_s(1),
        basis_half_life: DurationNs::from_s(600),
        basis_seconds_min: 30.0,
        half_life: DurationNs::from_s(7 * 86_400),
        spot_age_max: DurationNs::from_s(2),
    };
    let mut catch_up = CatchUp::new(settings).ok()?;
    let (lead, own) = (leader.mids(), follower.mids());
    let mut next = 0;
    for (at, spot) in &own {
        while lead.get(next).is_some_and(|(time, _)| time <= at) {
            next += 1;
        }
        let Some((_, future)) = next.checked_sub(1).and_then(|last| lead.get(last)) else {
            continue;
        };
        catch_up.observe(*at, *spot, *future).ok()?;
    }
    let line = catch_up.line(30.0).ok()?;
    Some((line.slope, line.slope_se))
}

impl DirectionFinding {
    /// Gives the p-value on the second part, where there is one.
    pub(super) fn p_value(&self) -> Option<f64> {
        self.report.confirmed.map(|confirmed| confirmed.p_value.clamp(0.0, 1.0))
    }

    /// Judges it with its p-value adjusted for all directions.
    pub(super) fn judged(
        mut self,
        p_adjusted: Option<f64>,
        settings: &EdgeSettings,
    ) -> DirectionReport {
        let is_long = self.days >= settings.days_min;
        self.report.p_adjusted = p_adjusted;
        let reasons = &mut self.report.reasons;
        if !is_long {
            reasons.push(format!(
                "the second part has {:.4} of {} days",
                self.days, settings.days_min
            ));
        }
        match self.verdict {
            Some(EdgeVerdict::Established(_)) => {
                let is_sure = p_adjusted.is_some_and(|p| p <= settings.q);
                if !is_sure {
                    reasons.push("chance gives as much among so many directions".to_owned());
                }
                if is_long && is_sure {
                    self.report.outcome = EdgeOutcome::Established;
                }
            }
            Some(EdgeVerdict::NoEdge(_)) if is_long => self.report.outcome = EdgeOutcome::NoEdge,
            Some(EdgeVerdict::NoEdge(_)) => reasons.push("loses on the second part".to_owned()),
            Some(EdgeVerdict::Unsure(_)) => {
                reasons.push("the lower bound is not above zero".to_owned());
            }
            Some(EdgeVerdict::TooLittle { events, clusters, .. }) => {
                reasons.push(format!(
                    "{events} of {} events in {clusters} clusters on the second part",
                    settings.events_min
                ));
            }
            None => {}
        }
        self.report
    }
}

/// Tells that nothing was estimated and why.
pub(super) fn refusal(cause: NotReady) -> String {
    cause.to_string()
}
