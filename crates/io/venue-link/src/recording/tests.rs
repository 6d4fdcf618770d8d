//! Recordings: every defect with its message, byte-exact round trips, any bytes at all.

use super::*;
use proptest::prelude::*;
use std::io::Write;
use std::path::{Path, PathBuf};

const GOOD: &str =
    "{\"t\":5,\"venue\":\"kraken\",\"ch\":\"ws-book\",\"dir\":\"in\",\"frame\":{}}\n";

fn write_file(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Reads content as a recording; gives the number of sound frames and the error message, if any.
fn check(content: &[u8]) -> (usize, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = write_file(folder.path(), "r", content);
    let items: Vec<_> = RecordingReader::open(&path).unwrap().collect();
    let sound = items.iter().filter(|item| item.is_ok()).count();
    let text = items.into_iter().find_map(Result::err).map_or_else(String::new, |error| {
        error.to_string().replace(&path.display().to_string(), "FILE")
    });
    (sound, text)
}

#[test]
fn each_defect_names_file_line_field_value_and_what_is_allowed() {
    let line = |t: &str, dir: &str| {
        format!("{{\"t\":{t},\"venue\":\"kraken\",\"ch\":\"ws\",\"dir\":{dir},\"frame\":{{}}}}\n")
    };
    let cases = [
        (
            line("1.5", "\"in\""),
            "parse recording FILE, line 2: t is 1.5, want whole nanoseconds since 1970, above 0",
        ),
        (
            line("\"7\"", "\"in\""),
            "parse recording FILE, line 2: t is \"7\", want whole nanoseconds since 1970, above 0",
        ),
        (
            line("4", "\"in\""),
            "parse recording FILE, line 2: t is 4, want at least 5, the t of the frame before",
        ),
        (
            line("6", "\"up\""),
            "parse recording FILE, line 2: dir is \"up\", want \"in\" or \"out\"",
        ),
        (
            "{\"t\":6,\"venue\":\"kraken\",\"dir\":\"in\",\"frame\":{}}\n".to_owned(),
            "parse recording FILE, line 2: ch is absent, want text of 1 to 256 bytes",
        ),
        (
            "{\"t\":6,\"venue\":\"kraken\",\"ch\":\"ws\",\"dir\":\"in\"}\n".to_owned(),
            "parse recording FILE, line 2: frame is absent, want a JSON value",
        ),
        (
            "hello\n".to_owned(),
            "parse recording FILE, line 2: want one JSON object with t, venue, ch, dir, frame",
        ),
        (
            "{\"t\":6,\"ven".to_owned(),
            "read recording FILE, line 2: the file is truncated; the 1 lines before it are whole",
        ),
    ];
    for (second, want) in cases {
        assert_eq!(check(format!("{GOOD}{second}").as_bytes()), (1, want.to_owned()));
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_offset() {
    let (sound, text) = check(b"{\"t\":\xff}\n");
    assert_eq!((sound, text.as_str()), (0, "read recording FILE, line 1: byte 5 is not UTF-8"));
}

#[test]
fn a_gzip_stream_that_stops_early_gives_its_whole_lines_and_says_where() {
    let noise: String = (0..2_000_u64)
        .map(|n| GOOD.replace("{}", &n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_string()))
        .collect();
    let whole = gzip(noise.as_bytes());
    let (sound, text) = check(&whole[..whole.len() / 2]);
    assert!(sound > 100 && sound < 2_000, "{sound}");
    let lines = format!("line {}: the file is truncated", sound + 1);
    assert!(text.contains(&lines), "{text}");
}

#[test]
fn a_damaged_gzip_stream_is_refused() {
    let mut whole = gzip(GOOD.repeat(50).as_bytes());
    let trailer = whole.len() - 5;
    whole[trailer] ^= 0xff;
    let (_, text) = check(&whole);
    assert!(text.ends_with("corrupt gzip stream"), "{text}");
}

#[test]
fn an_overlong_line_is_refused_without_reading_it_whole() {
    let mut content = Vec::from("{\"t\":\"");
    content.resize(LINE_BYTES_MAX + 100, b'x');
    let (_, text) = check(&content);
    assert_eq!(text, format!("read recording FILE, line 1: longer than {LINE_BYTES_MAX} bytes"));
}

#[test]
fn an_empty_file_is_no_recording() {
    let folder = tempfile::tempdir().unwrap();
    for content in [&b""[..], b"\n\n"] {
        let path = write_file(folder.path(), "r", content);
        assert!(matches!(summarise(&path), Err(RecordingError::Empty { .. })));
    }
}

#[test]
fn numbers_keep_their_text_and_a_json_string_stands_for_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "{\"t\":5,\"venue\":\"k\",\"ch\":\"ws\",\"dir\":\"in\",\"frame\": {\"p\" : 0.00005100, \"i\":1e-08,\"n\":17843232920108168701} }\n\
        {\"t\":5,\"venue\":\"k\",\"ch\":\"fix\",\"dir\":\"in\",\"frame\":\"8=FIXT.1.1\\u00019=82\",\"more\":1}";
    let path = write_file(folder.path(), "r", lines.as_bytes());
    let frames: Vec<RecordedFrame> =
        RecordingReader::open(&path).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(frames[0].text, "{\"p\" : 0.00005100, \"i\":1e-08,\"n\":17843232920108168701}");
    assert_eq!(frames[1].text, "8=FIXT.1.1\u{1}9=82");
    assert_eq!((frames[0].conn.get(), frames[1].conn.get()), (0, 1));
}

#[test]
fn what_was_flushed_is_read_after_the_writer_died() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.jsonl.gz");
    let mut writer = RecordingWriter::create(&path).unwrap();
    for n in 0..10_i64 {
        writer.write(Timestamp::from_ns(n + 1), "k", "ws", Direction::In, "{}").unwrap();
    }
    writer.flush().unwrap();
    writer.write(Timestamp::from_ns(99), "k", "ws", Direction::In, "{}").unwrap();
    std::mem::forget(writer);
    let items: Vec<_> = RecordingReader::open(&path).unwrap().collect();
    assert_eq!(items.iter().filter(|item| item.is_ok()).count(), 10);
    assert!(matches!(items.last(), Some(Err(RecordingError::Truncated { line: 11, .. }))));
    let summary = summarise(&path).unwrap();
    assert_eq!((summary.frames_in, summary.cut_at_line), (10, Some(11)));
}

#[test]
fn an_existing_file_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_file(folder.path(), "r.jsonl", GOOD.as_bytes());
    assert!(matches!(RecordingWriter::create(&path), Err(RecordingError::Open { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), GOOD);
}

#[test]
fn a_frame_that_arrives_behind_another_takes_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.jsonl");
    let mut writer = RecordingWriter::create(&path).unwrap();
    for t in [5, 4, 6] {
        writer.write(Timestamp::from_ns(t), "k", "ws", Direction::In, "{}").unwrap();
    }
    writer.finish().unwrap();
    let times: Vec<i64> =
        RecordingReader::open(&path).unwrap().map(|frame| frame.unwrap().t.as_ns()).collect();
    assert_eq!(times, [5, 5, 6]);
}

/// Frames as venues send them, and text that is nearly one.
fn frame_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,40}",
        "[ -~\u{1}\n\r\t]{0,40}",
        Just("{\"price\":0.00005100,\"qty\":1e-08}".to_owned()),
        Just(" {} ".to_owned()),
        Just("\"a string\"".to_owned()),
        Just("[1,2,{\"a\":null}]".to_owned()),
        Just("{\"a\":\n1}".to_owned()),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_byte_for_byte(
        frames in proptest::collection::vec((1_i64..1_000, frame_text(), "\\PC{1,20}", any::<bool>()), 1..20),
        is_gzip in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(if is_gzip { "r.jsonl.gz" } else { "r.jsonl" });
        let mut writer = RecordingWriter::create(&path).unwrap();
        let mut want = Vec::new();
        let mut t = 0;
        for (step, text, channel, is_in) in frames {
            t += step;
            let direction = if is_in { Direction::In } else { Direction::Out };
            writer.write(Timestamp::from_ns(t), "kraken", &channel, direction, &text).unwrap();
            want.push((t, channel, direction, text));
        }
        writer.finish().unwrap();
        let got: Vec<_> = RecordingReader::open(&path).unwrap().map(|frame| frame.unwrap())
            .map(|frame| (frame.t.as_ns(), frame.channel, frame.direction, frame.text)).collect();
        prop_assert_eq!(got, want);
    }

    #[test]
    fn any_bytes_give_frames_or_an_error(content in proptest::collection::vec(any::<u8>(), 0..300)) {
        check(&content);
    }

    #[test]
    fn any_damage_to_a_line_gives_a_frame_or_an_error(at in 0_usize..70, byte in any::<u8>()) {
        let mut content = GOOD.as_bytes().to_vec();
        let at = at.min(content.len() - 1);
        content[at] = byte;
        check(&content);
    }
}
