//! `remora data inspect`.

use crate::output;
use crate::research::{inputs, recorded};
use anyhow::{Context, Result, bail};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use remora_domain::{DurationNs, FeedCounters, InstrumentKey, Timestamp};
use remora_research::{Quality, utc, utc_instant};
use remora_venue_api::{FeedInput, FeedOutput, FeedSession, ProblemKind};
use remora_venue_link::{Player, RecordingSummary};
use remora_venue_registry::of_recording;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Silences that are named.
const SILENCES_MAX: usize = 5;

#[derive(Args)]
pub(crate) struct InspectArguments {
    /// Recordings (.jsonl, .jsonl.gz), candle files (.csv, .csv.gz), or folders of them.
    #[arg(required = true, value_name = "DATA")]
    data: Vec<PathBuf>,
    /// Time without any frame from which it is a gap, seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(i64).range(1..=86_400))]
    gap_s: i64,
    /// Write everything as JSON.
    #[arg(long, value_name = "FILE.json")]
    json: Option<PathBuf>,
}

/// Is everything that was found.
#[derive(Default, Serialize)]
struct Held {
    format: u32,
    candles: BTreeMap<String, Quality>,
    recordings: BTreeMap<String, RecordingHeld>,
    pairs: BTreeMap<String, PairHeld>,
    /// What the venue's session found wrong, by kind, with the first of each.
    problems: BTreeMap<String, ProblemsHeld>,
    /// What could not be read, and why.
    refused: BTreeMap<String, String>,
}

/// Is what one recording holds.
#[derive(Serialize)]
struct RecordingHeld {
    venues: Vec<String>,
    #[serde(serialize_with = "raw_ns")]
    first: Timestamp,
    #[serde(serialize_with = "raw_ns")]
    last: Timestamp,
    seconds: f64,
    frames_in: u64,
    frames_out: u64,
    /// The line in which it was cut.
    cut_at_line: Option<u64>,
    gaps: u64,
    /// The longest, longest first.
    longest_gaps: Vec<Gap>,
}

#[derive(Clone, Serialize)]
struct Gap {
    #[serde(serialize_with = "raw_ns")]
    from: Timestamp,
    seconds: f64,
}

/// Results keep nanoseconds, as text: a number of that size is cut by many readers of JSON.
fn raw_ns<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// Is what all recordings together say of one pair.
#[derive(Serialize)]
struct PairHeld {
    frames: u64,
    checksums_passed: u64,
    checksums_failed: u64,
    trades: u64,
    resyncs: u64,
    malformed: u64,
    crossed: u64,
}

#[derive(Serialize)]
struct ProblemsHeld {
    count: u64,
    first: String,
}

/// Reads and shows.
pub(crate) async fn run(arguments: InspectArguments) -> Result<()> {
    let held = tokio::task::spawn_blocking(move || -> Result<(Held, Option<PathBuf>)> {
        Ok((inspect(&arguments)?, arguments.json))
    });
    let (held, json) = held.await??;
    show(&held);
    if let Some(path) = &json {
        let mut text = serde_json::to_string_pretty(&held).context("encode results")?;
        text.push('\n');
        std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    }
    if held.candles.is_empty() && held.recordings.is_empty() {
        bail!("no file could be read");
    }
    Ok(())
}

fn inspect(arguments: &InspectArguments) -> Result<Held> {
    let endings = [".csv", ".csv.gz", ".jsonl", ".jsonl.gz"];
    let mut held = Held { format: 1, ..Held::default() };
    // Those of one venue are one market; another venue's are played for themselves.
    let mut recordings: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    for input in inputs::list(&arguments.data, &endings)? {
        let name = input.path.to_string_lossy().into_owned();
        if name.ends_with(".jsonl") || name.ends_with(".jsonl.gz") {
            match Player::open(std::slice::from_ref(&input.path)) {
                Ok(player) => recordings.entry(venue_of(&player)).or_default().push(input.path),
                Err(cause) => drop(held.refused.insert(input.name, cause.to_string())),
            }
            continue;
        }
        // Whatever is missing is said, nothing is refused for it.
        match inputs::candles(&input.path, 0.0) {
            Ok(series) => drop(held.candles.insert(input.name, series.quality)),
            Err(cause) => drop(held.refused.insert(input.name, format!("{cause:#}"))),
        }
    }
    for paths in recordings.values() {
        play(paths, DurationNs::from_s(arguments.gap_s), &mut held)?;
    }
    Ok(held)
}

/// Gives the venue whose session reads a recording, or nothing where there is none.
fn venue_of(player: &Player) -> &'static str {
    let name = player.venues().into_iter().next().unwrap_or_default();
    of_recording(name).map_or("", |entry| entry.id)
}

/// Plays recordings through the session of their venue, where one reads them all; gaps are seen in any case.
fn play(paths: &[PathBuf], gap: DurationNs, held: &mut Held) -> Result<()> {
    let player = Player::open(paths)?;
    let mut session = match recorded::session(&player) {
        Ok(session) => Some(session),
        Err(cause) => {
            output::note(&format!("books are not checked: {cause:#}"));
            None
        }
    };
    // Played time may be moved by whole days; what is told is the recorder's.
    let plans = player.plans().iter().map(|plan| (plan.recording.clone(), plan.shift));
    let summaries: Vec<(RecordingSummary, DurationNs)> = plans.collect();
    let mut gaps: BTreeMap<usize, Vec<(Timestamp, DurationNs)>> = BTreeMap::new();
    let mut crossed: BTreeMap<InstrumentKey, u64> = BTreeMap::new();
    let (mut before, mut out) = (None, Vec::new());
    for played in player {
        let played = played?;
        if let FeedInput::Frame { receive_time, .. } = &played.input {
            let now = (played.session, *receive_time);
            let last = before.replace(now).filter(|(session, _)| *session == played.session);
            if let Some((_, last)) = last
                && receive_time.since(last) >= gap
            {
                gaps.entry(played.session).or_default().push((last, receive_time.since(last)));
            }
        }
        let Some(session) = &mut session else { continue };
        session.handle(played.at, played.input, &mut out);
        for output in out.drain(..) {
            note_problem(output, held, &mut crossed);
        }
    }
    for (place, (summary, shift)) in summaries.iter().enumerate() {
        let name = summary.path.to_string_lossy().into_owned();
        let gaps = gaps.remove(&place).unwrap_or_default();
        held.recordings.insert(name, recording(summary, *shift, gaps));
    }
    if let Some(session) = session {
        held.pairs.extend(pairs(&*session, &crossed));
    }
    Ok(())
}

