//! Local inputs that wait for the logs: whoever takes over knows what was said before.

mod common;

use common::{AwayBus, Log, POKE_AFTER_LOGS, Running, TestCore, plan, publish};
use remora_bus::Stream;
use remora_domain::{Body, ControlScope};
use remora_testkit::{Producer, halt, request};

async fn started(bus: &AwayBus) -> Running {
    let mut states = Log::open(bus, Stream::States).await;
    let running = Running::start(bus, TestCore::new("core", 1), "core", 1, plan(), None);
    states.next_from("core").await;
    running
}

#[tokio::test]
async fn an_input_that_waits_for_the_logs_comes_after_all_that_was_stored_before_it() {
    let (bus, mut other) = (AwayBus::new(), Producer::new("other", 1));
    let running = started(&bus).await;
    for number in 0..200 {
        publish(&bus, &mut other, Body::OrderRequest(request(&format!("o-{number}")))).await;
    }
    publish(&bus, &mut other, Body::ControlCommand(halt(ControlScope::Global))).await;
    running.poke(POKE_AFTER_LOGS).await;
    let mut states = Log::open(&bus, Stream::States).await;
    while states.next_from("core").await.header.sequence < 2 {}
    let seen = running.stop().await.unwrap().seen;
    let place = seen.iter().position(|what| what == "after-logs").unwrap();
    let before = |what: &str| seen[..place].iter().filter(|it| *it == what).count();
    assert_eq!((before("order.request"), before("control.command")), (200, 1));
}

#[tokio::test]
async fn an_input_is_dropped_while_nobody_can_tell_where_the_logs_end() {
    let bus = AwayBus::new();
    let running = started(&bus).await;
    bus.set_away(true);
    running.poke(POKE_AFTER_LOGS).await;
    while running.locals.capacity() < running.locals.max_capacity() {
        tokio::task::yield_now().await;
    }
    bus.set_away(false);
    let mut orders = Log::open(&bus, Stream::Orders).await;
    running.poke(1).await;
    orders.next_from("core").await;
    let seen = running.stop().await.unwrap().seen;
    assert!(!seen.iter().any(|what| what == "after-logs"), "{seen:?}");
}
