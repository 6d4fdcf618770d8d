//! A live public feed as research hears it: every pair, through the session that would be quoted on, for a stated time.

use crate::listen::{self, Passing, Wish, listen};
use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use remora_service_kit::Clock;
use remora_venue_registry::VenueEntry;

/// The venue of an address that names none.
const VENUE: &str = "kraken-spot";

/// Is one feed to listen to.
pub(crate) struct Feed {
    entry: &'static VenueEntry,
    url: String,
    seconds: u64,
}

impl Feed {
    /// Refuses an unknown venue.
    pub(crate) fn new(venue: &str, url: &str, seconds: u64) -> Result<Self> {
        Ok(Self { entry: listen::venue(venue)?, url: url.to_owned(), seconds })
    }

    /// Reads `URL` or `VENUE=URL`.
    pub(crate) fn parse(text: &str, seconds: u64) -> Result<Self> {
        let is_address = |text: &str| text.starts_with("ws://") || text.starts_with("wss://");
        match text.split_once('=') {
            _ if is_address(text) => Self::new(VENUE, text, seconds),
            Some((venue, url)) if is_address(url) => Self::new(venue, url, seconds),
            Some(_) | None => bail!("--url {text}: want ws://HOST, wss://HOST or VENUE=ws://HOST"),
        }
    }

    /// Listens with at least `levels` levels a side; seconds that pass are drawn on `bar`.
    pub(crate) async fn hear(
        &self,
        levels: usize,
        clock: &Clock,
        bar: &ProgressBar,
        mut take: impl FnMut(Passing<'_>),
    ) -> Result<()> {
        let entry = self.entry;
        let is_enough = |depth: &u32| usize::try_from(*depth).is_ok_and(|depth| depth >= levels);
        let depth = entry.depths.iter().copied().find(is_enough);
        let wish = Wish {
            entry,
            url: self.url.clone(),
            symbols: None,
            depth: depth.with_context(|| format!("{} offers no {levels} levels", entry.id))?,
            levels,
            seconds: Some(self.seconds),
        };
        let heard = listen(&wish, clock, |passing| {
            if let Passing::Second = passing {
                bar.inc(1);
            }
            take(passing);
            Ok(())
        });
        heard.await.map(drop)
    }
}
