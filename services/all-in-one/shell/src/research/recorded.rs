//! Recordings played through the session that would read the venue's feed.

use anyhow::{Context, Result};
use remora_domain::VenueId;
use remora_venue_api::{FeedSession, FeedSettings};
use remora_venue_link::Player;
use remora_venue_registry::{VENUES, VenueEntry};
use std::collections::BTreeSet;

/// Levels a side that are read of each book, where the recording has them.
pub(crate) const LEVELS: usize = 25;

/// Makes the session that reads all of a player's recordings.
pub(crate) fn session(player: &Player) -> Result<Box<dyn FeedSession>> {
    let names: BTreeSet<&str> = player.venues();
    let is_its =
        |entry: &&VenueEntry| names.iter().all(|name| entry.recording_names.contains(name));
    let entry = VENUES.iter().find(is_its).with_context(|| {
        let known: Vec<&str> = VENUES.iter().flat_map(|e| e.recording_names).copied().collect();
        format!(
            "recordings of {names:?} together: no venue reads them; known are {}",
            known.join(", ")
        )
    })?;
    Ok((entry.feed)(FeedSettings::recorded(
        VenueId::new(entry.id)?,
        u32::try_from(LEVELS)?,
        LEVELS,
    )))
}
