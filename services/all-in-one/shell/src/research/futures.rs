//! Which assets futures are listed on: by recordings and by live feeds of venues that list contracts.

use super::feed::Feed;
use super::pool;
use super::recorded::{self, LEVELS};
use crate::listen::Passing;
use anyhow::{Result, bail};
use remora_domain::{ContractKind, InstrumentStatus};
use remora_research::pairs::PairFacts;
use remora_service_kit::Clock;
use remora_venue_api::{FeedOutput, MarketEvent};
use remora_venue_link::Player;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// For how long a live feed is heard: it lists its contracts first.
const LISTEN_S: u64 = 5;

/// Gives the base assets of all listed contracts; `None` where nobody was named who could list one.
pub(crate) async fn listed(sources: &[String]) -> Result<Option<BTreeSet<String>>> {
    if sources.is_empty() {
        return Ok(None);
    }
    let mut listed = BTreeSet::new();
    for source in sources {
        let mut of_source = BTreeSet::new();
        if source.contains("://") {
            let bar = pool::bar(usize::try_from(LISTEN_S)?, "seconds listened for futures");
            let (feed, clock) = (Feed::parse(source, LISTEN_S)?, Clock::new());
            let heard = feed.hear(LEVELS, &clock, &bar, |passing| match passing {
                Passing::Learnt(event) => take(&event, &mut of_source),
                Passing::Second | Passing::Sent { .. } | Passing::Heard { .. } => {}
            });
            let heard = heard.await;
            bar.finish_and_clear();
            heard?;
        } else {
            let path = PathBuf::from(source);
            of_source = tokio::task::spawn_blocking(move || of_recording(path)).await??;
        }
        if of_source.is_empty() {
            bail!("--futures {source}: it lists no future; name a venue or a recording that does");
        }
        listed.append(&mut of_source);
    }
    Ok(Some(listed))
}

fn of_recording(path: PathBuf) -> Result<BTreeSet<String>> {
    let player = Player::open(&[path])?;
    let mut session = recorded::session(&player)?;
    let (mut listed, mut out) = (BTreeSet::new(), Vec::new());
    for played in player {
        let played = played?;
        session.handle(played.at, played.input, &mut out);
        for output in out.drain(..) {
            if let FeedOutput::Event(event) = output {
                take(&event, &mut listed);
            }
        }
    }
    Ok(listed)
}

fn take(event: &MarketEvent, listed: &mut BTreeSet<String>) {
    if let MarketEvent::Instrument(instrument) = event
        && instrument.kind != ContractKind::Spot
        && instrument.status != InstrumentStatus::Closed
    {
        // What is closed later was listed when the data were made.
        listed.insert(instrument.base.to_string());
    }
}

/// Notes in all facts whether a future is listed.
pub(crate) fn add(facts: &mut [PairFacts], listed: &BTreeSet<String>) {
    for pair in facts {
        pair.has_future = Some(listed.contains(&pair.base));
    }
}
