//! What the suite needs: a bus, a second handle as another service would have it, and messages.

use bytes::Bytes;
use remora_bus::{
    Bus, Credentials, InMemoryBus, LogReader, NatsSettings, OutMessage, Stream, connect_nats,
};
use remora_test_servers::NatsServer;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Short, so that what is not acknowledged comes again while a test waits for it.
pub(crate) const ACK_WAIT: Duration = Duration::from_millis(300);

pub(crate) struct Rig {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) other: Arc<dyn Bus>,
    _server: Option<NatsServer>,
}

pub(crate) fn in_memory() -> Rig {
    let bus = InMemoryBus::new(ACK_WAIT);
    Rig { bus: Arc::new(bus.clone()), other: Arc::new(bus), _server: None }
}

pub(crate) async fn nats() -> Rig {
    let server = NatsServer::start().unwrap();
    let settings = |name: &str| NatsSettings {
        ack_wait: ACK_WAIT,
        ..NatsSettings::new(&server.url(), name, Credentials::None)
    };
    let bus = Arc::new(connect_nats(settings("one")).await.unwrap());
    let other = Arc::new(connect_nats(settings("other")).await.unwrap());
    bus.declare_streams().await.unwrap();
    Rig { bus, other, _server: Some(server) }
}

/// Fails instead of hanging.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("not done in time")
}

/// Waits until something can be seen.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) fn message(subject: &str, id: impl ToString) -> OutMessage {
    OutMessage {
        subject: subject.to_owned(),
        message_id: id.to_string(),
        headers: [].into(),
        payload: Bytes::from(id.to_string()),
    }
}

pub(crate) fn request(number: impl ToString) -> OutMessage {
    message("remora.v1.order.request.paper.kraken-spot.BTC-USD", number)
}

pub(crate) async fn store(bus: &Arc<dyn Bus>, messages: impl IntoIterator<Item = OutMessage>) {
    for message in messages {
        bus.publish_durable(message).await.unwrap();
    }
}

pub(crate) fn text(payload: &Bytes) -> String {
    String::from_utf8(payload.to_vec()).unwrap()
}

/// Reads so many messages of a log, as text.
pub(crate) async fn take(reader: &mut LogReader, count: usize) -> Vec<String> {
    let mut texts = vec![];
    for _ in 0..count {
        texts.push(text(&reader.recv().await.unwrap().message.payload));
    }
    texts
}

pub(crate) async fn read_all(bus: &Arc<dyn Bus>, stream: Stream) -> LogReader {
    bus.read_log(stream, &[], remora_bus::ReadFrom::Start).await.unwrap()
}

pub(crate) fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}
