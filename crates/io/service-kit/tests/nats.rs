//! The drive loop over a real nats-server that goes away and returns.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod common;

use common::{Number, Running, TestCore, out_message, plan};
use remora_bus::permissions::{BusUser, render_config};
use remora_bus::{
    Bus, Credentials, LogReader, NatsBus, NatsSettings, PasswordSource, ReadFrom, Stream,
    connect_nats,
};
use remora_domain::{
    AccountId, Body, ControlScope, Envelope, OrderRequest, Service, ServiceState, Subject,
    SystemStatus, Timestamp,
};
use remora_service_kit::drive::Plan;
use remora_test_servers::{NatsOptions, NatsServer};
use remora_testkit::{Producer, account, book, halt, request, venue, venue_status};
use std::path::Path;
use std::sync::Arc;

async fn connect(server: &NatsServer, name: &str) -> NatsBus {
    connect_nats(NatsSettings::new(&server.url(), name, Credentials::None)).await.unwrap()
}

async fn next_from(log: &mut LogReader, producer: &str) -> Envelope {
    loop {
        let entry = log.recv().await.unwrap();
        let envelope = remora_wire::decode(&entry.message.payload).unwrap();
        if envelope.header.producer.as_str() == producer {
            return envelope;
        }
    }
}

/// Waits for health to show the bus as it is; the client needs a moment to notice.
async fn wait_for_bus(running: &Running, is_up: bool) {
    let is_it = || running.health.status().dependencies.into_iter();
    wait_until(|| is_it().any(|it| it.name == "bus" && it.is_up == is_up)).await;
}

async fn wait_until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_halted_while_nats_is_down_and_tells_when_it_returns() {
    let mut server = NatsServer::start().unwrap();
    let test = connect(&server, "test").await;
    test.declare_streams().await.unwrap();
    let mut control = test.read_log(Stream::Control, &[], ReadFrom::Start).await.unwrap();
    let mut orders = test.read_log(Stream::Orders, &[], ReadFrom::Start).await.unwrap();
    let bus: Arc<dyn Bus> = Arc::new(connect(&server, "core").await);
    let mut running = Running::start_on(bus, TestCore::new("core", 1), "core", 1, plan(), None);
    let mut states = test.read_log(Stream::States, &[], ReadFrom::Start).await.unwrap();
    next_from(&mut states, "core").await;

    let mut other = Producer::new("other", 1);
    let a_book = other.wrap(Timestamp::EPOCH, Body::Book(book("BTC-USD", "100", "101")));
    test.publish(out_message(&a_book)).await.unwrap();
    let request = next_from(&mut orders, "core").await;
    assert!(matches!(request.body, Body::OrderRequest(_)));

    server.kill();
    wait_for_bus(&running, false).await;
    running.commands.send(halt(ControlScope::Global).into()).await.unwrap();
    assert_eq!(running.effects.recv().await, Some(Number(0)), "cancelled without the bus");
    assert_eq!(running.health.state(), ServiceState::Halted);

    server.restart().unwrap();
    wait_for_bus(&running, true).await;
    let command = next_from(&mut control, "core-shell").await;
    assert!(matches!(command.body, Body::ControlCommand(_)));
    let Body::ControlState(state) = next_from(&mut states, "core").await.body else {
        panic!("not a state")
    };
    assert_eq!(state.state, ServiceState::Halted);
    let core = running.stop().await.unwrap();
    assert_eq!(core.seen, ["caught-up", "md.book", "control.command", "Halt: a test"]);
}

async fn connect_as(server: &NatsServer, user: &BusUser) -> NatsBus {
    let password = PasswordSource::Given(password(user));
    let credentials = Credentials::Password { user: user.name(), password };
    connect_nats(NatsSettings::new(&server.url(), &user.name(), credentials)).await.unwrap()
}

fn password(user: &BusUser) -> String {
    format!("secretof{}", user.name().replace('-', ""))
}

