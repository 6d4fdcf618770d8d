//! A small core, an in-memory bus that can be away, and a started runner; shared by the test files.
#![allow(dead_code, reason = "each test file uses its part")]
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

pub(crate) mod flight;

use bytes::Bytes;
use remora_bus::{
    Bus, BusError, BusHealth, Call, Consumer, InMemoryBus, LogReader, OutMessage, ReadFrom,
    RegisterValue, StoredAt, Stream, Subscription, in_memory,
};
use remora_domain::{
    Body, ControlAction, ControlState, Envelope, Header, ProducerId, Sequencer, ServiceState,
    SessionId, Subject, Timestamp,
};
use remora_machine::{
    LocalCodec, LocalCodecError, Machine, ServiceCore, ServiceInput, ServiceOutput, SnapshotError,
};
use remora_service_kit::drive::{
    DriveError, Effects, Given, Identity, LocalEvent, LogSubscription, Plan, Runner,
};
use remora_service_kit::flight::FlightRecorder;
use remora_service_kit::{Clock, Health, Publisher, Shutdown, TraceContext};
use remora_testkit::{Producer, accepted, account, cancel, request};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Gives the core an order to fault.
pub(crate) const POKE_FAULT: u64 = 666;
/// Reaches the core only after everything that is in the logs.
pub(crate) const POKE_AFTER_LOGS: u64 = 900;
/// Gives the core an order to answer the last request it saw.
pub(crate) const POKE_ANSWER: u64 = 7;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) u64);

impl LocalCodec for Number {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.0.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, LocalCodecError> {
        let bytes = bytes.try_into().map_err(|_| LocalCodecError {
            what: "number",
            problem: format!("{} bytes", bytes.len()),
        })?;
        Ok(Self(u64::from_le_bytes(bytes)))
    }
}

/// A book makes it request an order; a request makes it note it; it tells when it was halted.
pub(crate) struct TestCore {
    pub(crate) seen: Vec<String>,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) moves_deadline: bool,
    /// Asked to stop, it cancels and goes on until it has heard of a fill or the like.
    pub(crate) lingers: bool,
    /// Written into every request: a core of another build.
    pub(crate) prefix: &'static str,
    sequencer: Sequencer,
    requests: u64,
    /// Messages of the log of orders heard so far: what its snapshot holds.
    orders: u64,
    last_request: Option<Header>,
    is_caught_up: bool,
}

impl TestCore {
    pub(crate) fn new(producer: &str, session: u64) -> Self {
        let producer = ProducerId::new(producer).unwrap();
        Self {
            seen: Vec::new(),
            deadline: None,
            moves_deadline: true,
            lingers: false,
            prefix: "r",
            sequencer: Sequencer::new(producer, SessionId::new(session)),
            requests: 0,
            orders: 0,
            last_request: None,
            is_caught_up: false,
        }
    }

    fn state(&mut self, now: Timestamp, state: ServiceState) -> Envelope {
        let body = ControlState {
            service: "test".to_owned(),
            account: account(),
            venue: None,
            state,
            epoch: 1,
            halted: Vec::new(),
            reason: String::new(),
            orders_open: None,
            restricted: Vec::new(),
            is_guarded: None,
            breaks: Vec::new(),
            equity: None,
            beyond_fills: std::collections::BTreeMap::new(),
            account_cancelled: None,
        };
        self.sequencer.wrap(now, Body::ControlState(body))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "this core cares for three kinds")]
    fn message(&mut self, now: Timestamp, envelope: &Envelope, out: &mut Vec<Output>) {
        let kind = Subject::of(envelope).kind.as_str();
        self.seen.push(kind.to_owned());
        self.orders += u64::from(kind.starts_with("order."));
        match &envelope.body {
            Body::ControlCommand(command) => {
                self.seen.push(format!("{:?}: {}", command.action, command.reason));
                if self.is_caught_up && command.action == ControlAction::Halt {
                    out.push(ServiceOutput::publish(self.state(now, ServiceState::Halted)));
                    out.push(ServiceOutput::Local(Number(0)));
                }
            }
            Body::Book(_) if self.is_caught_up => {
                self.requests += 1;
                let body =
                    Body::OrderRequest(request(&format!("{}-{}", self.prefix, self.requests)));
                let envelope = self.sequencer.reply(now, &envelope.header, body);
                out.push(ServiceOutput::publish(envelope));
            }
            Body::OrderEvent(_) => self.lingers = false,
            Body::OrderRequest(_) => {
                self.last_request = Some(envelope.header.clone());
                if self.is_caught_up {
                    out.push(ServiceOutput::Local(Number(1)));
                }
            }
            _ => {}
        }
    }
}

