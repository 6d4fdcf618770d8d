//! Plays recordings as sessions of one feed.
//!
//! The rules, which make the inputs of a run a pure function of its files and their order:
//! 1. Each file is a session of its own, in argument order. When one ends the feed is told `SessionEnded`, and
//!    virtual time jumps to the start of the next.
//! 2. Virtual time never goes back. A file that begins before the one ahead of it ended is moved forward by the
//!    fewest whole days that put it behind; so the time of day, the second of a minute and every interval
//!    inside it stay what they were. Any order of any files can be played, also the same file twice; the plan
//!    states each shift, so that it is shown and never silent. Venue timestamps inside frames are not touched.
//! 3. A file of nothing but instrument definitions beside other files is no session: its frames are given at the
//!    first instant of every session, before the session's own frames, which may override them. (Every
//!    session, because another one may have declared the same symbol differently.)
//! 4. Frames that the recorder sent are counted, not played: a recorded session subscribes to nothing.
//! 5. Each file is read through and checked before the first frame of any is played.

mod pace;
mod plan;

#[cfg(test)]
mod tests;

pub use pace::{Pace, ParsePaceError};
pub use plan::SessionPlan;

use crate::recording::{Direction, RecordingError, RecordingReader, RecordingSummary, summarise};
use remora_domain::{DurationNs, Timestamp};
use remora_venue_api::{ConnId, FeedInput};
use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;

/// Numbers the connections of definition files apart from those of the sessions.
const DEFINITIONS_CONN: u16 = 0x8000;

/// Is one input for a feed session, with its instant.
#[derive(Clone, Debug)]
pub struct Played {
    /// Virtual time: the recording's, moved by the shift of its session.
    pub at: Timestamp,
    /// Playing time since the first input of all, with the jumps between sessions left out; for pacing.
    pub elapsed: DurationNs,
    /// Which session, from 0.
    pub session: usize,
    /// What happens.
    pub input: FeedInput,
}

impl Played {
    /// Moves the input to real time: what was played `elapsed` after the start happens `elapsed` after `start`.
    /// Intervals inside a session are kept; only the jumps between sessions vanish.
    #[must_use]
    pub fn moved_to(mut self, start: Timestamp) -> Self {
        self.at = start.saturating_add(self.elapsed);
        if let FeedInput::Frame { receive_time, .. } = &mut self.input {
            *receive_time = self.at;
        }
        self
    }
}

struct Open {
    reader: RecordingReader,
    plan: SessionPlan,
    connected: BTreeSet<ConnId>,
    elapsed_before: DurationNs,
}

/// Gives the inputs of all sessions in order; stops for good at the first error.
pub struct Player {
    plans: Vec<SessionPlan>,
    definitions: Vec<RecordingSummary>,
    next_plan: usize,
    open: Option<Open>,
    pending: VecDeque<Played>,
    elapsed: DurationNs,
    is_over: bool,
}

impl Player {
    /// Checks every file and plans the sessions.
    ///
    /// # Errors
    /// Gives the first thing that is wrong with any of the files.
    pub fn open(paths: &[PathBuf]) -> Result<Self, RecordingError> {
        let summaries =
            paths.iter().map(|path| summarise(path)).collect::<Result<Vec<_>, RecordingError>>()?;
        let (plans, definitions) = plan::plan(summaries)?;
        Ok(Self {
            plans,
            definitions,
            next_plan: 0,
            open: None,
            pending: VecDeque::new(),
            elapsed: DurationNs::ZERO,
            is_over: false,
        })
    }

    /// Gives the sessions in the order in which they are played.
    #[must_use]
    pub fn plans(&self) -> &[SessionPlan] {
        &self.plans
    }

    /// Gives the definition files that serve the sessions.
    #[must_use]
    pub fn definitions(&self) -> &[RecordingSummary] {
        &self.definitions
    }

    /// Gives the number of frames that will be played in all, definitions included once a session.
    #[must_use]
    pub fn frames_total(&self) -> u64 {
        let definitions: u64 = self.definitions.iter().map(|file| file.frames_in).sum();
        let own = |plan: &SessionPlan| plan.recording.frames_in.saturating_add(definitions);
        self.plans.iter().map(own).fold(0, u64::saturating_add)
    }

    /// Gives the recorder's names of all venues in the sessions.
    #[must_use]
    pub fn venues(&self) -> BTreeSet<&str> {
        let recordings = self.plans.iter().map(|plan| &plan.recording);
        recordings.flat_map(|recording| recording.venues.iter().map(String::as_str)).collect()
    }

    fn advance(&mut self) -> Result<Option<Played>, RecordingError> {
        loop {
            if let Some(played) = self.pending.pop_front() {
                return Ok(Some(played));
            }
            let is_open = self.open.is_some() || self.begin_session()?;
            if !is_open {
                return Ok(None);
            }
            self.read_one()?;
        }
    }

    /// Opens the next file and queues the definitions; false when there is none.
    fn begin_session(&mut self) -> Result<bool, RecordingError> {
        let Some(plan) = self.plans.get(self.next_plan).cloned() else {
            return Ok(false);
        };
        let session = self.next_plan;
        self.next_plan = self.next_plan.saturating_add(1);
        let mut number = DEFINITIONS_CONN;
        for file in &self.definitions {
            for frame in RecordingReader::open(&file.path)? {
                let frame = frame?;
                if frame.direction == Direction::In {
                    let conn = ConnId::new(number.saturating_add(frame.conn.get()));
                    let receive_time = plan.first;
                    let input = FeedInput::Frame { conn, receive_time, text: frame.text };
                    let (at, elapsed) = (plan.first, self.elapsed);
                    self.pending.push_back(Played { at, elapsed, session, input });
                }
            }
            let count = u16::try_from(file.connections.len()).unwrap_or(u16::MAX);
            number = number.saturating_add(count);
        }
        let reader = RecordingReader::open(&plan.recording.path)?;
        let (connected, elapsed_before) = (BTreeSet::new(), self.elapsed);
        self.open = Some(Open { reader, plan, connected, elapsed_before });
        Ok(true)
    }

    /// Queues what the next line of the open file means, or the end of its session.
    fn read_one(&mut self) -> Result<(), RecordingError> {
        let session = self.next_plan.saturating_sub(1);
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let Some(frame) = open.reader.next() else {
            self.elapsed = open.elapsed_before.saturating_add(open.plan.length());
            let (at, elapsed) = (open.plan.last, self.elapsed);
            self.pending.push_back(Played { at, elapsed, session, input: FeedInput::SessionEnded });
            self.open = None;
            return Ok(());
        };
        let frame = frame?;
        if frame.direction == Direction::Out {
            return Ok(());
        }
        let (conn, at) = (frame.conn, frame.t.saturating_add(open.plan.shift));
        let elapsed = open.elapsed_before.saturating_add(at.since(open.plan.first));
        if open.connected.insert(conn) {
            let input = FeedInput::Connected { conn };
            self.pending.push_back(Played { at, elapsed, session, input });
        }
        let input = FeedInput::Frame { conn, receive_time: at, text: frame.text };
        self.pending.push_back(Played { at, elapsed, session, input });
        Ok(())
    }
}

impl Iterator for Player {
    type Item = Result<Played, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let item = self.advance().transpose();
        self.is_over = !matches!(item, Some(Ok(_)));
        item
    }
}
