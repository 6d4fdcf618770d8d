//! Which line of a recording a problem comes from: the loop takes inputs in the order in which the player sends them.

use remora_ingestor_core::{IngestorCore, ProblemKey};
use remora_venue_link::Origin;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Remembers where each input that waits for the loop stands; clones share it. Bounded by the loop's queue.
#[derive(Clone, Default)]
pub(crate) struct Origins(Arc<Mutex<VecDeque<Option<Origin>>>>);

impl Origins {
    /// Notes where an input stands, just before it is sent.
    pub(crate) fn sent(&self, origin: Option<Origin>) {
        self.with(|waiting| waiting.push_back(origin));
    }

    fn taken(&self) -> Option<Origin> {
        self.with(VecDeque::pop_front).flatten()
    }

    fn with<T>(&self, act: impl FnOnce(&mut VecDeque<Option<Origin>>) -> T) -> T {
        // Nothing can fail while the lock is held, so a poisoned lock holds good values.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Knows the line of the last problem of each sort.
pub(crate) struct ProblemLines {
    origins: Origins,
    lines: BTreeMap<ProblemKey, (u64, Origin)>,
    seen: u64,
}

impl ProblemLines {
    pub(crate) const fn new(origins: Origins) -> Self {
        Self { origins, lines: BTreeMap::new(), seen: 0 }
    }

    /// Looks what the event that was just taken has led to; what a timer led to is no line's fault. Told at the first, second, fourth, eighth time and so on.
    pub(crate) fn look(&mut self, core: &IngestorCore, is_input: bool) {
        let origin = if is_input { self.origins.taken() } else { None };
        let problems = core.problems();
        let count = problems.values().map(|summary| summary.count).fold(0, u64::saturating_add);
        if std::mem::replace(&mut self.seen, count) == count {
            return;
        }
        let Some(origin) = origin else { return };
        for (sort, summary) in problems {
            let known = self.lines.get(sort).map(|(count, _)| *count);
            if known == Some(summary.count) {
                continue;
            }
            self.lines.insert(sort.clone(), (summary.count, origin.clone()));
            if summary.count.is_power_of_two() {
                let (kind, instrument) = sort;
                let instrument = instrument.as_ref().map(tracing::field::display);
                let (file, line, count) = (&*origin.file, origin.line, summary.count);
                let problem = &*summary.last_detail;
                tracing::warn!(
                    file,
                    line,
                    ?kind,
                    instrument,
                    count,
                    problem,
                    "recorded frame refused"
                );
            }
        }
    }

    /// Gives the line of the last problem of a sort.
    pub(crate) fn of(&self, sort: &ProblemKey) -> Option<&Origin> {
        self.lines.get(sort).map(|(_, origin)| origin)
    }
}
