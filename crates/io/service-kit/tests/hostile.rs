//! What the loop does with messages that lie or cannot be read: the core never hears of them, a person does.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod common;

use bytes::Bytes;
use common::{AwayBus, Log, Running, TestCore, out_message, plan, publish};
use metrics_exporter_prometheus::PrometheusBuilder;
use remora_bus::{Bus, InMessage, Stream, Subscription};
use remora_domain::{Body, ControlScope, Envelope, Timestamp};
use remora_testkit::{Producer, book, halt, request};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

fn a_book() -> Body {
    Body::Book(book("BTC-USD", "100", "101"))
}

fn wrap(body: Body) -> Envelope {
    Arc::unwrap_or_clone(Producer::new("other", 1).wrap(Timestamp::EPOCH, body))
}

/// Is a valid message as it arrives.
fn incoming(envelope: &Envelope) -> InMessage {
    let message = out_message(envelope);
    InMessage { subject: message.subject, headers: BTreeMap::new(), payload: message.payload }
}

/// Is a core at work that also hears deliveries, and what a person would see of it.
struct Watched {
    bus: AwayBus,
    running: Running,
    deliveries: mpsc::Sender<InMessage>,
    dead: Subscription,
    orders: Log,
}

impl Watched {
    async fn start(bus: AwayBus) -> Self {
        let dead = bus.bus.subscribe(&["remora.v1.dead.>".to_owned()], 4_096).await.unwrap();
        let orders = Log::open(&bus, Stream::Orders).await;
        let mut control = Log::open(&bus, Stream::States).await;
        let (deliveries, queue) = mpsc::channel(16);
        let (on, core) = (Arc::new(bus.clone()), TestCore::new("core", 1));
        let add = |runner: remora_service_kit::drive::Runner<TestCore>| runner.deliveries(queue);
        let running = Running::start_with(on, core, ("test", "core", 1), plan(), add);
        control.next_from("core").await;
        Self { bus, running, deliveries, dead, orders }
    }

    /// Gives the subject a dead letter was published on, and why it was buried.
    async fn letter(&mut self) -> (String, String) {
        let letter = self.dead.recv().await.unwrap();
        assert_eq!(letter.subject, "remora.v1.dead.test");
        let header = |name: &str| letter.headers.get(name).unwrap().clone();
        (header("remora-subject"), header("remora-reason"))
    }

    /// Shows that the core still hears, and gives what it has heard at all.
    async fn seen_at_the_end(mut self) -> Vec<String> {
        publish(&self.bus, &mut Producer::new("last", 1), a_book()).await;
        let is_last = |id: remora_domain::MessageId| id.producer.as_str() == "last";
        while !self.orders.next_from("core").await.header.cause.is_some_and(is_last) {}
        self.running.stop().await.unwrap().seen
    }
}

/// A command that claims to be where only requests belong.
fn lie(id: &str) -> remora_bus::OutMessage {
    let mut lie = out_message(&wrap(Body::ControlCommand(halt(ControlScope::Global))));
    lie.subject = out_message(&wrap(Body::OrderRequest(request("r-1")))).subject;
    lie.message_id = id.to_owned();
    lie
}

#[tokio::test]
async fn a_body_under_another_subject_is_buried_on_every_way_to_the_core() {
    let bus = AwayBus::new();
    bus.bus.publish_durable(lie("history")).await.unwrap();
    let mut watched = Watched::start(bus).await;
    watched.bus.bus.publish_durable(lie("news")).await.unwrap();
    let delivery = InMessage { subject: lie("").subject, ..incoming(&wrap(a_book())) };
    watched.deliveries.send(delivery).await.unwrap();
    let mut market_data = out_message(&wrap(a_book()));
    market_data.subject = market_data.subject.replace("BTC", "ETH");
    watched.bus.bus.publish(market_data.clone()).await.unwrap();
    let mut letters = Vec::new();
    for _ in 0..4 {
        letters.push(watched.letter().await);
    }
    letters.sort();
    let (on_book, on_request) = (market_data.subject, lie("").subject);
    let places: Vec<&String> = letters.iter().map(|(subject, _)| subject).collect();
    assert_eq!(places, [&on_book, &on_request, &on_request, &on_request]);
    let belongs = |place| format!("its body and header belong on \"remora.v1.{place}\"");
    let (book, command) = (belongs("md.book.sim-spot.BTC-USD"), belongs("control.command.other"));
    for ((_, reason), belongs) in letters.iter().zip([&book, &command, &command, &book]) {
        assert!(reason.ends_with(belongs), "{reason}");
    }
    assert_eq!(watched.seen_at_the_end().await, ["caught-up", "md.book"]);
}

#[tokio::test]
async fn a_service_that_speaks_in_the_name_of_another_is_buried() {
    let mut watched = Watched::start(AwayBus::new()).await;
    // Believed, it would make the router's own message of this number a repeat.
    let mut forger = Producer::new("order-router-kraken-spot", 1);
    publish(&watched.bus, &mut forger, Body::OrderRequest(request("r-1"))).await;
    let (_, reason) = watched.letter().await;
    let producer = "accept order.request of producer order-router-kraken-spot";
    assert_eq!(reason, format!("{producer}: order-router does not write it"));
    assert_eq!(watched.seen_at_the_end().await, ["caught-up", "md.book"]);
}

