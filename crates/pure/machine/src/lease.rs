//! Who of several runs of one service may act: one leader, any number of standbys, decided by one register.
//!
//! In: what the register says, whether a write to it was accepted, time. Out: reads, conditional writes, and what
//! follows from them for the service. The register is any store with a true compare-and-set on a revision.
//!
//! Invariants: a write names the revision it replaces, so of two takeovers one fails; each takeover raises the epoch, and
//! the register holds it before anybody acts under it; a leader's term ends `margin` before anybody could take it.
//! Time is each run's own and is never compared between runs: a standby counts from when it first saw a revision, which
//! is after it was written; a leader counts from before it asked for it to be written. So terms do not overlap while two
//! clocks differ in rate by less than `margin / ttl`; the epoch holds where a process or a message stood still.
//! Must never happen here: a term without an accepted write.

mod record;
mod term;
#[cfg(test)]
mod tests;

use crate::Machine;
use remora_domain::{DurationNs, SessionId, Timestamp};

pub use record::{LeaseRecord, LeaseRecordError};
pub use term::{TermInput, TermOutput};

/// Says how long a term is and how often it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// How long a revision must stand before another run may take the lease.
    pub ttl: DurationNs,
    /// How long before that the leader ends its term by itself.
    pub margin: DurationNs,
    /// How long after a write the leader writes again.
    pub renew_every: DurationNs,
    /// How often a standby looks, and how soon what failed is tried again.
    pub look_every: DurationNs,
}

impl LeaseTimes {
    /// Is what processes use: a leader that dies is replaced within 3.5 s; clocks may differ in rate by a sixth.
    pub const PROCESS: Self = Self {
        ttl: DurationNs::from_ms(3_000),
        margin: DurationNs::from_ms(500),
        renew_every: DurationNs::from_ms(800),
        look_every: DurationNs::from_ms(400),
    };
}

/// Is what happens to a lease. Each `Read` and `Write` is answered by exactly one of the first four.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseInput {
    /// What the register says: its revision, 0 when nothing was ever written, and what it holds.
    Read {
        /// Rises with each write.
        revision: u64,
        /// What was written last.
        record: Option<LeaseRecord>,
    },
    /// A write was accepted and made this revision.
    Written {
        /// The new one.
        revision: u64,
    },
    /// A write was refused: the register is no longer at the revision it named.
    Taken,
    /// Nobody knows what became of the read or write.
    Failed,
    /// The service knows of an epoch it must exceed, from before there was a register.
    Claim {
        /// The least epoch it can act under.
        epoch: u64,
    },
    /// The service has ended in order: others need not wait.
    Release,
}

/// Is what a lease asks for and tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseOutput {
    /// Read the register.
    Read,
    /// Write the register if it is still at this revision.
    Write {
        /// What to write.
        record: LeaseRecord,
        /// The revision that it replaces; 0 means that nothing was ever written.
        expected: u64,
    },
    /// The term is ours until then, under this epoch.
    Leads {
        /// Of the term.
        epoch: u64,
        /// By our own clock.
        until: Timestamp,
    },
    /// The term has run out without being renewed; it may still be renewed while nobody has taken it.
    Lapsed,
    /// Another run has taken the lease: this one never acts again.
    Deposed,
    /// Others may take the lease at once.
    Released,
}

/// Says where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseRole {
    /// Watches the leader, or looks for one.
    Standby,
    /// Has asked for the lease.
    Candidate,
    /// Holds the lease.
    Leader,
    /// Held the lease and could not renew it in time.
    Lapsed,
    /// Has lost the lease for good, or given it back.
    Deposed,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Standby {
        /// The revision seen, and when it was seen first.
        seen: Option<(u64, Timestamp)>,
    },
    Candidate,
    Leader {
        revision: u64,
        until: Timestamp,
        is_lapsed: bool,
        /// Whether the register must be read before it is written again.
        is_unsure: bool,
    },
    Over,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Read,
    Write { epoch: u64, at: Timestamp, is_release: bool },
}

/// Decides for one run. Every instant is of that run's own clock, which must not stop while the process does.
#[derive(Debug)]
pub struct Lease {
    me: SessionId,
    times: LeaseTimes,
    state: State,
    epoch: u64,
    asked: Option<Asked>,
    next_at: Option<Timestamp>,
    is_releasing: bool,
    sees_leader: bool,
}

