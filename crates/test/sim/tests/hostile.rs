//! Frames that are lost, doubled, swapped, cut, altered or nonsense: no panic, no fault, no broken promise.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![expect(dead_code, reason = "the other tests of recordings need the rest of what is shared")]

mod common;

use common::{Run, play_bent, shipped};
use remora_machine::SplitMix64;
use remora_venue_api::{ConnId, FeedInput};
use remora_venue_link::Played;
use std::io::Read as _;

/// Texts that no venue sends.
const NONSENSE: [&str; 8] = [
    "",
    "{",
    "null",
    "[[[[[[[[[[]]]]]]]]]]",
    r#"{"channel":"book","type":"snapshot","data":[]}"#,
    r#"{"channel":"book","type":"update","data":[{"symbol":"SOL/USD","bids":[{"price":-1,"qty":1e400}],"asks":[],"checksum":4294967296}]}"#,
    r#"{"channel":"trade","type":"update","data":[{"symbol":"SOL/USD","side":"buy","price":99999999999999999999,"qty":0,"ord_type":"limit","trade_id":18446744073709551616,"timestamp":"never"}]}"#,
    r#"{"channel":"instrument","type":"update","data":{"assets":[],"pairs":[{"symbol":"SOL/USD","price_precision":99}]}}"#,
];

/// Bends one frame in five hundred.
struct Bender {
    random: SplitMix64,
    held: Option<Played>,
    bent: u64,
}

impl Bender {
    fn bend(&mut self, mut played: Played) -> Vec<Played> {
        let FeedInput::Frame { text, .. } = &mut played.input else {
            return self.held.take().into_iter().chain([played]).collect();
        };
        if self.random.next_below(500) != 0 {
            // What was held back comes after this one, at its time.
            let late = self.held.take().map(|late| Played { at: played.at, ..late });
            return std::iter::once(played).chain(late).collect();
        }
        self.bent += 1;
        match self.random.next_below(7) {
            0 => Vec::new(),
            1 => vec![played.clone(), played],
            2 => {
                self.held = Some(played);
                Vec::new()
            }
            3 => {
                let length = u64::try_from(text.len()).unwrap();
                let cut = usize::try_from(self.random.next_below(length.max(1))).unwrap();
                text.truncate(cut);
                vec![played]
            }
            4 => {
                *text = self.alter(text);
                vec![played]
            }
            5 => {
                let which = usize::try_from(self.random.next_below(8)).unwrap();
                *text = NONSENSE[which].to_owned();
                vec![played]
            }
            _ => {
                let lost = FeedInput::Disconnected {
                    conn: ConnId::new(0),
                    detail: "cut by the test".to_owned(),
                };
                vec![Played { input: lost, ..played.clone() }, played]
            }
        }
    }

    /// Changes one digit.
    fn alter(&mut self, text: &str) -> String {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let which = self.random.next_below(u64::try_from(digits).unwrap().max(1));
        let mut seen = 0_u64;
        let mut altered = String::with_capacity(text.len());
        for letter in text.chars() {
            let is_digit = letter.is_ascii_digit();
            let is_it = is_digit && seen == which;
            seen += u64::from(is_digit);
            altered.push(if !is_it {
                letter
            } else if letter == '7' {
                '3'
            } else {
                '7'
            });
        }
        altered
    }
}

/// Writes the first two minutes of the shipped recording beside the test.
fn short(folder: &std::path::Path) -> std::path::PathBuf {
    let mut text = String::new();
    let file = std::fs::File::open(shipped()).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let lines: Vec<&str> = text.lines().take(9_000).collect();
    let path = folder.join("synthetic_short.jsonl");
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    path
}

#[test]
fn bent_frames_break_no_promise() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [short(folder.path())];
    let (mut bent, mut failed, mut malformed, mut fills) = (0, 0, 0, 0);
    for seed in 1..=8 {
        let mut bender = Bender { random: SplitMix64::new(seed), held: None, bent: 0 };
        let run = Run { seed, ..Run::of("demo", &paths) };
        let finished = play_bent(&run, |played| bender.bend(played), |_| {});
        eprintln!("seed {seed}: {} frames bent", bender.bent);
        finished.check_promises();
        bent += bender.bent;
        fills += finished.verdict.totals.fills;
        for counters in finished.facts.counters.values() {
            failed += counters.checksums_failed;
            malformed += counters.malformed;
        }
    }
    // The frames were really bent, it was noticed, and what could be traded was.
    eprintln!("{bent} bent, {failed} checksums failed, {malformed} malformed, {fills} fills");
    assert!(bent > 50 && failed > 0 && fills > 0);
}
