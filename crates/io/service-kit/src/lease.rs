//! Keeps the lease of a service of which several may run: asks the register on the bus, tells the core of its terms.
//!
//! In: what the register says, what the core claims, the end of the service. Out: terms for the core, health, metrics.
//! The decisions are `Lease`'s; here are its clock, its calls and their bounds. Its clock is the machine's steady one,
//! which runs on while a process is stopped and which nobody sets; a term reaches the core in the core's own time, and
//! when it ends by the steady clock first, the core is told that too.
//! Must never happen: a term told before its write was accepted; a call without a bound; a keeper that waits for its core.
//! Test alone: `cargo nextest run -p remora-service-kit lease`.

use crate::drive::LocalEvent;
use crate::publish::chain;
use crate::{Clock, Health, Shutdown};
use bytes::Bytes;
use futures::future::BoxFuture;
use remora_bus::Bus;
use remora_domain::{DurationNs, SessionId, Timestamp};
use remora_machine::{
    Lease, LeaseInput, LeaseOutput, LeaseRecord, LeaseRole, LeaseTimes, Machine as _, TermInput,
    TermOutput,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// News of terms that may wait for the core: a few seconds of renewals. More find no room, and the core's term ends.
pub const TERMS_WAITING_MAX: usize = 16;
/// Claims and the one release that may wait for the keeper; a core claims once a takeover.
const ASKS_WAITING_MAX: usize = 16;
/// How long the register may take to answer; what takes longer counts as unknown.
const CALL_WITHIN: Duration = Duration::from_secs(1);
/// How long the end of a process waits for its lease to be given back; without that it runs out.
const RELEASE_WITHIN: Duration = Duration::from_secs(2);

/// Is where the terms of a core come from.
#[derive(Debug)]
pub enum Terms {
    /// There is no other run: whatever the core claims is its term, without end.
    Endless(mpsc::Sender<LocalEvent<TermInput>>),
    /// A keeper, which asks the register.
    Leased(mpsc::Sender<Ask>),
}

/// Is what a keeper is asked for.
#[derive(Debug)]
pub enum Ask {
    /// An epoch of at least this; the first also says that the core can lead.
    Claim(u64),
    /// To give the lease back; hears when that is done.
    Release(oneshot::Sender<()>),
}

impl Terms {
    /// Carries out what the core asks of its lease.
    ///
    /// # Errors
    /// Tells that the keeper, or the core's own queue, is gone or full.
    pub fn perform(&self, output: TermOutput) -> Result<(), &'static str> {
        let TermOutput::Claim { epoch } = output;
        match self {
            Self::Endless(inputs) => {
                let leads = TermInput::Leads { epoch, until: Timestamp::MAX };
                let told = inputs.try_send(LocalEvent::new(leads));
                told.map_err(|_| "the queue of terms is full or gone")
            }
            Self::Leased(asks) => {
                let asked = asks.try_send(Ask::Claim(epoch));
                asked.map_err(|_| "the keeper of the lease is gone or too slow")
            }
        }
    }
}

/// Says whose lease a keeper keeps, and with what.
pub struct LeaseKeeper {
    /// The register.
    pub subject: String,
    /// This run.
    pub session: SessionId,
    /// How long terms are.
    pub times: LeaseTimes,
    /// Holds the register.
    pub bus: Arc<dyn Bus>,
    /// The clock of the core.
    pub clock: Clock,
    /// Hears whether this run leads or follows.
    pub health: Health,
    /// Asked when the core cannot be told that it was deposed.
    pub shutdown: Shutdown,
}

/// Gives the lease back once nothing is left to say.
#[derive(Debug)]
pub struct LeaseHold(mpsc::Sender<Ask>);

impl LeaseHold {
    /// Gives the lease back if this run holds it, so that a standby need not wait for its end. Bounded in time.
    pub async fn release(self) {
        let (done, told) = oneshot::channel();
        let release = async {
            if self.0.send(Ask::Release(done)).await.is_ok() {
                // A keeper that has ended holds nothing.
                let _ = told.await;
            }
        };
        if tokio::time::timeout(RELEASE_WITHIN, release).await.is_err() {
            tracing::warn!("lease not given back: it runs out");
        }
    }
}

impl LeaseKeeper {
    /// Starts to keep the lease once the core has claimed an epoch: from then on it can lead.
    #[must_use]
    pub fn start(self, inputs: mpsc::Sender<LocalEvent<TermInput>>) -> (Terms, LeaseHold) {
        let (sender, asks) = mpsc::channel(ASKS_WAITING_MAX);
        self.health.set_dependency("lease", true, false, "the log is being read");
        let began = Instant::now();
        let lease = Lease::new(self.session, self.times);
        let (seen, told) = (None, Told::default());
        let keeping =
            Keeping { of: self, inputs, asks, lease, began, seen, told, call: None, done: None };
        tokio::spawn(keeping.run());
        (Terms::Leased(sender.clone()), LeaseHold(sender))
    }
}

