//! Core subjects: latest wins.

use crate::rig::{Rig, message, request, text, texts, until};
use bytes::Bytes;
use remora_bus::{Bus, BusError, MAX_PAYLOAD_BYTES, OutMessage, PatternProblem, ReadFrom, Stream};
use std::sync::Arc;

const BOOK: &str = "remora.v1.md.book.kraken-spot.BTC-USD";

fn patterns<const N: usize>(texts: [&str; N]) -> [String; N] {
    texts.map(str::to_owned)
}

async fn publish(bus: &Arc<dyn Bus>, subject: &str, id: impl ToString) {
    bus.publish(message(subject, id)).await.unwrap();
}

pub(crate) async fn a_slow_reader_loses_old_market_data_and_knows_how_much(rig: Rig) {
    let books = patterns(["remora.v1.md.book.>"]);
    let mut slow = rig.other.subscribe(&books, 10).await.unwrap();
    let mut quick = rig.other.subscribe(&books, 1_000).await.unwrap();
    for n in 0..100 {
        publish(&rig.bus, BOOK, n).await;
    }
    until(|| slow.dropped() == 90 && slow.waiting() == 10).await;
    for n in 90..100 {
        assert_eq!(text(&slow.recv().await.unwrap().payload), n.to_string());
    }
    for n in 0..100 {
        assert_eq!(text(&quick.recv().await.unwrap().payload), n.to_string());
    }
    assert_eq!(quick.dropped(), 0, "a slow reader is nobody else's loss");
}

pub(crate) async fn a_subscriber_gets_what_matches_in_order_and_nothing_else(rig: Rig) {
    let wanted = patterns(["remora.v1.md.*.kraken-spot.BTC-USD"]);
    let mut subscription = rig.other.subscribe(&wanted, 100).await.unwrap();
    for n in 0..10 {
        publish(&rig.bus, BOOK, n).await;
        publish(&rig.bus, "remora.v1.md.book.kraken-spot.ETH-USD", "wrong").await;
        publish(&rig.bus, "remora.v1.md.book.kraken-spot", "wrong").await;
        publish(&rig.bus, "remora.v1.svc.heartbeat.decision", "wrong").await;
    }
    publish(&rig.bus, "remora.v1.md.trade.kraken-spot.BTC-USD", "end").await;
    let mut seen = vec![];
    while seen.last().is_none_or(|last| last != "end") {
        let message = subscription.recv().await.unwrap();
        assert!(message.subject.ends_with(".kraken-spot.BTC-USD"), "{}", message.subject);
        seen.push(text(&message.payload));
    }
    seen.pop();
    assert_eq!(seen, texts(0..10));
}

pub(crate) async fn a_durable_message_reaches_core_subscribers_too(rig: Rig) {
    let orders = patterns(["remora.v1.order.>"]);
    let mut subscription = rig.other.subscribe(&orders, 10).await.unwrap();
    rig.bus.publish_durable(request("a")).await.unwrap();
    assert_eq!(text(&subscription.recv().await.unwrap().payload), "a");
}

