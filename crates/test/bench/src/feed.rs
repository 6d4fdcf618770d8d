//! Book frames: parsed, applied, verified.

use crate::report::{Measured, per_second};
use crate::{Plan, Report};
use anyhow::{Context as _, Result, bail};
use remora_domain::{Timestamp, VenueId};
use remora_venue_api::{FeedInput, FeedOutput, FeedSession, FeedSettings};
use remora_venue_link::{Played, Player};
use remora_venue_registry::{VENUES, VenueEntry};
use serde::de::IgnoredAny;
use std::path::Path;
use std::time::{Duration, Instant};

/// Level updates a second that are wanted, with the checksum of every frame verified.
const TARGET: Measured = Measured { value: 1_000_000.0, unit: "/s" };

/// Is a recording, and how fast it was read.
struct Recording {
    name: String,
    played: Vec<Played>,
    frames: u64,
    levels: u64,
    /// Seconds of the fastest pass through the session.
    busy: f64,
    /// Seconds of the fastest pass that only checks the texts as JSON.
    floor: f64,
}

/// Measures how fast recorded book frames become verified books.
pub(crate) fn measure(report: &Report<'_>, plan: &Plan) -> Result<()> {
    let entry = VENUES.first().context("no venue is listed")?;
    report.part(
        "market data, one core",
        "book frames again and again through the session that the ingestor runs, which publishes the ten best levels a \
         side whenever they change; only the time inside it counts, of the fastest pass. Floor: the same texts checked \
         as JSON, nothing kept",
    );
    let mut recordings = Vec::new();
    for path in &plan.data {
        let mut recording = Recording::open(path)?;
        recording.measure(entry, plan.duration)?;
        recording.say(report);
        recordings.push(recording);
    }
    let sum = |of: fn(&Recording) -> u64| recordings.iter().map(of).sum::<u64>();
    let (frames, levels) = (sum(|it| it.frames), sum(|it| it.levels));
    let busy: f64 = recordings.iter().map(|it| it.busy).sum();
    let rate = per_second(levels, busy);
    let frames = per_second(frames, busy);
    let cause =
        format!("a frame takes {:.0} ns, whether it holds one level or many", 1e9 / frames.value);
    report.target("level updates, all recordings together", rate, TARGET, false, &cause);
    Ok(())
}

impl Recording {
    fn open(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.trim_end_matches(".gz").trim_end_matches(".jsonl").to_owned();
        let played: Vec<Played> = Player::open(&[path.to_owned()])
            .and_then(Iterator::collect)
            .with_context(|| format!("read {}", path.display()))?;
        let books = || played.iter().filter_map(book_frame);
        let frames = u64::try_from(books().count())?;
        let levels = books().map(|text| text.matches("\"price\"").count()).sum::<usize>();
        if frames == 0 {
            bail!("{} holds no book frame", path.display());
        }
        let levels = u64::try_from(levels)?;
        Ok(Self { name, played, frames, levels, busy: f64::INFINITY, floor: f64::INFINITY })
    }

    fn measure(&mut self, entry: &VenueEntry, duration: Duration) -> Result<()> {
        let started = Instant::now();
        while self.busy.is_infinite() || started.elapsed() < duration {
            let (busy, verified) = play(entry, &self.played)?;
            if verified != self.frames {
                bail!("{verified} of {} book frames of {} were verified", self.frames, self.name);
            }
            self.busy = self.busy.min(busy.as_secs_f64());
        }
        let texts: Vec<&str> = self.played.iter().filter_map(book_frame).collect();
        let started = Instant::now();
        while self.floor.is_infinite() || started.elapsed() < duration {
            let before = Instant::now();
            for text in &texts {
                let _: IgnoredAny = serde_json::from_str(text).context("check a frame as JSON")?;
            }
            self.floor = self.floor.min(before.elapsed().as_secs_f64());
        }
        Ok(())
    }

    fn say(&self, report: &Report<'_>) {
        let Self { name, frames, levels, busy, floor, .. } = self;
        report.note(&format!("{name}: {frames} book frames, {levels} level updates"));
        for (what, count) in [("book frames", *frames), ("level updates", *levels)] {
            let what = format!("{what} parsed, applied, verified");
            report.row(&what, per_second(count, *busy), Some(per_second(count, *floor)));
        }
    }
}

fn book_frame(played: &Played) -> Option<&str> {
    match &played.input {
        FeedInput::Frame { text, .. } if text.contains("\"channel\":\"book\"") => {
            text.contains("\"checksum\"").then_some(text)
        }
        FeedInput::Frame { .. }
        | FeedInput::Start
        | FeedInput::Connected { .. }
        | FeedInput::Disconnected { .. }
        | FeedInput::SessionEnded => None,
    }
}

/// Makes the session of recordings.
pub(crate) fn session(entry: &VenueEntry) -> Result<Box<dyn FeedSession>> {
    Ok((entry.feed)(FeedSettings {
        venue: VenueId::new(entry.id).context("name the venue")?,
        symbols: None,
        shard: (0, 1),
        depth: 10,
        levels_published: 10,
        url: String::new(),
        is_recorded: true,
        is_synthetic: false,
        seed: 1,
    }))
}

/// Plays everything once; gives the time spent on book frames, and how many were verified.
fn play(entry: &VenueEntry, played: &[Played]) -> Result<(Duration, u64)> {
    let mut session = session(entry)?;
    let mut out: Vec<FeedOutput> = Vec::new();
    let mut busy = Duration::ZERO;
    // The clock is read once for a run of book frames: reading it costs as much as some frames do.
    for run in played.chunk_by(|a, b| book_frame(a).is_some() == book_frame(b).is_some()) {
        let is_book = run.first().and_then(book_frame).is_some();
        let inputs: Vec<(Timestamp, FeedInput)> =
            run.iter().map(|item| (item.at, item.input.clone())).collect();
        let before = Instant::now();
        for (at, input) in inputs {
            session.handle(at, input, &mut out);
            out.clear();
        }
        if is_book {
            busy += before.elapsed();
        }
    }
    let verified = session.counters().values().map(|counters| counters.checksums_passed).sum();
    Ok((busy, verified))
}
