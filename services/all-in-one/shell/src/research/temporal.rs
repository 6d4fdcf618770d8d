//! `remora temporal analyze`.

use super::args::TemporalArguments;
use super::{inputs, pool, temporal_page, write};
use crate::output;
use anyhow::{Result, bail};
use comfy_table::{Cell, Table, presets};
use remora_research::temporal::{
    BucketReport, EventReport, PatternReport, Target, TemporalReport, TemporalSettings, Verdict,
    examine, judge,
};
use serde::Serialize;
use std::collections::BTreeMap;

const FAMILIES: [(&str, &str); 4] = [
    ("minute_of_hour", "by minute of the hour"),
    ("hour_of_day", "by hour of the day"),
    ("day_of_week", "by weekday"),
    ("hour_of_week", "by hour of the week"),
];

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
    let files = inputs::list(&arguments.data, &[".csv", ".csv.gz"])?;
    let settings = TemporalSettings {
        q: arguments.q,
        permutations: usize::try_from(arguments.permutations)?,
        seed: arguments.seed,
        funding_hours: arguments.funding_hours,
    };
    let (asked, coverage_min) = (settings.clone(), arguments.coverage_min);
    let work = move |input: &inputs::Input| {
        let series = inputs::candles(&input.path, coverage_min)?;
        Ok(examine(&input.name, &series, &asked))
    };
    let (mut examined, mut refused) = (Vec::new(), BTreeMap::new());
    for (inputs::Input { name, .. }, result) in pool::each(files, "files", work).await? {
        match result {
            Ok(pair) => examined.push(pair),
            Err(cause) => drop(refused.insert(name, format!("{cause:#}"))),
        }
    }
    for (name, why) in &refused {
        output::note(&format!("refused {name}: {why}"));
    }
    if examined.is_empty() {
        bail!("no file could be used");
    }
    let report = judge(&examined, &settings)?;
    output::line(&table(&report).to_string());
    output::line(&closing(&report));
    let results = Results { format: 1, report: &report, refused: &refused };
    let page = || temporal_page::html(&report, &refused);
    write::all(&arguments.out, &results, report.patterns.iter().flat_map(rows), page)
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

/// Tells whether a (target, family) was tested on any pair; what was not has no place in the table.
fn is_tested(report: &TemporalReport, is_asked: impl Fn(&PatternReport) -> bool) -> bool {
    report.patterns.iter().any(|p| is_asked(p) && p.verdict != Verdict::NotTested)
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
    let reasons = pattern.reasons.join(", ");
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
    for line in quality_lines(report) {
        text.push('\n');
        text.push_str(&line);
    }
    text
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
