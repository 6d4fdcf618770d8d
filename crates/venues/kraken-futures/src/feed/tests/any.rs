//! The session as a machine, and on any text.

use super::*;
use proptest::prelude::*;
use remora_testkit::contract::check_machine;
use remora_testkit::generate;

fn log() -> Vec<(Timestamp, FeedInput)> {
    let at =
        |seconds: i64| Timestamp::EPOCH.saturating_add(DurationNs::from_s(1_000_000 + seconds));
    let text = |second, conn, text: &str| {
        let receive_time = at(second);
        (receive_time, FeedInput::Frame { conn, receive_time, text: text.to_owned() })
    };
    let mut log = vec![(at(0), FeedInput::Start), (at(0), FeedInput::Connected { conn: WS })];
    log.push(text(0, definitions::CONN, DEFINITIONS));
    log.extend((1..=FRAMES.lines().count()).map(|line| text(1, WS, &frame(line))));
    log.push(text(2, WS, "{"));
    log.push(text(3, WS, &frame(SNAPSHOT)));
    log.push(text(4, WS, &frame(CHANGE_2)));
    log.push((at(205), FeedInput::Disconnected { conn: WS, detail: "reset".to_owned() }));
    log.push((at(210), FeedInput::Connected { conn: ConnId::new(1) }));
    log.push((at(230), FeedInput::SessionEnded));
    log
}

#[test]
fn the_session_keeps_the_contract_of_a_machine() {
    for is_recorded in [false, true] {
        let make = || KrakenFuturesFeed::new(FeedSettings { is_recorded, ..settings() });
        let outputs = remora_testkit::drain(make(), log()).concat();
        assert!(outputs.len() > 12, "the log exercises too little: {outputs:?}");
        check_machine(make, &log());
    }
}

/// Gives frames and definitions of ours with some characters replaced, taken out or put in.
fn changed() -> impl Strategy<Value = String> {
    let texts: Vec<String> = FRAMES.lines().chain([DEFINITIONS]).map(str::to_owned).collect();
    prop::sample::select(texts)
        .prop_flat_map(|text| generate::changed(&text, "[-0-9.eE\\[\\]{},:\"a-z ]|\\PC", 1..5))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_gives_outputs_never_a_panic(text in "\\PC{0,200}") {
        let out = Driver::live().text(&text);
        prop_assert!(!problems(&out).is_empty());
    }

    #[test]
    fn no_change_of_a_frame_leaves_a_crossed_book_or_levels_in_an_invalid_one(texts in prop::collection::vec(changed(), 1..6)) {
        let mut driver = Driver::live();
        for text in texts {
            let out = driver.text(&text);
            if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() {
                // What it would have changed is not known.
                prop_assert!(driver.feed.products.values().all(|product| !product.book.is_live()));
            }
            for top in tops(&out) {
                let is_crossed = top.best_bid().zip(top.best_ask()).is_some_and(|(bid, ask)| bid.price >= ask.price);
                prop_assert!(!is_crossed);
                prop_assert!(top.state == BookState::Live || (top.bids.is_empty() && top.asks.is_empty()));
            }
            for output in &out {
                if let FeedOutput::Problem(problem) = output {
                    prop_assert!(problem.detail.chars().count() <= 300);
                }
            }
        }
        driver.run_for(DurationNs::from_s(30));
    }
}
