//! Recordings as a journal: whatever is changed, added or taken out is pointed at.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed test"
)]

mod common;

use common::flight::{first_part, header, settings};
use remora_domain::{SessionId, Timestamp};
use remora_service_kit::flight::{
    Before, Ending, FlightError, FlightReader, FlightRecorder, JournalError, NotedHead, Run,
    Trouble, verify,
};
use remora_wire::flight::{FlightEntry, FlightEvent, FlightHeader};
use std::io::{Read, Write};
use std::ops::Range;
use std::path::Path;

fn session(run: u64) -> FlightHeader {
    FlightHeader { session: SessionId::new(run), ..header() }
}

/// Writes a run of ticks, one a nanosecond from `from`, in one member after the header; gives its head.
fn write_run(folder: &Path, run: u64, times: Range<i64>) -> NotedHead {
    let mut recorder =
        FlightRecorder::start(settings(folder, 1 << 20, 60_000), &session(run)).unwrap();
    for now in times {
        recorder.record(Timestamp::from_ns(now), FlightEvent::Tick, [7; 32], Vec::new());
    }
    recorder.close().head.unwrap()
}

fn verify_all(folder: &Path) -> Vec<Run> {
    verify(&[folder.to_owned()], &[]).unwrap()
}

/// Gives the only run, and where trouble begins: the entries that are good.
fn trouble(folder: &Path) -> (u64, Vec<Trouble>) {
    let mut runs = verify_all(folder);
    let run = runs.pop().unwrap();
    assert!(runs.is_empty());
    (run.entries, run.trouble)
}

/// Unpacks all members.
fn unpacked(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

/// Packs a header and what follows it into two members.
fn pack(path: &Path, bytes: &[u8]) {
    let (header, rest) = bytes.split_at(header_length(bytes));
    let mut packed = Vec::new();
    for part in [header, rest] {
        let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        packed = encoder.finish().unwrap();
    }
    std::fs::write(path, packed).unwrap();
}

fn length_at(bytes: &[u8], at: usize) -> usize {
    let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    usize::try_from(length).unwrap()
}

fn header_length(bytes: &[u8]) -> usize {
    16 + 4 + length_at(bytes, 16)
}

/// Gives where each entry stands, with its length and its link; the mark of the close is the last.
fn records(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut at, mut records) = (header_length(bytes), Vec::new());
    while at < bytes.len() {
        let end = at + 4 + length_at(bytes, at) + 32;
        records.push(at..end);
        at = end;
    }
    records
}

#[test]
fn runs_as_they_were_written_are_good_and_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let heads: Vec<NotedHead> = (1..=3).map(|run| write_run(folder.path(), run, 0..20)).collect();
    let runs = verify(&[folder.path().to_owned()], &heads).unwrap();
    let before: Vec<Before> = runs.iter().map(|run| run.before).collect();
    let named = |run| Before::Here(SessionId::new(run));
    assert_eq!(before, [Before::Unnamed, named(1), named(2)]);
    for (run, head) in runs.iter().zip(&heads) {
        assert!(run.trouble.is_empty(), "{:?}", run.trouble);
        assert_eq!((run.entries, run.ending), (20, Some(Ending::Closed)));
        assert_eq!(run.head, Some(head.0));
        assert_eq!(run.time, Some((Timestamp::from_ns(0), Timestamp::from_ns(19))));
    }
}

#[test]
fn any_byte_of_any_record_that_is_changed_is_pointed_at() {
    let folder = tempfile::tempdir().unwrap();
    write_run(folder.path(), 1, 0..12);
    let path = first_part(folder.path());
    let whole = unpacked(&path);
    for (before, record) in (0..).zip(records(&whole)) {
        for at in record {
            let mut changed = whole.clone();
            changed[at] ^= 0x01;
            pack(&path, &changed);
            let (entries, trouble) = trouble(folder.path());
            assert!(!trouble.is_empty() && entries == before, "byte {at}: {entries} {trouble:?}");
        }
    }
}

#[test]
fn a_changed_header_is_pointed_at_by_the_first_record() {
    let folder = tempfile::tempdir().unwrap();
    write_run(folder.path(), 1, 0..3);
    let path = first_part(folder.path());
    let mut changed = unpacked(&path);
    let settings = changed.windows(9).position(|text| text == b"risk_gate").unwrap();
    changed[settings] = b'x';
    pack(&path, &changed);
    let (entries, trouble) = trouble(folder.path());
    let first = trouble.first().unwrap();
    assert!(
        matches!(first, Trouble::Recording(FlightError::Altered { sequence: 1, .. })),
        "{first}"
    );
    assert_eq!(entries, 0);
}

#[test]
fn a_record_taken_out_doubled_or_moved_is_pointed_at() {
    let folder = tempfile::tempdir().unwrap();
    write_run(folder.path(), 1, 0..12);
    let path = first_part(folder.path());
    let whole = unpacked(&path);
    let records = records(&whole);
    let (fifth, sixth, end) = (records[4].clone(), records[5].clone(), whole.len());
    let join = |ranges: &[Range<usize>]| {
        ranges.iter().flat_map(|range| whole[range.clone()].to_vec()).collect::<Vec<u8>>()
    };
    let changes = [
        (4, join(&[0..fifth.start, sixth.start..end])),
        (5, join(&[0..fifth.end, fifth.clone(), sixth.start..end])),
        (4, join(&[0..fifth.start, sixth.clone(), fifth.clone(), sixth.end..end])),
    ];
    for (good, changed) in changes {
        pack(&path, &changed);
        let (entries, trouble) = trouble(folder.path());
        assert!(!trouble.is_empty() && entries == good, "{good}: {entries} {trouble:?}");
    }
}