/// Is what the register last held, and since when it has stood as far as this run knows.
#[derive(Clone, Copy, Debug)]
struct Seen {
    revision: u64,
    holder: Option<SessionId>,
    since: Instant,
}

/// Is what was told of the term, so that a takeover is counted once.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    epoch: u64,
    leads: bool,
}

struct Keeping {
    of: LeaseKeeper,
    inputs: mpsc::Sender<LocalEvent<TermInput>>,
    asks: mpsc::Receiver<Ask>,
    lease: Lease,
    began: Instant,
    seen: Option<Seen>,
    told: Told,
    call: Option<BoxFuture<'static, LeaseInput>>,
    done: Option<oneshot::Sender<()>>,
}

impl Keeping {
    async fn run(mut self) {
        // A run that has not read the log holds the lease for nobody.
        match self.asks.recv().await {
            Some(Ask::Claim(_)) => {}
            Some(Ask::Release(done)) => {
                let _ = done.send(());
                return;
            }
            None => return,
        }
        let mut out = Vec::new();
        loop {
            let deadline = self.lease.next_deadline().map(|at| self.instant(at));
            tokio::select! {
                biased;
                answer = answered(&mut self.call) => {
                    self.call = None;
                    self.note(&answer);
                    self.lease.handle(self.now(), answer, &mut out);
                }
                ask = self.asks.recv() => match ask {
                    Some(Ask::Claim(epoch)) => {
                        self.lease.handle(self.now(), LeaseInput::Claim { epoch }, &mut out);
                    }
                    Some(Ask::Release(done)) => {
                        self.done = Some(done);
                        self.lease.handle(self.now(), LeaseInput::Release, &mut out);
                    }
                    // The process ends without order: the lease runs out.
                    None => return,
                },
                () = sleep_until(deadline) => self.lease.tick(self.now(), &mut out),
            }
            let mut is_over = self.lease.role() == LeaseRole::Deposed;
            for output in std::mem::take(&mut out) {
                is_over |= self.carry_out(output);
            }
            self.tell();
            if is_over {
                if let Some(done) = self.done.take() {
                    // Whoever asked may have stopped waiting.
                    let _ = done.send(());
                }
                return;
            }
        }
    }

