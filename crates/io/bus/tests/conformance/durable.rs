//! Durable consumers with acknowledgements.

use crate::rig::{Rig, message, request, store, text, texts};
use remora_bus::{Consumer, Stream};
use std::time::Duration;

async fn open(rig: &Rig, name: &str) -> Consumer {
    rig.bus.consume(Stream::Orders, name, &[]).await.unwrap()
}

/// Receives, acknowledges, and gives the text and the number of the attempt.
async fn work(consumer: &mut Consumer) -> (String, u64) {
    let delivery = consumer.recv().await.unwrap();
    delivery.ack().await.unwrap();
    (text(&delivery.message.payload), delivery.attempt)
}

pub(crate) async fn an_unacknowledged_delivery_comes_again(rig: Rig) {
    store(&rig.bus, [request("a")]).await;
    let mut consumer = open(&rig, "persister").await;
    let first = consumer.recv().await.unwrap();
    assert_eq!((first.attempt, first.sequence), (1, 1));
    drop(first);
    let again = consumer.recv().await.unwrap();
    assert_eq!((again.attempt, again.sequence), (2, 1));
    assert_eq!(text(&again.message.payload), "a");
}

pub(crate) async fn an_acknowledged_delivery_never_comes_again(rig: Rig) {
    store(&rig.bus, (0..50).map(request)).await;
    let mut consumer = open(&rig, "persister").await;
    for n in 0..50 {
        assert_eq!(work(&mut consumer).await, (n.to_string(), 1));
    }
    drop(consumer);
    store(&rig.bus, [request("next")]).await;
    // Whoever comes later under the name goes on behind what was acknowledged.
    let mut later = rig.other.consume(Stream::Orders, "persister", &[]).await.unwrap();
    assert_eq!(work(&mut later).await.0, "next");
}

pub(crate) async fn a_delivery_given_back_comes_again_at_once(rig: Rig) {
    store(&rig.bus, (0..2).map(request)).await;
    let mut consumer = open(&rig, "persister").await;
    let first = consumer.recv().await.unwrap();
    first.nak().await.unwrap();
    let mut seen = vec![work(&mut consumer).await, work(&mut consumer).await];
    seen.sort();
    assert_eq!(seen, [("0".to_owned(), 2), ("1".to_owned(), 1)]);
}

pub(crate) async fn two_readers_of_one_name_share_the_work(rig: Rig) {
    let mut one = open(&rig, "persister").await;
    let mut two = rig.other.consume(Stream::Orders, "persister", &[]).await.unwrap();
    store(&rig.bus, (0..100).map(request)).await;
    let mut seen = vec![];
    while seen.len() < 100 {
        let delivery = tokio::select! {
            delivery = one.recv() => delivery.unwrap(),
            delivery = two.recv() => delivery.unwrap(),
        };
        delivery.ack().await.unwrap();
        seen.push(delivery.sequence);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 100);
}

pub(crate) async fn two_names_each_get_everything(rig: Rig) {
    store(&rig.bus, (0..20).map(request)).await;
    for name in ["persister", "auditor"] {
        let mut consumer = open(&rig, name).await;
        let mut seen = vec![];
        for _ in 0..20 {
            seen.push(work(&mut consumer).await.0);
        }
        assert_eq!(seen, texts(0..20), "{name}");
    }
}

pub(crate) async fn a_durable_reader_gets_only_what_it_asked_for(rig: Rig) {
    let event = "remora.v1.order.event.paper.kraken-spot.BTC-USD";
    store(&rig.bus, [request(1), message(event, 2), request(3), message(event, 4)]).await;
    let filters = ["remora.v1.order.event.>".to_owned()];
    let mut consumer = rig.bus.consume(Stream::Orders, "events", &filters).await.unwrap();
    assert_eq!(work(&mut consumer).await.0, "2");
    assert_eq!(work(&mut consumer).await.0, "4");
    let silence = tokio::time::timeout(Duration::from_millis(20), consumer.recv()).await;
    assert!(silence.is_err(), "nothing more was asked for");
}