fn note_problem(output: FeedOutput, held: &mut Held, crossed: &mut BTreeMap<InstrumentKey, u64>) {
    let FeedOutput::Problem(problem) = output else { return };
    if let Some(key) = problem.instrument.filter(|_| problem.kind == ProblemKind::CrossedBook) {
        *crossed.entry(key).or_default() += 1;
    }
    let first = problem.detail;
    let found = held
        .problems
        .entry(format!("{:?}", problem.kind))
        .or_insert_with(|| ProblemsHeld { count: 0, first });
    found.count = found.count.saturating_add(1);
}

fn recording(
    summary: &RecordingSummary,
    shift: DurationNs,
    mut gaps: Vec<(Timestamp, DurationNs)>,
) -> RecordingHeld {
    let total = u64::try_from(gaps.len()).unwrap_or(u64::MAX);
    gaps.sort_by_key(|(_, length)| std::cmp::Reverse(*length));
    let gap = |(from, length): &(Timestamp, DurationNs)| Gap {
        from: from.saturating_sub(shift),
        seconds: length.as_seconds_est(),
    };
    RecordingHeld {
        venues: summary.venues.iter().cloned().collect(),
        first: summary.first,
        last: summary.last,
        seconds: summary.last.since(summary.first).as_seconds_est(),
        frames_in: summary.frames_in,
        frames_out: summary.frames_out,
        cut_at_line: summary.cut_at_line,
        gaps: total,
        longest_gaps: gaps.iter().take(SILENCES_MAX).map(gap).collect(),
    }
}

fn pairs(
    session: &dyn FeedSession,
    crossed: &BTreeMap<InstrumentKey, u64>,
) -> BTreeMap<String, PairHeld> {
    let pair = |(key, counters): (InstrumentKey, FeedCounters)| {
        let crossed = crossed.get(&key).copied().unwrap_or(0);
        let held = PairHeld {
            frames: counters.frames,
            checksums_passed: counters.checksums_passed,
            checksums_failed: counters.checksums_failed,
            trades: counters.trades,
            resyncs: counters.resyncs,
            malformed: counters.malformed,
            crossed,
        };
        (key.instrument.to_string(), held)
    };
    session.counters().into_iter().filter(|(_, c)| c.frames > 0).map(pair).collect()
}

fn show(held: &Held) {
    for (name, why) in &held.refused {
        output::note(&format!("refused {name}: {why}"));
    }
    for (name, found) in &held.recordings {
        output::line(&format!(
            "{name}: {} to {} UTC, {:.0} s, {} frames of {}; {} gaps",
            utc_instant(found.first),
            utc_instant(found.last),
            found.seconds,
            found.frames_in,
            found.venues.join(", "),
            found.gaps
        ));
        for gap in &found.longest_gaps {
            let from = utc_instant(gap.from);
            output::line(&format!("  silent for {:.1} s from {from} UTC", gap.seconds));
        }
        if let Some(line) = found.cut_at_line {
            output::line(&format!("  cut in line {line}: everything before it is whole"));
        }
    }
    if !held.pairs.is_empty() {
        output::line(&pair_table(&held.pairs).to_string());
    }
    for (kind, problems) in &held.problems {
        output::line(&format!("{kind}: {} times, first: {}", problems.count, problems.first));
    }
    for (name, quality) in &held.candles {
        candle_lines(name, quality).iter().for_each(|line| output::line(line));
    }
}

fn pair_table(pairs: &BTreeMap<String, PairHeld>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "pair",
        "frames",
        "checksums",
        "bad",
        "trades",
        "resyncs",
        "malformed",
        "crossed",
    ]);
    for (pair, held) in pairs {
        let numbers = [
            held.frames,
            held.checksums_passed,
            held.checksums_failed,
            held.trades,
            held.resyncs,
            held.malformed,
            held.crossed,
        ];
        let cells = std::iter::once(pair.clone()).chain(numbers.iter().map(u64::to_string));
        table.add_row(cells);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn candle_lines(name: &str, quality: &Quality) -> Vec<String> {
    let mut lines = vec![format!(
        "{name}: {} bars of {} s, {} to {} UTC; {:.2} % are there, {} missing, {} without volume",
        quality.bars,
        quality.bar_s,
        utc(quality.first_s),
        utc(quality.last_s),
        100.0 * quality.coverage,
        quality.missing,
        quality.zero_volume
    )];
    lines.extend(quality.excluded.iter().map(|excluded| {
        let (rows, line) = (excluded.rows, excluded.first_line);
        format!("  {rows} rows {} (first in line {line})", excluded.kind.words())
    }));
    lines.extend(quality.outages.iter().take(SILENCES_MAX).map(|outage| {
        format!("  outage {} to {} ({} bars)", utc(outage.from_s), utc(outage.until_s), outage.bars)
    }));
    lines
}