    /// Gives the lease's own time: what the steady clock has counted since the start.
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.began.elapsed().as_nanos()).unwrap_or(i64::MAX);
        Timestamp::EPOCH.saturating_add(DurationNs::from_ns(elapsed))
    }

    fn instant(&self, at: Timestamp) -> Instant {
        let after = u64::try_from(at.since(Timestamp::EPOCH).as_ns()).unwrap_or(0);
        self.began + Duration::from_nanos(after)
    }

    /// Carries out what the lease asks for; true at the end.
    fn carry_out(&mut self, output: LeaseOutput) -> bool {
        match output {
            LeaseOutput::Read => {
                let (bus, subject) = (Arc::clone(&self.of.bus), self.of.subject.clone());
                self.call = Some(Box::pin(read(bus, subject)));
                false
            }
            LeaseOutput::Write { record, expected } => {
                let (bus, subject) = (Arc::clone(&self.of.bus), self.of.subject.clone());
                self.call = Some(Box::pin(write(bus, subject, record, expected)));
                false
            }
            LeaseOutput::Leads { epoch, until } => {
                // The core's time is read first: what passes in between shortens the term.
                let now = self.of.clock.now();
                let until = now.saturating_add(until.since(self.now()));
                self.leads(epoch, until);
                false
            }
            LeaseOutput::Lapsed => {
                metrics::counter!("remora_lease_lapses_total").increment(1);
                tracing::warn!(epoch = self.told.epoch, "term ended: not renewed in time");
                self.told.leads = false;
                let (epoch, until) = (self.told.epoch, self.of.clock.now());
                self.give(TermInput::Leads { epoch, until });
                false
            }
            LeaseOutput::Deposed => {
                tracing::warn!(epoch = self.told.epoch, "another run leads: this one ends");
                self.told.leads = false;
                if !self.give(TermInput::Deposed) {
                    self.of.shutdown.request();
                }
                true
            }
            LeaseOutput::Released => {
                tracing::info!(epoch = self.told.epoch, "lease given back");
                self.told.leads = false;
                true
            }
        }
    }

    fn leads(&mut self, epoch: u64, until: Timestamp) {
        if !self.told.leads || self.told.epoch != epoch {
            metrics::counter!("remora_lease_takeovers_total").increment(1);
            tracing::info!(epoch, "leads");
        }
        self.told = Told { epoch, leads: true };
        self.give(TermInput::Leads { epoch, until });
    }

    /// Tells the core. One that does not listen hears nothing more, and its term ends by its own clock.
    fn give(&self, term: TermInput) -> bool {
        let given = self.inputs.try_send(LocalEvent::new(term)).is_ok();
        if !given {
            metrics::counter!("remora_lease_terms_dropped_total").increment(1);
            tracing::warn!(?term, "the core takes no news of its term");
        }
        given
    }

    /// Keeps what the register says, for people.
    fn note(&mut self, answer: &LeaseInput) {
        let (revision, holder) = match answer {
            LeaseInput::Read { revision, record } => {
                (*revision, record.and_then(|record| record.holder))
            }
            LeaseInput::Written { revision } => (*revision, Some(self.of.session)),
            LeaseInput::Taken
            | LeaseInput::Failed
            | LeaseInput::Claim { .. }
            | LeaseInput::Release => return,
        };
        if self.seen.is_none_or(|seen| seen.revision != revision) {
            self.seen = Some(Seen { revision, holder, since: Instant::now() });
        }
    }

    /// Tells people where this run stands.
    fn tell(&self) {
        let epoch = self.lease.epoch();
        let holder = self.seen.and_then(|seen| seen.holder);
        let (is_up, detail) = match self.lease.role() {
            LeaseRole::Leader if self.told.leads => (true, format!("leads under epoch {epoch}")),
            LeaseRole::Leader | LeaseRole::Candidate => (false, "asks for the lease".to_owned()),
            LeaseRole::Lapsed => (false, format!("the term under epoch {epoch} has run out")),
            LeaseRole::Deposed => {
                (false, "another run leads, or the lease was given back".to_owned())
            }
            LeaseRole::Standby => match holder {
                Some(holder) if self.lease.sees_leader() => {
                    (true, format!("standby: run {holder} leads under epoch {epoch}"))
                }
                Some(_) | None => (false, "standby: nobody leads yet".to_owned()),
            },
        };
        self.of.health.set_dependency("lease", true, is_up, &detail);
        metrics::gauge!("remora_lease_leads").set(if self.told.leads { 1.0 } else { 0.0 });
        let shown = f64::from(u32::try_from(epoch).unwrap_or(u32::MAX));
        metrics::gauge!("remora_lease_epoch").set(shown);
        if let Some(seen) = self.seen {
            metrics::gauge!("remora_lease_age_s").set(seen.since.elapsed().as_secs_f64());
        }
    }
}

async fn answered(call: &mut Option<BoxFuture<'static, LeaseInput>>) -> LeaseInput {
    match call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

async fn read(bus: Arc<dyn Bus>, subject: String) -> LeaseInput {
    let found = tokio::time::timeout(CALL_WITHIN, bus.read_register(&subject)).await;
    match found {
        Ok(Ok(None)) => LeaseInput::Read { revision: 0, record: None },
        Ok(Ok(Some(value))) => match record(&value.payload) {
            Ok(record) => LeaseInput::Read { revision: value.revision, record: Some(record) },
            Err(problem) => {
                tracing::error!(error = problem, subject, "register of the lease not understood");
                LeaseInput::Failed
            }
        },
        Ok(Err(error)) => {
            tracing::debug!(error = chain(&error), subject, "register of the lease not read");
            LeaseInput::Failed
        }
        Err(_) => LeaseInput::Failed,
    }
}

fn record(payload: &[u8]) -> Result<LeaseRecord, String> {
    let text = std::str::from_utf8(payload).map_err(|error| error.to_string())?;
    text.parse::<LeaseRecord>().map_err(|error| error.to_string())
}

async fn write(
    bus: Arc<dyn Bus>,
    subject: String,
    record: LeaseRecord,
    expected: u64,
) -> LeaseInput {
    let payload = Bytes::from(record.to_string());
    let written =
        tokio::time::timeout(CALL_WITHIN, bus.write_register(&subject, payload, expected)).await;
    match written {
        Ok(Ok(Some(revision))) => LeaseInput::Written { revision },
        Ok(Ok(None)) => LeaseInput::Taken,
        Ok(Err(error)) => {
            tracing::debug!(error = chain(&error), subject, "register of the lease not written");
            LeaseInput::Failed
        }
        Err(_) => LeaseInput::Failed,
    }
}

#[cfg(test)]
mod tests;
