//! `remora demo`: plays market data through all services in one process.

use crate::cli::DemoArguments;
use crate::dashboard::Wish;
use crate::history::History;
use crate::profiles::Feed;
use crate::show::{self, Show};
use crate::{output, profiles};
use anyhow::{Context, Result, bail};
use remora_domain::{DurationNs, Timestamp};
use remora_service_kit::Clock;
use remora_sim::Playback;
use remora_venue_link::{Pace, Played, Player};
use remora_venue_registry::{VenueEntry, is_synthetic, of_recording};
use std::path::PathBuf;
use std::time::Duration;

/// The recording that ships with Remora, made by `cargo xtask make-demo-data`.
const SHIPPED: &[u8] = include_bytes!("../../../../demo/synthetic_kraken_spot.jsonl.gz");

/// Plays the data and shows what happens.
pub(crate) async fn run(arguments: DemoArguments) -> Result<()> {
    show::prepare(&arguments.show)?;
    let (paths, _folder) = recordings(&arguments.data)?;
    let player = Player::open(&paths).context("open the recordings")?;
    let recorded = player.venues().into_iter().find_map(of_recording);
    let default = match recorded {
        _ if arguments.data.is_empty() => "demo",
        Some(venue) => profiles::of_venue(venue.id, "recordings"),
        None => "recordings",
    };
    let loaded = profiles::load(arguments.profile.as_deref().unwrap_or(default))?;
    profiles::explain(&loaded);
    let feed = Feed {
        is_recorded: true,
        is_synthetic: check_venues(&player, profiles::venue(&loaded.plan)?)?,
        url: None,
        frames_total: Some(player.frames_total()),
    };
    if feed.is_synthetic {
        output::note("SYNTHETIC market data: prices were made by a generator, not by a market.");
    }
    for plan in player.plans().iter().filter(|plan| plan.shift != DurationNs::ZERO) {
        let days = plan.shift.as_ms() / 86_400_000;
        let file = plan.recording.path.display();
        output::note(&format!(
            "{file} begins before the one ahead of it ends: moved by {days} days"
        ));
    }
    let sessions = player.plans().iter().map(|plan| &plan.recording);
    for recording in sessions.chain(player.definitions()) {
        if let Some(line) = recording.cut_at_line {
            let (file, whole) = (recording.path.display(), line.saturating_sub(1));
            output::note(&format!(
                "WARNING: {file} is cut in line {line}; only the {whole} lines before it are played"
            ));
        }
    }
    let start = player.plans().first().map_or(Timestamp::EPOCH, |plan| plan.first);
    let playback = profiles::playback(loaded, &feed, arguments.seed, start)?;
    play(arguments, player, playback).await
}

/// Refuses recordings of a venue that the profile is not about; tells whether any is synthetic.
fn check_venues(player: &Player, entry: &VenueEntry) -> Result<bool> {
    let sessions = player.plans().iter().map(|plan| &plan.recording);
    for recording in sessions.chain(player.definitions()) {
        let checked = recording.venues.iter().try_for_each(|name| entry.check_recording(name));
        checked.with_context(|| recording.path.display().to_string())?;
    }
    Ok(player.venues().into_iter().any(is_synthetic))
}

async fn play(arguments: DemoArguments, player: Player, mut playback: Playback) -> Result<()> {
    let mut history = History::open(arguments.show.history.as_deref()).await?;
    let mut show = Show::open(&arguments.show, Some(player.frames_total()))?;
    let pace: Pace = match &arguments.pace {
        Some(text) => text.parse()?,
        None if show.is_dashboard() => "10x".parse()?,
        None => Pace::AsFastAsPossible,
    };
    let pacer = Pacer::new(pace);
    let mut sessions = player.plans().iter();
    let holds_definitions = sessions.all(|plan| plan.recording.is_definitions_only());
    'playing: for played in player {
        let played: Played = played.context("read the recordings")?;
        loop {
            if show.is_due() && playback.draw(|facts, tally| show.draw(facts, tally))? == Wish::Quit
            {
                break 'playing;
            }
            match pacer.wait(played.elapsed) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => break,
            }
        }
        playback.play(played)?;
        history.write(&mut playback).await?;
    }
    playback.finish()?;
    let kept = history.close(&mut playback).await;
    show.close();
    let holdings = playback.holdings().clone();
    let (facts, tally) = playback.into_parts();
    show::finish(&arguments.show, &facts, &tally, &holdings)?;
    kept?;
    let is_whole = facts.frames_played == facts.frames_total.unwrap_or(0);
    if !is_whole || !facts.counters.is_empty() {
        return Ok(());
    }
    if holds_definitions && facts.problems.is_empty() {
        let pairs = tally.pairs().count();
        output::note(&format!(
            "the recordings hold definitions only, of {pairs} pairs: nothing to quote; \
             give them beside a recording of a market"
        ));
        return Ok(());
    }
    bail!("the recordings hold no market data of any pair that could be read");
}

/// Waits so that playing keeps its pace; decides nothing about what happens.
struct Pacer {
    pace: Pace,
    clock: Clock,
    started: Timestamp,
}

impl Pacer {
    /// The longest single wait, so that the keyboard is read and the dashboard drawn meanwhile.
    const STEP: DurationNs = DurationNs::from_ms(20);

    fn new(pace: Pace) -> Self {
        let clock = Clock::new();
        Self { pace, started: clock.now(), clock }
    }

    /// Gives how long to wait before an input that is `elapsed` behind the start; `None` when it is due.
    fn wait(&self, elapsed: DurationNs) -> Option<Duration> {
        let due = self.pace.due_time(self.started, elapsed)?;
        let wait = due.since(self.clock.now()).min(Self::STEP);
        u64::try_from(wait.as_ns()).ok().filter(|wait| *wait > 0).map(Duration::from_nanos)
    }
}

/// Gives the files to play; the shipped one is written to a folder of its own that lives as long as the run.
pub(crate) fn recordings(data: &[PathBuf]) -> Result<(Vec<PathBuf>, Option<tempfile::TempDir>)> {
    if !data.is_empty() {
        for path in data {
            if !path.is_file() {
                bail!(
                    "{}: no such recording; give the path of a .jsonl or .jsonl.gz file",
                    path.display()
                );
            }
        }
        return Ok((data.to_vec(), None));
    }
    let folder = tempfile::tempdir().context("make a folder for the shipped recording")?;
    let path = folder.path().join("synthetic_kraken_spot.jsonl.gz");
    std::fs::write(&path, SHIPPED).context("write the shipped recording")?;
    Ok((vec![path], Some(folder)))
}
