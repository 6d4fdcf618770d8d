//! All pairs judged together, and the report of it.

use super::TemporalSettings;
use super::events::EventFinding;
use super::tables::{Examined, ExaminedTable, Target};
use crate::calendar::utc_date;
use crate::candles::Quality;
use remora_estimators::{
    BucketFactor, BucketFamily, NotReady, PatternDoubt, PatternFinding, PatternVerdict,
    adjusted_p_values, judge_pattern,
};
use serde::Serialize;

/// The most that drift may move a fair value, basis points (strategy facts, section 5.4).
const DRIFT_CAP_BPS: f64 = 1.0;

/// Buckets standing out alone that are named.
const ALONE_SHOWN: usize = 4;

/// Is the answer for all pairs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TemporalReport {
    /// How it was asked.
    pub settings: TemporalSettings,
    /// Tests whose p-values were adjusted together.
    pub tests: usize,
    /// Buckets whose p-values were adjusted together.
    pub bucket_tests: usize,
    /// Patterns found.
    pub patterns_found: usize,
    /// What each file held.
    pub quality: Vec<(String, Quality)>,
    /// One for each (pair, target, family), tested or not.
    pub patterns: Vec<PatternReport>,
    /// One for each (pair, target, event) that was tested.
    pub events: Vec<EventReport>,
}

/// Says what came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Its multipliers may be used.
    Pattern,
    /// Tested, and nothing to use.
    NoPattern,
    /// Not tested, for the reason beside it.
    NotTested,
}

/// Is the answer for one (pair, target, family).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PatternReport {
    /// The pair.
    pub pair: String,
    /// What was looked at.
    pub target: Target,
    /// By which clock: `minute_of_hour`, `hour_of_day`, `day_of_week`, `hour_of_week`.
    pub family: &'static str,
    /// What came out.
    pub verdict: Verdict,
    /// Why not, where it is no pattern.
    pub reasons: Vec<String>,
    /// A day or week in which some bucket was far from what it is in all others: one event, which no pattern rests on.
    pub one_event: Option<OneEvent>,
    /// The numbers, where it was tested.
    pub numbers: Option<PatternNumbers>,
}

/// Is one event: what happened once, and is therefore no pattern.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OneEvent {
    /// The day (UTC), for weekly buckets that of the first of them.
    pub date: String,
    /// Its buckets, by name.
    pub buckets: Vec<String>,
    /// The furthest of them against what that bucket usually is: a factor, for drift bps an hour beyond it.
    pub furthest: f64,
    /// Its distance from that, robust standard deviations of the bucket.
    pub distance: f64,
}

impl OneEvent {
    fn of(table: &ExaminedTable) -> Option<Self> {
        let (group, cells) = table.one_event.as_ref()?;
        let furthest = cells.iter().max_by(|a, b| a.distance.total_cmp(&b.distance))?;
        let first = cells.iter().map(|cell| cell.bucket).min()?;
        Some(Self {
            date: utc_date(table.family.day_of(*group, first)),
            buckets: cells.iter().map(|cell| bucket_label(table.family, cell.bucket)).collect(),
            furthest: match table.target {
                Target::Volume | Target::Volatility | Target::Spread => libm::exp(furthest.beyond),
                Target::Drift => furthest.beyond,
            },
            distance: furthest.distance,
        })
    }
}

/// Holds the numbers of one test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PatternNumbers {
    /// Weeks of history.
    pub weeks: f64,
    /// Cells (day, bucket) left out for too few bars or a value without a logarithm.
    pub cells_left_out: usize,
    /// p-value of the rank test.
    pub p_rank: f64,
    /// p-value that counts, before adjusting.
    pub p_value: f64,
    /// The same adjusted for all tests.
    pub p_adjusted: f64,
    /// p-value of turning each day's clock.
    pub p_turned: f64,
    /// Share of the ranks' variance that the buckets explain.
    pub effect: f64,
    /// Rank correlation of the first half's profile with the second's.
    pub persistence: f64,
    /// Chance of such a correlation.
    pub p_persistence: f64,
    /// Mean rank correlation of all earlier days with the next quarter; `null` with too few.
    pub persistence_forward: Option<f64>,
    /// One for each bucket.
    pub buckets: Vec<BucketReport>,
}

