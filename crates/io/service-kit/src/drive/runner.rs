//! The loop itself.

use super::control::Given;
use super::history::{self, HistoryError, News};
use super::latch::{HaltLatch, Records};
use super::plan::{Effects, Identity, LocalEvent, LogSubscription, Plan};
use super::snapshot::{SnapshotFile, Snapshots};
use crate::flight::FlightRecorder;
use crate::publish::{PublishError, Publisher, chain};
use crate::trace::{Causes, TraceContext};
use crate::{Clock, Health, Shutdown};
use bytes::Bytes;
use remora_bus::{Bus, BusError, BusHealth, InMessage, LogEntry, LogReader, Stream, Subscription};
use remora_domain::{Envelope, Kind, Sequencer, Service, ServiceState, Timestamp};
use remora_machine::{ServiceCore, ServiceOutput};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// How often health, facts and gauges are brought up to date.
const UPKEEP_INTERVAL: Duration = Duration::from_millis(500);
/// How long a service that cannot go on still cancels and hears reports before it ends.
const HALT_GRACE: Duration = Duration::from_secs(3);
/// How long a core that was asked to stop goes on being served, when nothing else is said.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// How long the end of a process waits for durable messages to be stored.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// Events between two chances for other tasks of a single-threaded runtime.
const EVENTS_PER_YIELD: u32 = 64;

/// Says why a service ended that was not asked to.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// A log cannot be read, or not any more.
    #[error("read history and news")]
    History(#[from] HistoryError),
    /// Market data cannot be subscribed to.
    #[error("subscribe to core subjects")]
    Subscribe(#[source] BusError),
    /// The bus is closed.
    #[error("receive from the bus: it is closed")]
    BusClosed,
    /// An order message cannot be stored.
    #[error("publish what the core decided")]
    Publish(#[source] PublishError),
    /// The shell cannot perform effects any more.
    #[error("perform an effect: {problem}")]
    Effect {
        /// Why.
        problem: &'static str,
    },
    /// The core did not move a deadline that had passed.
    #[error("tick at {deadline}: the core did not move its deadline")]
    StuckDeadline {
        /// Which.
        deadline: Timestamp,
    },
    /// Asked to stop before it knew what an earlier run had left.
    #[error(
        "stopped before recovery ended: what an earlier run left at the venue is not taken back"
    )]
    StoppedEarly,
    /// Asked to stop, but order messages could not be stored in time.
    #[error("store the last messages: {left} are left")]
    Unflushed {
        /// How many.
        left: usize,
    },
}

/// Drives one core over a bus until it is asked to stop or cannot go on.
pub struct Runner<C: ServiceCore> {
    pub(super) identity: Identity,
    pub(super) core: C,
    pub(super) effects: Box<dyn Effects<C>>,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) publisher: Publisher,
    pub(super) clock: Clock,
    pub(super) health: Health,
    shutdown: Shutdown,
    plan: Plan,
    locals: Option<mpsc::Receiver<LocalEvent<C::LocalInput>>>,
    deliveries: Option<mpsc::Receiver<InMessage>>,
    pub(super) commands: Option<mpsc::Receiver<Given>>,
    /// Whether what operators say here is told on the bus; only services that may write commands do.
    pub(super) tells_commands: bool,
    pub(super) recorder: Option<FlightRecorder>,
    /// Numbers what the shell itself says: commands given to this service directly.
    pub(super) shell: Sequencer,
    pub(super) causes: Causes,
    pub(super) out: Vec<ServiceOutput<C::LocalOutput>>,
    pub(super) pending: VecDeque<Event<C::LocalInput>>,
    pub(super) is_caught_up: bool,
    pub(super) ticked_at: Timestamp,
    is_stuck: bool,
    /// Whether the halt of a fault is in force.
    pub(super) has_faulted: bool,
    /// Whether a message about orders that cannot be read is a fault here.
    pub(super) guards_orders: bool,
    pub(super) records: Records,
    pub(super) snapshots: Snapshots,
    /// How far each log was read, and how it is read on.
    pub(super) logs: BTreeMap<Stream, (u64, LogSubscription)>,
    pub(super) buried: u64,
    pub(super) dropped: u64,
    pub(super) ending: Option<(DriveError, Instant)>,
    stop_within: Duration,
    /// Until when a core that was asked to stop is served.
    stopping: Option<Instant>,
    /// When the newest resumption of everything in the log was stored: a person had looked by then.
    pub(super) resumed_at: Option<Timestamp>,
}