pub(crate) async fn trace_headers_travel_and_the_bus_keeps_its_own(rig: Rig) {
    let headers = [("traceparent", "00-4bf9-00f0-01"), ("tracestate", "a=1,b=2")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sent = OutMessage { headers: headers.clone().into(), ..request("a") };
    let orders = patterns(["remora.v1.order.>"]);
    let mut subscription = rig.other.subscribe(&orders, 10).await.unwrap();
    rig.bus.publish_durable(sent).await.unwrap();
    let heard = subscription.recv().await.unwrap();
    let mut reader = rig.other.read_log(Stream::Orders, &[], ReadFrom::Start).await.unwrap();
    let read = reader.recv().await.unwrap().message;
    let mut consumer = rig.other.consume(Stream::Orders, "persister", &[]).await.unwrap();
    let consumed = consumer.recv().await.unwrap().message.clone();
    for received in [heard, read, consumed] {
        assert_eq!(received.headers, headers.clone().into());
        assert_eq!(received.subject, request("a").subject);
    }
}

pub(crate) async fn the_largest_payload_travels_and_a_larger_one_is_refused(rig: Rig) {
    let books = patterns(["remora.v1.md.book.>"]);
    let mut subscription = rig.other.subscribe(&books, 10).await.unwrap();
    let of = |bytes| OutMessage { payload: Bytes::from(vec![7; bytes]), ..message(BOOK, "") };
    rig.bus.publish(of(MAX_PAYLOAD_BYTES)).await.unwrap();
    assert_eq!(subscription.recv().await.unwrap().payload.len(), MAX_PAYLOAD_BYTES);
    let error = rig.bus.publish(of(MAX_PAYLOAD_BYTES + 1)).await.unwrap_err();
    assert!(matches!(error, BusError::PayloadTooLarge { .. }), "{error:?}");
}

pub(crate) async fn malformed_messages_are_refused_with_the_reason(rig: Rig) {
    for subject in ["", "a b", "a..b", ".a", "a.", "a\r\nPUB x 0"] {
        let error = rig.bus.publish(message(subject, "1")).await.unwrap_err();
        assert!(
            matches!(error, BusError::Pattern { problem: PatternProblem::Malformed, .. }),
            "{subject:?}: {error:?}"
        );
    }
    let error = rig.bus.publish(message("remora.v1.md.book.>", "1")).await.unwrap_err();
    assert!(matches!(error, BusError::Pattern { problem: PatternProblem::Wildcard, .. }));
    for (name, value) in [("Nats-Msg-Id", "x"), ("", "x"), ("a:b", "x"), ("a", "x\r\ny")] {
        let headers = [(name.to_owned(), value.to_owned())].into();
        let sent = OutMessage { headers, ..request("1") };
        let error = rig.bus.publish_durable(sent).await.unwrap_err();
        assert!(matches!(error, BusError::Header { .. }), "{name:?}: {error:?}");
    }
    let error = rig.bus.publish_durable(message(BOOK, "1")).await.unwrap_err();
    assert!(matches!(error, BusError::NotDurable { .. }), "{error:?}");
    for id in ["", "a b", "a\n"] {
        let error = rig.bus.publish_durable(request(id)).await.unwrap_err();
        assert!(matches!(error, BusError::MessageId { .. }), "{id:?}: {error:?}");
    }
}

pub(crate) async fn overlapping_or_foreign_patterns_are_refused(rig: Rig) {
    let twice = patterns(["remora.v1.md.>", "remora.v1.md.book.>"]);
    let error = rig.bus.subscribe(&twice, 10).await.err().unwrap();
    assert!(matches!(error, BusError::Pattern { problem: PatternProblem::Overlap { .. }, .. }));
    let nothing = rig.bus.subscribe(&[], 10).await.err().unwrap();
    assert!(matches!(nothing, BusError::EmptySubscription { .. }), "{nothing:?}");
    let no_room = rig.bus.subscribe(&patterns(["a"]), 0).await.err().unwrap();
    assert!(matches!(no_room, BusError::EmptySubscription { .. }), "{no_room:?}");
    let foreign = patterns(["remora.v1.md.book.>"]);
    let error = rig.bus.read_log(Stream::Orders, &foreign, ReadFrom::Start).await.err().unwrap();
    assert!(matches!(error, BusError::Pattern { problem: PatternProblem::Foreign, .. }));
    let error = rig.bus.consume(Stream::Orders, "a.b", &[]).await.err().unwrap();
    assert!(matches!(error, BusError::Pattern { problem: PatternProblem::Malformed, .. }));
}

pub(crate) async fn a_dropped_subscription_disturbs_nobody(rig: Rig) {
    let books = patterns(["remora.v1.md.book.>"]);
    let gone = rig.other.subscribe(&books, 10).await.unwrap();
    let mut kept = rig.other.subscribe(&books, 10).await.unwrap();
    drop(gone);
    publish(&rig.bus, BOOK, "a").await;
    assert_eq!(text(&kept.recv().await.unwrap().payload), "a");
}
