//! `remora temporal analyze`.

use super::args::TemporalArguments;
use super::{heard_bars, inputs, pool, temporal_page, write};
use crate::output;
use anyhow::{Result, bail};
use comfy_table::{Cell, Table, presets};
use remora_research::temporal::{
    BucketReport, EventReport, Examined, OneEvent, PatternReport, Target, TemporalReport,
    TemporalSettings, Verdict, examine, judge,
};
use serde::Serialize;
use std::collections::BTreeMap;

const FAMILIES: [(&str, &str); 4] = [
    ("minute_of_hour", "by minute of the hour"),
    ("hour_of_day", "by hour of the day"),
    ("day_of_week", "by weekday"),
    ("hour_of_week", "by hour of the week"),
];

/// Single events that are named; the rest is in the results.
const EVENTS_SHOWN: usize = 5;

/// Is the file of results: what was analysed, and what was not and why.
#[derive(Serialize)]
struct Results<'a> {
    format: u32,
    #[serde(flatten)]
    report: &'a TemporalReport,
    refused: &'a BTreeMap<String, String>,
}

/// Reads, tests, judges and shows.
pub(crate) async fn analyze(arguments: TemporalArguments) -> Result<()> {
    write::check(&arguments.out)?;
    let settings = TemporalSettings {
        q: arguments.q,
        permutations: usize::try_from(arguments.permutations)?,
        seed: arguments.seed,
        funding_hours: arguments.funding_hours.clone(),
    };
    let (mut examined, mut refused) = (Vec::new(), BTreeMap::new());
    for (name, result) in read(&arguments, &settings).await? {
        match result {
            Ok(pair) => examined.push(pair),
            Err(cause) => drop(refused.insert(name, format!("{cause:#}"))),
        }
    }
    for (name, why) in &refused {
        output::note(&format!("refused {name}: {why}"));
    }
    if examined.is_empty() {
        bail!("nothing could be used");
    }
    let report = judge(&examined, &settings)?;
    output::line(&table(&report).to_string());
    output::line(&closing(&report));
    let results = Results { format: 1, report: &report, refused: &refused };
    let page = || temporal_page::html(&report, &refused);
    write::all(&arguments.out, &results, report.patterns.iter().flat_map(rows), page)
}

/// Reads files or listens, and examines every pair.
async fn read(
    arguments: &TemporalArguments,
    settings: &TemporalSettings,
) -> Result<Vec<(String, Result<Examined>)>> {
    let asked = settings.clone();
    if let Some((url, seconds)) = arguments.feed.url.as_ref().zip(arguments.feed.seconds) {
        let heard = heard_bars::listen(url, seconds, arguments).await?;
        let work = move |(name, series): &heard_bars::Heard| match series {
            Ok(series) => Ok(examine(name, series, &asked)),
            Err(cause) => bail!("{cause:#}"),
        };
        let done = pool::each(heard, "pairs", work).await?;
        return Ok(done.into_iter().map(|((name, _), result)| (name, result)).collect());
    }
    let files = inputs::list(&arguments.data, &[".csv", ".csv.gz"])?;
    let coverage_min = arguments.coverage_min;
    let work = move |input: &inputs::Input| {
        let series = inputs::candles(&input.path, coverage_min)?;
        Ok(examine(&input.name, &series, &asked))
    };
    let done = pool::each(files, "files", work).await?;
    Ok(done.into_iter().map(|(input, result)| (input.name, result)).collect())
}

/// Is one row of the CSV file.
#[derive(Serialize)]
struct Row<'a> {
    pair: &'a str,
    target: &'static str,
    family: &'static str,
    verdict: Verdict,
    bucket: usize,
    label: &'a str,
    groups: usize,
    multiplier: Option<f64>,
    season: f64,
    season_se: f64,
    confidence: f64,
    p_value: Option<f64>,
    p_adjusted: Option<f64>,
    is_significant: bool,
}

