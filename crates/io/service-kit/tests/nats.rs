//! The drive loop over a real nats-server that goes away and returns.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod common;

use common::{Number, Running, TestCore, out_message, plan};
use remora_bus::{
    Bus, Credentials, LogReader, NatsBus, NatsSettings, ReadFrom, Stream, connect_nats,
};
use remora_domain::{Body, ControlScope, Envelope, ServiceState, Timestamp};
use remora_test_servers::NatsServer;
use remora_testkit::{Producer, book, halt};
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
    loop {
        let dependencies = running.health.status().dependencies;
        if dependencies.iter().any(|it| it.name == "bus" && it.is_up == is_up) {
            return;
        }
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
    next_from(&mut control, "core").await;

    let mut other = Producer::new("other", 1);
    let a_book = other.wrap(Timestamp::EPOCH, Body::Book(book("BTC-USD", "100", "101")));
    test.publish(out_message(&a_book)).await.unwrap();
    let request = next_from(&mut orders, "core").await;
    assert!(matches!(request.body, Body::OrderRequest(_)));

    server.kill();
    wait_for_bus(&running, false).await;
    running.commands.send(halt(ControlScope::Global)).await.unwrap();
    assert_eq!(running.effects.recv().await, Some(Number(0)), "cancelled without the bus");
    assert_eq!(running.health.state(), ServiceState::Halted);

    server.restart().unwrap();
    wait_for_bus(&running, true).await;
    let command = next_from(&mut control, "core-shell").await;
    assert!(matches!(command.body, Body::ControlCommand(_)));
    let Body::ControlState(state) = next_from(&mut control, "core").await.body else {
        panic!("not a state")
    };
    assert_eq!(state.state, ServiceState::Halted);
    let core = running.stop().await.unwrap();
    assert_eq!(core.seen, ["caught-up", "md.book", "control.command", "Halt: a test"]);
}