/// Collects log lines.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_warned_about_with_its_field_counted_and_buried() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    let _lines = tracing::subscriber::set_default(subscriber.finish());
    let recorder = PrometheusBuilder::new().build_recorder();
    let _metrics = metrics::set_default_local_recorder(&recorder);
    let mut watched = Watched::start(AwayBus::new()).await;
    let valid = incoming(&wrap(a_book()));
    let without_header = valid.payload.slice(valid.payload.len() - 1..);
    let oversize = Bytes::from(vec![0; (1 << 20) + 1]);
    let only_header = incoming(&wrap(a_book())).payload;
    let only_header = only_header.slice(..usize::from(only_header[1]) + 2);
    let cases = [
        (Bytes::new(), "decode header: missing"),
        (Bytes::from_static(b"\xff\xff\xff"), "decode protobuf message"),
        (valid.payload.slice(..valid.payload.len() - 1), "decode protobuf message"),
        (without_header, "decode protobuf message"),
        (only_header, "decode body: missing"),
        (oversize.clone(), "decode message of 1048577 bytes: at most 1048576 are accepted"),
    ];
    let count = cases.len();
    for (payload, expected) in cases {
        watched.deliveries.send(InMessage { payload, ..valid.clone() }).await.unwrap();
        let (subject, reason) = watched.letter().await;
        assert_eq!(subject, valid.subject);
        assert!(reason.starts_with(expected), "{reason}");
    }
    assert_eq!(watched.seen_at_the_end().await, ["caught-up", "md.book"]);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let warned: Vec<&str> = text.lines().filter(|line| line.contains("message buried")).collect();
    // The 1st, 2nd and 4th.
    assert_eq!(warned.len(), 3, "{text}");
    assert!(warned[0].contains("WARN") && warned[0].contains(&valid.subject), "{text}");
    assert!(warned[0].contains("error=\"decode header: missing\" count=1"), "{text}");
    let metrics = recorder.handle().render();
    let counted = format!("remora_bus_buried_total{{reason=\"undecodable\"}} {count}");
    assert!(metrics.contains(&counted), "{metrics}");
}

#[tokio::test]
async fn a_dead_letter_larger_than_letters_may_be_is_cut_and_says_so() {
    let mut watched = Watched::start(AwayBus::new()).await;
    let payload = Bytes::from(vec![0; 2 << 20]);
    let subject = format!("remora.v1.md.book.{}", "x".repeat(3_000));
    let message = InMessage { subject, headers: BTreeMap::new(), payload };
    watched.deliveries.send(message).await.unwrap();
    let letter = watched.dead.recv().await.unwrap();
    assert_eq!(letter.payload.len(), 65_536);
    assert_eq!(letter.headers.get("remora-bytes").unwrap(), "2097152");
    assert_eq!(letter.headers.get("remora-subject").unwrap().len(), 400);
    watched.seen_at_the_end().await;
}

#[tokio::test]
async fn a_message_of_a_newer_version_is_heard_without_what_is_unknown() {
    let watched = Watched::start(AwayBus::new()).await;
    let mut newer = incoming(&wrap(a_book()));
    let mut bytes = newer.payload.to_vec();
    // Field 1000 as text: in the header (1), in the book (10), in the envelope.
    let unknown = b"\xc2\x3e\x03new";
    for part in [&[0x0a, 6][..], unknown, &[0x52, 6], unknown, unknown] {
        bytes.extend_from_slice(part);
    }
    newer.payload = Bytes::from(bytes);
    watched.deliveries.send(newer).await.unwrap();
    assert_eq!(watched.seen_at_the_end().await, ["caught-up", "md.book", "md.book"]);
}

#[tokio::test]
async fn no_time_in_a_header_stops_the_loop() {
    let watched = Watched::start(AwayBus::new()).await;
    for time in [Timestamp::from_ns(i64::MIN), Timestamp::from_ns(i64::MAX)] {
        let mut envelope = wrap(a_book());
        envelope.header.publish_time = time;
        envelope.header.receive_time = Some(time);
        envelope.header.venue_time = Some(time);
        watched.deliveries.send(incoming(&envelope)).await.unwrap();
    }
    let seen = watched.seen_at_the_end().await;
    assert_eq!(seen, ["caught-up", "md.book", "md.book", "md.book"]);
}

#[tokio::test]
async fn a_message_changed_in_any_byte_is_heard_or_buried_and_the_loop_goes_on() {
    let mut watched = Watched::start(AwayBus::new()).await;
    let valid = incoming(&wrap(a_book()));
    let length = valid.payload.len();
    for at in 0..length {
        let mut bytes = valid.payload.to_vec();
        bytes[at] ^= 0xff;
        let payload = Bytes::from(bytes);
        watched.deliveries.send(InMessage { payload, ..valid.clone() }).await.unwrap();
    }
    // Deliveries keep their order: once this one is buried, all before it have been dealt with.
    let end = InMessage { subject: "end".to_owned(), ..valid };
    watched.deliveries.send(end).await.unwrap();
    let mut buried = 0;
    while watched.letter().await.0 != "end" {
        buried += 1;
    }
    let heard = watched.seen_at_the_end().await.iter().filter(|it| *it == "md.book").count();
    assert_eq!(buried + heard, length + 1, "all, and the book at the end");
    assert!(buried > length / 4, "{buried} of {length}");
}