type Out = Vec<LeaseOutput>;

impl Lease {
    /// Makes a standby that has seen nothing. `me` must be of a run that was never used before.
    #[must_use]
    pub const fn new(me: SessionId, times: LeaseTimes) -> Self {
        let state = State::Standby { seen: None };
        let next_at = Some(Timestamp::EPOCH);
        Self {
            me,
            times,
            state,
            epoch: 0,
            asked: None,
            next_at,
            is_releasing: false,
            sees_leader: false,
        }
    }

    /// Gives where this run stands.
    #[must_use]
    pub const fn role(&self) -> LeaseRole {
        match self.state {
            State::Standby { .. } => LeaseRole::Standby,
            State::Candidate => LeaseRole::Candidate,
            State::Leader { is_lapsed: false, .. } => LeaseRole::Leader,
            State::Leader { is_lapsed: true, .. } => LeaseRole::Lapsed,
            State::Over => LeaseRole::Deposed,
        }
    }

    /// Gives the epoch of the term, 0 where there was none.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Tells whether another run held the lease when the register was last read.
    #[must_use]
    pub const fn sees_leader(&self) -> bool {
        self.sees_leader
    }

    fn read(&mut self, out: &mut Out) {
        (self.asked, self.next_at) = (Some(Asked::Read), None);
        out.push(LeaseOutput::Read);
    }

    fn write(&mut self, now: Timestamp, expected: u64, out: &mut Out) {
        let (epoch, is_release) = (self.epoch, self.is_releasing);
        let holder = (!is_release).then_some(self.me);
        (self.asked, self.next_at) = (Some(Asked::Write { epoch, at: now, is_release }), None);
        out.push(LeaseOutput::Write { record: LeaseRecord { holder, epoch }, expected });
    }

    fn stand(&mut self, now: Timestamp, revision: u64, record: Option<LeaseRecord>, out: &mut Out) {
        let State::Standby { seen } = self.state else { return };
        let holder = record.and_then(|record| record.holder);
        self.epoch = record.map_or(0, |record| record.epoch);
        self.sees_leader = holder.is_some_and(|holder| holder != self.me);
        if holder == Some(self.me) {
            // A write of ours whose outcome nobody knew. What remains of that term is not known: it is renewed first.
            self.lead(revision, now, true);
            return self.write(now, revision, out);
        }
        let since = match seen {
            Some((before, since)) if before == revision => since,
            Some(_) | None => now,
        };
        // An empty register may be one that was lost: whoever led may not know yet. One given back has no leader.
        let is_free = record.is_some() && holder.is_none();
        if is_free || now.since(since) >= self.times.ttl {
            self.epoch = self.epoch.saturating_add(1);
            self.state = State::Candidate;
            return self.write(now, revision, out);
        }
        self.state = State::Standby { seen: Some((revision, since)) };
        self.next_at = Some(now.saturating_add(self.times.look_every));
    }

    const fn lead(&mut self, revision: u64, until: Timestamp, is_lapsed: bool) {
        self.sees_leader = false;
        self.state = State::Leader { revision, until, is_lapsed, is_unsure: false };
    }

    fn on_read(
        &mut self,
        now: Timestamp,
        revision: u64,
        record: Option<LeaseRecord>,
        out: &mut Out,
    ) {
        match self.state {
            State::Standby { .. } => self.stand(now, revision, record, out),
            State::Leader { until, is_lapsed, .. } => {
                if record.and_then(|record| record.holder) == Some(self.me) {
                    self.lead(revision, until, is_lapsed);
                    self.write(now, revision, out);
                } else if self.is_releasing && record.is_some_and(|record| record.holder.is_none())
                {
                    self.end(LeaseOutput::Released, out);
                } else {
                    self.end(LeaseOutput::Deposed, out);
                }
            }
            // It reads only while it stands by or leads.
            State::Candidate | State::Over => {}
        }
    }

