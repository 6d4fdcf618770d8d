//! From bars to tables of (day or week, bucket), and every test on each table.

use super::TemporalSettings;
use super::events::{EventFinding, funding_events};
use crate::candles::{Bar, CandleSeries, Quality};
use remora_domain::Timestamp;
use remora_estimators::{
    BPS, BucketFamily, NotReady, OneOff, PatternFinding, Scale, SeasonBuilder, SeasonTable,
    examine_pattern,
};
use serde::Serialize;

/// Groups kept: far more than any history has.
const GROUPS_MAX: usize = 50_000;
/// Returns are in basis points an hour, so that bars of all lengths speak the same unit.
const HOUR_S: f64 = 3_600.0;

/// Is what may depend on the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Volume of a bar; factors.
    Volume,
    /// Size of a bar's move, `|ln close/close before|`; factors.
    Volatility,
    /// Spread, where the file has it; factors.
    Spread,
    /// Direction, `ln close/close before` as basis points an hour; offsets.
    Drift,
}

impl Target {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Volume, Self::Volatility, Self::Spread, Self::Drift];

    /// Names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Volatility => "volatility",
            Self::Spread => "spread",
            Self::Drift => "drift",
        }
    }

    const fn scale(self) -> Scale {
        match self {
            Self::Volume | Self::Volatility | Self::Spread => Scale::Log,
            Self::Drift => Scale::Plain,
        }
    }

    /// Gives the value of a bar; `None` where it needs the bar before and that one is missing.
    pub(super) fn value(self, before: Option<&Bar>, bar: &Bar, bar_s: i64) -> Option<f64> {
        let change = || {
            let before = before.filter(|before| bar.open_s - before.open_s == bar_s)?;
            Some(libm::log(bar.close / before.close))
        };
        match self {
            Self::Volume => Some(bar.volume),
            Self::Volatility => change().map(f64::abs),
            Self::Spread => bar.spread_bps,
            Self::Drift => change().map(|change| change * BPS * HOUR_S / length_est(bar_s)),
        }
    }
}

#[expect(clippy::as_conversions, reason = "the length of a bar is far below 2^53")]
const fn length_est(bar_s: i64) -> f64 {
    bar_s as f64
}

/// Is everything found of one pair, before pairs are judged together.
#[derive(Clone, Debug, PartialEq)]
pub struct Examined {
    pub(super) pair: String,
    pub(super) quality: Quality,
    pub(super) tables: Vec<ExaminedTable>,
    pub(super) events: Vec<EventFinding>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ExaminedTable {
    pub(super) target: Target,
    pub(super) family: BucketFamily,
    pub(super) cells_left_out: usize,
    /// The most unusual day or week, with its unusual buckets.
    pub(super) one_event: Option<(i64, Vec<OneOff>)>,
    pub(super) finding: Result<PatternFinding, NotTested>,
}

/// Says why a table was not tested; it then counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub(super) enum NotTested {
    #[error("bars of {bar_s} s do not tell these buckets apart")]
    BarTooLong { bar_s: i64 },
    #[error("not in this data")]
    Absent,
    #[error("history too short: {weeks:.1} of {want:.0} weeks")]
    TooShort { weeks: f64, want: f64 },
    #[error("{0}")]
    NotReady(NotReady),
}

/// The families, in the order of reports.
pub(super) const FAMILIES: [BucketFamily; 4] = [
    BucketFamily::MinuteOfHour,
    BucketFamily::HourOfDay,
    BucketFamily::DayOfWeek,
    BucketFamily::HourOfWeek,
];

/// Runs every test on one pair. Takes the time of a few thousand sums over its cells; memory of one number for each cell.
#[must_use]
pub fn examine(pair: &str, series: &CandleSeries, settings: &TemporalSettings) -> Examined {
    let tables = Target::ALL
        .into_iter()
        .flat_map(|target| examine_target(series, target, settings))
        .collect();
    Examined {
        pair: pair.to_owned(),
        quality: series.quality.clone(),
        tables,
        events: funding_events(series, settings),
    }
}

fn examine_target(
    series: &CandleSeries,
    target: Target,
    settings: &TemporalSettings,
) -> Vec<ExaminedTable> {
    let bar_s = series.quality.bar_s;
    let mut builders: Vec<(BucketFamily, Result<SeasonBuilder, NotTested>)> =
        FAMILIES.into_iter().map(|family| (family, builder(family, target, bar_s))).collect();
    let mut before: Option<&Bar> = None;
    let mut values = 0_usize;
    for bar in &series.bars {
        if let Some(value) = target.value(before, bar, bar_s) {
            values += 1;
            let at = Timestamp::from_ns(bar.open_s.saturating_mul(1_000_000_000));
            for builder in builders.iter_mut().filter_map(|(_, builder)| builder.as_mut().ok()) {
                // Bars rise, so no builder refuses one.
                let _in_order = builder.observe(at, value);
            }
        }
        before = Some(bar);
    }
    let examined = |(family, builder): (BucketFamily, Result<SeasonBuilder, NotTested>)| {
        let table = builder.map(SeasonBuilder::finish);
        let cells_left_out = table.as_ref().map_or(0, SeasonTable::left_out);
        let one_event = table.as_ref().ok().and_then(SeasonTable::one_event);
        let finding = match table {
            Ok(_) if values == 0 => Err(NotTested::Absent),
            Ok(table) => test(&table, settings),
            Err(cause) => Err(cause),
        };
        ExaminedTable { target, family, cells_left_out, one_event, finding }
    };
    builders.into_iter().map(examined).collect()
}

/// A cell wants half of the bars that it should have.
fn builder(family: BucketFamily, target: Target, bar_s: i64) -> Result<SeasonBuilder, NotTested> {
    // Length of a bucket, and how often it comes in one group.
    let (length_s, times) = match family {
        BucketFamily::MinuteOfHour => (60, 24),
        BucketFamily::HourOfDay | BucketFamily::HourOfWeek => (3_600, 1),
        BucketFamily::DayOfWeek => (86_400, 1),
    };
    let bars = u32::try_from(length_s / bar_s * times).unwrap_or(0);
    if bars == 0 {
        return Err(NotTested::BarTooLong { bar_s });
    }
    SeasonBuilder::new(family, target.scale(), bars.div_ceil(2), GROUPS_MAX)
        .map_err(NotTested::NotReady)
}

fn test(table: &SeasonTable, settings: &TemporalSettings) -> Result<PatternFinding, NotTested> {
    let weeks = table.family().weeks(table.groups());
    let want = table.family().weeks_min();
    if weeks < want {
        return Err(NotTested::TooShort { weeks, want });
    }
    examine_pattern(table, settings.permutations, settings.seed).map_err(NotTested::NotReady)
}