/// Is one bucket.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BucketReport {
    /// Its number from 0.
    pub bucket: usize,
    /// Its name: minute, hour, weekday, weekday and hour.
    pub label: String,
    /// Days or weeks with a value for it.
    pub groups: usize,
    /// What decision may use: a multiplier, for drift an offset in bps; `null` where there is no pattern.
    pub multiplier: Option<f64>,
    /// What was seen: log units, for drift bps an hour; not shrunk.
    pub season: f64,
    /// Standard error of it.
    pub season_se: f64,
    /// How much the bucket's own data count, 0 to 1.
    pub confidence: f64,
    /// Its p-value; `null` with too few groups.
    pub p_value: Option<f64>,
    /// The same adjusted for all buckets.
    pub p_adjusted: Option<f64>,
    /// Whether this bucket alone is unlike the others: adjusted p-value at most `q` within an accepted pattern.
    pub is_significant: bool,
}

/// Is the answer for the minutes around funding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventReport {
    /// The pair.
    pub pair: String,
    /// What was looked at.
    pub target: Target,
    /// `funding_after` or `funding_before`: the 5 minutes.
    pub event: &'static str,
    /// Days used.
    pub days: usize,
    /// Those minutes against the rest of their hour, relative to the same of other hours.
    pub factor: f64,
    /// Its p-value.
    pub p_value: f64,
    /// The same adjusted for all tests.
    pub p_adjusted: f64,
    /// Whether it is a pattern.
    pub is_significant: bool,
}

/// Judges everything that was examined together: give every pair, whatever it showed.
///
/// # Errors
/// None in practice: p-values lie in their range.
pub fn judge(
    examined: &[Examined],
    settings: &TemporalSettings,
) -> Result<TemporalReport, NotReady> {
    let findings = || {
        let tables = examined.iter().flat_map(|pair| &pair.tables);
        tables.filter_map(|table| table.finding.as_ref().ok())
    };
    let events = || examined.iter().flat_map(|pair| &pair.events);
    let p_values: Vec<f64> = findings()
        .map(|finding| finding.p_value)
        .chain(events().map(|event| event.p_value))
        .collect();
    let bucket_p_values: Vec<f64> =
        findings().flat_map(|f| &f.buckets).filter_map(|bucket| bucket.p_value).collect();
    let dependence = settings.criteria().dependence;
    let mut adjusted = adjusted_p_values(&p_values, dependence)?.into_iter();
    let mut buckets_adjusted = adjusted_p_values(&bucket_p_values, dependence)?.into_iter();
    let mut patterns = Vec::new();
    for pair in examined {
        for table in &pair.tables {
            patterns.push(pattern(pair, table, settings, &mut adjusted, &mut buckets_adjusted));
        }
    }
    let events = examined
        .iter()
        .flat_map(|pair| pair.events.iter().map(move |event| (pair, event)))
        .zip(adjusted)
        .map(|((pair, found), p)| event(&pair.pair, found, p, settings.q))
        .collect();
    Ok(TemporalReport {
        settings: settings.clone(),
        tests: p_values.len(),
        bucket_tests: bucket_p_values.len(),
        patterns_found: patterns.iter().filter(|p| p.verdict == Verdict::Pattern).count(),
        quality: examined.iter().map(|p| (p.pair.clone(), p.quality.clone())).collect(),
        patterns,
        events,
    })
}

/// Reads one table; `adjusted` and `buckets_adjusted` run in the order of all findings and all buckets with a p-value.
fn pattern(
    pair: &Examined,
    table: &ExaminedTable,
    settings: &TemporalSettings,
    adjusted: &mut impl Iterator<Item = f64>,
    buckets_adjusted: &mut impl Iterator<Item = f64>,
) -> PatternReport {
    let mut report = PatternReport {
        pair: pair.pair.clone(),
        target: table.target,
        family: family_name(table.family),
        verdict: Verdict::NotTested,
        reasons: Vec::new(),
        one_event: OneEvent::of(table),
        numbers: None,
    };
    let finding = match &table.finding {
        Ok(finding) => finding,
        Err(cause) => {
            report.reasons.push(cause.to_string());
            return report;
        }
    };
    let p_adjusted = adjusted.next().unwrap_or(1.0);
    match judge_pattern(finding, p_adjusted, &settings.criteria()) {
        PatternVerdict::Pattern(_) => report.verdict = Verdict::Pattern,
        PatternVerdict::NoPattern(doubts) => {
            report.verdict = Verdict::NoPattern;
            report.reasons =
                doubts.into_iter().map(|doubt| doubt_words(doubt).to_owned()).collect();
        }
    }
    let is_pattern = report.verdict == Verdict::Pattern;
    let bucket = |(number, factor): (usize, &BucketFactor)| {
        let p_adjusted = factor.p_value.and_then(|_| buckets_adjusted.next());
        bucket_report(number, factor, table, is_pattern, p_adjusted, settings.q)
    };
    let buckets: Vec<BucketReport> = finding.buckets.iter().enumerate().map(bucket).collect();
    if report.reasons.iter().any(|reason| reason == doubt_words(PatternDoubt::Persistence)) {
        report.reasons.extend(alone(&buckets, settings.q));
    }
    report.numbers = Some(numbers(finding, table.cells_left_out, p_adjusted, buckets));
    report
}