    fn on_written(&mut self, revision: u64, wrote: (u64, Timestamp, bool), out: &mut Out) {
        let (epoch, at, is_release) = wrote;
        if is_release {
            return self.end(LeaseOutput::Released, out);
        }
        let until = at.saturating_add(self.times.ttl).saturating_sub(self.times.margin);
        self.lead(revision, until, false);
        out.push(LeaseOutput::Leads { epoch, until });
        // What was claimed or given back meanwhile does not wait.
        let is_stale = self.is_releasing || epoch < self.epoch;
        let wait = if is_stale { DurationNs::ZERO } else { self.times.renew_every };
        self.next_at = Some(at.saturating_add(wait));
    }

    fn on_taken(&mut self, out: &mut Out) {
        match &mut self.state {
            State::Candidate | State::Standby { .. } => self.state = State::Standby { seen: None },
            State::Leader { is_unsure, .. } => *is_unsure = true,
            State::Over => return,
        }
        self.read(out);
    }

    fn on_failed(&mut self, now: Timestamp) {
        match &mut self.state {
            State::Candidate => self.state = State::Standby { seen: None },
            State::Leader { is_unsure, .. } => *is_unsure = true,
            State::Standby { .. } => {}
            State::Over => return,
        }
        self.next_at = Some(now.saturating_add(self.times.look_every));
    }

    fn end(&mut self, told: LeaseOutput, out: &mut Out) {
        (self.state, self.next_at) = (State::Over, None);
        out.push(told);
    }

    fn on_release(&mut self, now: Timestamp, out: &mut Out) {
        match self.state {
            State::Leader { .. } => {
                self.is_releasing = true;
                if self.asked.is_none() {
                    self.next_at = Some(now);
                    self.tick(now, out);
                }
            }
            // A candidate's write may be accepted: nobody acts under it, and it runs out.
            State::Standby { .. } | State::Candidate => self.end(LeaseOutput::Released, out),
            State::Over => {}
        }
    }
}

impl Machine for Lease {
    type Input = LeaseInput;
    type Output = LeaseOutput;

    fn handle(&mut self, now: Timestamp, input: LeaseInput, out: &mut Out) {
        match input {
            LeaseInput::Read { revision, record } => {
                if let Some(Asked::Read) = self.asked {
                    self.asked = None;
                    self.on_read(now, revision, record, out);
                }
            }
            LeaseInput::Written { revision } => {
                if let Some(Asked::Write { epoch, at, is_release }) = self.asked {
                    self.asked = None;
                    if !matches!(self.state, State::Over) {
                        self.on_written(revision, (epoch, at, is_release), out);
                    }
                }
            }
            LeaseInput::Taken => {
                if let Some(Asked::Write { .. }) = self.asked {
                    self.asked = None;
                    self.on_taken(out);
                }
            }
            LeaseInput::Failed => {
                if self.asked.take().is_some() {
                    self.on_failed(now);
                }
            }
            LeaseInput::Claim { epoch } => {
                if matches!(self.state, State::Leader { .. }) && epoch > self.epoch {
                    self.epoch = epoch;
                    self.next_at = self.asked.is_none().then_some(now);
                }
            }
            LeaseInput::Release => self.on_release(now, out),
        }
        self.lapse(now, out);
    }

    fn tick(&mut self, now: Timestamp, out: &mut Out) {
        self.lapse(now, out);
        if self.asked.is_some() || self.next_at.is_none_or(|at| at > now) {
            return;
        }
        match self.state {
            State::Leader { revision, is_unsure: false, .. } => self.write(now, revision, out),
            State::Leader { is_unsure: true, .. } | State::Standby { .. } => self.read(out),
            State::Candidate | State::Over => self.next_at = None,
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let ends = match self.state {
            State::Leader { until, is_lapsed: false, .. } => Some(until),
            State::Leader { .. } | State::Standby { .. } | State::Candidate | State::Over => None,
        };
        let next = self.next_at.filter(|_| self.asked.is_none());
        [ends, next].into_iter().flatten().min()
    }
}

impl Lease {
    /// Ends a term that nobody has renewed in time.
    fn lapse(&mut self, now: Timestamp, out: &mut Out) {
        if let State::Leader { until, is_lapsed, .. } = &mut self.state
            && !*is_lapsed
            && now >= *until
        {
            *is_lapsed = true;
            out.push(LeaseOutput::Lapsed);
        }
    }
}
