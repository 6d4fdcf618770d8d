//! The configuration in `deploy/nats` on a real server: each service can do what it needs, and nothing else.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use remora_bus::permissions::{BusUser, PERSISTER_DURABLE};
use remora_bus::{
    Bus, BusError, Credentials, NatsBus, NatsSettings, OutMessage, PasswordSource, ReadFrom,
    Stream, connect_nats,
};
use remora_domain::{Kind, Service, VenueId};
use remora_test_servers::{NatsOptions, NatsServer, check_nats_config};
use std::path::{Path, PathBuf};
use std::time::Duration;

const APPROVAL: &str = "remora.v1.order.approval.paper.kraken-spot.BTC-USD";

fn config() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../deploy/nats/nats.conf")
}

fn users() -> Vec<BusUser> {
    let ids = |has_order_entry| remora_venue_registry::ids(has_order_entry).unwrap();
    BusUser::of_venues(&ids(true), &ids(false))
}

fn venue() -> VenueId {
    "kraken-spot".parse().unwrap()
}

fn password(user: &BusUser) -> String {
    format!("secretof{}", user.name().replace('-', ""))
}

fn environment() -> Vec<(String, String)> {
    users().iter().map(|user| (user.password_variable(), password(user))).collect()
}

fn start() -> NatsServer {
    let options = NatsOptions { config: Some(config()), environment: environment() };
    NatsServer::start_with(options).unwrap()
}

async fn connect(server: &NatsServer, user: &BusUser) -> NatsBus {
    let password = PasswordSource::Given(password(user));
    let credentials = Credentials::Password { user: user.name(), password };
    connect_nats(NatsSettings::new(&server.url(), &user.name(), credentials)).await.unwrap()
}

/// Starts a server whose streams the admin has declared.
async fn ready() -> NatsServer {
    let server = start();
    connect(&server, &BusUser::Admin).await.declare_streams().await.unwrap();
    server
}

fn message(subject: &str, id: &str) -> OutMessage {
    let (subject, message_id) = (subject.to_owned(), id.to_owned());
    OutMessage { subject, message_id, headers: [].into(), payload: Bytes::from_static(b"x") }
}

/// Gives subjects of a kind as they occur at a user's venue, else at the venue under test, of the producer that it is.
fn subjects_of(kind: Kind, user: &BusUser) -> Vec<String> {
    let shard = if user.name().starts_with("ingestor") { "-0" } else { "" };
    let is_shell = kind == Kind::ControlCommand && *user != BusUser::Console;
    let shell = if is_shell { "-shell" } else { "" };
    let producer = format!("{}{shard}{shell}", user.name());
    let at = match user {
        BusUser::AtVenue(_, venue) => venue.as_str(),
        BusUser::Service(_) | BusUser::Console | BusUser::Admin => "kraken-spot",
    };
    let own =
        |subject: &String| subject.replace("producer-0", &producer).replace("kraken-spot", at);
    let mut all: Vec<String> = subjects(kind).iter().map(own).collect();
    // The gate's core halts by itself when a breaker trips.
    if is_shell && *user == BusUser::Service(Service::RiskGate) {
        all.push(format!("remora.v1.{}.{}", kind.as_str(), user.name()));
    }
    all
}

/// Gives subjects of a kind as they occur at the venue under test, of a producer that nobody is.
fn subjects(kind: Kind) -> Vec<String> {
    let start = format!("remora.v1.{}", kind.as_str());
    match kind {
        Kind::PairsUniverse | Kind::ControlCommand | Kind::ControlState | Kind::SvcHeartbeat => {
            vec![format!("{start}.producer-0")]
        }
        Kind::MdStatus => {
            vec![format!("{start}.kraken-spot"), format!("{start}.kraken-spot.BTC-USD")]
        }
        Kind::AccountBalance | Kind::AccountFee | Kind::AccountBreak => {
            vec![format!("{start}.paper.kraken-spot")]
        }
        Kind::OrderRequest
        | Kind::OrderApproval
        | Kind::OrderRefusal
        | Kind::OrderCancel
        | Kind::OrderEvent
        | Kind::AccountPosition => vec![format!("{start}.paper.kraken-spot.BTC-USD")],
        Kind::MdBook
        | Kind::MdTrade
        | Kind::MdTicker
        | Kind::MdInstrument
        | Kind::MdBar
        | Kind::DecisionRecord => vec![format!("{start}.kraken-spot.BTC-USD")],
    }
}