#[test]
fn what_was_packed_before_damage_is_read_as_far_as_its_links_go() {
    let folder = tempfile::tempdir().unwrap();
    write_run(folder.path(), 1, 0..500);
    let path = first_part(folder.path());
    let mut packed = std::fs::read(&path).unwrap();
    let middle = packed.len() / 2;
    packed[middle] ^= 0x10;
    std::fs::write(&path, packed).unwrap();
    let (entries, trouble) = trouble(folder.path());
    assert!((1..500).contains(&entries) && trouble.len() == 1, "{entries} {trouble:?}");
}

#[test]
fn a_chain_made_anew_does_not_fit_what_was_noted_elsewhere() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let head = write_run(folder.path(), 1, 0..20);
    write_run(folder.path(), 2, 20..30);
    // The same run with one instant changed, and all links made anew.
    write_run(other.path(), 1, 1..21);
    std::fs::copy(first_part(other.path()), first_part(folder.path())).unwrap();
    let runs = verify(&[folder.path().to_owned()], &[head]).unwrap();
    let words: Vec<String> = runs[0].trouble.iter().map(ToString::to_string).collect();
    let anew = "its link is another: what stands up to it was written anew";
    let expected = ["you", "run 0000000000000002"];
    assert_eq!(words, expected.map(|by| format!("{by} noted entry 20 of this run, and {anew}")));
    assert!(runs[1].trouble.is_empty());
}

#[test]
fn an_end_that_was_cut_off_is_missed_by_the_run_after_it() {
    let folder = tempfile::tempdir().unwrap();
    write_run(folder.path(), 1, 0..20);
    write_run(folder.path(), 2, 20..30);
    let path = first_part(folder.path());
    let whole = unpacked(&path);
    pack(&path, &whole[..records(&whole)[14].end]);
    let runs = verify_all(folder.path());
    assert_eq!(runs[0].entries, 15);
    let words = runs[0].trouble.first().unwrap().to_string();
    assert_eq!(
        words,
        "run 0000000000000002 noted entry 20 of this run, and it is not there: the end was cut off"
    );
}

#[test]
fn a_run_missing_between_others_is_told_and_one_before_the_oldest_is_not() {
    let folder = tempfile::tempdir().unwrap();
    for run in 1..=3 {
        write_run(folder.path(), run, 0..3);
    }
    let part = |run: u64| folder.path().join(format!("core-{run:016x}-00001.flight.gz"));
    std::fs::rename(part(2), folder.path().join("elsewhere")).unwrap();
    let runs = verify_all(folder.path());
    let missing = SessionId::new(2);
    assert!(
        matches!(runs[1].trouble[..], [Trouble::Missing { missing: found }] if found == missing)
    );
    std::fs::remove_file(part(1)).unwrap();
    let runs = verify_all(folder.path());
    assert!(runs[0].trouble.is_empty());
    assert_eq!(runs[0].before, Before::NotHere(missing));
}

#[test]
fn a_killed_run_is_good_up_to_its_last_flush_and_the_next_one_follows_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder =
        FlightRecorder::start(settings(folder.path(), 1 << 20, 0), &header()).unwrap();
    let record = |recorder: &mut FlightRecorder, now| {
        recorder.record(Timestamp::from_ns(now), FlightEvent::Tick, [7; 32], Vec::new());
    };
    record(&mut recorder, 1);
    let killed = tempfile::tempdir().unwrap();
    // What a kill leaves: the file of the head first, which may be one member behind the recording.
    for name in ["core-0000000000000001.flight.head", "core-0000000000000001-00001.flight.gz"] {
        std::fs::copy(folder.path().join(name), killed.path().join(name)).unwrap();
        record(&mut recorder, 2);
    }
    drop(recorder);
    write_run(killed.path(), 2, 5..9);
    let runs = verify_all(killed.path());
    assert!(runs.iter().all(|run| run.trouble.is_empty()), "{runs:?}");
    assert!(matches!(runs[0].ending, Some(Ending::Killed { .. })));
    assert_eq!(runs[1].before, Before::Here(SessionId::new(1)));
}

#[test]
fn a_recording_without_a_chain_is_read_and_not_called_good() {
    let folder = tempfile::tempdir().unwrap();
    let path = first_part(folder.path());
    let mut bytes = b"REMORA FLIGHT 1\n".to_vec();
    let entry = FlightEntry {
        sequence: 1,
        now: Timestamp::EPOCH,
        event: FlightEvent::Tick,
        outputs_digest: [7; 32],
        outputs: Vec::new(),
    };
    for frame in [header().encode(), entry.encode(), bytes::Bytes::new()] {
        bytes.extend_from_slice(&u32::try_from(frame.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&frame);
    }
    pack(&path, &bytes);
    let mut reader = FlightReader::open(&path).unwrap();
    assert_eq!(reader.next_entry().unwrap(), Some(entry));
    assert_eq!(reader.next_entry().unwrap(), None);
    assert_eq!(reader.ending(), Some(Ending::Closed));
    assert!(matches!(trouble(folder.path()).1[..], [Trouble::Unchained]));
}

#[test]
fn nothing_to_verify_and_a_head_of_no_run_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [folder.path().to_owned()];
    assert!(matches!(verify(&paths, &[]), Err(JournalError::Empty(_))));
    let head = write_run(folder.path(), 1, 0..3);
    let mut of_another = head;
    of_another.0.session = SessionId::new(9);
    let error = verify(&paths, &[head, of_another]).unwrap_err();
    assert!(error.to_string().contains("0000000000000009"), "{error}");
}
