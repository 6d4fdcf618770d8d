//! Funding times as events: are the minutes around them unlike the same minutes of other hours?
//!
//! For each hour of a day `e = ln(mean of its first 5 minutes / mean of its minutes 10 to 49)`, and the same for its last 5 minutes; only the
//! shape within the hour counts, so an hour that is busy as a whole gives nothing. Contrast of a day: mean `e` of the funding hours
//! (for "before": of the hours that end at one) less the mean of the others. Null: the clock of each day turned by whole hours, which keeps
//! the distance between funding times; p-value of the sum over days by `remora_estimators::draw_p_value`.
//! Only bars of one minute tell; a day with an hour missing is left out. Effect as a factor: `exp(mean contrast)`.

use super::TemporalSettings;
use super::tables::Target;
use crate::candles::{Bar, CandleSeries};
use remora_estimators::draw_p_value;

const HOURS: usize = 24;
/// Minutes of an hour that count as the event, at its start or end.
const EVENT_MINUTES: usize = 5;
/// Fewest minutes of the event and of the rest of the hour with a value.
const EVENT_MIN: u32 = 4;
const REST_MIN: u32 = 30;
/// Fewest days: four weeks, as for the hours.
const DAYS_MIN: usize = 28;

/// Is one event of one pair.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EventFinding {
    pub(super) target: Target,
    pub(super) is_before: bool,
    pub(super) days: usize,
    pub(super) factor: f64,
    pub(super) p_value: f64,
}

/// Sums of one hour: event at the start, rest, event at the end.
#[derive(Clone, Copy, Default)]
struct Hour {
    start: (u32, f64),
    rest: (u32, f64),
    end: (u32, f64),
}

impl Hour {
    fn add(&mut self, minute: usize, value: f64) {
        let part = if minute < EVENT_MINUTES {
            &mut self.start
        } else if minute >= 60 - EVENT_MINUTES {
            &mut self.end
        } else if (10..50).contains(&minute) {
            &mut self.rest
        } else {
            return;
        };
        part.0 += 1;
        part.1 += value;
    }

    fn contrast(&self, is_before: bool) -> Option<f64> {
        let event = if is_before { self.end } else { self.start };
        let mean = |(n, sum): (u32, f64), least: u32| (n >= least).then(|| sum / f64::from(n));
        let (event, rest) = mean(event, EVENT_MIN).zip(mean(self.rest, REST_MIN))?;
        let ratio = libm::log(event / rest);
        ratio.is_finite().then_some(ratio)
    }
}

/// Tests the minutes after and before funding times on volume and volatility; nothing where the bars are not of one minute, no hour is
/// given, or fewer than 28 whole days are known.
pub(super) fn funding_events(
    series: &CandleSeries,
    settings: &TemporalSettings,
) -> Vec<EventFinding> {
    if series.quality.bar_s != 60 || settings.funding_hours.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for target in [Target::Volume, Target::Volatility] {
        let days = days(series, target);
        for is_before in [false, true] {
            findings.extend(finding(&days, target, is_before, &settings.funding_hours));
        }
    }
    findings
}

fn days(series: &CandleSeries, target: Target) -> Vec<[Hour; HOURS]> {
    let mut days: Vec<(i64, [Hour; HOURS])> = Vec::new();
    let mut before: Option<&Bar> = None;
    for bar in &series.bars {
        let (day, second) = (bar.open_s.div_euclid(86_400), bar.open_s.rem_euclid(86_400));
        if days.last().is_none_or(|(last, _)| *last != day) {
            days.push((day, [Hour::default(); HOURS]));
        }
        let hour = usize::try_from(second / 3_600).unwrap_or(0);
        let minute = usize::try_from(second % 3_600 / 60).unwrap_or(0);
        let slot = days.last_mut().and_then(|(_, hours)| hours.get_mut(hour));
        if let Some((slot, value)) = slot.zip(target.value(before, bar, series.quality.bar_s)) {
            slot.add(minute, value);
        }
        before = Some(bar);
    }
    days.into_iter().map(|(_, hours)| hours).collect()
}

fn finding(
    days: &[[Hour; HOURS]],
    target: Target,
    is_before: bool,
    funding_hours: &[u8],
) -> Option<EventFinding> {
    // What comes before a funding time is the end of the hour before it.
    let back = usize::from(is_before);
    let is_event = |hour: usize, turn: usize| {
        let own = (hour + turn + back) % HOURS;
        funding_hours.iter().any(|funding| usize::from(*funding) % HOURS == own)
    };
    let mut draws: Vec<Vec<f64>> = Vec::new();
    for hours in days {
        let values: Option<Vec<f64>> = hours.iter().map(|hour| hour.contrast(is_before)).collect();
        let Some(values) = values else { continue };
        let contrast = |turn: usize| {
            let (mut inside, mut outside) = ((0.0, 0.0), (0.0, 0.0));
            for (hour, value) in values.iter().enumerate() {
                let side = if is_event(hour, turn) { &mut inside } else { &mut outside };
                side.0 += 1.0;
                side.1 += value;
            }
            inside.1 / inside.0 - outside.1 / outside.0
        };
        draws.push((0..HOURS).map(contrast).collect());
    }
    if draws.len() < DAYS_MIN {
        return None;
    }
    // Turns of a day sum to zero, as the test wants: each hour is an event equally often.
    let seen: f64 = draws.iter().filter_map(|day| day.first()).sum();
    let p_value = draw_p_value(&draws, seen)?;
    let factor = libm::exp(seen / crate::candles::est(u64::try_from(draws.len()).ok()?));
    Some(EventFinding { target, is_before, days: draws.len(), factor, p_value })
}
