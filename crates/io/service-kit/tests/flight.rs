//! Flight recordings: written by a runner, replayed through the same core, truncated, rotated, damaged.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod common;

use common::flight::{first_part, header, settings};
use common::{AwayBus, Log, Number, Running, TestCore, plan, publish};
use remora_bus::Stream;
use remora_domain::{Body, ControlScope, Timestamp};
use remora_service_kit::flight::{
    Ending, FlightError, FlightReader, FlightRecorder, describe, replay,
};
use remora_testkit::{Producer, book, halt, request};
use remora_wire::flight::FlightEvent;
use std::path::Path;

/// Runs a core over some history and news with a recorder, and gives how often it was asked.
async fn record(folder: &Path, file_bytes_max: u64, flush_ms: u64) {
    let bus = AwayBus::new();
    let mut other = Producer::new("other", 1);
    publish(&bus, &mut other, Body::OrderRequest(request("o-1"))).await;
    let recorder =
        FlightRecorder::start(settings(folder, file_bytes_max, flush_ms), &header()).unwrap();
    let mut orders = Log::open(&bus, Stream::Orders).await;
    let mut control = Log::open(&bus, Stream::States).await;
    let mut core = TestCore::new("core", 1);
    core.deadline = Some(Timestamp::EPOCH);
    let running = Running::start(&bus, core, "core", 1, plan(), Some(recorder));
    control.next_from("core").await;
    for number in 1..=20 {
        publish(&bus, &mut other, Body::Book(book("BTC-USD", "100", "101"))).await;
        orders.next_from("core").await;
        running.poke(100 + number).await;
        orders.next_from("core").await;
    }
    running.commands.send(halt(ControlScope::Global).into()).await.unwrap();
    control.next_from("core").await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_recording_replays_to_equal_outputs() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), 1 << 20, 50).await;
    let mut reader = FlightReader::open(&first_part(folder.path())).unwrap();
    assert_eq!(reader.header(), &header());
    let mut core = TestCore::new("core", 1);
    core.deadline = Some(Timestamp::EPOCH);
    let report = replay(&mut reader, &mut core).unwrap();
    assert_eq!(report.first_difference, None);
    assert_eq!(report.ending, Some(Ending::Closed));
    // One request of history, caught up, a tick, 20 books, 20 pokes, one command, the request to stop.
    assert_eq!(report.entries, 1 + 1 + 1 + 20 + 20 + 1 + 1);
}

#[tokio::test]
async fn every_entry_is_told_in_words_with_what_came_out_of_it() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), 1 << 20, 50).await;
    let mut reader = FlightReader::open(&first_part(folder.path())).unwrap();
    let mut told = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        told.push(describe::<Number, Number>(&entry).unwrap());
    }
    assert!(told[0][0].starts_with("Message(") && told[0][0].contains("o-1"), "{:?}", told[0]);
    assert_eq!(told.iter().filter(|lines| lines[0] == "tick").count(), 1);
    let poked = told.iter().find(|lines| lines[0] == "Local(Number(101))").unwrap();
    let cancels = |line: &String| line.starts_with("publish ") && line.contains("c-101");
    assert!(poked[1..].iter().any(cancels), "{poked:?}");
}

#[tokio::test]
async fn another_core_differs_and_the_first_difference_is_told() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), 1 << 20, 50).await;
    let mut reader = FlightReader::open(&first_part(folder.path())).unwrap();
    let mut core = TestCore::new("core", 1);
    core.deadline = Some(Timestamp::EPOCH);
    core.prefix = "s";
    let report = replay(&mut reader, &mut core).unwrap();
    let difference = report.first_difference.unwrap();
    assert_eq!((difference.sequence, report.ending), (4, None));
    assert!(difference.input.contains("Book"), "{}", difference.input);
    let (recorded, now) = difference.first_output().unwrap();
    assert!(recorded.contains("r-1") && now.contains("s-1"), "{recorded}; {now}");
}