fn rows(pattern: &PatternReport) -> Vec<Row<'_>> {
    let buckets = pattern.numbers.iter().flat_map(|numbers| &numbers.buckets);
    buckets
        .map(|bucket| Row {
            pair: &pattern.pair,
            target: pattern.target.name(),
            family: pattern.family,
            verdict: pattern.verdict,
            bucket: bucket.bucket,
            label: &bucket.label,
            groups: bucket.groups,
            multiplier: bucket.multiplier,
            season: bucket.season,
            season_se: bucket.season_se,
            confidence: bucket.confidence,
            p_value: bucket.p_value,
            p_adjusted: bucket.p_adjusted,
            is_significant: bucket.is_significant,
        })
        .collect()
}

/// Tells whether a (target, family) was tested on any pair; what was not has no place in the table, unless nothing was: then it says why.
fn is_tested(report: &TemporalReport, is_asked: impl Fn(&PatternReport) -> bool) -> bool {
    let is_shown = |p: &PatternReport| report.tests == 0 || p.verdict != Verdict::NotTested;
    report.patterns.iter().any(|p| is_asked(p) && is_shown(p))
}

fn table(report: &TemporalReport) -> Table {
    let families: Vec<(&str, &str)> = FAMILIES
        .into_iter()
        .filter(|(name, _)| is_tested(report, |pattern| pattern.family == *name))
        .collect();
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    let header = ["pair", "what"].into_iter().chain(families.iter().map(|(_, words)| *words));
    table.set_header(header);
    for (pair, _) in &report.quality {
        let targets = Target::ALL
            .into_iter()
            .filter(|target| is_tested(report, |pattern| pattern.target == *target));
        for target in targets {
            let mut cells = vec![Cell::new(pair), Cell::new(target.name())];
            for (family, _) in &families {
                let found = report
                    .patterns
                    .iter()
                    .find(|p| p.pair == *pair && p.target == target && p.family == *family);
                cells.push(Cell::new(found.map(summary).unwrap_or_default()));
            }
            table.add_row(cells);
        }
    }
    table
}

/// Says one pattern in a line: its highest and lowest bucket and how well it repeats, or why there is none.
pub(crate) fn summary(pattern: &PatternReport) -> String {
    let mut reasons = pattern.reasons.join(", ");
    if pattern.one_event.is_some() {
        reasons.push_str(" (one event, see below)");
    }
    match (pattern.verdict, &pattern.numbers) {
        (Verdict::Pattern, Some(numbers)) => {
            let by = |a: &&BucketReport, b: &&BucketReport| {
                let value = |bucket: &BucketReport| bucket.multiplier.unwrap_or(f64::NAN);
                value(a).total_cmp(&value(b))
            };
            let (most, least) =
                (numbers.buckets.iter().max_by(by), numbers.buckets.iter().min_by(by));
            let show = |bucket: Option<&BucketReport>| {
                bucket.map_or_else(String::new, |b| {
                    format!("{} at {}", multiplier(pattern.target, b.multiplier), b.label)
                })
            };
            format!("{}, {} (repeats {:.2})", show(most), show(least), numbers.persistence)
        }
        (Verdict::NoPattern, _) => format!("no pattern: {reasons}"),
        (Verdict::Pattern | Verdict::NotTested, _) => format!("not tested: {reasons}"),
    }
}