/// Names buckets that stand out alone where the profile as a whole does not repeat: the rank correlation that must repeat weighs
/// all buckets alike, and does not see one or two among many. They are told and not used.
fn alone(buckets: &[BucketReport], q: f64) -> Option<String> {
    let strong = buckets.iter().filter(|bucket| bucket.p_adjusted.is_some_and(|p| p <= q));
    let names: Vec<&str> = strong.map(|bucket| bucket.label.as_str()).collect();
    let more = names.len().saturating_sub(ALONE_SHOWN);
    let shown = names.iter().take(ALONE_SHOWN).copied().collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty()).then(|| format!("alone stand out {shown}{more}"))
}

fn numbers(
    finding: &PatternFinding,
    cells_left_out: usize,
    p_adjusted: f64,
    buckets: Vec<BucketReport>,
) -> PatternNumbers {
    PatternNumbers {
        weeks: finding.weeks,
        cells_left_out,
        p_rank: finding.ranks.p_value,
        p_value: finding.p_value,
        p_adjusted,
        p_turned: finding.permutation.family_p_value,
        effect: finding.ranks.effect,
        persistence: finding.persistence.halves,
        p_persistence: finding.persistence.p_value,
        persistence_forward: finding.persistence.forward,
        buckets,
    }
}

fn bucket_report(
    bucket: usize,
    factor: &BucketFactor,
    table: &ExaminedTable,
    is_pattern: bool,
    p_adjusted: Option<f64>,
    q: f64,
) -> BucketReport {
    let usable = match table.target {
        Target::Volume | Target::Volatility | Target::Spread => factor.factor,
        Target::Drift => factor.factor.clamp(-DRIFT_CAP_BPS, DRIFT_CAP_BPS),
    };
    BucketReport {
        bucket,
        label: bucket_label(table.family, bucket),
        groups: factor.groups,
        multiplier: is_pattern.then_some(usable),
        season: factor.season,
        season_se: factor.se,
        confidence: factor.confidence,
        p_value: factor.p_value,
        p_adjusted,
        is_significant: is_pattern && p_adjusted.is_some_and(|p| p <= q),
    }
}

fn event(pair: &str, event: &EventFinding, p_adjusted: f64, q: f64) -> EventReport {
    EventReport {
        pair: pair.to_owned(),
        target: event.target,
        event: if event.is_before { "funding_before" } else { "funding_after" },
        days: event.days,
        factor: event.factor,
        p_value: event.p_value,
        p_adjusted,
        is_significant: p_adjusted <= q,
    }
}

const fn family_name(family: BucketFamily) -> &'static str {
    match family {
        BucketFamily::MinuteOfHour => "minute_of_hour",
        BucketFamily::HourOfDay => "hour_of_day",
        BucketFamily::DayOfWeek => "day_of_week",
        BucketFamily::HourOfWeek => "hour_of_week",
    }
}

fn bucket_label(family: BucketFamily, bucket: usize) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let day = |at: usize| DAYS.get(at).copied().unwrap_or_default();
    match family {
        BucketFamily::MinuteOfHour => format!(":{bucket:02}"),
        BucketFamily::HourOfDay => format!("{bucket:02}h"),
        BucketFamily::DayOfWeek => day(bucket).to_owned(),
        BucketFamily::HourOfWeek => format!("{} {:02}h", day(bucket / 24), bucket % 24),
    }
}

const fn doubt_words(doubt: PatternDoubt) -> &'static str {
    match doubt {
        PatternDoubt::Chance => "chance explains it",
        PatternDoubt::Permutation => "turned days show as much",
        PatternDoubt::Effect => "too small",
        PatternDoubt::Persistence => "does not repeat",
        PatternDoubt::History => "history too short",
    }
}