pub(crate) type Output = ServiceOutput<Number>;

impl Machine for TestCore {
    type Input = ServiceInput<Number>;
    type Output = Output;

    fn handle(&mut self, now: Timestamp, input: ServiceInput<Number>, out: &mut Vec<Output>) {
        match input {
            ServiceInput::Message(envelope) => self.message(now, &envelope, out),
            ServiceInput::CaughtUp => {
                self.is_caught_up = true;
                self.seen.push("caught-up".to_owned());
                out.push(ServiceOutput::publish(self.state(now, ServiceState::Active)));
            }
            ServiceInput::Stopping if self.lingers => {
                self.seen.push("stopping".to_owned());
                let why = remora_domain::CancelReason::Shutdown;
                let body = Body::OrderCancel(cancel(&request("c-0"), why));
                out.push(ServiceOutput::publish(self.sequencer.wrap(now, body)));
            }
            ServiceInput::Stopping => {}
            ServiceInput::Local(Number(POKE_FAULT)) => out.push(ServiceOutput::Fault("poked")),
            ServiceInput::Local(Number(POKE_AFTER_LOGS)) => self.seen.push("after-logs".to_owned()),
            ServiceInput::Local(Number(POKE_ANSWER)) => {
                let header = self.last_request.clone().unwrap();
                let body = Body::OrderEvent(accepted(&request("r-1")));
                out.push(ServiceOutput::publish(self.sequencer.reply(now, &header, body)));
            }
            ServiceInput::Local(Number(n)) => {
                let why = remora_domain::CancelReason::Halted;
                let body = Body::OrderCancel(cancel(&request(&format!("c-{n}")), why));
                out.push(ServiceOutput::publish(self.sequencer.wrap(now, body)));
            }
        }
    }

    fn tick(&mut self, _: Timestamp, _: &mut Vec<Output>) {
        self.seen.push("tick".to_owned());
        if self.moves_deadline {
            self.deadline = None;
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.deadline
    }
}

impl ServiceCore for TestCore {
    type LocalInput = Number;
    type LocalOutput = Number;

    fn has_stopped(&self) -> bool {
        !self.lingers
    }

    fn follower(&self) -> Option<Self> {
        let mut follower = Self::new(self.sequencer.producer().as_str(), 0);
        follower.orders = self.orders;
        Some(follower)
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        Some(self.orders.to_le_bytes().to_vec())
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), SnapshotError> {
        let refused = |_| SnapshotError { problem: "not eight bytes".to_owned() };
        self.orders = u64::from_le_bytes(snapshot.try_into().map_err(refused)?);
        self.seen.push(format!("snapshot of {}", self.orders));
        Ok(())
    }
}

/// Passes every effect on to the test.
pub(crate) struct Tell(pub(crate) mpsc::UnboundedSender<Number>);

impl Effects<TestCore> for Tell {
    fn perform(
        &mut self,
        _: Timestamp,
        number: Number,
        _: &TraceContext,
    ) -> Result<(), &'static str> {
        self.0.send(number).map_err(|_| "the test is gone")
    }

    fn waits_for_logs(&self, _: Timestamp, _: &TestCore, Number(number): &Number) -> bool {
        *number == POKE_AFTER_LOGS
    }

    fn details(&mut self, core: &TestCore) -> serde_json::Value {
        let order_events = core.seen.iter().filter(|kind| *kind == "order.event").count();
        serde_json::json!({ "seen": core.seen.len(), "order_events": order_events })
    }
}

/// Is an in-memory bus that can be away: publishing and reading then fail as over a lost connection.
#[derive(Clone)]
pub(crate) struct AwayBus {
    pub(crate) bus: InMemoryBus,
    pub(crate) is_away: Arc<AtomicBool>,
    is_forbidden: Arc<AtomicBool>,
    stuck: Arc<Mutex<Option<&'static str>>>,
    on_subscribe: Arc<Mutex<Vec<OutMessage>>>,
}

impl AwayBus {
    pub(crate) fn new() -> Self {
        Self {
            bus: in_memory(),
            is_away: Arc::default(),
            is_forbidden: Arc::default(),
            stuck: Arc::default(),
            on_subscribe: Arc::default(),
        }
    }

