//! `remora paper`: the same services and simulated venue as the demo, on a live public feed.

use crate::cli::PaperArguments;
use crate::dashboard::Wish;
use crate::history::History;
use crate::live::{self, Heard};
use crate::output;
use crate::profiles::{self, Feed};
use crate::show::{self, Show};
use anyhow::{Result, bail};
use remora_ingestor_core::IngestorEffect;
use remora_service_kit::Clock;
use remora_venue_api::FeedInput;
use std::time::Duration;

/// How often the run is shown.
const FRAME: Duration = Duration::from_millis(100);

/// Trades on paper until stopped.
pub(crate) async fn run(arguments: PaperArguments) -> Result<()> {
    show::prepare(&arguments.show)?;
    let default = profiles::of_venue(&arguments.venue, "paper");
    let loaded = profiles::load(arguments.profile.as_deref().unwrap_or(default))?;
    profiles::explain(&loaded);
    let entry = profiles::venue(&loaded.plan)?;
    if entry.id != arguments.venue {
        bail!(
            "--venue {}: the profile is about {}; pass another --profile",
            arguments.venue,
            entry.id
        );
    }
    let clock = Clock::new();
    // Seeds only jitter here; nothing about a live run repeats.
    let seed = u64::try_from(clock.now().as_ns()).unwrap_or(0);
    let url = arguments.url.as_deref().or(loaded.plan.ingestor.url.as_deref());
    let url = url.unwrap_or(entry.public_url).to_owned();
    live::check_url(&url)?;
    output::note(&format!("feed: {url}"));
    let feed = Feed {
        is_recorded: false,
        is_synthetic: false,
        url: Some(url.clone()),
        frames_total: None,
    };
    let mut playback = profiles::playback(loaded, &feed, seed, clock.now())?;
    let mut history = History::open(arguments.show.history.as_deref()).await?;
    let mut show = Show::open(&arguments.show, None)?;
    let mut sockets = live::sockets(&clock);
    let mut heard = Heard::default();
    let mut frame = tokio::time::interval(FRAME);
    let stop = live::stop(arguments.seconds);
    tokio::pin!(stop);
    playback.start(clock.now())?;
    loop {
        for IngestorEffect(command) in playback.take_feed_commands() {
            sockets.perform(command);
        }
        history.write(&mut playback).await?;
        tokio::select! {
            biased;
            stopped = &mut stop => break stopped?,
            () = clock.sleep_until(playback.next_deadline()) => playback.advance(clock.now())?,
            input = sockets.recv() => {
                if let Some(line) = heard.note(&input).filter(|_| !show.is_dashboard()) {
                    output::note(&line);
                }
                playback.live(clock.now(), input)?;
            }
            _ = frame.tick() => {
                if playback.draw(|facts, tally| show.draw(facts, tally))? == Wish::Quit {
                    break;
                }
            }
        }
    }
    playback.live(clock.now(), FeedInput::SessionEnded)?;
    playback.finish()?;
    let kept = history.close(&mut playback).await;
    show.close();
    let holdings = playback.holdings().clone();
    let (facts, tally) = playback.into_parts();
    show::finish(&arguments.show, &facts, &tally, &holdings)?;
    kept?;
    heard.frames(&url).map(drop)
}
