//! Dead letters on a bus that may refuse them: nothing is acknowledged before its letter is stored.

use super::*;
use remora_bus::permissions::PERSISTER_DURABLE;
use remora_bus::{
    BusHealth, Consumer, InMemoryBus, LogReader, ReadFrom, RegisterValue, StoredAt, Stream,
    Subscription, in_memory,
};
use remora_domain::{Body, Timestamp};
use remora_service_kit::drive::read_message;
use remora_testkit::{Producer, request};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

/// Is a bus that takes no dead letter until it is told to.
#[derive(Clone)]
struct Refusing {
    bus: Arc<InMemoryBus>,
    takes_letters: Arc<AtomicBool>,
}

impl Refusing {
    fn new() -> Self {
        Self { bus: Arc::new(in_memory()), takes_letters: Arc::default() }
    }

    async fn publish(&self, number: u32, subject: String, payload: Bytes) {
        let (message_id, headers) = (number.to_string(), BTreeMap::new());
        let message = OutMessage { subject, message_id, headers, payload };
        self.bus.publish_durable(message).await.unwrap();
    }

    async fn orders(&self) -> Consumer {
        self.bus.consume(Stream::Orders, PERSISTER_DURABLE, &[]).await.unwrap()
    }

    async fn letters(&self) -> u64 {
        self.bus.read_log(Stream::Dead, &[], ReadFrom::Start).await.unwrap().end_at_open()
    }
}

#[async_trait::async_trait]
impl Bus for Refusing {
    async fn publish(&self, message: OutMessage) -> Result<(), BusError> {
        self.bus.publish(message).await
    }

    async fn publish_durable(&self, message: OutMessage) -> Result<StoredAt, BusError> {
        if !self.takes_letters.load(Ordering::SeqCst) {
            return Err(BusError::PermissionDenied { what: message.subject });
        }
        self.bus.publish_durable(message).await
    }

    async fn subscribe(&self, at: &[String], capacity: usize) -> Result<Subscription, BusError> {
        self.bus.subscribe(at, capacity).await
    }

    async fn read_log(
        &self,
        stream: Stream,
        filters: &[String],
        from: ReadFrom,
    ) -> Result<LogReader, BusError> {
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
        self.bus.read_register(subject).await
    }

    async fn write_register(
        &self,
        subject: &str,
        payload: Bytes,
        expected: u64,
    ) -> Result<Option<u64>, BusError> {
        self.bus.write_register(subject, payload, expected).await
    }

    fn health(&self) -> tokio::sync::watch::Receiver<BusHealth> {
        self.bus.health()
    }

    async fn declare_streams(&self) -> Result<(), BusError> {
        self.bus.declare_streams().await
    }
}

const SUBJECT: &str = "remora.v1.order.event.paper.kraken-spot.BTC-USD";

/// Time passes by itself where nothing else can happen, so a delivery that is not acknowledged comes again.
async fn comes_again(orders: &mut Consumer) -> bool {
    tokio::time::timeout(Duration::from_secs(120), orders.recv()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_acknowledged_only_when_its_letter_is_stored() {
    let bus = Refusing::new();
    let letters = Letters::new(Arc::new(bus.clone()));
    bus.publish(1, SUBJECT.to_owned(), Bytes::from_static(b"not a message")).await;
    let mut orders = bus.orders().await;
    let delivery = orders.recv().await.unwrap();
    let error = read_message(&delivery.message).unwrap_err();
    letters.bury_unread(&delivery, &error).await;
    assert_eq!((bus.letters().await, letters.count()), (0, 0));
    let again = orders.recv().await.unwrap();
    bus.takes_letters.store(true, Ordering::SeqCst);
    letters.bury_unread(&again, &error).await;
    assert_eq!((bus.letters().await, letters.count()), (1, 1));
    assert!(!comes_again(&mut orders).await);
}

#[tokio::test(start_paused = true)]
async fn what_history_refuses_is_acknowledged_only_when_its_letter_is_stored() {
    let bus = Refusing::new();
    let letters = Letters::new(Arc::new(bus.clone()));
    let message =
        Producer::new("decision-0", 1).wrap(Timestamp::EPOCH, Body::OrderRequest(request("r-1")));
    let subject = Subject::of(&message).to_string();
    bus.publish(1, subject, remora_wire::encode(&message)).await;
    let mut orders = bus.orders().await;
    let delivery = orders.recv().await.unwrap();
    letters.bury_refused(Arc::clone(&message), Some(delivery)).unwrap();
    let again = orders.recv().await.unwrap();
    assert_eq!((bus.letters().await, letters.waiting()), (0, 1));
    drop(again);
    bus.takes_letters.store(true, Ordering::SeqCst);
    tokio::time::sleep(RETRY_PAUSE * 2).await;
    assert_eq!((bus.letters().await, letters.waiting(), letters.count()), (1, 0, 1));
    assert!(!comes_again(&mut orders).await);
}
