//! Feeds the venue's sockets to the loop, and keeps a copy of every frame where that is asked for.

use anyhow::{Context as _, Result};
use remora_domain::Timestamp;
use remora_ingestor_core::{IngestorEffect, IngestorInput};
use remora_service_kit::drive::LocalEvent;
use remora_service_kit::{Clock, Health};
use remora_venue_api::{ConnId, FeedInput, LinkCommand};
use remora_venue_link::{Direction, RecordingWriter, SocketSettings, VenueSockets};
use remora_venue_registry::VenueEntry;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How much of a frame recording a kill may cost.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// Joins sockets and loop.
pub(crate) struct Feed {
    pub(crate) clock: Clock,
    pub(crate) health: Health,
    pub(crate) inputs: mpsc::Sender<LocalEvent<IngestorInput>>,
    pub(crate) commanded: mpsc::Receiver<IngestorEffect>,
    pub(crate) recorder: Option<Recorder>,
}

impl Feed {
    /// Runs until the loop is gone.
    pub(crate) async fn run(mut self) {
        let clock = self.clock.clone();
        let receive_clock = Arc::new(move || clock.now());
        let mut sockets = VenueSockets::new(SocketSettings::default(), receive_clock);
        let mut flush = tokio::time::interval(FLUSH_INTERVAL);
        if !self.give(FeedInput::Start).await {
            return;
        }
        loop {
            tokio::select! {
                biased;
                command = self.commanded.recv() => {
                    let Some(command) = command else { return };
                    let IngestorEffect(command) = command;
                    if let LinkCommand::Send { conn, text } = &command {
                        self.keep(self.clock.now(), *conn, Direction::Out, text);
                    }
                    sockets.perform(command);
                }
                input = sockets.recv() => {
                    if let FeedInput::Frame { conn, receive_time, text } = &input {
                        self.keep(*receive_time, *conn, Direction::In, text);
                    }
                    if !self.give(input).await {
                        return;
                    }
                }
                _ = flush.tick() => {
                    self.flush();
                    measure(&sockets);
                }
            }
        }
    }

    async fn give(&self, input: FeedInput) -> bool {
        self.inputs.send(LocalEvent::new(IngestorInput(input))).await.is_ok()
    }

    fn keep(&mut self, t: Timestamp, conn: ConnId, direction: Direction, text: &str) {
        let Some(recorder) = &mut self.recorder else { return };
        let channel = format!("ws-{}", conn.get());
        let written = recorder.writer.write(t, recorder.venue, &channel, direction, text);
        self.note(written.map_err(|error| error.to_string()));
    }

    fn flush(&mut self) {
        let Some(recorder) = &mut self.recorder else { return };
        let flushed = recorder.writer.flush();
        self.note(flushed.map_err(|error| error.to_string()));
    }

    /// A recording that fails ends; the feed goes on.
    fn note(&mut self, outcome: Result<(), String>) {
        if let Err(problem) = outcome {
            tracing::error!(problem, "frame recording ended");
            self.health.set_dependency("frame-recording", false, false, &problem);
            self.recorder = None;
        }
    }
}

/// Tells how far the reading of frames is behind.
fn measure(sockets: &VenueSockets) {
    let frames = u32::try_from(sockets.waiting()).unwrap_or(u32::MAX);
    metrics::gauge!("remora_feed_waiting_frames").set(f64::from(frames));
    metrics::counter!("remora_feed_overflows_total").absolute(sockets.overflows());
}

/// Writes the venue's frames to a file.
pub(crate) struct Recorder {
    writer: RecordingWriter,
    venue: &'static str,
}

impl Recorder {
    /// Creates the file; one that exists is refused.
    pub(crate) fn create(path: &Path, venue: &'static VenueEntry) -> Result<Self> {
        let writer = RecordingWriter::create(path).context("start the frame recording")?;
        Ok(Self { writer, venue: venue.recording_names.first().copied().unwrap_or(venue.id) })
    }
}