    /// Connects to the same streams again.
    pub(crate) fn anew(&self) -> Self {
        Self { bus: self.bus.clone(), ..Self::new() }
    }

    /// Publishes these once market data has been subscribed to: after history, before the core acts.
    pub(crate) fn set_on_subscribe(&self, envelopes: impl IntoIterator<Item = Arc<Envelope>>) {
        self.on_subscribe.lock().unwrap().extend(envelopes.into_iter().map(|it| out_message(&it)));
    }

    /// Never answers what is to be stored on subjects with this in them.
    pub(crate) fn set_stuck(&self, part: Option<&'static str>) {
        *self.stuck.lock().unwrap() = part;
    }

    /// Makes the server refuse what is to be stored.
    pub(crate) fn set_forbidden(&self, is_forbidden: bool) {
        self.is_forbidden.store(is_forbidden, Ordering::SeqCst);
    }

    pub(crate) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    fn check(&self, call: Call) -> Result<(), BusError> {
        if self.is_away.load(Ordering::SeqCst) {
            Err(BusError::Disconnected { call })
        } else {
            Ok(())
        }
    }
}

#[async_trait::async_trait]
impl Bus for AwayBus {
    async fn publish(&self, message: OutMessage) -> Result<(), BusError> {
        self.check(Call::Publish)?;
        self.bus.publish(message).await
    }

    async fn publish_durable(&self, message: OutMessage) -> Result<StoredAt, BusError> {
        self.check(Call::PublishDurable)?;
        if self.is_forbidden.load(Ordering::SeqCst) {
            return Err(BusError::PermissionDenied { what: message.subject });
        }
        let stuck = *self.stuck.lock().unwrap();
        if stuck.is_some_and(|part| message.subject.contains(part)) {
            std::future::pending::<()>().await;
        }
        self.bus.publish_durable(message).await
    }

    async fn subscribe(
        &self,
        patterns: &[String],
        capacity: usize,
    ) -> Result<Subscription, BusError> {
        self.check(Call::Subscribe)?;
        let subscription = self.bus.subscribe(patterns, capacity).await?;
        let messages = std::mem::take(&mut *self.on_subscribe.lock().unwrap());
        for message in messages {
            if Stream::of_subject(&message.subject).is_some() {
                self.bus.publish_durable(message).await?;
            } else {
                self.bus.publish(message).await?;
            }
        }
        Ok(subscription)
    }

    async fn read_log(
        &self,
        stream: Stream,
        filters: &[String],
        from: ReadFrom,
    ) -> Result<LogReader, BusError> {
        self.check(Call::ReadStream)?;
        self.bus.read_log(stream, filters, from).await
    }

    async fn consume(
        &self,
        stream: Stream,
        durable: &str,
        filters: &[String],
    ) -> Result<Consumer, BusError> {
        self.bus.consume(stream, durable, filters).await
    }

    async fn read_register(&self, subject: &str) -> Result<Option<RegisterValue>, BusError> {
        self.check(Call::ReadRegister)?;
        self.bus.read_register(subject).await
    }

    async fn write_register(
        &self,
        subject: &str,
        payload: Bytes,
        expected: u64,
    ) -> Result<Option<u64>, BusError> {
        self.check(Call::WriteRegister)?;
        self.bus.write_register(subject, payload, expected).await
    }

    fn health(&self) -> tokio::sync::watch::Receiver<BusHealth> {
        self.bus.health()
    }

    async fn declare_streams(&self) -> Result<(), BusError> {
        self.bus.declare_streams().await
    }
}

/// Is a runner at work, with everything a test wants to touch.
pub(crate) struct Running {
    pub(crate) health: Health,
    pub(crate) shutdown: Shutdown,
    pub(crate) locals: mpsc::Sender<LocalEvent<Number>>,
    pub(crate) commands: mpsc::Sender<Given>,
    pub(crate) effects: mpsc::UnboundedReceiver<Number>,
    task: JoinHandle<Result<TestCore, DriveError>>,
}

impl Running {
    pub(crate) fn start(
        bus: &AwayBus,
        core: TestCore,
        name: &str,
        session: u64,
        plan: Plan,
        recorder: Option<FlightRecorder>,
    ) -> Self {
        Self::start_on(Arc::new(bus.clone()), core, name, session, plan, recorder)
    }

