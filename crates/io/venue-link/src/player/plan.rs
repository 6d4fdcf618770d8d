//! Which session is played when.

use crate::recording::{RecordingError, RecordingSummary};
use remora_domain::{DurationNs, Timestamp};

/// The least time from the end of a session to the start of the next, in virtual time: whoever plays them lets the
/// world go on for so long, so that cancels reach the venue and are confirmed before time jumps.
pub const SESSION_GAP: DurationNs = DurationNs::from_s(5);

/// One day in nanoseconds: sessions are moved by whole days.
const DAY_NS: i64 = 86_400_000_000_000;

/// Is one session that will be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPlan {
    /// The file and what it holds.
    pub recording: RecordingSummary,
    /// How far the session is moved forward so that time does not go back: whole days, mostly none.
    pub shift: DurationNs,
    /// When it begins in virtual time.
    pub first: Timestamp,
    /// When it ends in virtual time.
    pub last: Timestamp,
}

impl SessionPlan {
    /// Gives the time from the first frame to the last.
    #[must_use]
    pub const fn length(&self) -> DurationNs {
        self.last.since(self.first)
    }
}

/// Separates definitions from sessions and gives each session its place in virtual time.
pub(super) fn plan(
    summaries: Vec<RecordingSummary>,
) -> Result<(Vec<SessionPlan>, Vec<RecordingSummary>), RecordingError> {
    let (definitions, sessions): (Vec<_>, Vec<_>) =
        summaries.into_iter().partition(RecordingSummary::is_definitions_only);
    // Definitions that serve no recording are played for themselves.
    let (definitions, sessions) =
        if sessions.is_empty() { (Vec::new(), definitions) } else { (definitions, sessions) };
    let mut plans: Vec<SessionPlan> = Vec::with_capacity(sessions.len());
    for recording in sessions {
        let shift = match plans.last() {
            Some(before) => {
                later(before.last, SESSION_GAP).and_then(|end| days_behind(recording.first, end))
            }
            None => Some(DurationNs::ZERO),
        };
        let moved = shift.and_then(|shift| Some((shift, later(recording.last, shift)?)));
        let (shift, last) = moved.ok_or_else(|| RecordingError::TimeRange {
            path: recording.path.clone(),
            to: plans.last().map_or(Timestamp::EPOCH, |before| before.last),
        })?;
        let first = recording.first.saturating_add(shift);
        plans.push(SessionPlan { recording, shift, first, last });
    }
    Ok((plans, definitions))
}

/// Gives the fewest whole days that put `first` behind `end`.
fn days_behind(first: Timestamp, end: Timestamp) -> Option<DurationNs> {
    if first > end {
        return Some(DurationNs::ZERO);
    }
    let days = (end.since(first).as_ns() / DAY_NS).checked_add(1)?;
    days.checked_mul(DAY_NS).map(DurationNs::from_ns)
}

/// Moves an instant; `None` where the range of time ends.
fn later(t: Timestamp, by: DurationNs) -> Option<Timestamp> {
    t.as_ns().checked_add(by.as_ns()).map(Timestamp::from_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn summary(first: i64, length: i64) -> RecordingSummary {
        RecordingSummary {
            path: "made.jsonl".into(),
            first: Timestamp::from_ns(first),
            last: Timestamp::from_ns(first + length),
            frames_in: 1,
            frames_out: 0,
            cut_at_line: None,
            venues: BTreeSet::new(),
            connections: BTreeMap::from([("ws-book".to_owned(), remora_venue_api::ConnId::new(0))]),
        }
    }

    proptest! {
        #[test]
        fn sessions_never_overlap_and_keep_their_time_of_day(
            files in proptest::collection::vec((1_i64..DAY_NS * 9_000, 0_i64..DAY_NS * 3), 1..8),
        ) {
            let made = files.iter().map(|(first, length)| summary(*first, *length)).collect();
            let (plans, _) = plan(made).unwrap();
            let gap = |pair: &[SessionPlan]| pair[1].first.since(pair[0].last);
            prop_assert!(plans.windows(2).all(|pair| gap(pair) > SESSION_GAP));
            for session in &plans {
                prop_assert_eq!(session.shift.as_ns() % DAY_NS, 0);
                prop_assert_eq!(session.first.since(session.recording.first), session.shift);
                prop_assert_eq!(session.last.since(session.recording.last), session.shift);
            }
        }
    }

    #[test]
    fn files_in_order_of_time_are_not_moved() {
        let later = SESSION_GAP.as_ns() + 16;
        let (plans, _) = plan(vec![summary(5, 10), summary(later, 1)]).unwrap();
        assert!(plans.iter().all(|session| session.shift == DurationNs::ZERO));
    }

    #[test]
    fn a_file_that_begins_before_the_one_ahead_of_it_has_settled_is_moved() {
        let soon = 15 + DurationNs::from_ms(10).as_ns();
        let (plans, _) = plan(vec![summary(5, 10), summary(soon, 1)]).unwrap();
        assert_eq!(plans[1].shift.as_ns(), DAY_NS);
    }

    #[test]
    fn a_session_that_cannot_be_moved_is_refused() {
        let made = vec![summary(i64::MAX - 5, 5), summary(i64::MAX - 5, 5)];
        assert!(matches!(plan(made), Err(RecordingError::TimeRange { .. })));
    }
}
