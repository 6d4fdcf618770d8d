//! Feeds a recording to the loop, paced.

use crate::effects::Progress;
use remora_ingestor_core::IngestorInput;
use remora_service_kit::Clock;
use remora_service_kit::drive::LocalEvent;
use remora_venue_api::FeedInput;
use remora_venue_link::{Pace, Player};
use tokio::sync::mpsc;

/// Plays to the end and waits wherever the loop is behind: no frame is left out.
///
/// A frame's receive time is the instant it is due by this process's clock, so that everybody downstream sees one
/// consistent time: at 1x the recording's moved by one offset, at Nx compressed by N.
pub(crate) async fn play(
    player: Player,
    pace: Pace,
    clock: Clock,
    inputs: mpsc::Sender<LocalEvent<IngestorInput>>,
    progress: Progress,
) {
    let start = clock.now();
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
        played.elapsed = due.unwrap_or_else(|| clock.now()).since(start);
        let input = played.moved_to(start).input;
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