/// Starts a server with the users of one venue, and declares the streams.
async fn with_users(folder: &Path) -> NatsServer {
    let users = BusUser::of_venues(&[venue()], &[]);
    let config = folder.join("nats.conf");
    std::fs::write(&config, render_config(&users)).unwrap();
    let environment = users.iter().map(|user| (user.password_variable(), password(user)));
    let options = NatsOptions { config: Some(config), environment: environment.collect() };
    let server = NatsServer::start_with(options).unwrap();
    connect_as(&server, &BusUser::Admin).await.declare_streams().await.unwrap();
    server
}

/// Publishes as a user, on the subject the message belongs on unless another is given.
async fn tell(bus: &NatsBus, envelope: &Envelope, subject: Option<&str>) {
    let mut message = out_message(envelope);
    if let Some(subject) = subject {
        message.subject = subject.to_owned();
    }
    if Subject::of(envelope).kind.is_durable() {
        bus.publish_durable(message).await.unwrap();
    } else {
        bus.publish(message).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_hears_its_account_alone_and_never_a_body_under_another_subject() {
    let folder = tempfile::tempdir().unwrap();
    let server = with_users(folder.path()).await;
    let decision = connect_as(&server, &BusUser::Service(Service::Decision)).await;
    let ingestor = connect_as(&server, &BusUser::AtVenue(Service::Ingestor, venue())).await;
    let console = connect_as(&server, &BusUser::Console).await;
    let mut dead = console.subscribe(&["remora.v1.dead.>".to_owned()], 8).await.unwrap();
    let mut control = console.read_log(Stream::States, &[], ReadFrom::Start).await.unwrap();
    let mut sayer = Producer::new("decision", 1);
    let mut ask = |id: &str, account: &AccountId| {
        let request = OrderRequest { account: account.clone(), ..request(id) };
        sayer.wrap(Timestamp::EPOCH, Body::OrderRequest(request))
    };
    let (ours, foreign) = (account(), AccountId::new("somebody-else").unwrap());
    tell(&decision, &ask("r-1", &ours), None).await;
    tell(&decision, &ask("r-2", &foreign), None).await;

    let gate = Arc::new(connect_as(&server, &BusUser::Service(Service::RiskGate)).await);
    let bus: Arc<dyn Bus> = gate.clone();
    let core = TestCore::new("risk-gate", 1);
    let who = (Service::RiskGate.name(), "risk-gate", 1);
    let plan = Plan::of(Service::RiskGate, &ours, Some(&venue()));
    let mut running = Running::start_with(bus, core, who, plan, |runner| runner);
    next_from(&mut control, "risk-gate").await;

    let command = Body::ControlCommand(halt(ControlScope::Global));
    let command = Producer::new("decision", 2).wrap(Timestamp::EPOCH, command);
    let on_request = out_message(&ask("r-3", &ours)).subject;
    tell(&decision, &command, Some(&on_request)).await;
    let letter = dead.recv().await.unwrap();
    assert_eq!(letter.subject, "remora.v1.dead.risk-gate");
    assert_eq!(letter.headers.get("remora-subject"), Some(&on_request));
    assert_eq!(running.effects.recv().await, Some(Number(0)), "halted over it");

    let status = Body::MarketStatus(venue_status(SystemStatus::Online));
    let status = Producer::new("ingestor-sim-spot", 1).wrap(Timestamp::EPOCH, status);
    tell(&ingestor, &status, None).await;
    wait_until(|| running.health.details().get("seen") == Some(&serde_json::json!(5))).await;
    tell(&decision, &ask("r-4", &foreign), None).await;
    tell(&decision, &ask("r-5", &ours), None).await;
    assert_eq!(running.effects.recv().await, Some(Number(1)));
    assert_eq!(gate.health().borrow().permission_violations, 0);
    let core = running.stop().await.unwrap();
    let why = "Halt: a message about orders, the account or control could not be read";
    let seen = ["order.request", "caught-up", "control.command", why, "md.status", "order.request"];
    assert_eq!(core.seen, seen);
}
