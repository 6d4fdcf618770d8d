//! A halt that the bus could not take outlives a killed process, until a stream has it.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod common;

use common::{AwayBus, Log, Number, Running, TestCore, out_message, plan};
use remora_bus::{Bus, Stream};
use remora_domain::{Body, ControlAction, ControlScope, Envelope, ProducerId, Timestamp};
use remora_rpc::Recorded;
use remora_service_kit::Clock;
use remora_service_kit::drive::{Given, HaltLatch};
use remora_testkit::{Producer, cancel_account, halt, resume};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Starts a service with a folder for halts.
fn start(bus: &AwayBus, session: u64, folder: &Path) -> Running {
    let (commands, queue) = mpsc::channel(16);
    let core = TestCore::new("core", session);
    let latch = HaltLatch::open(folder, &ProducerId::new("core-shell").unwrap()).unwrap();
    let on = Arc::new(bus.clone());
    let mut running = Running::start_with(on, core, ("test", "core", session), plan(), |runner| {
        runner.commands(queue).latch(latch)
    });
    running.commands = commands;
    running
}

async fn active(bus: &AwayBus, session: u64) {
    let mut states = Log::open(bus, Stream::States).await;
    while states.next_from("core").await.header.session.get() != session {}
}

/// Gives a halt and waits until the service has said how it is kept.
async fn give_halt(running: &Running) -> Recorded {
    let (told, kept) = oneshot::channel();
    let command = halt(ControlScope::Global);
    let given_at = Instant::now();
    let given = Given::Command { command, told: Some(told), given_at };
    running.commands.send(given).await.unwrap();
    kept.await.unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    entries.map(|name| name.to_string_lossy().into_owned()).collect()
}

/// Waits until no file is left: a process that ends waits for its disk.
async fn gone(folder: &Path) {
    while !files(folder).is_empty() {
        tokio::task::yield_now().await;
    }
}

fn actions(told: &[Envelope]) -> Vec<ControlAction> {
    let action = |envelope: &Envelope| {
        let Body::ControlCommand(command) = &envelope.body else { return None };
        Some(command.action)
    };
    told.iter().filter_map(action).collect()
}

#[tokio::test]
async fn a_halt_given_while_the_bus_is_away_holds_after_a_kill_and_is_recorded_later() {
    let (bus, folder) = (AwayBus::new(), tempfile::tempdir().unwrap());
    let running = start(&bus, 1, folder.path());
    active(&bus, 1).await;
    bus.set_away(true);
    assert_eq!(give_halt(&running).await, Recorded::OnDisk);
    let record = running.health.status().dependencies.into_iter();
    let record = record.filter(|it| it.name == "control-record").collect::<Vec<_>>();
    assert_eq!(record.first().unwrap().detail, "not yet recorded: 1");
    assert!(running.health.unready().is_empty(), "a halted service can be controlled");
    running.kill().await;
    assert_eq!(files(folder.path()), ["core-shell-0000000000000001-0000000001.halt"]);

    // What was killed publishes nothing any more: its connection stays away.
    let bus = bus.anew();
    let mut running = start(&bus, 2, folder.path());
    active(&bus, 2).await;
    let mut control = Log::open(&bus, Stream::Control).await;
    assert_eq!(actions(&[control.next().await]), [ControlAction::Halt]);
    // A resume that is recorded lifts it, also over the next restart.
    running.commands.send(resume(ControlScope::Global).into()).await.unwrap();
    assert_eq!(actions(&[control.next().await]), [ControlAction::Resume]);
    assert!(running.effects.try_recv().is_err(), "halted again after the start");
    let core = running.stop().await.unwrap();
    let caught_up = core.seen.iter().position(|seen| seen == "caught-up").unwrap();
    let halted = core.seen.iter().position(|seen| seen == "Halt: a test").unwrap();
    assert!(halted < caught_up, "{:?}", core.seen);
    gone(folder.path()).await;
    let running = start(&bus, 3, folder.path());
    active(&bus, 3).await;
    let core = running.stop().await.unwrap();
    assert_eq!(core.seen.iter().filter(|seen| *seen == "Halt: a test").count(), 1);
    assert_eq!(Log::history(&bus, Stream::Control).await.len(), 2);
}

