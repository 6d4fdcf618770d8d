//! `remora record`: writes a live public feed, frame by frame, into a file that `demo --data` plays.

use crate::cli::RecordArguments;
use crate::live::{self, Heard};
use crate::{output, profiles};
use anyhow::{Context, Result, bail};
use remora_domain::VenueId;
use remora_service_kit::Clock;
use remora_venue_api::{FeedInput, FeedOutput, FeedSettings, LinkCommand};
use remora_venue_link::{Direction, RecordingWriter};
use remora_venue_registry::find;
use std::time::Duration;

/// How much of a recording a kill may cost.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// Records until stopped.
pub(crate) async fn run(arguments: RecordArguments) -> Result<()> {
    let venue = VenueId::new(&arguments.venue)?;
    let entry = find(&venue).with_context(|| format!("{venue}: no such venue"))?;
    if !entry.depths.contains(&arguments.depth) {
        bail!("--depth {}: {venue} offers {}", arguments.depth, profiles::depths(entry));
    }
    let url = arguments.url.unwrap_or_else(|| entry.public_url.to_owned());
    live::check_url(&url)?;
    let clock = Clock::new();
    let mut session = (entry.feed)(FeedSettings {
        venue,
        symbols: Some(arguments.pairs.iter().cloned().collect()),
        shard: (0, 1),
        depth: arguments.depth,
        levels_published: 1,
        url: url.clone(),
        is_recorded: false,
        is_synthetic: false,
        seed: u64::try_from(clock.now().as_ns()).unwrap_or(0),
    });
    let name = entry.recording_names.first().copied().unwrap_or(entry.id);
    let mut file = RecordingWriter::create(&arguments.out).context("create the recording")?;
    let mut sockets = live::sockets(&clock);
    let mut heard = Heard::default();
    let mut out = Vec::new();
    let stop = live::stop(arguments.seconds);
    tokio::pin!(stop);
    let mut flush = tokio::time::interval(FLUSH_INTERVAL);
    session.handle(clock.now(), FeedInput::Start, &mut out);
    output::note("recording; Ctrl-C stops");
    loop {
        for output in out.drain(..) {
            if let FeedOutput::Problem(problem) = &output {
                output::note(&format!("{:?}: {}", problem.kind, problem.detail));
            }
            if let FeedOutput::Send { text, .. } = &output {
                file.write(clock.now(), name, "ws", Direction::Out, text)?;
            }
            if let Some(command) = LinkCommand::of(output) {
                sockets.perform(command);
            }
        }
        tokio::select! {
            biased;
            stopped = &mut stop => break stopped?,
            () = clock.sleep_until(session.next_deadline()) => session.tick(clock.now(), &mut out),
            _ = flush.tick() => file.flush()?,
            input = sockets.recv() => {
                if let Some(line) = heard.note(&input) {
                    output::note(&line);
                }
                if let FeedInput::Frame { receive_time, text, .. } = &input {
                    file.write(*receive_time, name, "ws", Direction::In, text)?;
                }
                session.handle(clock.now(), input, &mut out);
            }
        }
    }
    file.finish().context("finish the recording")?;
    let frames = heard.frames(&url)?;
    output::line(&format!("{frames} frames in {}", arguments.out.display()));
    Ok(())
}
