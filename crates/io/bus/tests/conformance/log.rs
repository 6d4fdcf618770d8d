//! Streams and reading them in order.

use crate::rig::{Rig, message, read_all, request, store, take, text, texts};
use remora_bus::{BusError, ReadFrom, StoredAt, Stream};
use std::sync::Arc;
use std::time::Duration;

const INSTRUMENT: &str = "remora.v1.md.instrument.kraken-spot";

pub(crate) async fn a_repeated_message_id_is_stored_once(rig: Rig) {
    let first = rig.bus.publish_durable(request("a")).await.unwrap();
    assert_eq!(first, StoredAt { stream: Stream::Orders, sequence: 1, is_duplicate: false });
    let again = rig.other.publish_durable(request("a")).await.unwrap();
    assert_eq!(again, StoredAt { stream: Stream::Orders, sequence: 1, is_duplicate: true });
    let next = rig.bus.publish_durable(request("b")).await.unwrap();
    assert_eq!(next.sequence, 2);
    let mut reader = read_all(&rig.other, Stream::Orders).await;
    assert_eq!(take(&mut reader, 2).await, ["a", "b"]);
}

pub(crate) async fn a_log_is_read_in_order_from_the_first_message(rig: Rig) {
    store(&rig.bus, (0..1_500).map(request)).await;
    let mut reader = read_all(&rig.other, Stream::Orders).await;
    for number in 0..1_500_u64 {
        let entry = reader.recv().await.unwrap();
        assert_eq!(
            (entry.sequence, text(&entry.message.payload)),
            (number + 1, number.to_string())
        );
    }
    assert!(reader.is_caught_up());
}

pub(crate) async fn a_log_is_read_from_a_sequence(rig: Rig) {
    store(&rig.bus, (1..=10).map(request)).await;
    let from = ReadFrom::Sequence(8);
    let mut reader = rig.other.read_log(Stream::Orders, &[], from).await.unwrap();
    assert_eq!(take(&mut reader, 3).await, ["8", "9", "10"]);
    // Just behind the end is where a reader goes on that has seen everything.
    let from = ReadFrom::Sequence(11);
    let mut reader = rig.other.read_log(Stream::Orders, &[], from).await.unwrap();
    assert_eq!((reader.end_at_open(), reader.is_caught_up()), (0, true));
    store(&rig.bus, [request("news")]).await;
    assert_eq!(take(&mut reader, 1).await, ["news"]);
}

pub(crate) async fn last_per_subject_gives_one_message_a_subject(rig: Rig) {
    for round in 0..3 {
        for pair in ["BTC-USD", "ETH-USD", "SOL-USD"] {
            let id = format!("{pair}-{round}");
            store(&rig.bus, [message(&format!("{INSTRUMENT}.{pair}"), id)]).await;
        }
    }
    let open = ReadFrom::LastPerSubject;
    let mut reader = rig.other.read_log(Stream::Instruments, &[], open).await.unwrap();
    assert_eq!(reader.end_at_open(), 9);
    assert_eq!(take(&mut reader, 3).await, ["BTC-USD-2", "ETH-USD-2", "SOL-USD-2"]);
    assert!(reader.is_caught_up());
    store(&rig.bus, [message(&format!("{INSTRUMENT}.BTC-USD"), "BTC-USD-3")]).await;
    assert_eq!(take(&mut reader, 1).await, ["BTC-USD-3"]);
}

pub(crate) async fn history_is_followed_by_news_without_a_gap(rig: Rig) {
    store(&rig.bus, (0..300).map(request)).await;
    let (bus, all) = (Arc::clone(&rig.bus), 900);
    let publisher = tokio::spawn(async move { store(&bus, (300..all).map(request)).await });
    let mut reader = read_all(&rig.other, Stream::Orders).await;
    assert!(reader.end_at_open() >= 300);
    assert_eq!(take(&mut reader, all).await, texts(0..all));
    publisher.await.unwrap();
}

pub(crate) async fn the_end_at_open_is_the_last_message_that_matches(rig: Rig) {
    let event = "remora.v1.order.event.paper.kraken-spot.BTC-USD";
    store(&rig.bus, [request(1), message(event, 2), request(3), request(4)]).await;
    let filters = ["remora.v1.order.event.>".to_owned()];
    let mut reader = rig.other.read_log(Stream::Orders, &filters, ReadFrom::Start).await.unwrap();
    assert_eq!((reader.end_at_open(), reader.is_caught_up()), (2, false));
    assert_eq!(take(&mut reader, 1).await, ["2"]);
    assert!(reader.is_caught_up());
    let behind = ReadFrom::Sequence(3);
    let reader = rig.other.read_log(Stream::Orders, &filters, behind).await.unwrap();
    assert_eq!((reader.end_at_open(), reader.is_caught_up()), (0, true));
}

