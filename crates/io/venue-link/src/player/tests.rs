//! Sessions as a feed sees them: order, jumps, shifts, definitions, pacing; and the shared recordings end to end.

use super::*;
use crate::recording::RecordingWriter;
use std::path::Path;

/// Writes a recording of `(t, ch, dir, text)` lines.
fn record(path: &Path, lines: &[(i64, &str, Direction, &str)]) -> PathBuf {
    let mut writer = RecordingWriter::create(path).unwrap();
    for (t, channel, direction, text) in lines {
        writer.write(Timestamp::from_ns(*t), "made", channel, *direction, text).unwrap();
    }
    writer.finish().unwrap();
    path.to_owned()
}

/// Plays files and tells each input in a few words.
fn played(paths: &[PathBuf]) -> Vec<String> {
    let tell = |played: Played| {
        let what = match played.input {
            FeedInput::Start => "start".to_owned(),
            FeedInput::Connected { conn } => format!("connected {}", conn.get()),
            FeedInput::Frame { conn, receive_time, text } => {
                assert_eq!(receive_time, played.at);
                format!("frame {} {text}", conn.get())
            }
            FeedInput::Disconnected { conn, .. } => format!("disconnected {}", conn.get()),
            FeedInput::SessionEnded => "ended".to_owned(),
        };
        let (session, at, elapsed) = (played.session, played.at, played.elapsed.as_ns());
        format!("{session} at {at} after {elapsed}: {what}")
    };
    Player::open(paths).unwrap().map(|item| tell(item.unwrap())).collect()
}

#[test]
fn files_are_sessions_in_argument_order_with_a_jump_between_them() {
    let folder = tempfile::tempdir().unwrap();
    let first = [
        (100, "ws-a", Direction::Out, "{}"),
        (100, "ws-a", Direction::In, "{\"n\":1}"),
        (130, "ws-b", Direction::In, "{\"n\":2}"),
    ];
    let first = record(&folder.path().join("1.jsonl.gz"), &first);
    let second = record(
        &folder.path().join("2.jsonl"),
        &[(6_000_000_900, "ws-a", Direction::In, "{\"n\":3}")],
    );
    let want = [
        "0 at 100 after 0: connected 0",
        "0 at 100 after 0: frame 0 {\"n\":1}",
        "0 at 130 after 30: connected 1",
        "0 at 130 after 30: frame 1 {\"n\":2}",
        "0 at 130 after 30: ended",
        "1 at 6000000900 after 30: connected 0",
        "1 at 6000000900 after 30: frame 0 {\"n\":3}",
        "1 at 6000000900 after 30: ended",
    ];
    assert_eq!(played(&[first, second]), want);
}

#[test]
fn the_same_file_twice_is_moved_by_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let file = record(&folder.path().join("1.jsonl"), &[(100, "ws-a", Direction::In, "{}")]);
    let player = Player::open(&[file.clone(), file]).unwrap();
    let shifts: Vec<i64> = player.plans().iter().map(|plan| plan.shift.as_ns()).collect();
    assert_eq!(shifts, [0, 86_400_000_000_000]);
    let times: Vec<Timestamp> = player.map(|item| item.unwrap().at).collect();
    assert!(times.is_sorted());
}

#[test]
fn definitions_are_given_at_the_start_of_every_session_whatever_their_time() {
    let folder = tempfile::tempdir().unwrap();
    let definitions = [(5_000, "ws-instrument", Direction::In, "{\"pairs\":[]}")];
    let definitions = record(&folder.path().join("d.jsonl.gz"), &definitions);
    let one = record(&folder.path().join("1.jsonl"), &[(100, "ws-a", Direction::In, "{}")]);
    let two =
        record(&folder.path().join("2.jsonl"), &[(6_000_000_200, "ws-a", Direction::In, "{}")]);
    let paths = [one, definitions.clone(), two];
    let told = played(&paths);
    assert_eq!(told[0], "0 at 100 after 0: frame 32768 {\"pairs\":[]}");
    assert_eq!(told[4], "1 at 6000000200 after 0: frame 32768 {\"pairs\":[]}");
    assert_eq!(Player::open(&paths).unwrap().frames_total(), 4);
    // Alone, definitions are a session like any other.
    assert_eq!(played(&[definitions])[1], "0 at 5000 after 0: frame 0 {\"pairs\":[]}");
}

#[test]
fn a_cut_file_is_played_to_its_last_whole_line() {
    let folder = tempfile::tempdir().unwrap();
    let lines = [(100, "ws-a", Direction::In, "{}"), (140, "ws-a", Direction::In, "{}")];
    let file = record(&folder.path().join("1.jsonl"), &lines);
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 5]).unwrap();
    let player = Player::open(std::slice::from_ref(&file)).unwrap();
    assert_eq!((player.frames_total(), player.plans()[0].recording.cut_at_line), (1, Some(2)));
    assert_eq!(played(&[file]).last().unwrap(), "0 at 100 after 0: ended");
}

#[test]
fn a_frame_knows_the_line_it_stands_in() {
    let folder = tempfile::tempdir().unwrap();
    let lines = [(100, "ws-a", Direction::Out, "{}"), (140, "ws-a", Direction::In, "{}")];
    let file = record(&folder.path().join("1.jsonl"), &lines);
    let origins: Vec<String> = Player::open(&[file])
        .unwrap()
        .filter_map(|item| item.unwrap().origin.map(|origin| origin.to_string()))
        .collect();
    assert_eq!(origins, ["1.jsonl, line 2"]);
}

#[test]
fn an_input_moved_to_real_time_keeps_its_intervals() {
    let folder = tempfile::tempdir().unwrap();
    let lines = [(100, "ws-a", Direction::In, "{}"), (140, "ws-a", Direction::In, "{}")];
    let file = record(&folder.path().join("1.jsonl"), &lines);
    let start = Timestamp::from_ns(1_000_000);
    let moved: Vec<Played> =
        Player::open(&[file]).unwrap().map(|item| item.unwrap().moved_to(start)).collect();
    let frame = &moved[2];
    assert_eq!(frame.at, Timestamp::from_ns(1_000_040));
    assert!(
        matches!(&frame.input, FeedInput::Frame { receive_time, .. } if *receive_time == frame.at)
    );
}

#[test]
fn nothing_is_played_when_any_file_is_unsound() {
    let folder = tempfile::tempdir().unwrap();
    let sound = record(&folder.path().join("1.jsonl"), &[(100, "ws-a", Direction::In, "{}")]);
    let unsound = folder.path().join("2.jsonl");
    std::fs::write(&unsound, "{\"t\":1}\n").unwrap();
    assert!(matches!(
        Player::open(&[sound, unsound]),
        Err(RecordingError::Field { line: 1, field: "venue", .. })
    ));
}

#[test]
fn every_recording_of_the_shared_folder_is_read_to_its_end() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared");
    let shared = std::env::var("REMORA_SHARED").unwrap_or_else(|_| default.to_owned());
    let folder = Path::new(&shared).join("data/raw");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: no folder {}", folder.display());
        return;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    // A debug build reads the largest files too slowly for a unit test.
    paths.retain(|path| std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() < 700_000));
    paths.sort();
    let player = Player::open(&paths).unwrap();
    let total = player.frames_total();
    let mut last = Timestamp::EPOCH;
    let mut frames = 0_u64;
    for item in player {
        let played = item.unwrap();
        assert!(played.at >= last, "time went back");
        last = played.at;
        frames += u64::from(matches!(played.input, FeedInput::Frame { .. }));
    }
    assert_eq!(frames, total);
    assert!(frames > 5_000, "{frames}");
}
