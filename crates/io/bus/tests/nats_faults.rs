//! What happens over NATS when the server goes, comes back, freezes, loses its data or is too old.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use remora_bus::{
    Bus, BusError, Call, Connection, Credentials, LogReader, NatsBus, NatsSettings, OutMessage,
    ReadFrom, Stream, connect_nats,
};
use remora_test_servers::NatsServer;
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

const BOOK: &str = "remora.v1.md.book.kraken-spot.BTC-USD";

fn settings(url: &str, name: &str) -> NatsSettings {
    NatsSettings {
        request_timeout: Duration::from_millis(1_500),
        reconnect_delay_max: Duration::from_millis(50),
        ack_wait: Duration::from_secs(60),
        ..NatsSettings::new(url, name, Credentials::None)
    }
}

async fn connect(server: &NatsServer) -> NatsBus {
    connect_nats(settings(&server.url(), "test")).await.unwrap()
}

async fn ready() -> (NatsServer, NatsBus) {
    let server = NatsServer::start().unwrap();
    let bus = connect(&server).await;
    bus.declare_streams().await.unwrap();
    (server, bus)
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("not done in time")
}

fn message(subject: &str, id: impl ToString) -> OutMessage {
    let (message_id, payload) = (id.to_string(), Bytes::from(id.to_string()));
    OutMessage { subject: subject.to_owned(), message_id, headers: [].into(), payload }
}

fn request(id: impl ToString) -> OutMessage {
    message("remora.v1.order.request.paper.kraken-spot.BTC-USD", id)
}

