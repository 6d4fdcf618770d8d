//! Plays recordings as sessions of one feed.
//!
//! The rules, which make the inputs of a run a pure function of its files and their order:
//! 1. Each file is a session of its own, in argument order. When one ends the feed is told `SessionEnded`, and
//!    virtual time jumps to the start of the next.
//! 2. Virtual time never goes back nor stands. A file that begins before the one ahead of it has ended, and
//!    `SESSION_GAP` has passed, is moved forward by the fewest whole days that put it behind; so the time of day, the second of a minute and every interval
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
pub use plan::{SESSION_GAP, SessionPlan};

use crate::recording::{
    Direction, RecordedFrame, RecordingError, RecordingReader, RecordingSummary, summarise,
};
use remora_domain::{DurationNs, Timestamp};
use remora_venue_api::{ConnId, FeedInput};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Numbers the connections of definition files apart from those of the sessions.
const DEFINITIONS_CONN: u16 = 0x8000;

/// Is where an input stands: a line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file's name, without its folder: results hold no path.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u64,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.file, self.line)
    }
}

/// Is one input for a feed session, with its instant.
#[derive(Clone, Debug)]
pub struct Played {
    /// Virtual time: the recording's, moved by the shift of its session.
    pub at: Timestamp,
    /// Playing time since the first input of all, with the jumps between sessions left out; for pacing.
    pub elapsed: DurationNs,
    /// Which session, from 0.
    pub session: usize,
    /// Where a frame stands; `None` for what no line says.
    pub origin: Option<Origin>,
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
    reader: Source,
    plan: SessionPlan,
    connected: BTreeSet<ConnId>,
    elapsed_before: DurationNs,
    /// The definition files that come before the session's own frames, the next one last.
    definitions: Vec<PathBuf>,
    definition: Option<Source>,
    /// The number of the open definition file's first connection.
    definitions_conn: u16,
}

/// Is an open file, with its name for people.
struct Source {
    reader: RecordingReader,
    file: Arc<str>,
}

impl Source {
    fn open(path: &Path) -> Result<Self, RecordingError> {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let file = Arc::from(name.to_string_lossy());
        Ok(Self { reader: RecordingReader::open(path)?, file })
    }

    /// Gives the next frame; a file that is cut has ended at its last whole line, as its summary says.
    fn next(&mut self) -> Result<Option<(RecordedFrame, Origin)>, RecordingError> {
        let frame = match self.reader.next() {
            None | Some(Err(RecordingError::Truncated { .. })) => return Ok(None),
            Some(frame) => frame?,
        };
        let origin = Origin { file: Arc::clone(&self.file), line: frame.line };
        Ok(Some((frame, origin)))
    }
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

    /// Opens the next file, and before it the definitions; false when there is none.
    fn begin_session(&mut self) -> Result<bool, RecordingError> {
        let Some(plan) = self.plans.get(self.next_plan).cloned() else {
            return Ok(false);
        };
        self.next_plan = self.next_plan.saturating_add(1);
        self.open = Some(Open {
            reader: Source::open(&plan.recording.path)?,
            plan,
            connected: BTreeSet::new(),
            elapsed_before: self.elapsed,
            definitions: self.definitions.iter().rev().map(|file| file.path.clone()).collect(),
            definition: None,
            definitions_conn: DEFINITIONS_CONN,
        });
        Ok(true)
    }

    /// Queues what the next line of the open file means, or the end of its session.
    fn read_one(&mut self) -> Result<(), RecordingError> {
        let session = self.next_plan.saturating_sub(1);
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        if let Some((conn, text, origin)) = open.next_definition()? {
            let (at, elapsed, origin) = (open.plan.first, self.elapsed, Some(origin));
            let input = FeedInput::Frame { conn, receive_time: at, text };
            self.pending.push_back(Played { at, elapsed, session, origin, input });
            return Ok(());
        }
        let Some((frame, origin)) = open.reader.next()? else {
            self.elapsed = open.elapsed_before.saturating_add(open.plan.length());
            let (at, elapsed, origin) = (open.plan.last, self.elapsed, None);
            let input = FeedInput::SessionEnded;
            self.pending.push_back(Played { at, elapsed, session, origin, input });
            self.open = None;
            return Ok(());
        };
        if frame.direction == Direction::Out {
            return Ok(());
        }
        let (conn, at) = (frame.conn, frame.t.saturating_add(open.plan.shift));
        let elapsed = open.elapsed_before.saturating_add(at.since(open.plan.first));
        if open.connected.insert(conn) {
            let input = FeedInput::Connected { conn };
            self.pending.push_back(Played { at, elapsed, session, origin: None, input });
        }
        let input = FeedInput::Frame { conn, receive_time: at, text: frame.text };
        self.pending.push_back(Played { at, elapsed, session, origin: Some(origin), input });
        Ok(())
    }
}

impl Open {
    /// Gives the next received frame of the definition files, one in memory at a time; `None` behind the last.
    fn next_definition(&mut self) -> Result<Option<(ConnId, String, Origin)>, RecordingError> {
        loop {
            let Some(source) = &mut self.definition else {
                let Some(path) = self.definitions.pop() else { return Ok(None) };
                self.definition = Some(Source::open(&path)?);
                continue;
            };
            match source.next()? {
                Some((frame, _)) if frame.direction == Direction::Out => {}
                Some((frame, origin)) => {
                    let number = self.definitions_conn.saturating_add(frame.conn.get());
                    return Ok(Some((ConnId::new(number), frame.text, origin)));
                }
                None => {
                    let count = u16::try_from(source.reader.connections().len());
                    let count = count.unwrap_or(u16::MAX);
                    self.definitions_conn = self.definitions_conn.saturating_add(count);
                    self.definition = None;
                }
            }
        }
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
