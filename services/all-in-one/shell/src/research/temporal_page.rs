//! The page of `remora temporal analyze`: heat maps by hour, minute and hour of the week, what was tested, what the data lack.

use super::page::{Axes, BLUE, Curve, GREY, HeatCell, HeatRow, Page, WIDE, heat_map, line_plot};
use super::temporal::{event_words, multiplier, quality_lines, summary};
use anyhow::Result;
use remora_research::temporal::{
    BucketReport, PatternNumbers, PatternReport, Target, TemporalReport, Verdict,
};
use remora_research::utc;
use std::collections::BTreeMap;
use std::f64::consts::LN_2;

/// A season of this much is drawn in full color: half or double.
const FULL_SHADE: f64 = LN_2;
/// A drift of so many basis points an hour is drawn in full color.
const FULL_DRIFT: f64 = 20.0;
/// Weeks are drawn for so many pairs at most; all are in the JSON file.
const WEEKS_SHOWN: usize = 12;

/// Builds the page.
pub(crate) fn html(report: &TemporalReport, refused: &BTreeMap<String, String>) -> Result<String> {
    let mut page = Page::new("Remora: patterns by the clock");
    page.note(&format!(
        "{} pairs. {} tests and {} buckets were judged together; of what is called a pattern at most {} % is expected to be false. \
         Hours are UTC. A field shows what the median day does in that bucket against the rest of the day: x1.50 is half again as much. \
         Bold ones stand out by themselves among all buckets. Pale rows are no pattern: nothing should be built on them.",
        report.quality.len(),
        report.tests,
        report.bucket_tests,
        100.0 * report.settings.q,
    ));
    for target in Target::ALL {
        let by = |family: &str| -> Vec<&PatternReport> {
            let asked = |p: &&PatternReport| p.target == target && p.family == family;
            report.patterns.iter().filter(asked).collect()
        };
        let hours = by("hour_of_day");
        if !hours.iter().any(|pattern| pattern.numbers.is_some()) {
            continue;
        }
        page.heading(&format!("{} by hour of the day", capital(target)));
        page.push(&profiles(target, &hours)?);
        page.push(&family_map(target, &hours));
        for (family, words) in
            [("day_of_week", "weekday"), ("minute_of_hour", "minute of the hour")]
        {
            let patterns = by(family);
            if patterns.iter().any(|pattern| pattern.numbers.is_some()) {
                page.heading(&format!("{} by {words}", capital(target)));
                page.push(&family_map(target, &patterns));
            }
        }
        weeks(&mut page, target, &by("hour_of_week"));
    }
    funding(&mut page, report);
    tests(&mut page, report);
    data(&mut page, report, refused);
    Ok(page.finish())
}

