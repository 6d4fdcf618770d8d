//! `remora record`: writes a live public feed, frame by frame, into a file that `demo --data` plays.

use crate::cli::RecordArguments;
use crate::listen::{self, Passing, Wish, listen};
use crate::{output, profiles};
use anyhow::{Context, Result, bail};
use remora_service_kit::Clock;
use remora_venue_link::{Direction, RecordingWriter};

/// Records until stopped; each second what was heard is on disk, so that a kill costs no more.
pub(crate) async fn run(arguments: RecordArguments) -> Result<()> {
    let entry = listen::venue(&arguments.venue)?;
    if !entry.depths.contains(&arguments.depth) {
        let offered = profiles::depths(entry);
        bail!("--depth {}: {} offers {offered}", arguments.depth, entry.id);
    }
    let wish = Wish {
        entry,
        url: arguments.url.unwrap_or_else(|| entry.public_url.to_owned()),
        symbols: Some(arguments.pairs.iter().cloned().collect()),
        depth: arguments.depth,
        levels: 1,
        seconds: arguments.seconds,
    };
    crate::live::check_url(&wish.url)?;
    let name = entry.recording_names.first().copied().unwrap_or(entry.id);
    let mut file = RecordingWriter::create(&arguments.out).context("create the recording")?;
    output::note("recording; Ctrl-C stops");
    let heard = listen(&wish, &Clock::new(), |passing| {
        match passing {
            Passing::Sent { at, text } => file.write(at, name, "ws", Direction::Out, text)?,
            Passing::Heard { at, text } => file.write(at, name, "ws", Direction::In, text)?,
            Passing::Second => file.flush()?,
            Passing::Learnt(_) => {}
        }
        Ok(())
    })
    .await;
    file.finish().context("finish the recording")?;
    output::line(&format!("{} frames in {}", heard?, arguments.out.display()));
    Ok(())
}