/// Is one thing that happens to the core.
pub(super) enum Event<L> {
    Tick,
    CaughtUp,
    Stopping,
    Message { envelope: Arc<Envelope>, bytes: Bytes, context: TraceContext },
    Local { input: L, context: TraceContext },
}

/// Is where events come from once history has been read.
struct Sources {
    news: News,
    market_data: Option<Subscription>,
    failure: watch::Receiver<Option<PublishError>>,
    upkeep: Interval,
}

impl<C: ServiceCore> Runner<C> {
    /// Joins a core to a bus. Publishes through `publisher`, so that effects may publish in the same order.
    #[must_use]
    pub fn new(
        identity: Identity,
        core: C,
        effects: Box<dyn Effects<C>>,
        bus: Arc<dyn Bus>,
        publisher: Publisher,
        (clock, health, shutdown): (Clock, Health, Shutdown),
    ) -> Self {
        let trades = [Service::Decision, Service::RiskGate, Service::OrderRouter];
        Self {
            guards_orders: trades.iter().any(|service| service.name() == identity.service()),
            records: Records::new(health.clone()),
            snapshots: Snapshots::none(),
            logs: BTreeMap::new(),
            shell: Sequencer::new(identity.shell().clone(), identity.session()),
            identity,
            core,
            effects,
            bus,
            publisher,
            clock,
            health,
            shutdown,
            plan: Plan::default(),
            locals: None,
            deliveries: None,
            commands: None,
            tells_commands: false,
            recorder: None,
            causes: Causes::default(),
            out: Vec::new(),
            pending: VecDeque::new(),
            is_caught_up: false,
            ticked_at: Timestamp::EPOCH,
            is_stuck: false,
            has_faulted: false,
            buried: 0,
            dropped: 0,
            ending: None,
            stop_within: STOP_WITHIN,
            stopping: None,
            resumed_at: None,
        }
    }

    /// Says what the core reads.
    #[must_use]
    pub fn plan(self, plan: Plan) -> Self {
        Self { plan, ..self }
    }

    /// Adds inputs that only this service has.
    #[must_use]
    pub fn locals(self, locals: mpsc::Receiver<LocalEvent<C::LocalInput>>) -> Self {
        Self { locals: Some(locals), ..self }
    }

    /// Adds messages that the shell fetches itself, because it acknowledges them. They reach the core after `CaughtUp`.
    #[must_use]
    pub fn deliveries(self, deliveries: mpsc::Receiver<InMessage>) -> Self {
        Self { deliveries: Some(deliveries), ..self }
    }

    /// Adds commands that operators give to this service directly. They are published too, and so is the halt after a
    /// fault; both stay within a service without this call, and within one that the table does not let write commands.
    #[must_use]
    pub fn commands(self, commands: mpsc::Receiver<Given>) -> Self {
        let name = self.identity.service();
        let service = Service::ALL.iter().find(|service| service.name() == name);
        let tells_commands = service.is_none_or(|it| it.writes().contains(&Kind::ControlCommand));
        Self { commands: Some(commands), tells_commands, ..self }
    }

    /// Bounds how long a core that was asked to stop goes on being served.
    #[must_use]
    pub fn stop_within(self, stop_within: Duration) -> Self {
        Self { stop_within, ..self }
    }

    /// Keeps halts that no stream holds yet over a restart.
    #[must_use]
    pub fn latch(mut self, latch: HaltLatch) -> Self {
        self.records.set_latch(latch);
        self
    }

    /// Keeps what the log of orders has made of the core, so that the next start need not read all of it.
    #[must_use]
    pub fn snapshots(self, file: SnapshotFile) -> Self {
        Self { snapshots: Snapshots::of(file), ..self }
    }

    /// Records every input.
    #[must_use]
    pub fn recorder(self, recorder: FlightRecorder) -> Self {
        Self { recorder: Some(recorder), ..self }
    }

    /// Runs until the process is asked to stop and the core has taken back what it left outside; gives the core back.
    ///
    /// # Errors
    /// Tells why the service cannot go on; by then it has halted, cancelled and stored what could be stored.
    pub async fn run(mut self) -> Result<C, DriveError> {
        let watcher = AbortOnDrop(tokio::spawn(watch_bus(self.bus.health(), self.health.clone())));
        let started = self.start_patiently().await?;
        if started.is_none() && self.guards_orders {
            self.ending = Some((DriveError::StoppedEarly, Instant::now()));
        }
        if let Some(mut sources) = started {
            let mut events: u32 = 0;
            while self.turn(&mut sources).await {
                events = events.wrapping_add(1);
                if events.is_multiple_of(EVENTS_PER_YIELD) {
                    tokio::task::yield_now().await;
                }
            }
        }
        drop(watcher);
        self.finish().await
    }

