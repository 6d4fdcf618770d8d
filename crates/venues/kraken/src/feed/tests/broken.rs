//! Frames that are cut, malformed or too long: what they stop, and what they leave alone.

use super::*;

#[test]
fn a_crossed_book_and_a_malformed_level_stop_their_symbol() {
    let mut driver = Driver::live();
    let out = driver.frames(&["a_snapshot_crossed"]);
    assert_eq!(states(&out), [("EXA-USD", INVALID(InvalidBook::Crossed))]);
    assert_eq!(problems(&out), [ProblemKind::CrossedBook]);
    for bad in ["645250.05", "-645250.0", "6.45e5", "\"645250.0\"", "null", "{}"] {
        let mut driver = Driver::live();
        let text = frame("b_update").replace("64525.0", bad);
        let out = driver.text(&text);
        assert_eq!(states(&out), [("EXB-USD", INVALID(InvalidBook::Malformed))], "{bad}");
        assert_eq!(problems(&out), [ProblemKind::Malformed]);
        assert_eq!(driver.counters("EXB-USD").malformed, 1);
    }
    let mut driver = Driver::live();
    let out = driver.text(&frame("b_update").replace("\"qty\"", "\"size\""));
    assert_eq!(states(&out), [("EXB-USD", INVALID(InvalidBook::Malformed))]);
}

#[test]
fn half_a_frame_stops_every_book_of_its_connection() {
    let mut driver = Driver::live();
    let text = frame("b_update");
    let out = driver.text(&text[..text.len() / 2]);
    let malformed = INVALID(InvalidBook::Malformed);
    assert_eq!(states(&out), [("EXA-USD", malformed), ("EXB-USD", malformed)]);
    assert_eq!(problems(&out), [ProblemKind::Malformed]);
    let mut requests = out;
    requests.extend(driver.run_for(DurationNs::from_s(1)));
    assert_eq!(sent(&requests).iter().filter(|text| text.contains("unsubscribe")).count(), 2);
    let out = driver.frames(&["b_update", "a_snapshot_again", "b_snapshot"]);
    assert_eq!(states(&out), [("EXA-USD", BookState::Live), ("EXB-USD", BookState::Live)]);
}

#[test]
fn half_a_frame_leaves_the_books_of_another_connection_alone() {
    let mut driver = Driver::recorded();
    driver.frames(&["instruments", "a_snapshot"]);
    driver.conn = ConnId::new(1);
    driver.frames(&["b_snapshot"]);
    let out = driver.text("{\"channel\":\"bo");
    assert_eq!(states(&out), [("EXB-USD", INVALID(InvalidBook::Malformed))]);
}

#[test]
fn an_unreadable_frame_of_another_channel_leaves_the_books_alone() {
    let mut driver = Driver::live();
    let out = driver.text(r#"{"channel":"ticker","type":"update","data":[{"bid":1}]}"#);
    assert_eq!((states(&out), problems(&out)), (vec![], vec![ProblemKind::Malformed]));
}

#[test]
fn an_item_with_more_levels_than_were_asked_for_is_refused_before_they_are_read() {
    let level = r#"{"price":1.0,"qty":1.0}"#;
    let many = |count: usize| vec![level; count].join(",");
    for (kind, count, most) in [("snapshot", 11, 10), ("update", 1_001, 1_000)] {
        let mut driver = Driver::live();
        let text = format!(
            r#"{{"channel":"book","type":"{kind}","data":[{{"symbol":"EXB/USD","bids":[{}],"asks":[],"checksum":1}}]}}"#,
            many(count)
        );
        let out = driver.text(&text);
        assert_eq!(states(&out), [("EXB-USD", INVALID(InvalidBook::Malformed))]);
        let FeedOutput::Problem(problem) = &out[0] else { panic!("{out:?}") };
        let want = format!("book item has {count} levels a side: want at most {most}");
        assert_eq!(problem.detail, want);
    }
}

#[test]
fn a_problem_names_field_value_and_what_is_allowed_in_300_characters() {
    let mut driver = Driver::live();
    let long = "9".repeat(5000);
    let out = driver.text(&frame("b_update").replace("64525.0", &format!("-{long}")));
    let FeedOutput::Problem(problem) = &out[0] else { panic!("{out:?}") };
    assert!(problem.detail.starts_with("level price is \"-999"), "{}", problem.detail);
    assert!(problem.detail.contains("want a plain number"), "{}", problem.detail);
    assert!(problem.detail.chars().count() <= 300);
}