/// Names what happened once.
pub(crate) fn event_words(target: Target, event: &OneEvent) -> String {
    let OneEvent { date, buckets, furthest, .. } = event;
    let (shown, more) = (buckets.iter().take(3), buckets.len().saturating_sub(3));
    let mut when = shown.map(String::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 {
        when.push_str(&format!(" and {more} more"));
    }
    let size = multiplier(target, Some(*furthest));
    format!("{date} at {when}, {size} against what it usually is")
}

/// Shows a multiplier, or an offset where the target is drift.
pub(crate) fn multiplier(target: Target, value: Option<f64>) -> String {
    match (target, value) {
        (_, None) => String::new(),
        (Target::Volume | Target::Volatility | Target::Spread, Some(x)) => format!("x{x:.2}"),
        (Target::Drift, Some(x)) => format!("{x:+.2} bps"),
    }
}

fn closing(report: &TemporalReport) -> String {
    let mut text = format!(
        "{} tests and {} buckets judged together, at most {} % of what is called a pattern expected to be false: {} patterns.",
        report.tests,
        report.bucket_tests,
        100.0 * report.settings.q,
        report.patterns_found
    );
    if !report.events.is_empty() {
        text.push('\n');
        text.push_str(&funding(report));
    }
    for line in events_once(report).into_iter().chain(quality_lines(report)) {
        text.push('\n');
        text.push_str(&line);
    }
    text
}

/// Says what happened once, which makes no pattern however large it was.
fn events_once(report: &TemporalReport) -> Vec<String> {
    let none = report.patterns.iter().filter(|p| p.verdict == Verdict::NoPattern);
    let mut found: Vec<(&PatternReport, &OneEvent)> =
        none.filter_map(|pattern| Some((pattern, pattern.one_event.as_ref()?))).collect();
    let size = |event: &OneEvent| event.distance;
    found.sort_by(|(_, a), (_, b)| size(b).total_cmp(&size(a)));
    let words = |name: &str| {
        FAMILIES.into_iter().find(|(family, _)| *family == name).map_or("", |(_, words)| words)
    };
    let line = |(pattern, event): &(&PatternReport, &OneEvent)| {
        let (pair, target) = (&pattern.pair, pattern.target);
        let event = event_words(target, event);
        format!(
            "one event, no pattern: {pair} {} {}: {event}",
            target.name(),
            words(pattern.family)
        )
    };
    let mut lines: Vec<String> = found.iter().take(EVENTS_SHOWN).map(line).collect();
    let more = found.len().saturating_sub(EVENTS_SHOWN);
    if more > 0 {
        lines.push(format!("{more} more single events are in the results"));
    }
    lines
}

/// Says what the minutes around funding times showed: how many, and the strongest.
fn funding(report: &TemporalReport) -> String {
    let mut found: Vec<&EventReport> =
        report.events.iter().filter(|event| event.is_significant).collect();
    found.sort_by(|a, b| b.factor.total_cmp(&a.factor));
    let hours: Vec<String> =
        report.settings.funding_hours.iter().map(|hour| format!("{hour:02}")).collect();
    let show = |event: &&EventReport| {
        let when = if event.event == "funding_before" { "before" } else { "after" };
        let (pair, target) = (&event.pair, event.target.name());
        format!("{pair} {target} x{:.2} in the 5 minutes {when}", event.factor)
    };
    let strongest: Vec<String> = found.iter().take(3).map(show).collect();
    let strongest =
        if strongest.is_empty() { String::new() } else { format!(": {}", strongest.join("; ")) };
    format!(
        "Around {} UTC (funding): {} of {} tests differ from other hours{strongest}.",
        hours.join(", "),
        found.len(),
        report.events.len()
    )
}

/// Says what was wrong with the data, each outage once with the number of pairs that have it.
pub(crate) fn quality_lines(report: &TemporalReport) -> Vec<String> {
    let mut outages: BTreeMap<String, usize> = BTreeMap::new();
    let mut lines = Vec::new();
    for (pair, quality) in &report.quality {
        for outage in &quality.outages {
            *outages.entry(outage.to_string()).or_default() += 1;
        }
        for kind in &quality.excluded {
            let (rows, words, line) = (kind.rows, kind.kind.words(), kind.first_line);
            lines.push(format!("{pair}: {rows} rows {words} left out, the first in line {line}"));
        }
        if quality.coverage < 0.99 {
            lines.push(format!(
                "{pair}: {:.1} % of its bars are missing",
                100.0 * (1.0 - quality.coverage)
            ));
        }
    }
    let mut outages: Vec<(String, usize)> = outages.into_iter().collect();
    let total = outages.len();
    outages.sort_by_key(|(_, pairs)| std::cmp::Reverse(*pairs));
    outages.truncate(5);
    let shown = outages.len();
    lines.extend(outages.iter().map(|(span, pairs)| format!("outage {span}: {pairs} pairs")));
    if total > shown {
        lines.push(format!("{} more outages are in the results", total - shown));
    }
    lines
}