    /// Starts. Only who knows what an earlier run left at the venue can take it back, so a service that guards orders
    /// reads on for a while when it is asked to stop.
    async fn start_patiently(&mut self) -> Result<Option<Sources>, DriveError> {
        let (shutdown, enough) = (self.shutdown.clone(), Shutdown::new());
        let rest = if self.guards_orders { self.stop_within } else { Duration::ZERO };
        let end = enough.clone();
        let _waiting = AbortOnDrop(tokio::spawn(async move {
            shutdown.requested().await;
            tokio::time::sleep(rest).await;
            end.request();
        }));
        self.start(&enough).await
    }

    /// Reads history, subscribes, tells the core; `None` when it is `enough`.
    async fn start(&mut self, enough: &Shutdown) -> Result<Option<Sources>, DriveError> {
        let (mut readers, mut control) = (Vec::new(), Vec::new());
        for log in history::in_order(std::mem::take(&mut self.plan.logs)) {
            let Some((reader, last)) = self.read_history(&log, enough).await? else {
                return Ok(None);
            };
            if history::is_control(log.stream) {
                control.push(log.after(last));
            } else {
                readers.push((log.stream, reader));
            }
        }
        let market_data = if self.plan.patterns.is_empty() {
            None
        } else {
            let bus = Arc::clone(&self.bus);
            let (patterns, waiting_max) = (self.plan.patterns.clone(), self.plan.waiting_max);
            let subscribe = || bus.subscribe(&patterns, waiting_max);
            let subscribed = history::patiently(enough, subscribe).await;
            match subscribed.map_err(DriveError::Subscribe)? {
                None => return Ok(None),
                subscription => subscription,
            }
        };
        // What was halted while the rest was read must precede the first answer.
        for log in control {
            let Some((reader, _)) = self.read_history(&log, enough).await? else {
                return Ok(None);
            };
            readers.push((log.stream, reader));
        }
        self.follow();
        self.commands_before_news();
        self.is_caught_up = true;
        self.health.set_state(ServiceState::Active);
        self.apply(Event::CaughtUp);
        let mut upkeep = tokio::time::interval(UPKEEP_INTERVAL);
        upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let failure = self.publisher.watch_failure();
        Ok(Some(Sources { news: News::of(readers), market_data, failure, upkeep }))
    }

    /// Reads a log to its present end; gives the reader and the last message's place, `None` when it is `enough`.
    async fn read_history(
        &mut self,
        log: &LogSubscription,
        enough: &Shutdown,
    ) -> Result<Option<(LogReader, Option<u64>)>, DriveError> {
        let (mut reader, mut last) = match self.restored(log, enough).await {
            Some((reader, last)) => (reader, Some(last)),
            None => match history::open(&*self.bus, log, enough).await? {
                Some(reader) => (reader, None),
                None => return Ok(None),
            },
        };
        while !reader.is_caught_up() {
            let entry = tokio::select! {
                biased;
                () = enough.requested() => return Ok(None),
                entry = reader.recv() => entry,
            };
            let stream = log.stream;
            let entry = entry.map_err(|cause| HistoryError { stream, cause })?;
            last = Some(entry.sequence);
            self.snapshots.read(&entry);
            self.recall(entry);
        }
        let before = self.logs.get(&log.stream).map_or(0, |(read, _)| *read);
        self.logs.insert(log.stream, (last.unwrap_or(before), log.clone()));
        Ok(Some((reader, last)))
    }