fn capital(target: Target) -> String {
    let name = target.name();
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Every pair's profile as a thin line, the median of them bold.
fn profiles(target: Target, patterns: &[&PatternReport]) -> Result<String> {
    let season = |b: &BucketReport| match target {
        Target::Drift => b.season,
        Target::Volume | Target::Volatility | Target::Spread => b.season.exp(),
    };
    let all: Vec<Vec<f64>> = patterns
        .iter()
        .filter_map(|pattern| pattern.numbers.as_ref())
        .map(|numbers| numbers.buckets.iter().map(season).collect())
        .collect();
    let points =
        |values: Vec<f64>| -> Vec<(f64, f64)> { (0_u32..).map(f64::from).zip(values).collect() };
    let width = all.first().map_or(0, Vec::len);
    let middle = |bucket: usize| {
        let column: Vec<f64> = all.iter().filter_map(|p| p.get(bucket).copied()).collect();
        remora_estimators::median(&column).unwrap_or(f64::NAN)
    };
    let middle: Vec<f64> = (0..width).map(middle).collect();
    let mut curves: Vec<Curve<'_>> = all
        .into_iter()
        .map(|values| Curve { name: "", points: points(values), color: GREY, width: 1 })
        .collect();
    curves.push(Curve { name: "median of pairs", points: points(middle), color: BLUE, width: 3 });
    let y = match target {
        Target::Drift => "bps an hour",
        Target::Volume | Target::Volatility | Target::Spread => "times the day",
    };
    let axes = Axes { x: "hour, UTC", y, height: 240, band: Vec::new(), has_zero_lines: false };
    line_plot(&axes, &curves)
}

fn cell(target: Target, bucket: &BucketReport) -> HeatCell {
    let (shade, text) = match target {
        Target::Drift => (bucket.season / FULL_DRIFT, format!("{:+.0}", bucket.season)),
        Target::Volume | Target::Volatility | Target::Spread => {
            (bucket.season / FULL_SHADE, format!("{:.2}", bucket.season.exp()))
        }
    };
    let p = bucket.p_adjusted.map_or_else(String::new, |p| format!(", adjusted p {}", Short(p)));
    let used = multiplier(target, bucket.multiplier);
    let used = if used.is_empty() { "no multiplier".to_owned() } else { format!("use {used}") };
    let title = format!(
        "{}: {text} ({} days or weeks, confidence {:.2}{p}); {used}",
        bucket.label, bucket.groups, bucket.confidence
    );
    HeatCell { shade, text, title, is_bold: bucket.is_significant }
}

fn family_map(target: Target, patterns: &[&PatternReport]) -> String {
    let tested: Vec<(&PatternReport, &PatternNumbers)> =
        patterns.iter().filter_map(|p| Some((*p, p.numbers.as_ref()?))).collect();
    let columns = tested.first().map_or_else(Vec::new, |(_, numbers)| labels(numbers));
    let is_wide = columns.len() > WIDE;
    let row = |(pattern, numbers): &(&PatternReport, &PatternNumbers)| HeatRow {
        label: pattern.pair.clone(),
        note: note(pattern, numbers),
        is_strong: pattern.verdict == Verdict::Pattern,
        cells: numbers
            .buckets
            .iter()
            .map(|bucket| {
                let mut cell = cell(target, bucket);
                if is_wide {
                    cell.text.clear();
                }
                Some(cell)
            })
            .collect(),
    };
    heat_map(&columns, &tested.iter().map(row).collect::<Vec<_>>())
}

fn labels(numbers: &PatternNumbers) -> Vec<String> {
    // Narrow columns are named every five.
    let is_named =
        |bucket: &BucketReport| numbers.buckets.len() <= WIDE || bucket.bucket.is_multiple_of(5);
    let short = |bucket: &BucketReport| {
        let label = bucket.label.trim_start_matches(':').trim_end_matches('h');
        if is_named(bucket) { label.to_owned() } else { String::new() }
    };
    numbers.buckets.iter().map(short).collect()
}

fn note(pattern: &PatternReport, numbers: &PatternNumbers) -> String {
    if pattern.verdict == Verdict::Pattern {
        format!("repeats {:.2}", numbers.persistence)
    } else {
        let event = pattern.one_event.as_ref();
        let event = event.map(|event| format!("once: {}", event_words(pattern.target, event)));
        pattern.reasons.iter().cloned().chain(event).collect::<Vec<_>>().join(", ")
    }
}

fn weeks(page: &mut Page, target: Target, patterns: &[&PatternReport]) {
    let tested: Vec<(&PatternReport, &PatternNumbers)> =
        patterns.iter().filter_map(|p| Some((*p, p.numbers.as_ref()?))).collect();
    if tested.is_empty() {
        return;
    }
    page.heading(&format!("{} by hour of the week", capital(target)));
    if tested.len() > WEEKS_SHOWN {
        page.note(&format!("The first {WEEKS_SHOWN} of {} pairs.", tested.len()));
    }
    let hours: Vec<String> = (0..24).map(|hour| format!("{hour:02}")).collect();
    for (pattern, numbers) in tested.into_iter().take(WEEKS_SHOWN) {
        page.push(&format!("<h3>{}</h3>", super::page::escape(&pattern.pair)));
        let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        let row = |(day, buckets): (&str, &[BucketReport])| HeatRow {
            label: day.to_owned(),
            note: if day == "Mon" { note(pattern, numbers) } else { String::new() },
            is_strong: pattern.verdict == Verdict::Pattern,
            cells: buckets.iter().map(|bucket| Some(cell(target, bucket))).collect(),
        };
        let rows: Vec<HeatRow> =
            days.into_iter().zip(numbers.buckets.chunks(24)).map(row).collect();
        page.push(&heat_map(&hours, &rows));
    }
}

fn funding(page: &mut Page, report: &TemporalReport) {
    if report.events.is_empty() {
        return;
    }
    page.heading("Around funding times");
    page.note(&format!(
        "The 5 minutes before and after {:?} h UTC against the rest of their hour, relative to the same minutes of other hours.",
        report.settings.funding_hours
    ));
    let rows = report.events.iter().map(|event| {
        vec![
            event.pair.clone(),
            format!("{} {}", event.target.name(), event.event.trim_start_matches("funding_")),
            format!("x{:.3}", event.factor),
            event.days.to_string(),
            Short(event.p_value).to_string(),
            Short(event.p_adjusted).to_string(),
            if event.is_significant { "pattern" } else { "no pattern" }.to_owned(),
        ]
    });
    let header = ["pair", "what", "factor", "days", "p", "adjusted p", "verdict"];
    page.table(&header, rows);
}

fn tests(page: &mut Page, report: &TemporalReport) {
    page.heading("Every test");
    let rows = report.patterns.iter().filter_map(|pattern| {
        let numbers = pattern.numbers.as_ref()?;
        let forward = numbers.persistence_forward.map_or_else(String::new, |x| format!("{x:.2}"));
        Some(vec![
            pattern.pair.clone(),
            format!("{} by {}", pattern.target.name(), pattern.family.replace('_', " ")),
            format!("{:.1}", numbers.weeks),
            Short(numbers.p_value).to_string(),
            Short(numbers.p_adjusted).to_string(),
            Short(numbers.p_turned).to_string(),
            format!("{:.3}", numbers.effect),
            format!("{:.2}", numbers.persistence),
            forward,
            summary(pattern),
        ])
    });
    let header = [
        "pair",
        "what",
        "weeks",
        "p",
        "adjusted p",
        "p turned",
        "effect",
        "halves",
        "forward",
        "result",
    ];
    page.table(&header, rows);
}

fn data(page: &mut Page, report: &TemporalReport, refused: &BTreeMap<String, String>) {
    page.heading("Data");
    for line in quality_lines(report) {
        page.warn(&line);
    }
    for (name, why) in refused {
        page.warn(&format!("{name} was refused: {why}"));
    }
    let rows = report.quality.iter().map(|(pair, quality)| {
        vec![
            pair.clone(),
            format!("{} to {}", utc(quality.first_s), utc(quality.last_s)),
            format!("{} s", quality.bar_s),
            quality.bars.to_string(),
            quality.missing.to_string(),
            quality.outages_total.to_string(),
            quality.zero_volume.to_string(),
            quality.excluded.iter().map(|kind| kind.rows).sum::<u64>().to_string(),
        ]
    });
    let header =
        ["pair", "from, to (UTC)", "bar", "bars", "missing", "outages", "no volume", "left out"];
    page.table(&header, rows);
}

/// Shows a p-value in few characters.
struct Short(f64);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 >= 0.001 { write!(f, "{:.3}", self.0) } else { write!(f, "{:.0e}", self.0) }
    }
}
