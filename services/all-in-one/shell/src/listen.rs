//! A live public feed as one command hears it: the venue's own session on real sockets, until told to stop.

use crate::live::{self, Heard};
use crate::output;
use anyhow::{Context, Result};
use remora_domain::{Timestamp, VenueId};
use remora_service_kit::Clock;
use remora_venue_api::{FeedInput, FeedOutput, FeedSettings, LinkCommand, MarketEvent};
use remora_venue_registry::{VenueEntry, find};
use std::collections::BTreeSet;
use std::time::Duration;

/// Says what to listen to.
pub(crate) struct Wish {
    /// Which venue.
    pub(crate) entry: &'static VenueEntry,
    /// Where its feed is.
    pub(crate) url: String,
    /// Which pairs, in the venue's spelling; all where there is none.
    pub(crate) symbols: Option<BTreeSet<String>>,
    /// Levels a side to subscribe.
    pub(crate) depth: u32,
    /// Levels a side that are told.
    pub(crate) levels: usize,
    /// For how long; until Ctrl-C where there is none.
    pub(crate) seconds: Option<u64>,
}

/// Is what passes by.
pub(crate) enum Passing<'a> {
    /// We sent a frame.
    Sent { at: Timestamp, text: &'a str },
    /// A frame arrived.
    Heard { at: Timestamp, text: &'a str },
    /// The session learnt something.
    Learnt(MarketEvent),
    /// Another second is over.
    Second,
}

/// Finds a venue by the name a person gave.
pub(crate) fn venue(name: &str) -> Result<&'static VenueEntry> {
    find(&VenueId::new(name)?).with_context(|| format!("{name}: no such venue"))
}

/// Listens; problems and lost connections are noted for people.
///
/// # Errors
/// Gives what `pass` refuses, and refuses a feed that never said anything.
pub(crate) async fn listen(
    wish: &Wish,
    clock: &Clock,
    mut pass: impl FnMut(Passing<'_>) -> Result<()>,
) -> Result<u64> {
    live::check_url(&wish.url)?;
    let mut session = (wish.entry.feed)(FeedSettings {
        venue: VenueId::new(wish.entry.id)?,
        symbols: wish.symbols.clone(),
        shard: (0, 1),
        depth: wish.depth,
        levels_published: wish.levels,
        url: wish.url.clone(),
        is_recorded: false,
        is_synthetic: false,
        // Seeds only jitter here; nothing about a live run repeats.
        seed: u64::try_from(clock.now().as_ns()).unwrap_or(0),
    });
    let mut sockets = live::sockets(clock);
    let mut heard = Heard::default();
    let mut out = Vec::new();
    let stop = live::stop(wish.seconds);
    tokio::pin!(stop);
    let mut second = tokio::time::interval(Duration::from_secs(1));
    session.handle(clock.now(), FeedInput::Start, &mut out);
    loop {
        for output in out.drain(..) {
            match output {
                FeedOutput::Problem(problem) => {
                    output::note(&format!("{:?}: {}", problem.kind, problem.detail));
                }
                FeedOutput::Event(event) => pass(Passing::Learnt(event))?,
                command @ (FeedOutput::Connect { .. }
                | FeedOutput::Send { .. }
                | FeedOutput::Close { .. }) => {
                    if let FeedOutput::Send { text, .. } = &command {
                        pass(Passing::Sent { at: clock.now(), text })?;
                    }
                    LinkCommand::of(command).into_iter().for_each(|c| sockets.perform(c));
                }
            }
        }
        tokio::select! {
            biased;
            stopped = &mut stop => break stopped?,
            () = clock.sleep_until(session.next_deadline()) => session.tick(clock.now(), &mut out),
            _ = second.tick() => pass(Passing::Second)?,
            input = sockets.recv() => {
                if let Some(line) = heard.note(&input) {
                    output::note(&line);
                }
                if let FeedInput::Frame { receive_time, text, .. } = &input {
                    pass(Passing::Heard { at: *receive_time, text })?;
                }
                session.handle(clock.now(), input, &mut out);
            }
        }
    }
    heard.frames(&wish.url)
}