    /// Waits for one event and applies it; false at the end.
    async fn turn(&mut self, sources: &mut Sources) -> bool {
        while let Some(event) = self.pending.pop_front() {
            self.apply(event);
        }
        if self.stopping.is_some() && self.core.has_stopped() {
            return false;
        }
        let ending = self.ending.as_ref().map(|(_, until)| *until);
        let deadline = self.core.next_deadline().filter(|_| !self.is_stuck);
        tokio::select! {
            biased; // the end, due work, then new work: the order is never random
            () = self.shutdown.requested(), if self.stopping.is_none() => {
                self.stopping = Some(Instant::now() + self.stop_within);
                self.apply(Event::Stopping);
            }
            () = sleep_until(self.stopping) => {
                tracing::error!("the core had not stopped in time: orders may rest at the venue");
                return false;
            }
            () = sleep_until(ending) => return false,
            // Once the end has begun the failure is known; looking again would starve everything below.
            failure = failed(&mut sources.failure), if ending.is_none() => {
                self.end(DriveError::Publish(failure));
            }
            // Twice a second, so it holds nothing up; below what may never pause it would never come.
            _ = sources.upkeep.tick() => self.upkeep(sources.market_data.as_ref()),
            () = self.clock.sleep_until(deadline) => self.tick(),
            given = recv(&mut self.commands) => self.given(given),
            local = recv(&mut self.locals) => {
                self.local(local, &mut sources.news).await;
            }
            news = sources.news.recv() => match news {
                Ok(entry) => self.news(entry),
                Err(error) => self.end(DriveError::History(error)),
            },
            delivery = recv(&mut self.deliveries) => self.receive(delivery),
            message = receive(&mut sources.market_data) => match message {
                Some(message) => self.receive(message),
                None => {
                    sources.market_data = None;
                    self.end(DriveError::BusClosed);
                }
            },
        }
        true
    }

    /// Takes news of a log.
    pub(super) fn news(&mut self, entry: LogEntry) {
        self.snapshots.hear(&entry);
        let stream = Stream::of_subject(&entry.message.subject);
        if let Some((read, _)) = stream.and_then(|stream| self.logs.get_mut(&stream)) {
            *read = entry.sequence;
        }
        self.receive(entry.message);
    }

    /// Gives the core a due deadline; one that it does not move would turn the loop for ever.
    fn tick(&mut self) {
        self.apply(Event::Tick);
        if let Some(deadline) = self.core.next_deadline()
            && deadline <= self.ticked_at
        {
            self.is_stuck = true;
            self.end(DriveError::StuckDeadline { deadline });
        }
    }

    /// Begins the end of a service that cannot go on: it halts, cancels, hears reports for a while.
    pub(super) fn end(&mut self, error: DriveError) {
        if self.ending.is_some() {
            return;
        }
        tracing::error!(error = chain(&error), "service cannot go on");
        let reason = error.to_string();
        self.ending = Some((error, Instant::now() + HALT_GRACE));
        self.halt(&reason);
    }

    /// Stores what is left, closes the recording, and says how it went.
    async fn finish(mut self) -> Result<C, DriveError> {
        let flushed = self.publisher.flush(FLUSH_TIMEOUT).await;
        if let Some(recorder) = self.recorder.take() {
            // Closing waits for a disk; a runtime that is ending may refuse the task, then dropping has closed it.
            let _ = tokio::task::spawn_blocking(move || recorder.close()).await;
        }
        match (self.ending, flushed) {
            (Some((error, _)), _) => Err(error),
            (None, Err(left)) => Err(DriveError::Unflushed { left }),
            (None, Ok(())) => Ok(self.core),
        }
    }
}

async fn watch_bus(mut condition: watch::Receiver<BusHealth>, health: Health) {
    loop {
        let now = condition.borrow_and_update().clone();
        let detail = match &now.last_violation {
            Some(violation) => format!("{} refused, last: {violation}", now.permission_violations),
            None => format!("{} reconnects", now.reconnects),
        };
        health.set_dependency("bus", true, now.is_connected(), &detail);
        for (name, value) in [
            ("remora_bus_permission_violations_total", now.permission_violations),
            ("remora_bus_reconnects_total", now.reconnects),
            ("remora_bus_reopened_readers_total", now.reopened_readers),
        ] {
            metrics::counter!(name).absolute(value);
        }
        if condition.changed().await.is_err() {
            health.set_dependency("bus", true, false, "closed");
            return;
        }
    }
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for the next of a queue; forever where there is none or its sender is gone. Cancel-safe.
async fn recv<T>(queue: &mut Option<mpsc::Receiver<T>>) -> T {
    if let Some(receiver) = queue {
        if let Some(item) = receiver.recv().await {
            return item;
        }
        *queue = None;
    }
    std::future::pending().await
}

async fn receive(subscription: &mut Option<Subscription>) -> Option<InMessage> {
    match subscription {
        Some(subscription) => subscription.recv().await,
        None => std::future::pending().await,
    }
}

async fn failed(failure: &mut watch::Receiver<Option<PublishError>>) -> PublishError {
    let error = failure.wait_for(Option::is_some).await.ok().and_then(|error| error.clone());
    match error {
        Some(error) => error,
        None => std::future::pending().await,
    }
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