#[tokio::test]
async fn a_rotated_recording_is_read_as_one() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), 1, 0).await;
    assert!(std::fs::read_dir(folder.path()).unwrap().count() > 10);
    let mut reader = FlightReader::open(&first_part(folder.path())).unwrap();
    let mut core = TestCore::new("core", 1);
    core.deadline = Some(Timestamp::EPOCH);
    let report = replay(&mut reader, &mut core).unwrap();
    assert_eq!((report.entries, report.ending), (45, Some(Ending::Closed)));
    assert_eq!(report.first_difference, None);
}

/// Writes a recording of ticks with a member an entry.
fn write_ticks(folder: &Path, count: i64) -> Vec<u8> {
    let mut recorder = FlightRecorder::start(settings(folder, 1 << 20, 0), &header()).unwrap();
    for now in 0..count {
        recorder.record(Timestamp::from_ns(now), FlightEvent::Tick, [7; 32], Vec::new());
    }
    let status = recorder.close();
    assert_eq!((status.problem, status.flushed_sequence), (None, u64::try_from(count).unwrap()));
    std::fs::read(first_part(folder)).unwrap()
}

/// Reads as far as it goes.
fn read(path: &Path) -> Result<(u64, Option<Ending>), FlightError> {
    let mut reader = FlightReader::open(path)?;
    let mut entries = 0;
    while reader.next_entry()?.is_some() {
        entries += 1;
    }
    Ok((entries, reader.ending()))
}

/// Gives where each member ends.
fn member_ends(whole: &[u8]) -> Vec<usize> {
    let (mut rest, mut ends) = (whole, Vec::new());
    while !rest.is_empty() {
        let mut member = flate2::bufread::GzDecoder::new(rest);
        std::io::copy(&mut member, &mut std::io::sink()).unwrap();
        rest = member.into_inner();
        ends.push(whole.len() - rest.len());
    }
    ends
}

#[test]
fn a_recording_cut_anywhere_is_exact_up_to_its_last_flushed_entry_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let whole = write_ticks(folder.path(), 5);
    let path = first_part(folder.path());
    let ends = member_ends(&whole);
    assert_eq!(ends.len(), 1 + 5 + 1, "the header, the entries, the mark of the close");
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let whole_members = ends.iter().filter(|end| **end <= length).count();
        match (read(&path), whole_members.checked_sub(1)) {
            (Ok((entries, ending)), Some(expected)) => {
                let last_sequence = u64::try_from(expected).unwrap();
                let is_torn = !ends.contains(&length);
                let killed = Ending::Killed { last_sequence, is_torn };
                assert_eq!((entries, ending), (last_sequence, Some(killed)), "cut at {length}");
            }
            (Err(FlightError::Damaged { what: "torn header", .. }), None) => {}
            (other, _) => panic!("cut at {length}: {other:?}"),
        }
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(read(&path).unwrap(), (5, Some(Ending::Closed)));
}

#[test]
fn a_member_of_many_entries_is_there_as_a_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), 1 << 20, 60_000);
    let mut recorder = FlightRecorder::start(settings, &header()).unwrap();
    for now in 0..50 {
        recorder.record(Timestamp::from_ns(now), FlightEvent::Tick, [7; 32], Vec::new());
    }
    drop(recorder.close());
    let path = first_part(folder.path());
    let whole = std::fs::read(&path).unwrap();
    let first = member_ends(&whole)[0];
    for length in first + 1..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let killed = Ending::Killed { last_sequence: 0, is_torn: true };
        assert_eq!(read(&path).unwrap(), (0, Some(killed)), "cut at {length}");
    }
}