#[tokio::test]
async fn what_took_a_whole_account_is_a_halt_after_a_kill_and_takes_nothing_more() {
    let (bus, folder) = (AwayBus::new(), tempfile::tempdir().unwrap());
    let mut shell = Producer::new("core-shell", 1);
    let whole = shell.wrap(Timestamp::EPOCH, Body::ControlCommand(cancel_account()));
    let file = folder.path().join("core-shell-0000000000000001-0000000001.halt");
    std::fs::write(&file, remora_wire::encode(&whole)).unwrap();
    let running = start(&bus, 2, folder.path());
    active(&bus, 2).await;
    let mut control = Log::open(&bus, Stream::Control).await;
    assert_eq!(actions(&[control.next().await]), [ControlAction::Halt]);
    let core = running.stop().await.unwrap();
    assert_eq!(core.seen.iter().filter(|seen| *seen == "Halt: a test").count(), 1);
}

#[tokio::test]
async fn what_waited_for_the_loop_is_as_old_as_it_is() {
    let (bus, folder) = (AwayBus::new(), tempfile::tempdir().unwrap());
    let running = start(&bus, 1, folder.path());
    active(&bus, 1).await;
    let given_at = Instant::now().checked_sub(Duration::from_secs(9)).unwrap();
    let given = Given::Command { command: cancel_account(), told: None, given_at };
    running.commands.send(given).await.unwrap();
    let mut control = Log::open(&bus, Stream::Control).await;
    let published = control.next().await.header.publish_time;
    let age = Clock::new().now().since(published).as_seconds_est();
    assert!((9.0..60.0).contains(&age), "{age}");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_halt_that_a_stream_has_needs_no_file() {
    let (bus, folder) = (AwayBus::new(), tempfile::tempdir().unwrap());
    let mut running = start(&bus, 1, folder.path());
    active(&bus, 1).await;
    assert_eq!(give_halt(&running).await, Recorded::InStream);
    assert_eq!(running.effects.recv().await, Some(Number(0)));
    gone(folder.path()).await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_file_whose_halt_the_log_holds_says_nothing_new() {
    let (bus, folder) = (AwayBus::new(), tempfile::tempdir().unwrap());
    let mut shell = Producer::new("core-shell", 1);
    let halted = shell.wrap(Timestamp::EPOCH, Body::ControlCommand(halt(ControlScope::Global)));
    let resumed = shell.wrap(Timestamp::EPOCH, Body::ControlCommand(resume(ControlScope::Global)));
    for envelope in [&halted, &resumed] {
        bus.bus.publish_durable(out_message(envelope)).await.unwrap();
    }
    let file = folder.path().join("core-shell-0000000000000001-0000000001.halt");
    std::fs::write(&file, remora_wire::encode(&halted)).unwrap();
    let running = start(&bus, 2, folder.path());
    active(&bus, 2).await;
    let core = running.stop().await.unwrap();
    assert_eq!(core.seen.iter().filter(|seen| seen.starts_with("Halt: ")).count(), 1);
    assert_eq!(core.seen.iter().rfind(|seen| *seen != "caught-up").unwrap(), "Resume: a test");
    assert!(!file.exists());
}

#[tokio::test]
async fn a_file_that_cannot_be_read_was_a_halt_and_the_file_of_another_is_left_alone() {
    let (bus, folder) = (AwayBus::new(), tempfile::tempdir().unwrap());
    let torn = folder.path().join("core-shell-00000000000000aa-0000000001.halt");
    let foreign = folder.path().join("core-shell-b-shell-00000000000000aa-0000000001.halt");
    for file in [&torn, &foreign] {
        std::fs::write(file, b"\xff\xff").unwrap();
    }
    let mut running = start(&bus, 1, folder.path());
    active(&bus, 1).await;
    let mut control = Log::open(&bus, Stream::Control).await;
    assert_eq!(actions(&[control.next().await]), [ControlAction::Halt]);
    assert!(running.effects.try_recv().is_err(), "halted after it had begun");
    let core = running.stop().await.unwrap();
    let why = "Halt: a halt of an earlier run cannot be read";
    assert_eq!(core.seen, ["control.command", why, "caught-up"]);
    while torn.exists() {
        tokio::task::yield_now().await;
    }
    assert!(foreign.exists());
}
