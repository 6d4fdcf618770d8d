//! Frames that are passed over, refused or unreadable.

use super::*;

#[test]
fn an_unreadable_frame_is_about_what_it_still_says() {
    let book = r#"{"feed":"book","product_id":"PF_XBTUSD","seq":"x"}"#;
    assert_eq!(about(book), About::Book("PF_XBTUSD".into()));
    let trade = r#"{"feed":"trade","product_id":"PF_XBTUSD"}"#;
    assert_eq!(about(trade), About::Other(Some("PF_XBTUSD".into())));
    assert_eq!(about(r#"{"product_id":"PF_XBTUSD"}"#), About::Book("PF_XBTUSD".into()));
    for text in [r#"{"feed":"book"}"#, "{", "[]", ""] {
        assert_eq!(about(text), About::AnyBook, "{text}");
    }
}

#[test]
fn feeds_and_events_we_do_not_know_are_no_errors() {
    for text in [
        r#"{"feed":"ticker_lite","product_id":"A","bid":1}"#,
        r#"{"event":"subscribe","feed":"book","product_ids":["A"]}"#,
        r#"{"event":"challenge","message":"c"}"#,
    ] {
        assert!(matches!(decode(text), Ok(Frame::Ignored)), "{text}");
    }
}

#[test]
fn what_the_venue_refuses_is_told_with_its_words() {
    for (text, want) in [
        (r#"{"event":"error","message":"Invalid product id"}"#, "Invalid product id"),
        (r#"{"event":"subscribed_failed","product_ids":["A"]}"#, "subscribed_failed"),
        (r#"{"result":"error","error":"apiLimitExceeded"}"#, "apiLimitExceeded"),
    ] {
        let Ok(Frame::Refused { message, .. }) = decode(text) else { panic!("{text}") };
        assert_eq!(message, want);
    }
}