pub(crate) async fn an_empty_log_is_caught_up_at_once(rig: Rig) {
    for (stream, from, subject) in [
        (Stream::States, ReadFrom::Start, "remora.v1.control.state.risk-gate"),
        (Stream::Pairs, ReadFrom::LastPerSubject, "remora.v1.pairs.universe.pair-discovery"),
        (Stream::Bars, ReadFrom::Sequence(1), "remora.v1.md.bar.kraken-spot.BTC-USD"),
    ] {
        let mut reader = rig.bus.read_log(stream, &[], from).await.unwrap();
        assert_eq!((reader.end_at_open(), reader.is_caught_up()), (0, true), "{from:?}");
        store(&rig.other, [message(subject, "news")]).await;
        assert_eq!(take(&mut reader, 1).await, ["news"], "{from:?}");
    }
}

pub(crate) async fn several_filters_keep_the_order_of_the_log(rig: Rig) {
    let kinds = ["request", "approval", "event", "cancel"];
    let subject = |n: usize| format!("remora.v1.order.{}.paper.kraken-spot.BTC-USD", kinds[n % 4]);
    store(&rig.bus, (0..40).map(|n| message(&subject(n), n))).await;
    let filters = ["approval", "event"].map(|kind| format!("remora.v1.order.{kind}.>"));
    let mut reader = rig.other.read_log(Stream::Orders, &filters, ReadFrom::Start).await.unwrap();
    assert_eq!(reader.end_at_open(), 39);
    let wanted = (0..40).filter(|n| matches!(n % 4, 1 | 2));
    assert_eq!(take(&mut reader, 20).await, texts(wanted));
}

pub(crate) async fn a_log_that_ends_before_what_was_read_is_an_error(rig: Rig) {
    store(&rig.bus, (1..=3).map(request)).await;
    let from = ReadFrom::Sequence(10);
    let error = rig.bus.read_log(Stream::Orders, &[], from).await.err().unwrap();
    assert!(
        matches!(error, BusError::LogRewritten { stream: Stream::Orders, read: 9, last: 3 }),
        "{error:?}"
    );
}

pub(crate) async fn all_readers_see_concurrent_publishers_in_one_order(rig: Rig) {
    let mut publishers = vec![];
    for (name, bus) in [("x", &rig.bus), ("y", &rig.other), ("z", &rig.bus)] {
        let bus = Arc::clone(bus);
        let messages = (0..100).map(move |n| request(format!("{name}{n}")));
        publishers.push(tokio::spawn(async move { store(&bus, messages).await }));
    }
    let mut one = read_all(&rig.bus, Stream::Orders).await;
    let mut two = read_all(&rig.other, Stream::Orders).await;
    let (one, two) = (take(&mut one, 300).await, take(&mut two, 300).await);
    assert_eq!(one, two);
    for publisher in publishers {
        publisher.await.unwrap();
    }
}

pub(crate) async fn pipelined_publishes_are_stored_in_the_order_they_were_begun(rig: Rig) {
    let calls = (0..500).map(|n| rig.bus.publish_durable(request(n)));
    let stored = futures::future::try_join_all(calls).await.unwrap();
    let sequences: Vec<u64> = stored.iter().map(|at| at.sequence).collect();
    assert_eq!(sequences, (1..=500).collect::<Vec<_>>());
}

pub(crate) async fn a_core_publish_on_a_durable_subject_is_stored(rig: Rig) {
    rig.bus.publish(request("fast")).await.unwrap();
    rig.bus.publish(request("fast")).await.unwrap();
    let stored = rig.bus.publish_durable(request("fast")).await.unwrap();
    assert_eq!((stored.sequence, stored.is_duplicate), (1, true));
}

pub(crate) async fn an_interrupted_read_loses_nothing(rig: Rig) {
    let bus = Arc::clone(&rig.bus);
    let publisher = tokio::spawn(async move { store(&bus, (0..200).map(request)).await });
    let mut reader = read_all(&rig.other, Stream::Orders).await;
    let mut seen = vec![];
    while seen.len() < 200 {
        // Polled once or so, then dropped: what a `select!` does to the branch that loses.
        tokio::select! {
            biased;
            entry = reader.recv() => seen.push(text(&entry.unwrap().message.payload)),
            () = tokio::time::sleep(Duration::from_micros(100)) => {}
        }
    }
    assert_eq!(seen, texts(0..200));
    publisher.await.unwrap();
}

pub(crate) async fn only_so_many_messages_of_a_subject_are_kept(rig: Rig) {
    let kept = Stream::Instruments.definition().messages_per_subject_max.unwrap();
    let subject = format!("{INSTRUMENT}.BTC-USD");
    store(&rig.bus, [message(&format!("{INSTRUMENT}.ETH-USD"), "other")]).await;
    store(&rig.bus, (0..kept + 5).map(|n| message(&subject, n))).await;
    let mut reader = read_all(&rig.other, Stream::Instruments).await;
    let count = usize::try_from(kept).unwrap();
    let mut wanted = vec!["other".to_owned()];
    wanted.extend(texts(5..kept + 5));
    assert_eq!(take(&mut reader, count + 1).await, wanted);
    assert!(reader.is_caught_up());
}

pub(crate) async fn declaring_streams_again_changes_nothing(rig: Rig) {
    store(&rig.bus, [request("kept")]).await;
    rig.bus.declare_streams().await.unwrap();
    rig.other.declare_streams().await.unwrap();
    let mut reader = read_all(&rig.other, Stream::Orders).await;
    assert_eq!(take(&mut reader, 1).await, ["kept"]);
}
