//! Snapshots of the log of orders: written beside a working core, taken over by the next start, left aside when in doubt.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod common;

use bytes::Bytes;
use common::flight::{first_part, header, settings};
use common::{AwayBus, Log, Running, TestCore, out_message, plan, publish};
use remora_bus::{Bus as _, OutMessage, Stream};
use remora_domain::{Body, ProducerId, Timestamp};
use remora_service_kit::drive::SnapshotFile;
use remora_service_kit::flight::{Ending, FlightReader, FlightRecorder, replay};
use remora_testkit::{Producer, request};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// After so many entries a snapshot is written.
const ENTRIES: u64 = 10_000;

struct Kept {
    bus: AwayBus,
    other: Producer,
    folder: tempfile::TempDir,
}

impl Kept {
    fn new() -> Self {
        let (bus, other) = (AwayBus::new(), Producer::new("other", 1));
        Self { bus, other, folder: tempfile::tempdir().unwrap() }
    }

    async fn ask(&mut self, count: u64) {
        for number in 0..count {
            let body = Body::OrderRequest(request(&format!("o-{number}")));
            publish(&self.bus, &mut self.other, body).await;
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("core.snapshot")
    }

    /// Starts a run and waits until it has read its history.
    async fn start(&self, session: u64, recorder: Option<FlightRecorder>) -> Running {
        let mut states = Log::open(&self.bus, Stream::States).await;
        let file = SnapshotFile::new(self.folder.path(), &ProducerId::new("core").unwrap());
        let core = TestCore::new("core", session);
        let bus = Arc::new(self.bus.clone());
        let running = Running::start_with(bus, core, ("test", "core", session), plan(), |runner| {
            let runner = runner.snapshots(file);
            match recorder {
                Some(recorder) => runner.recorder(recorder),
                None => runner,
            }
        });
        while states.next_from("core").await.header.session.get() != session {}
        running
    }

    /// Makes a run that leaves a snapshot of `ENTRIES` entries.
    async fn leave_one(&mut self) {
        self.ask(ENTRIES).await;
        let running = self.start(1, None).await;
        written(&self.path()).await;
        running.stop().await.unwrap();
    }

    /// Makes a run and gives how it saw the log of orders.
    async fn orders_of(&self, session: u64) -> (Vec<String>, usize) {
        let seen = self.start(session, None).await.stop().await.unwrap().seen;
        let asked = seen.iter().filter(|what| *what == "order.request").count();
        let taken = seen.into_iter().filter(|what| what.starts_with("snapshot"));
        (taken.collect(), asked)
    }
}

async fn written(path: &Path) {
    while !path.exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_start_takes_over_the_snapshot_and_reads_only_what_came_after_it() {
    let mut kept = Kept::new();
    kept.leave_one().await;
    kept.ask(3).await;
    let taken = vec![format!("snapshot of {ENTRIES}")];
    assert_eq!(kept.orders_of(2).await, (taken.clone(), 3));
    assert_eq!(kept.orders_of(3).await, (taken, 3));
}

#[tokio::test]
async fn a_snapshot_is_written_of_what_comes_while_a_core_works() {
    let mut kept = Kept::new();
    let running = kept.start(1, None).await;
    kept.ask(ENTRIES).await;
    written(&kept.path()).await;
    running.stop().await.unwrap();
    let (taken, asked) = kept.orders_of(2).await;
    assert_eq!((taken, asked), (vec![format!("snapshot of {ENTRIES}")], 0));
}

#[tokio::test]
async fn a_short_log_is_read_as_a_whole_and_leaves_no_snapshot() {
    let mut kept = Kept::new();
    kept.ask(ENTRIES - 1).await;
    let all = usize::try_from(ENTRIES - 1).unwrap();
    assert_eq!(kept.orders_of(1).await, (Vec::new(), all));
    assert_eq!(kept.orders_of(2).await, (Vec::new(), all));
    assert!(!kept.path().exists());
}

#[tokio::test]
async fn a_log_that_was_cut_or_made_anew_is_read_as_a_whole() {
    let mut kept = Kept::new();
    kept.leave_one().await;
    kept.bus = AwayBus::new();
    assert_eq!(kept.orders_of(2).await, (Vec::new(), 0));
    // As long as before, with another last entry.
    kept.other = Producer::new("another", 2);
    kept.ask(ENTRIES + 1).await;
    let all = usize::try_from(ENTRIES + 1).unwrap();
    assert_eq!(kept.orders_of(3).await, (Vec::new(), all));
}

#[tokio::test]
async fn a_damaged_snapshot_is_left_aside() {
    let mut kept = Kept::new();
    kept.leave_one().await;
    let sound = std::fs::read(kept.path()).unwrap();
    let flipped = |place: usize| {
        let flip = |(at, byte): (usize, &u8)| if at == place { byte ^ 1 } else { *byte };
        sound.iter().enumerate().map(flip).collect::<Vec<u8>>()
    };
    let cut = sound[..sound.len() - 1].to_vec();
    let damaged = [flipped(0), flipped(20), flipped(sound.len() - 1), cut, Vec::new()];
    let all = usize::try_from(ENTRIES).unwrap();
    for (session, bytes) in (2..).zip(damaged) {
        // A folder of its own: the run writes a sound one there at last.
        kept.folder = tempfile::tempdir().unwrap();
        std::fs::write(kept.path(), bytes).unwrap();
        assert_eq!(kept.orders_of(session).await, (Vec::new(), all), "run {session}");
    }
    kept.folder = tempfile::tempdir().unwrap();
    std::fs::write(kept.path(), sound).unwrap();
    assert_eq!(kept.orders_of(100).await, (vec![format!("snapshot of {ENTRIES}")], 0));
}

#[tokio::test]
async fn no_snapshot_stands_for_an_entry_that_cannot_be_read() {
    let mut kept = Kept::new();
    kept.ask(ENTRIES).await;
    let sound = out_message(&kept.other.wrap(Timestamp::EPOCH, Body::OrderRequest(request("o-x"))));
    let unreadable = OutMessage { payload: Bytes::from_static(b"?"), ..sound };
    kept.bus.bus.publish_durable(unreadable).await.unwrap();
    let all = usize::try_from(ENTRIES).unwrap();
    assert_eq!(kept.orders_of(1).await, (Vec::new(), all));
    assert_eq!(kept.orders_of(2).await, (Vec::new(), all), "the whole log again");
    assert!(!kept.path().exists());
}

#[tokio::test]
async fn a_run_that_began_with_a_snapshot_is_replayed_from_its_recording() {
    let mut kept = Kept::new();
    kept.leave_one().await;
    kept.ask(2).await;
    let folder = tempfile::tempdir().unwrap();
    let recorder = FlightRecorder::start(settings(folder.path(), 1 << 20, 50), &header()).unwrap();
    let running = kept.start(1, Some(recorder)).await;
    let seen = running.stop().await.unwrap().seen;
    let mut reader = FlightReader::open(&first_part(folder.path())).unwrap();
    let mut core = TestCore::new("core", 1);
    let report = replay(&mut reader, &mut core).unwrap();
    assert_eq!((report.first_difference, report.ending), (None, Some(Ending::Closed)));
    assert_eq!(core.seen, seen);
    assert!(seen.contains(&format!("snapshot of {ENTRIES}")), "{seen:?}");
}
