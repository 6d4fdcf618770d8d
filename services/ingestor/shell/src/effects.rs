//! What the ingestor asks of its sockets, and what it tells about itself.

use crate::origins::{Origins, ProblemLines};
use remora_domain::Timestamp;
use remora_ingestor_core::{IngestorCore, IngestorEffect, IngestorInput};
use remora_service_kit::drive::{Effects, LocalEvent};
use remora_service_kit::{Health, TraceContext};
use remora_venue_api::FeedInput;
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Is how far the playing of a recording has come; clones share it.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Mutex<Played>>);

#[derive(Clone, Default)]
struct Played {
    /// `None` on a live feed.
    total: Option<u64>,
    frames: u64,
    is_over: bool,
    problem: Option<String>,
}

impl Progress {
    pub(crate) fn new(total: Option<u64>) -> Self {
        Self(Arc::new(Mutex::new(Played { total, ..Played::default() })))
    }

    pub(crate) fn count(&self) {
        let mut played = self.played();
        played.frames = played.frames.saturating_add(1);
    }

    pub(crate) fn frames(&self) -> u64 {
        self.played().frames
    }

    pub(crate) fn end(&self) {
        self.played().is_over = true;
    }

    pub(crate) fn fail(&self, problem: String) {
        let mut played = self.played();
        (played.is_over, played.problem) = (true, Some(problem));
    }

    fn played(&self) -> MutexGuard<'_, Played> {
        // Nothing can fail while the lock is held, so a poisoned lock holds good values.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands the core's wishes to the sockets.
pub(crate) struct FeedEffects {
    commands: mpsc::Sender<IngestorEffect>,
    inputs: mpsc::Sender<LocalEvent<IngestorInput>>,
    progress: Progress,
    health: Health,
    lines: ProblemLines,
}

impl FeedEffects {
    pub(crate) const fn new(
        commands: mpsc::Sender<IngestorEffect>,
        inputs: mpsc::Sender<LocalEvent<IngestorInput>>,
        progress: Progress,
        health: Health,
        origins: Origins,
    ) -> Self {
        Self { commands, inputs, progress, health, lines: ProblemLines::new(origins) }
    }
}

impl FeedEffects {
    /// Tells health how the feed is. A recording that has been played is a feed that is over, not one that is lost.
    fn tell_feed(&self, core: &IngestorCore, played: &Played, is_finished: bool) {
        let is_live = core.is_any_book_live();
        let (is_up, detail) = match &played.problem {
            Some(problem) => (false, format!("the recording ends early: {problem}")),
            None if is_finished => {
                self.health.expect_no_more_data();
                (true, "recording finished".to_owned())
            }
            None if is_live => (true, "at least one book is live".to_owned()),
            None => (false, "no book is live".to_owned()),
        };
        self.health.set_dependency("feed", false, is_up, &detail);
    }
}

impl Effects<IngestorCore> for FeedEffects {
    fn perform(
        &mut self,
        _: Timestamp,
        output: IngestorEffect,
        _: &TraceContext,
    ) -> Result<(), &'static str> {
        match self.commands.try_send(output) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err("the sockets' queue is full"),
            // A recording has no sockets, and asks nothing of them.
            Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }

    fn is_market_data(&self, input: &IngestorInput) -> bool {
        match &input.0 {
            FeedInput::Frame { .. } => true,
            FeedInput::Start
            | FeedInput::Connected { .. }
            | FeedInput::Disconnected { .. }
            | FeedInput::SessionEnded => false,
        }
    }

    fn applied(&mut self, core: &IngestorCore, is_local: bool) {
        self.lines.look(core, is_local);
    }

    fn details(&mut self, core: &IngestorCore) -> Value {
        let played = self.progress.played().clone();
        // Everything has been taken by the loop when the queue is empty.
        let is_drained = self.inputs.capacity() == self.inputs.max_capacity();
        let is_finished = played.is_over && is_drained;
        self.tell_feed(core, &played, is_finished);
        let instruments: Map<String, Value> = core
            .counters()
            .into_iter()
            .filter(|(_, counters)| counters.frames > 0)
            .map(|(key, counters)| {
                let counters = json!({
                    "frames": counters.frames,
                    "checksums_passed": counters.checksums_passed,
                    "checksums_failed": counters.checksums_failed,
                    "trades": counters.trades,
                    "resyncs": counters.resyncs,
                    "malformed": counters.malformed,
                });
                (key.to_string(), counters)
            })
            .collect();
        let problems = core.problems().iter().map(|(sort, summary)| {
            let ((kind, instrument), origin) = (sort, self.lines.of(sort));
            json!({
                "kind": format!("{kind:?}"),
                "instrument": instrument.as_ref().map(ToString::to_string),
                "count": summary.count,
                "last": summary.last_detail,
                "file": origin.map(|origin| &*origin.file),
                "line": origin.map(|origin| origin.line),
            })
        });
        json!({
            "is_recorded": played.total.is_some(),
            "finished": is_finished,
            "problem": played.problem,
            "frames": played.frames,
            "frames_total": played.total,
            "instruments": instruments,
            "problems": problems.collect::<Vec<_>>(),
        })
    }
}
