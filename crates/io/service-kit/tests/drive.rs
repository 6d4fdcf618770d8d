//! The drive loop over the in-memory bus, with a small core.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod common;

use common::{AwayBus, Log, Number, POKE_FAULT, Running, TestCore, out_message, plan, publish};
use remora_bus::{Bus, Stream};
use remora_domain::{Body, ControlAction, ControlScope, Service, ServiceState, Timestamp};
use remora_service_kit::PublishError;
use remora_service_kit::drive::DriveError;
use remora_testkit::{Producer, book, cancelled, halt, instrument, qty, request, resume};
use std::sync::Arc;

fn a_book() -> Body {
    Body::Book(book("BTC-USD", "100", "101"))
}

/// Starts the core and waits until it has told that it is active.
async fn started(bus: &AwayBus, core: TestCore, session: u64) -> (Running, Log) {
    let mut states = Log::open(bus, Stream::States).await;
    let control = Log::open(bus, Stream::Control).await;
    let running = Running::start(bus, core, "core", session, plan(), None);
    loop {
        let envelope = states.next_from("core").await;
        if envelope.header.session.get() == session {
            return (running, control);
        }
    }
}

#[tokio::test]
async fn history_comes_first_stream_by_stream_then_caught_up_then_news() {
    let bus = AwayBus::new();
    let mut other = Producer::new("other", 1);
    publish(&bus, &mut other, Body::OrderRequest(request("o-1"))).await;
    publish(&bus, &mut other, Body::Instrument(instrument("BTC", "USD"))).await;
    publish(&bus, &mut other, Body::ControlCommand(halt(ControlScope::Global))).await;
    let mut orders = Log::open(&bus, Stream::Orders).await;
    let (running, _) = started(&bus, TestCore::new("core", 1), 1).await;
    assert_eq!(running.health.state(), ServiceState::Active);
    publish(&bus, &mut other, a_book()).await;
    orders.next_from("core").await;
    let core = running.stop().await.unwrap();
    let expected = [
        "control.command",
        "Halt: a test",
        "md.instrument",
        "order.request",
        "caught-up",
        "md.book",
    ];
    assert_eq!(core.seen, expected);
}

#[tokio::test]
async fn after_a_restart_a_core_sees_what_its_earlier_run_said_but_never_its_own() {
    let bus = AwayBus::new();
    let mut other = Producer::new("other", 1);
    let mut orders = Log::open(&bus, Stream::Orders).await;
    let (running, _) = started(&bus, TestCore::new("core", 1), 1).await;
    publish(&bus, &mut other, a_book()).await;
    let first = orders.next_from("core").await;
    let core = running.stop().await.unwrap();
    assert_eq!(core.seen, ["caught-up", "md.book"]);
    let (running, _) = started(&bus, TestCore::new("core", 2), 2).await;
    let core = running.stop().await.unwrap();
    assert_eq!(core.seen, ["control.state", "order.request", "caught-up"]);
    assert_eq!(first.header.session.get(), 1);
}

#[tokio::test]
async fn a_command_works_while_the_bus_is_away_and_is_recorded_when_it_returns() {
    let bus = AwayBus::new();
    let (mut running, mut control) = started(&bus, TestCore::new("core", 1), 1).await;
    bus.set_away(true);
    running.commands.send(halt(ControlScope::Global).into()).await.unwrap();
    // The core has cancelled what it had to cancel.
    assert_eq!(running.effects.recv().await, Some(Number(0)));
    assert_eq!(running.health.state(), ServiceState::Halted);
    bus.set_away(false);
    let command = control.next().await;
    assert_eq!(command.header.producer.as_str(), "core-shell");
    let mut states = Log::open(&bus, Stream::States).await;
    assert!(matches!(states.next().await.body, Body::ControlState(_)));
    let core = running.stop().await.unwrap();
    let heard = core.seen.iter().filter(|seen| *seen == "control.command").count();
    assert_eq!(heard, 1, "its own command came back to it");
}

