//! Feeds a recording to the loop, paced.

use crate::effects::Progress;
use crate::origins::Origins;
use remora_domain::DurationNs;
use remora_ingestor_core::IngestorInput;
use remora_service_kit::Clock;
use remora_service_kit::drive::LocalEvent;
use remora_venue_api::FeedInput;
use remora_venue_link::{Pace, Player};
use tokio::sync::mpsc;

/// How far playing may be behind before the rest of the recording is moved by as much.
const LATE_MAX: DurationNs = DurationNs::from_ms(250);

/// Plays to the end and waits wherever the loop is behind: no frame is left out.
///
/// A frame's receive time is the instant it is due by this process's clock, so that everybody downstream sees one
/// consistent time: at 1x the recording's moved by one offset, at Nx compressed by N. Where the loop cannot follow, the
/// rest is played later, as a socket would be read later: old frames in a burst would be no market.
pub(crate) async fn play(
    player: Player,
    pace: Pace,
    clock: Clock,
    inputs: mpsc::Sender<LocalEvent<IngestorInput>>,
    progress: Progress,
    origins: Origins,
) {
    let mut start = clock.now();
    for played in player {
        let mut played = match played {
            Ok(played) => played,
            Err(error) => {
                tracing::error!(%error, "the recording ends early");
                return progress.fail(error.to_string());
            }
        };
        let due = pace.due_time(start, played.elapsed);
        clock.sleep_until(due).await;
        let now = clock.now();
        let mut at = due.unwrap_or(now);
        if now.since(at) > LATE_MAX {
            start = start.saturating_add(now.since(at));
            at = now;
        }
        played.elapsed = DurationNs::ZERO;
        origins.sent(played.origin.take());
        let input = played.moved_to(at).input;
        let is_frame = matches!(input, FeedInput::Frame { .. });
        if inputs.send(LocalEvent::new(IngestorInput(input))).await.is_err() {
            return;
        }
        if is_frame {
            progress.count();
        }
    }
    tracing::info!(frames = progress.frames(), "the recording has been played");
    progress.end();
}
