//! Where the background flow comes from: the generator, or a thread that plays recordings.

use anyhow::{Context, Result};
use remora_domain::{DurationNs, Timestamp, VenueId};
use remora_flow::{FlowAction, FlowEvent, FlowInput, Generator};
use remora_machine::Machine;
use remora_service_kit::Clock;
use remora_venue_link::{Pace, Player};
use remora_venue_registry::kraken_spot::io::Flow;
use remora_venue_registry::kraken_spot::{PairFinder, Recorded, RecordedPair};
use std::path::PathBuf;
use tokio::sync::mpsc;

/// Frames read ahead of their time.
const AHEAD_MAX: usize = 1_024;

/// Is what a frame of a recording means, and when, counted from the start of playing.
pub(crate) struct Batch {
    elapsed: DurationNs,
    flow: Vec<Flow>,
}

/// Gives the background flow when it is due.
pub(crate) enum Feed {
    /// By seed.
    Generated { generator: Box<Generator>, events: Vec<FlowEvent>, is_paused: bool },
    /// From recordings.
    Played {
        batches: mpsc::Receiver<Batch>,
        next: Option<Batch>,
        pace: Pace,
        started: Timestamp,
        paused: Option<Timestamp>,
    },
    /// None any more.
    Over,
}

impl Feed {
    /// Takes a generator.
    pub(crate) fn generated(generator: Generator) -> Self {
        Self::Generated { generator: Box::new(generator), events: Vec::new(), is_paused: false }
    }

    /// Waits until something is due. Cancel-safe.
    pub(crate) async fn ready(&mut self, clock: &Clock) {
        match self {
            Self::Generated { generator, .. } => clock.sleep_until(generator.next_deadline()).await,
            Self::Played { paused: Some(_), .. } | Self::Over => std::future::pending().await,
            Self::Played { batches, next, pace, started, paused: None } => {
                if next.is_none() {
                    *next = batches.recv().await;
                }
                match next {
                    Some(batch) => {
                        if let Some(due) = pace.due_time(*started, batch.elapsed) {
                            clock.sleep_until(Some(due)).await;
                        }
                    }
                    None => {
                        tracing::info!("recordings are over");
                        *self = Self::Over;
                    }
                }
            }
        }
    }

    /// Gives what is due; of a recording at most `count` frames, so that clients are heard in between.
    pub(crate) fn due(&mut self, now: Timestamp, count: usize, mut tell: impl FnMut(Flow)) {
        match self {
            Self::Generated { generator, events, .. } => {
                if generator.next_deadline().is_some_and(|due| due <= now) {
                    generator.tick(now, events);
                    events.drain(..).for_each(|event| tell(flow(event)));
                }
            }
            Self::Played { batches, next, pace, started, paused: None } => {
                for _ in 0..count {
                    let Some(batch) = next.take().or_else(|| batches.try_recv().ok()) else {
                        break;
                    };
                    if pace.due_time(*started, batch.elapsed).is_some_and(|due| due > now) {
                        *next = Some(batch);
                        break;
                    }
                    batch.flow.into_iter().for_each(&mut tell);
                }
            }
            Self::Played { paused: Some(_), .. } | Self::Over => {}
        }
    }

    /// Stops the crowd, or lets it go on where it was.
    pub(crate) fn set_paused(&mut self, now: Timestamp, is_wanted: bool) {
        match self {
            Self::Generated { generator, events, is_paused } => {
                let input = if is_wanted { FlowInput::Pause } else { FlowInput::Resume };
                generator.handle(now, input, events);
                *is_paused = is_wanted;
            }
            Self::Played { paused, started, .. } => match (*paused, is_wanted) {
                (None, true) => *paused = Some(now),
                (Some(since), false) => {
                    *started = started.saturating_add(now.since(since));
                    *paused = None;
                }
                (Some(_), true) | (None, false) => {}
            },
            Self::Over => {}
        }
    }

    /// Says in a word what the crowd does.
    pub(crate) const fn state(&self) -> &'static str {
        match self {
            Self::Generated { is_paused: true, .. } | Self::Played { paused: Some(_), .. } => {
                "paused"
            }
            Self::Generated { .. } => "generated",
            Self::Played { .. } => "played",
            Self::Over => "over",
        }
    }
}

fn flow(event: FlowEvent) -> Flow {
    let symbol = event.symbol;
    match event.action {
        FlowAction::Add { side, price, qty, tag } => Flow::Add { symbol, side, price, qty, tag },
        FlowAction::Remove { tag } => Flow::Remove { symbol, tag },
        FlowAction::Take { side, limit, qty, is_market_order } => {
            Flow::Take { symbol, side, limit, qty, is_market_order }
        }
        FlowAction::Index { price } => Flow::Index { symbol, price },
    }
}

/// Reads recordings through and gives the pairs they define and have books of.
pub(crate) fn pairs(paths: &[PathBuf], venue: &VenueId) -> Result<Vec<RecordedPair>> {
    let mut finder = PairFinder::new(venue);
    for played in Player::open(paths).context("open the recordings")? {
        let played = played.context("read the recordings")?;
        finder.play(played.at, played.input);
    }
    Ok(finder.finish())
}

/// Plays recordings in a thread of their own, again and again where asked.
pub(crate) fn play(
    paths: Vec<PathBuf>,
    venue: VenueId,
    pairs: Vec<RecordedPair>,
    pace: Pace,
    is_repeated: bool,
    started: Timestamp,
) -> Feed {
    let (queue, batches) = mpsc::channel(AHEAD_MAX);
    tokio::task::spawn_blocking(move || {
        let mut recorded = Recorded::new(&venue, &pairs);
        let mut before = DurationNs::ZERO;
        loop {
            match play_once(&paths, &mut recorded, before, &queue) {
                Ok(Some(played)) if is_repeated && played > before => before = played,
                Ok(Some(_)) => break,
                Ok(None) => return, // the exchange is closing
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(error, "playing stopped");
                    return;
                }
            }
        }
        for (kind, count) in recorded.problems() {
            tracing::warn!(reason = ?kind, count, "problems in the recordings");
        }
    });
    Feed::Played { batches, next: None, pace, started, paused: None }
}

/// Plays all files; gives the time played so far, or none when nobody listens any more.
fn play_once(
    paths: &[PathBuf],
    recorded: &mut Recorded,
    before: DurationNs,
    queue: &mpsc::Sender<Batch>,
) -> Result<Option<DurationNs>> {
    let mut last = before;
    for played in Player::open(paths).context("open the recordings")? {
        let played = played.context("read the recordings")?;
        last = before.saturating_add(played.elapsed);
        let mut flow = Vec::new();
        recorded.play(played.at, played.input, &mut flow);
        if !flow.is_empty() && queue.blocking_send(Batch { elapsed: last, flow }).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(last))
}