    pub(crate) fn start_on(
        bus: Arc<dyn Bus>,
        core: TestCore,
        name: &str,
        session: u64,
        plan: Plan,
        recorder: Option<FlightRecorder>,
    ) -> Self {
        let (commands, command_queue) = mpsc::channel(16);
        let mut running = Self::start_with(bus, core, ("test", name, session), plan, |runner| {
            let runner = runner.commands(command_queue);
            match recorder {
                Some(recorder) => runner.recorder(recorder),
                None => runner,
            }
        });
        running.commands = commands;
        running
    }

    /// Starts a runner of a service that operators cannot command, with what `add` adds.
    pub(crate) fn start_with(
        bus: Arc<dyn Bus>,
        core: TestCore,
        (service, name, session): (&str, &str, u64),
        plan: Plan,
        add: impl FnOnce(Runner<TestCore>) -> Runner<TestCore>,
    ) -> Self {
        let clock = Clock::new();
        let health = Health::new(service, name, "0.1.0", clock.clone());
        let shutdown = Shutdown::new();
        let producer = ProducerId::new(name).unwrap();
        let identity =
            Identity::new(service, producer, SessionId::new(session), session, "0.1.0").unwrap();
        let (locals, local_queue) = mpsc::channel(16);
        let (commands, _) = mpsc::channel(1);
        let (tell, effects) = mpsc::unbounded_channel();
        let publisher = Publisher::start(Arc::clone(&bus));
        let common = (clock, health.clone(), shutdown.clone());
        let runner = Runner::new(identity, core, Box::new(Tell(tell)), bus, publisher, common);
        let runner = add(runner.plan(plan).locals(local_queue));
        Self { health, shutdown, locals, commands, effects, task: tokio::spawn(runner.run()) }
    }

    pub(crate) async fn stop(self) -> Result<TestCore, DriveError> {
        self.shutdown.request();
        self.task.await.unwrap()
    }

    /// Ends it on the spot, as a killed process ends.
    pub(crate) async fn kill(self) {
        self.task.abort();
        drop(self.task.await);
    }

    /// Waits until it ends by itself.
    pub(crate) async fn end(self) -> Result<TestCore, DriveError> {
        self.task.await.unwrap()
    }

    pub(crate) async fn poke(&self, number: u64) {
        self.locals.send(LocalEvent::new(Number(number))).await.unwrap();
    }
}

/// Reads control, instruments and orders as logs, and books as they come.
pub(crate) fn plan() -> Plan {
    Plan {
        patterns: vec![remora_domain::Kind::MdBook.pattern()],
        logs: vec![
            LogSubscription::all(Stream::Orders),
            LogSubscription::latest(Stream::Instruments),
            LogSubscription::latest(Stream::States),
            LogSubscription::all(Stream::Control),
        ],
        ..Plan::default()
    }
}

/// Wraps a message for the bus as any service would.
pub(crate) fn out_message(envelope: &Envelope) -> OutMessage {
    OutMessage {
        subject: Subject::of(envelope).to_string(),
        message_id: envelope.header.message_id().to_string(),
        headers: std::collections::BTreeMap::new(),
        payload: remora_wire::encode(envelope),
    }
}

/// Publishes bodies of another producer.
pub(crate) async fn publish(bus: &AwayBus, producer: &mut Producer, body: Body) {
    let envelope = producer.wrap(Timestamp::from_ns(1), body);
    let message = out_message(&envelope);
    if Subject::of(&envelope).kind.is_durable() {
        bus.bus.publish_durable(message).await.unwrap();
    } else {
        bus.bus.publish(message).await.unwrap();
    }
}

/// Reads a stream from its start, waiting for each message.
pub(crate) struct Log(LogReader);

impl Log {
    pub(crate) async fn open(bus: &AwayBus, stream: Stream) -> Self {
        Self(bus.bus.read_log(stream, &[], ReadFrom::Start).await.unwrap())
    }

    /// Reads everything that a stream holds.
    pub(crate) async fn history(bus: &AwayBus, stream: Stream) -> Vec<Envelope> {
        let mut log = Self::open(bus, stream).await;
        let mut all = Vec::new();
        while !log.0.is_caught_up() {
            all.push(log.next().await);
        }
        all
    }

    pub(crate) async fn next(&mut self) -> Envelope {
        remora_wire::decode(&self.0.recv().await.unwrap().message.payload).unwrap()
    }

    /// Skips to the next message from this producer.
    pub(crate) async fn next_from(&mut self, producer: &str) -> Envelope {
        loop {
            let envelope = self.next().await;
            if envelope.header.producer.as_str() == producer {
                return envelope;
            }
        }
    }
}
