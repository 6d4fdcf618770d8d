//! What is true of a run as a whole: which profile, which data, how far it is.

use remora_domain::{DurationNs, FeedCounters, InstrumentKey, Timestamp};
use std::collections::BTreeMap;

/// Is one setting in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSetting {
    /// Its key, with its section.
    pub key: String,
    /// Its value; `***` for a secret.
    pub value: String,
    /// The variable that was laid over the profile, if any.
    pub variable: Option<String>,
}

/// Is what is true of a run as a whole. Holds no wall time, path or host name, so that equal runs are equal.
#[derive(Clone, Debug, Default)]
pub struct RunFacts {
    /// Name of the profile.
    pub profile: String,
    /// Seed of every random choice.
    pub seed: u64,
    /// Whether prices were made by a generator, not by a market.
    pub is_synthetic: bool,
    /// The settings in force, secrets hidden.
    pub settings: Vec<RunSetting>,
    /// Sessions begun.
    pub sessions: u64,
    /// Frames given to the ingestor.
    pub frames_played: u64,
    /// Frames there are; `None` on a live feed.
    pub frames_total: Option<u64>,
    /// When the first frame was received, in the time of the run.
    pub first_frame: Option<Timestamp>,
    /// When the newest frame was received, in the time of the run.
    pub last_frame: Option<Timestamp>,
    /// Time played, without the jumps between sessions.
    pub elapsed: DurationNs,
    /// What each pair's feed delivered; pairs without a frame are absent.
    pub counters: BTreeMap<InstrumentKey, FeedCounters>,
    /// Messages that history could not take; 0 in a sound run.
    pub history_losses: u64,
    /// Problems of the feed by kind and instrument, with their counts.
    pub problems: BTreeMap<String, u64>,
    /// Field, value and what is allowed, of the last problem of each sort.
    pub problem_details: BTreeMap<String, String>,
}

impl RunFacts {
    /// Gives the share of the data that was played, 0 to 1; 0 on a live feed.
    #[must_use]
    #[expect(clippy::as_conversions, reason = "a share for a progress bar")]
    pub fn progress_est(&self) -> f64 {
        match self.frames_total {
            Some(total) if total > 0 => self.frames_played as f64 / total as f64,
            Some(_) | None => 0.0,
        }
    }

    /// Gives the progress as text for people.
    #[must_use]
    pub fn progress_text(&self) -> String {
        let seconds = self.elapsed.as_ms() / 1_000;
        match self.frames_total {
            Some(total) => {
                format!("{} of {total} frames, {seconds} s of market time", self.frames_played)
            }
            None => format!("{} frames, {seconds} s live", self.frames_played),
        }
    }
}