/// Publishes as a shell does: again under the same id until there is an answer.
async fn store(bus: &NatsBus, id: u64) {
    loop {
        match bus.publish_durable(request(id)).await {
            Ok(_) => return,
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
        tokio::task::yield_now().await;
    }
}

async fn take(reader: &mut LogReader, ids: impl IntoIterator<Item = u64>) {
    for id in ids {
        let entry = within(reader.recv()).await.unwrap();
        assert_eq!(entry.message.payload, Bytes::from(id.to_string()));
    }
}

async fn connected(bus: &NatsBus, wanted: bool) {
    let mut health = bus.health();
    within(health.wait_for(|health| health.is_connected() == wanted)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_of_the_server_everything_goes_on_without_loss() {
    let (mut server, bus) = ready().await;
    let other = connect(&server).await;
    let mut log = other.read_log(Stream::Orders, &[], ReadFrom::Start).await.unwrap();
    let mut books = other.subscribe(&["remora.v1.md.book.>".to_owned()], 10).await.unwrap();
    let mut consumer = other.consume(Stream::Orders, "persister", &[]).await.unwrap();
    for id in 0..20 {
        store(&bus, id).await;
    }
    take(&mut log, 0..10).await;
    for sequence in 1..=5 {
        let delivery = within(consumer.recv()).await.unwrap();
        assert_eq!(delivery.sequence, sequence);
        delivery.ack().await.unwrap();
    }

    server.kill();
    connected(&bus, false).await;
    connected(&other, false).await;
    assert!(matches!(bus.health().borrow().connection, Connection::Disconnected { .. }));
    let error = bus.publish_durable(request(20)).await.unwrap_err();
    assert!(matches!(error, BusError::Disconnected { call: Call::PublishDurable }), "{error:?}");
    let error = bus.publish(message(BOOK, "old")).await.unwrap_err();
    assert!(matches!(error, BusError::Disconnected { call: Call::Publish }), "{error:?}");

    server.restart().unwrap();
    connected(&bus, true).await;
    connected(&other, true).await;
    assert_eq!(bus.health().borrow().reconnects, 1);
    within(async {
        for id in 20..40 {
            store(&bus, id).await;
        }
    })
    .await;
    take(&mut log, 10..40).await;
    within(async {
        let mut waiting: Vec<u64> = (6..=40).collect();
        while !waiting.is_empty() {
            let delivery = consumer.recv().await.unwrap();
            delivery.ack().await.unwrap();
            waiting.retain(|sequence| *sequence != delivery.sequence);
        }
    })
    .await;
    // A subscription is there again once the server has heard of it; market data comes again and again.
    within(async {
        loop {
            bus.publish(message(BOOK, "new")).await.unwrap();
            let heard = tokio::time::timeout(Duration::from_millis(20), books.recv()).await;
            if let Ok(book) = heard {
                assert_eq!(book.unwrap().payload, Bytes::from("new"), "nothing old was kept");
                break;
            }
        }
    })
    .await;
    assert!(other.health().borrow().reopened_readers >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_through_restarts_stores_each_message_once_and_in_order() {
    let (mut server, bus) = ready().await;
    let reader = connect(&server).await;
    let mut log = reader.read_log(Stream::Orders, &[], ReadFrom::Start).await.unwrap();
    let publisher = tokio::spawn(async move {
        for id in 0..3_000 {
            store(&bus, id).await;
        }
    });
    for _ in 0..3 {
        take_some(&mut log, 100).await;
        server.kill();
        server.restart().unwrap();
    }
    within(publisher).await.unwrap();
    let mut again = reader.read_log(Stream::Orders, &[], ReadFrom::Start).await.unwrap();
    assert_eq!(again.end_at_open(), 3_000, "a repeat is not stored");
    take(&mut again, 0..3_000).await;
    within(async {
        while log.last_sequence() < 3_000 {
            let (before, entry) = (log.last_sequence(), log.recv().await.unwrap());
            assert_eq!(entry.sequence, before + 1);
        }
    })
    .await;
}

async fn take_some(log: &mut LogReader, count: usize) {
    for _ in 0..count {
        let (before, entry) = (log.last_sequence(), within(log.recv()).await.unwrap());
        assert_eq!(entry.sequence, before + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_after_a_restart_is_still_recognised() {
    let (mut server, bus) = ready().await;
    store(&bus, 7).await;
    server.kill();
    connected(&bus, false).await;
    server.restart().unwrap();
    connected(&bus, true).await;
    let again = within(bus.publish_durable(request(7))).await.unwrap();
    assert_eq!((again.sequence, again.is_duplicate), (1, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_is_an_answer_that_does_not_come() {
    let (server, bus) = ready().await;
    server.pause().unwrap();
    let error = within(bus.publish_durable(request(1))).await.unwrap_err();
    assert!(
        matches!(error, BusError::Timeout { call: Call::PublishDurable, after_ms: 1_500 }),
        "{error:?}"
    );
    server.resume().unwrap();
    let stored = within(bus.publish_durable(request(1))).await.unwrap();
    assert_eq!((stored.sequence, stored.is_duplicate), (1, true), "it had arrived all the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_made_anew_is_an_error_and_not_silence() {
    let (server, bus) = ready().await;
    let subject = "remora.v1.pairs.universe.pair-discovery";
    for id in 0..3 {
        bus.publish_durable(message(subject, id)).await.unwrap();
    }
    let mut log = bus.read_log(Stream::Pairs, &[], ReadFrom::Start).await.unwrap();
    take(&mut log, 0..3).await;
    let admin = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
    admin.delete_stream("PAIRS").await.unwrap();
    bus.declare_streams().await.unwrap();
    for id in 10..15 {
        bus.publish_durable(message(subject, id)).await.unwrap();
    }
    let error = within(log.recv()).await.unwrap_err();
    let is_rewritten =
        matches!(error, BusError::LogRewritten { stream: Stream::Pairs, read: 3, .. });
    assert!(is_rewritten, "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_not_as_declared_is_refused() {
    let server = NatsServer::start().unwrap();
    let admin = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let config = async_nats::jetstream::stream::Config {
        name: "ORDERS".to_owned(),
        subjects: vec!["remora.v1.order.*.>".to_owned()],
        storage: async_nats::jetstream::stream::StorageType::Memory,
        ..Default::default()
    };
    admin.create_stream(config).await.unwrap();
    let bus = connect(&server).await;
    let error = bus.declare_streams().await.unwrap_err();
    assert!(matches!(error, BusError::Failed { call: Call::DeclareStream, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_and_publishing_without_streams_says_so() {
    let server = NatsServer::start().unwrap();
    let bus = connect(&server).await;
    let error = bus.read_log(Stream::Orders, &[], ReadFrom::Start).await.err().unwrap();
    assert!(matches!(error, BusError::Failed { call: Call::ReadStream, .. }), "{error:?}");
    let error = bus.publish_durable(request(1)).await.unwrap_err();
    assert!(matches!(error, BusError::Failed { call: Call::PublishDurable, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_consumer_never_handed_out_is_free_at_once() {
    let (server, bus) = ready().await;
    for id in 0..30 {
        store(&bus, id).await;
    }
    let mut consumer = bus.consume(Stream::Orders, "persister", &[]).await.unwrap();
    within(consumer.recv()).await.unwrap().ack().await.unwrap();
    let admin = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let orders = admin.get_stream("ORDERS").await.unwrap();
    within(async {
        while orders.consumer_info("persister").await.unwrap().num_ack_pending < 29 {}
    })
    .await;
    drop(consumer);
    // Unacknowledged deliveries come again after a minute here, which is longer than this test may take.
    let mut later = bus.consume(Stream::Orders, "persister", &[]).await.unwrap();
    let mut waiting: Vec<u64> = (2..=30).collect();
    while !waiting.is_empty() {
        let delivery = within(later.recv()).await.unwrap();
        delivery.ack().await.unwrap();
        waiting.retain(|sequence| *sequence != delivery.sequence);
    }
}

#[tokio::test]
async fn no_server_is_an_error_that_names_the_address() {
    let port = {
        let mut server = NatsServer::start().unwrap();
        server.stop().unwrap();
        server.port()
    };
    let url = format!("nats://127.0.0.1:{port}");
    let error = connect_nats(settings(&url, "test")).await.err().unwrap();
    assert!(
        matches!(&error, BusError::Failed { call: Call::Connect, subject, .. } if *subject == url),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_old_server_is_refused() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let old = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let (read, mut write) = socket.into_split();
        let hello = r#"{"server_id":"X","server_name":"x","version":"2.9.10","host":"127.0.0.1","port":1,"headers":true,"max_payload":1048576,"proto":1,"client_id":1,"go":"x","git_commit":"x","nonce":"","connect_urls":[],"client_ip":"127.0.0.1"}"#;
        write.write_all(format!("INFO {hello}\r\n").as_bytes()).await.unwrap();
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if line.starts_with("PING") {
                write.write_all(b"PONG\r\n").await.unwrap();
            }
        }
    });
    let error = connect_nats(settings(&url, "test")).await.err().unwrap();
    assert!(
        matches!(&error, BusError::ServerTooOld { found, .. } if found == "2.9.10"),
        "{error:?}"
    );
    old.abort();
}