async fn violations(bus: &NatsBus, count: u64) {
    let mut health = bus.health();
    let seen = health.wait_for(|health| health.permission_violations >= count);
    let seen = tokio::time::timeout(Duration::from_secs(10), seen).await.expect("in time");
    assert_eq!(seen.unwrap().permission_violations, count);
}

#[test]
fn the_server_accepts_the_configuration() {
    let said = check_nats_config(&config(), &environment()).unwrap();
    assert!(said.contains("is valid"), "{said}");
}

#[test]
fn the_server_does_not_start_without_every_password() {
    let mut environment = environment();
    environment.pop();
    assert!(check_nats_config(&config(), &environment).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_decision_service_cannot_publish_an_approval_and_the_gate_can() {
    let server = ready().await;
    let decision = connect(&server, &BusUser::Service(Service::Decision)).await;
    let gate = connect(&server, &BusUser::Service(Service::RiskGate)).await;
    let console = connect(&server, &BusUser::Console).await;
    let mut heard = console.subscribe(&["remora.v1.order.>".to_owned()], 10).await.unwrap();

    let error = decision.publish_durable(message(APPROVAL, "forged-1")).await.unwrap_err();
    assert!(matches!(&error, BusError::PermissionDenied { what } if what == APPROVAL), "{error:?}");
    violations(&decision, 1).await;
    decision.publish(message(APPROVAL, "forged-2")).await.unwrap();
    violations(&decision, 2).await;
    let seen = decision.health().borrow().last_violation.clone().unwrap();
    assert!(seen.contains(APPROVAL), "{seen}");

    let stored = gate.publish_durable(message(APPROVAL, "true-1")).await.unwrap();
    assert_eq!(stored.sequence, 1, "nothing forged is in the stream");
    let mut log = console.read_log(Stream::Orders, &[], ReadFrom::Start).await.unwrap();
    assert_eq!((log.end_at_open(), log.recv().await.unwrap().sequence), (1, 1));
    assert_eq!(heard.recv().await.unwrap().subject, APPROVAL);
    assert_eq!(heard.waiting(), 0, "nothing forged was heard");
    assert_eq!(gate.health().borrow().permission_violations, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_service_can_write_and_read_what_it_needs() {
    let server = ready().await;
    for user in users() {
        let (BusUser::Service(service) | BusUser::AtVenue(service, _)) = &user else { continue };
        let bus = connect(&server, &user).await;
        for kind in service.writes() {
            for subject in subjects_of(*kind, &user) {
                let sent = message(&subject, &format!("{}-{subject}", user.name()));
                if kind.is_durable() {
                    bus.publish_durable(sent).await.unwrap();
                } else {
                    bus.publish(sent).await.unwrap();
                }
            }
        }
        bus.publish(message(&remora_bus::dead_letter_subject(service.name()), "")).await.unwrap();
        let patterns: Vec<String> = service.reads().iter().map(|kind| kind.pattern()).collect();
        if !patterns.is_empty() {
            drop(bus.subscribe(&patterns, 10).await.unwrap());
        }
        for stream in Stream::ALL {
            let filters = filters(*service, stream);
            if filters.is_empty() {
                continue;
            }
            let all = filters.as_slice();
            for (filters, from) in [
                (&[][..], ReadFrom::Start),
                (&all[..1], ReadFrom::LastPerSubject),
                (all, ReadFrom::Sequence(1)),
            ] {
                drop(bus.read_log(stream, filters, from).await.unwrap());
            }
        }
        assert_eq!(bus.health().borrow().last_violation, None, "{}", user.name());
    }
}

/// Gives the patterns of what a service reads from a stream.
fn filters(service: Service, stream: Stream) -> Vec<String> {
    let kinds = service.reads().iter();
    let of_stream =
        kinds.filter(|kind| Stream::of_subject(&subjects(**kind).concat()) == Some(stream));
    of_stream.map(|kind| kind.pattern()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_service_can_write_anything_else() {
    let server = ready().await;
    for user in users() {
        let (writes, mut denied) = match &user {
            BusUser::Service(service) | BusUser::AtVenue(service, _) => (service.writes(), 0),
            BusUser::Console => (&[Kind::ControlCommand, Kind::SvcHeartbeat][..], 0),
            BusUser::Admin => (&[][..], 0),
        };
        let bus = connect(&server, &user).await;
        for kind in Kind::ALL.iter().filter(|kind| !writes.contains(kind)) {
            for subject in subjects(*kind) {
                bus.publish(message(&subject, "forged")).await.unwrap();
                denied += 1;
            }
        }
        if let BusUser::AtVenue(_, own) = &user {
            let other = if *own == venue() { "kraken-futures" } else { "kraken-spot" };
            for kind in writes.iter().filter(|kind| subjects(**kind).concat().contains("kraken")) {
                for subject in subjects(*kind) {
                    let elsewhere = subject.replace("kraken-spot", other);
                    bus.publish(message(&elsewhere, "forged")).await.unwrap();
                    denied += 1;
                }
            }
        }
        violations(&bus, denied).await;
    }
    let router = connect(&server, &BusUser::AtVenue(Service::OrderRouter, venue())).await;
    router.publish(message("remora.v1.control.command.console", "forged")).await.unwrap();
    violations(&router, 1).await;
    let console = connect(&server, &BusUser::Console).await;
    for stream in Stream::ALL {
        let log = console.read_log(stream, &[], ReadFrom::Start).await.unwrap();
        assert_eq!(log.end_at_open(), 0, "{stream} is empty");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_persister_consumes_and_acknowledges_and_nobody_takes_its_place() {
    let server = ready().await;
    let gate = connect(&server, &BusUser::Service(Service::RiskGate)).await;
    gate.publish_durable(message(APPROVAL, "1")).await.unwrap();
    gate.publish_durable(message(APPROVAL, "2")).await.unwrap();
    let persister = connect(&server, &BusUser::Service(Service::Persister)).await;
    let mut consumer = persister.consume(Stream::Orders, PERSISTER_DURABLE, &[]).await.unwrap();
    consumer.recv().await.unwrap().ack().await.unwrap();
    drop(consumer);

    let error = gate.consume(Stream::Orders, PERSISTER_DURABLE, &[]).await.err().unwrap();
    assert!(matches!(error, BusError::PermissionDenied { .. }), "{error:?}");

    let filters = [Kind::OrderApproval.pattern(), Kind::OrderEvent.pattern()];
    let later = connect(&server, &BusUser::Service(Service::Persister)).await;
    let mut consumer = later.consume(Stream::Orders, PERSISTER_DURABLE, &filters).await.unwrap();
    let next = consumer.recv().await.unwrap();
    assert_eq!(next.sequence, 2, "the first was acknowledged");
    next.ack().await.unwrap();
    assert_eq!(later.health().borrow().last_violation, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_cannot_declare_streams_or_read_others_subjects() {
    let server = start();
    let gate = connect(&server, &BusUser::Service(Service::RiskGate)).await;
    let error = gate.declare_streams().await.unwrap_err();
    assert!(matches!(error, BusError::PermissionDenied { .. }), "{error:?}");
    let ingestor = connect(&server, &BusUser::AtVenue(Service::Ingestor, venue())).await;
    let error = ingestor.subscribe(&["remora.v1.order.>".to_owned()], 1).await.err().unwrap();
    assert!(matches!(error, BusError::PermissionDenied { .. }), "{error:?}");
    let error = ingestor.read_log(Stream::Orders, &[], ReadFrom::Start).await.err().unwrap();
    assert!(matches!(error, BusError::PermissionDenied { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_or_missing_password_is_refused() {
    let server = start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let user = BusUser::Console;
    let settings = |password| {
        let credentials = Credentials::Password { user: user.name(), password };
        NatsSettings::new(&server.url(), &user.name(), credentials)
    };
    let given = |text: &str| settings(PasswordSource::Given(text.to_owned()));
    let error = connect_nats(given("wrong")).await.err().unwrap();
    assert!(matches!(error, BusError::Unauthorised { .. }), "{error:?}");
    assert!(!error.is_transient(), "trying again is no use");
    let from_file = || settings(PasswordSource::File(file.clone()));
    assert!(matches!(connect_nats(from_file()).await, Err(BusError::Secret { .. })));
    std::fs::write(&file, format!("{}\n", password(&user))).unwrap();
    assert!(connect_nats(from_file()).await.is_ok());
    assert!(!format!("{:?}", given("hunter2")).contains("hunter2"));
}