#[test]
fn whatever_a_killed_process_said_was_flushed_is_in_its_files() {
    let (live, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut recorder = FlightRecorder::start(settings(live.path(), 2_000, 0), &header()).unwrap();
    for now in 0..60 {
        recorder.record(Timestamp::from_ns(now), FlightEvent::Tick, [7; 32], Vec::new());
        let said = recorder.status().flushed_sequence;
        // The files of a process that is killed right here; the newest first, because the older ones are complete.
        let files = std::fs::read_dir(live.path()).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        names.sort();
        for name in names.iter().rev() {
            std::fs::copy(live.path().join(name), killed.path().join(name)).unwrap();
        }
        let (entries, ending) = read(&first_part(killed.path())).unwrap();
        assert!(entries >= said, "{entries} of {said}");
        assert!(
            matches!(ending, Some(Ending::Killed { last_sequence, .. }) if last_sequence == entries)
        );
    }
    assert_eq!(recorder.close().flushed_sequence, 60);
}

#[tokio::test]
async fn what_is_left_of_a_killed_service_replays_to_equal_outputs() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), 1 << 20, 0).await;
    let path = first_part(folder.path());
    let whole = std::fs::read(&path).unwrap();
    let ends = member_ends(&whole);
    // In the middle of the last entry.
    let length = ends[ends.len() - 2] - 1;
    std::fs::write(&path, &whole[..length]).unwrap();
    let mut core = TestCore::new("core", 1);
    core.deadline = Some(Timestamp::EPOCH);
    let report = replay(&mut FlightReader::open(&path).unwrap(), &mut core).unwrap();
    assert_eq!((report.entries, report.first_difference), (44, None));
    assert_eq!(report.ending, Some(Ending::Killed { last_sequence: 44, is_torn: true }));
}

#[test]
fn an_entry_that_cannot_be_decoded_is_named() {
    let check = |event: FlightEvent| {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), 1 << 20, 0);
        let mut recorder = FlightRecorder::start(settings, &header()).unwrap();
        let mut reader_core = TestCore::new("core", 1);
        recorder.record(Timestamp::EPOCH, event, [7; 32], Vec::new());
        drop(recorder.close());
        let mut reader = FlightReader::open(&first_part(folder.path())).unwrap();
        replay(&mut reader, &mut reader_core).unwrap_err().to_string()
    };
    let bytes = bytes::Bytes::from_static(b"\xff");
    assert_eq!(check(FlightEvent::Message(bytes.clone())), "decode the message of entry 1");
    assert_eq!(check(FlightEvent::Local(bytes)), "decode the local input of entry 1");
}

#[test]
fn damage_is_an_error_and_never_a_panic_or_a_wrong_entry() {
    let folder = tempfile::tempdir().unwrap();
    let whole = write_ticks(folder.path(), 3);
    let path = first_part(folder.path());
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        std::fs::write(&path, &bytes).unwrap();
        // A flipped bit in a gzip header's time or system field changes nothing; any other is found.
        if let Ok((entries, ending)) = read(&path) {
            assert!(
                entries == 3 || ending != Some(Ending::Closed),
                "at {at}: {entries} {ending:?}"
            );
        }
    }
    std::fs::write(&path, b"no recording at all").unwrap();
    assert!(matches!(read(&path), Err(FlightError::Magic { .. })));
}

#[test]
fn a_missing_part_in_the_middle_is_not_taken_for_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = FlightRecorder::start(settings(folder.path(), 1, 0), &header()).unwrap();
    for now in 0..5 {
        recorder.record(Timestamp::from_ns(now), FlightEvent::Tick, [7; 32], Vec::new());
    }
    drop(recorder.close());
    std::fs::rename(
        folder.path().join("core-0000000000000001-00003.flight.gz"),
        folder.path().join("core-0000000000000001-00002.flight.gz"),
    )
    .unwrap();
    let error = read(&first_part(folder.path())).unwrap_err();
    assert!(matches!(error, FlightError::Damaged { what: "gap in the entries", .. }), "{error:?}");
}

#[test]
fn a_recording_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    write_ticks(folder.path(), 1);
    assert!(FlightRecorder::start(settings(folder.path(), 1, 0), &header()).is_err());
}