#[tokio::test(start_paused = true)]
async fn durable_messages_wait_for_the_bus_and_arrive_once_in_order() {
    let bus = AwayBus::new();
    let mut orders = Log::open(&bus, Stream::Orders).await;
    let (running, _) = started(&bus, TestCore::new("core", 1), 1).await;
    bus.set_away(true);
    for number in 1..=5 {
        running.poke(number).await;
    }
    bus.set_away(false);
    for number in 1..=5 {
        let Body::OrderCancel(cancel) = orders.next().await.body else { panic!("not a cancel") };
        assert_eq!(cancel.cl_ord_id.as_str(), format!("c-{number}"));
    }
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_bus_never_answers_holds_up_no_cancel_and_no_halt() {
    let bus = AwayBus::new();
    let mut other = Producer::new("other", 1);
    let mut orders = Log::open(&bus, Stream::Orders).await;
    let (running, mut control) = started(&bus, TestCore::new("core", 1), 1).await;
    let begun = tokio::time::Instant::now();
    bus.set_stuck(Some("order.request"));
    publish(&bus, &mut other, a_book()).await;
    running.poke(1).await;
    running.commands.send(halt(ControlScope::Global).into()).await.unwrap();
    assert!(matches!(orders.next_from("core").await.body, Body::OrderCancel(_)));
    assert!(matches!(control.next().await.body, Body::ControlCommand(_)));
    assert_eq!(begun.elapsed(), std::time::Duration::ZERO, "something was waited for");
    bus.set_stuck(None);
    assert!(matches!(orders.next_from("core").await.body, Body::OrderRequest(_)));
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn cancels_repeated_while_the_bus_is_away_wait_once_and_may_be_repeated_afterwards() {
    let bus = AwayBus::new();
    let (running, _) = started(&bus, TestCore::new("core", 1), 1).await;
    bus.set_away(true);
    // More than may wait, of fewer orders.
    for number in (10..110).cycle().take(6_000) {
        running.poke(number).await;
    }
    bus.set_away(false);
    let mut orders = Log::open(&bus, Stream::Orders).await;
    let mut stored = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let Body::OrderCancel(cancel) = orders.next().await.body else { panic!("not a cancel") };
        assert!(stored.insert(cancel.cl_ord_id.clone()), "{} twice", cancel.cl_ord_id);
    }
    running.poke(10).await;
    let Body::OrderCancel(cancel) = orders.next().await.body else { panic!("not a cancel") };
    assert_eq!(cancel.cl_ord_id.as_str(), "c-10");
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_the_bus_never_answers_holds_up_no_other() {
    let bus = AwayBus::new();
    let (running, _) = started(&bus, TestCore::new("core", 1), 1).await;
    let mut orders = Log::open(&bus, Stream::Orders).await;
    bus.set_stuck(Some("order.cancel"));
    running.poke(1).await;
    // Virtual time passes only when everything has been done that can be; what was asked meanwhile stays unanswered.
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    bus.set_stuck(None);
    running.poke(2).await;
    for number in [2, 1] {
        let Body::OrderCancel(cancel) = orders.next().await.body else { panic!("not a cancel") };
        assert_eq!(cancel.cl_ord_id.as_str(), format!("c-{number}"));
    }
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_states_that_wait_for_the_bus_only_the_newest_is_stored() {
    let bus = AwayBus::new();
    let (mut running, _) = started(&bus, TestCore::new("core", 1), 1).await;
    bus.set_away(true);
    for _ in 0..20 {
        running.commands.send(halt(ControlScope::Global).into()).await.unwrap();
        running.effects.recv().await.unwrap();
    }
    bus.set_away(false);
    running.stop().await.unwrap();
    let states = Log::history(&bus, Stream::States).await.into_iter();
    let states: Vec<u64> = states.map(|state| state.header.sequence).collect();
    // The first, one that was on its way while the bus was away, and the last of all.
    assert!(states.len() <= 3 && states.ends_with(&[21]), "{states:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stores_nothing_makes_a_connected_service_unready_and_says_why() {
    let bus = AwayBus::new();
    let (running, _) = started(&bus, TestCore::new("core", 1), 1).await;
    assert!(running.health.unready().is_empty());
    bus.set_stuck(Some("order.cancel"));
    running.poke(1).await;
    let mut ready = running.health.watch_ready();
    ready.wait_for(|is_ready| !is_ready).await.unwrap();
    let why = running.health.unready();
    assert!(matches!(&*why, [why] if why.starts_with("publishing is down: 1 wait")), "{why:?}");
    bus.set_stuck(None);
    ready.wait_for(|is_ready| *is_ready).await.unwrap();
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_of_order_messages_halts_cancels_and_ends() {
    let bus = AwayBus::new();
    let (mut running, _) = started(&bus, TestCore::new("core", 1), 1).await;
    bus.set_away(true);
    let locals = running.locals.clone();
    let flood = tokio::spawn(async move {
        for number in 1_000..6_000 {
            let event = remora_service_kit::drive::LocalEvent::new(Number(number));
            if locals.send(event).await.is_err() {
                return;
            }
        }
    });
    assert_eq!(running.effects.recv().await, Some(Number(0)), "cancelled");
    let error = running.end().await.err().unwrap();
    assert!(matches!(error, DriveError::Publish(PublishError::QueueFull { .. })), "{error:?}");
    flood.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_order_message_refused_for_good_halts_cancels_and_ends() {
    let bus = AwayBus::new();
    let (mut running, _) = started(&bus, TestCore::new("core", 1), 1).await;
    bus.set_forbidden(true);
    running.poke(1).await;
    assert_eq!(running.effects.recv().await, Some(Number(0)), "cancelled");
    let error = running.end().await.err().unwrap();
    assert!(matches!(error, DriveError::Publish(PublishError::Refused { .. })), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn messages_left_behind_at_the_end_are_an_error() {
    let bus = AwayBus::new();
    let (running, _) = started(&bus, TestCore::new("core", 1), 1).await;
    bus.set_away(true);
    running.commands.send(halt(ControlScope::Global).into()).await.unwrap();
    let mut running = running;
    running.effects.recv().await.unwrap();
    let error = running.stop().await.err().unwrap();
    assert!(matches!(error, DriveError::Unflushed { left: 2 }), "{error:?}");
}

/// Gives what a core saw from its first halt on that was given or stored after its history had been read.
fn from_halt(seen: &[String]) -> Vec<&str> {
    seen.iter().map(String::as_str).skip_while(|seen| *seen != "Halt: a test").collect()
}

#[tokio::test]
async fn a_halt_stored_while_history_was_read_precedes_the_first_answer() {
    let bus = AwayBus::new();
    let mut other = Producer::new("other", 1);
    publish(&bus, &mut other, Body::OrderRequest(request("o-1"))).await;
    let command = Body::ControlCommand(halt(ControlScope::Global));
    bus.set_on_subscribe([other.wrap(Timestamp::from_ns(1), command)]);
    let (running, _) = started(&bus, TestCore::new("core", 1), 1).await;
    let core = running.stop().await.unwrap();
    assert_eq!(core.seen.first().unwrap(), "order.request");
    assert_eq!(from_halt(&core.seen), ["Halt: a test", "caught-up"]);
}

#[tokio::test]
async fn a_halt_given_while_history_was_read_precedes_the_first_answer() {
    let bus = AwayBus::new();
    let mut other = Producer::new("other", 1);
    publish(&bus, &mut other, Body::OrderRequest(request("o-1"))).await;
    let running = Running::start(&bus, TestCore::new("core", 1), "core", 1, plan(), None);
    // The loop has not begun to read yet.
    running.commands.try_send(halt(ControlScope::Global).into()).unwrap();
    Log::open(&bus, Stream::States).await.next_from("core").await;
    let core = running.stop().await.unwrap();
    assert_eq!(core.seen.first().unwrap(), "order.request");
    assert_eq!(from_halt(&core.seen), ["Halt: a test", "caught-up"]);
}

#[tokio::test]
async fn a_flood_of_market_data_does_not_hold_up_health() {
    let bus = AwayBus::new();
    let mut other = Producer::new("other", 1);
    bus.set_on_subscribe((0..2_000).map(|_| other.wrap(Timestamp::EPOCH, a_book())));
    let running = Running::start(&bus, TestCore::new("core", 1), "core", 1, plan(), None);
    let mut health = running.health.watch_ready();
    health.wait_for(|is_ready| *is_ready).await.unwrap();
    // Asked as soon as another task may run, which is long before the flood has passed.
    let seen = || running.health.details().get("seen").and_then(serde_json::Value::as_u64);
    while seen().is_none() {
        tokio::task::yield_now().await;
    }
    assert!(seen().unwrap() < 1_000, "{:?}", seen());
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_core_that_is_asked_to_stop_is_served_until_it_has_taken_its_orders_back() {
    let bus = AwayBus::new();
    let mut core = TestCore::new("core", 1);
    core.lingers = true;
    let mut orders = Log::open(&bus, Stream::Orders).await;
    let (running, _) = started(&bus, core, 1).await;
    let begun = tokio::time::Instant::now();
    running.shutdown.request();
    assert!(matches!(orders.next_from("core").await.body, Body::OrderCancel(_)));
    let event = Body::OrderEvent(cancelled(&request("c-0"), qty("0")));
    publish(&bus, &mut Producer::new("other", 1), event).await;
    let core = running.end().await.unwrap();
    assert_eq!(core.seen, ["caught-up", "stopping", "order.event"]);
    assert_eq!(begun.elapsed(), std::time::Duration::ZERO, "something was waited for");
}

#[tokio::test(start_paused = true)]
async fn a_service_asked_to_stop_while_it_reads_history_reads_on_and_takes_its_orders_back() {
    let bus = AwayBus::new();
    publish(&bus, &mut Producer::new("other", 1), Body::OrderRequest(request("o-1"))).await;
    let router = Service::OrderRouter.name();
    let mut core = TestCore::new("core", 1);
    core.lingers = true;
    let on = Arc::new(bus.clone());
    let running = Running::start_with(on, core, (router, "core", 1), plan(), |runner| runner);
    // The loop has not begun to read yet.
    running.shutdown.request();
    let core = running.end().await.unwrap();
    assert_eq!(core.seen, ["order.request", "caught-up", "stopping"]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_read_what_it_left_before_it_stops_says_so() {
    let bus = AwayBus::new();
    bus.set_away(true);
    for (service, says_so) in [(Service::OrderRouter, true), (Service::Persister, false)] {
        let (core, on) = (TestCore::new("core", 1), Arc::new(bus.clone()));
        let who = (service.name(), "core", 1);
        let running = Running::start_with(on, core, who, plan(), |runner| runner);
        running.shutdown.request();
        let ended = running.end().await;
        assert_eq!(matches!(ended, Err(DriveError::StoppedEarly)), says_so, "{service:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_core_that_never_stops_is_served_for_a_bounded_time() {
    let bus = AwayBus::new();
    let mut core = TestCore::new("core", 1);
    core.lingers = true;
    let (running, _) = started(&bus, core, 1).await;
    let begun = tokio::time::Instant::now();
    let core = running.stop().await.unwrap();
    assert_eq!((core.seen.len(), begun.elapsed().as_secs()), (2, 10));
}

#[tokio::test]
async fn what_cannot_be_read_goes_to_the_dead_letters() {
    let bus = AwayBus::new();
    let mut other = Producer::new("other", 1);
    let mut orders = Log::open(&bus, Stream::Orders).await;
    let mut dead = bus.bus.subscribe(&["remora.v1.dead.>".to_owned()], 8).await.unwrap();
    let (running, _) = started(&bus, TestCore::new("core", 1), 1).await;
    let mut broken = out_message(&other.wrap(Timestamp::EPOCH, a_book()));
    broken.payload = bytes::Bytes::from_static(b"\xff\xff");
    let subject = broken.subject.clone();
    bus.bus.publish(broken).await.unwrap();
    let letter = dead.recv().await.unwrap();
    assert_eq!(letter.subject, "remora.v1.dead.test");
    assert_eq!(letter.headers.get("remora-subject"), Some(&subject));
    assert!(letter.headers.contains_key("remora-reason"));
    assert_eq!(&*letter.payload, b"\xff\xff");
    // The loop goes on.
    publish(&bus, &mut other, a_book()).await;
    orders.next_from("core").await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_fault_halts_everybody_once_and_keeps_the_service_hearing() {
    let bus = AwayBus::new();
    let (mut running, mut control) = started(&bus, TestCore::new("core", 1), 1).await;
    running.poke(POKE_FAULT).await;
    running.poke(POKE_FAULT).await;
    assert_eq!(running.effects.recv().await, Some(Number(0)));
    let Body::ControlCommand(command) = control.next_from("core-shell").await.body else {
        panic!("not a command")
    };
    assert_eq!((command.scope, &*command.reason), (ControlScope::Global, "poked"));
    assert_eq!(running.health.unready(), ["core is down: poked"]);
    let core = running.stop().await.unwrap();
    assert_eq!(core.seen.iter().filter(|seen| *seen == "Halt: poked").count(), 1);
}

#[tokio::test]
async fn a_fault_after_a_resume_halts_again() {
    let bus = AwayBus::new();
    let (mut running, mut control) = started(&bus, TestCore::new("core", 1), 1).await;
    for _ in 0..2 {
        running.poke(POKE_FAULT).await;
        assert_eq!(running.effects.recv().await, Some(Number(0)));
        let Body::ControlCommand(halted) = control.next_from("core-shell").await.body else {
            panic!("not a command")
        };
        assert_eq!((halted.action, &*halted.reason), (ControlAction::Halt, "poked"));
        assert_eq!(running.health.unready(), ["core is down: poked"]);
        running.commands.send(resume(ControlScope::Global).into()).await.unwrap();
        control.next_from("core-shell").await;
    }
    running.stop().await.unwrap();
}

/// Tells whether a service halts itself when it cannot read a message on this subject.
async fn halts_over(service: &str, body: Body) -> bool {
    let bus = AwayBus::new();
    let mut other = Producer::new("other", 1);
    let mut dead = bus.bus.subscribe(&["remora.v1.dead.>".to_owned()], 8).await.unwrap();
    let mut broken = out_message(&other.wrap(Timestamp::EPOCH, body));
    broken.payload = bytes::Bytes::from_static(b"\xff\xff");
    let on = Arc::new(bus.clone());
    let core = TestCore::new("core", 1);
    let running = Running::start_with(on, core, (service, "core", 1), plan(), |runner| runner);
    Log::open(&bus, Stream::States).await.next_from("core").await;
    if Stream::of_subject(&broken.subject).is_some() {
        bus.bus.publish_durable(broken).await.unwrap();
    } else {
        bus.bus.publish(broken).await.unwrap();
    }
    dead.recv().await.unwrap();
    let core = running.stop().await.unwrap();
    core.seen.iter().any(|seen| seen.starts_with("Halt: "))
}

#[tokio::test]
async fn what_cannot_be_read_in_a_log_halts_at_the_start_until_a_person_has_resumed_after_it() {
    let bus = AwayBus::new();
    let mut other = Producer::new("other", 1);
    let mut broken = out_message(&other.wrap(Timestamp::EPOCH, Body::OrderRequest(request("r-1"))));
    broken.payload = bytes::Bytes::from_static(b"\xff\xff");
    bus.bus.publish_durable(broken).await.unwrap();
    let mut halts = Vec::new();
    for session in [1, 2] {
        let (core, on) = (TestCore::new("core", session), Arc::new(bus.clone()));
        let who = (Service::RiskGate.name(), "core", session);
        let running = Running::start_with(on, core, who, plan(), |runner| runner);
        let mut states = Log::open(&bus, Stream::States).await;
        while states.next_from("core").await.header.session.get() != session {}
        let core = running.stop().await.unwrap();
        halts.push(core.seen.iter().filter(|seen| seen.contains("could not be read")).count());
        publish(&bus, &mut other, Body::ControlCommand(resume(ControlScope::Global))).await;
    }
    assert_eq!(halts, [1, 0]);
}

#[tokio::test]
async fn who_trades_halts_over_a_message_about_orders_that_cannot_be_read() {
    let vital =
        || [Body::OrderRequest(request("r-1")), Body::ControlCommand(halt(ControlScope::Global))];
    for service in Service::ALL {
        let trades =
            matches!(service, Service::Decision | Service::RiskGate | Service::OrderRouter);
        for body in vital() {
            assert_eq!(halts_over(service.name(), body).await, trades, "{}", service.name());
        }
        assert!(!halts_over(service.name(), a_book()).await, "{}", service.name());
    }
}

/// Lets a core fault, and tells whether its shell published the halt; the core hears it in any case.
async fn tells_its_fault(service: &str, is_commanded: bool) -> bool {
    let bus = AwayBus::new();
    let (_commands, queue) = tokio::sync::mpsc::channel(1);
    let (on, core) = (Arc::new(bus.clone()), TestCore::new("core", 1));
    let mut running = Running::start_with(on, core, (service, "core", 1), plan(), |runner| {
        if is_commanded { runner.commands(queue) } else { runner }
    });
    running.poke(POKE_FAULT).await;
    assert_eq!(running.effects.recv().await, Some(Number(0)), "cancelled");
    let core = running.stop().await.unwrap();
    assert!(core.seen.contains(&"Halt: poked".to_owned()), "{:?}", core.seen);
    let told = Log::history(&bus, Stream::Control).await;
    told.iter().any(|told| matches!(told.body, Body::ControlCommand(_)))
}

#[tokio::test]
async fn only_a_service_that_may_write_commands_publishes_its_halt() {
    for service in Service::ALL {
        let may = matches!(service, Service::RiskGate | Service::OrderRouter);
        assert_eq!(tells_its_fault(service.name(), true).await, may, "{}", service.name());
        assert!(!tells_its_fault(service.name(), false).await, "{}", service.name());
    }
}

#[tokio::test]
async fn a_due_deadline_is_ticked_after_history_and_before_news() {
    let bus = AwayBus::new();
    let mut other = Producer::new("other", 1);
    publish(&bus, &mut other, Body::OrderRequest(request("o-1"))).await;
    let mut core = TestCore::new("core", 1);
    core.deadline = Some(Timestamp::EPOCH);
    let mut orders = Log::open(&bus, Stream::Orders).await;
    let (running, _) = started(&bus, core, 1).await;
    publish(&bus, &mut other, a_book()).await;
    orders.next_from("core").await;
    let core = running.stop().await.unwrap();
    assert_eq!(core.seen, ["order.request", "caught-up", "tick", "md.book"]);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_never_moves_ends_the_service() {
    let bus = AwayBus::new();
    let mut core = TestCore::new("core", 1);
    core.deadline = Some(Timestamp::EPOCH);
    core.moves_deadline = false;
    let running = Running::start(&bus, core, "core", 1, plan(), None);
    let error = running.end().await.err().unwrap();
    assert!(matches!(error, DriveError::StuckDeadline { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_starts_as_soon_as_the_bus_is_there() {
    let bus = AwayBus::new();
    bus.set_away(true);
    let mut control = Log::open(&bus, Stream::States).await;
    let running = Running::start(&bus, TestCore::new("core", 1), "core", 1, plan(), None);
    tokio::task::yield_now().await;
    assert_eq!(running.health.state(), ServiceState::Starting);
    bus.set_away(false);
    control.next_from("core").await;
    assert_eq!(running.health.state(), ServiceState::Active);
    running.stop().await.unwrap();
}
