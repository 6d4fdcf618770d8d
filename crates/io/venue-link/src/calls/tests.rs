//! Calls against real servers on loopback: good, slow, silent, broken off, too long, not there.

use super::*;
use remora_venue_api::Confidential;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Nothing on loopback takes this long; a test that waits for it fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// A bound that a test wants to see passed.
const SHORT: Duration = Duration::from_millis(50);

fn call(number: u64, url: &str) -> VenueCall {
    VenueCall {
        call: CallId::new(number),
        method: CallMethod::Post,
        url: url.to_owned(),
        headers: vec![("api-key", Confidential::from("k-1"))],
        body: Confidential::from("nonce=1"),
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/0/private/Balance", listener.local_addr().unwrap());
    (listener, url)
}

/// Takes a request up to the end of its body.
async fn request_of(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"nonce=1") {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the request ended early");
    }
    String::from_utf8(bytes).unwrap()
}

/// Answers one request with these bytes, then does as told; gives the request.
async fn answer(listener: TcpListener, bytes: Vec<u8>, is_reset: bool) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let request = request_of(&mut stream).await;
    stream.write_all(&bytes).await.unwrap();
    if is_reset {
        stream.set_zero_linger().unwrap();
    }
    request
}

async fn end(calls: &mut VenueCalls) -> (CallId, CallEnd) {
    tokio::time::timeout(PATIENCE, calls.recv()).await.unwrap()
}

/// Makes one call; wants it to fail and gives whether it may have been sent, and why it failed.
async fn failure(settings: CallSettings, call: VenueCall) -> (bool, String) {
    let mut calls = VenueCalls::new(settings).unwrap();
    calls.perform(call);
    let (_, end) = end(&mut calls).await;
    let CallEnd::Failed { is_maybe_sent, detail } = end else { panic!("want a failure: {end:?}") };
    (is_maybe_sent, detail)
}

/// Makes one call to a server that answers these bytes; gives its failure.
async fn failure_of(bytes: &str, is_reset: bool, settings: CallSettings) -> (bool, String) {
    let (listener, url) = listen().await;
    let server = tokio::spawn(answer(listener, bytes.as_bytes().to_vec(), is_reset));
    let got = failure(settings, call(1, &url)).await;
    server.await.unwrap();
    got
}

#[tokio::test]
async fn a_call_carries_its_headers_and_body_and_gives_status_and_answer() {
    let (listener, url) = listen().await;
    let bytes = b"HTTP/1.1 520 Odd\r\ncontent-length: 3\r\n\r\na\xffb".to_vec();
    let server = tokio::spawn(answer(listener, bytes, false));
    let mut calls = VenueCalls::new(CallSettings::default()).unwrap();
    calls.perform(call(7, &url));
    let (number, end) = end(&mut calls).await;
    let body = Confidential::from("a\u{fffd}b");
    assert_eq!((number, end), (CallId::new(7), CallEnd::Answered { status: 520, body }));
    let request = server.await.unwrap().to_lowercase();
    assert!(request.starts_with("post /0/private/balance http/1.1\r\n"), "{request}");
    assert!(request.contains("\r\napi-key: k-1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\nnonce=1"), "{request}");
    assert!(!request.contains("accept-encoding"), "{request}");
    assert_eq!(calls.open(), 0);
}

#[tokio::test]
async fn an_answer_that_comes_slowly_is_still_an_answer() {
    let (listener, url) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request_of(&mut stream).await;
        for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" {
            stream.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let mut calls = VenueCalls::new(CallSettings::default()).unwrap();
    calls.perform(call(1, &url));
    let (_, end) = end(&mut calls).await;
    assert_eq!(end, CallEnd::Answered { status: 200, body: Confidential::from("ok") });
    server.await.unwrap();
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (other, there) = listen().await;
    let (listener, url) = listen().await;
    let bytes = format!("HTTP/1.1 307 Go\r\nlocation: {there}\r\ncontent-length: 0\r\n\r\n");
    let server = tokio::spawn(answer(listener, bytes.into_bytes(), false));
    let mut calls = VenueCalls::new(CallSettings::default()).unwrap();
    calls.perform(call(1, &url));
    let (_, end) = end(&mut calls).await;
    assert_eq!(end, CallEnd::Answered { status: 307, body: Confidential::default() });
    server.await.unwrap();
    let heard = tokio::select! {
        biased;
        _ = other.accept() => true,
        () = std::future::ready(()) => false,
    };
    assert!(!heard, "credentials went to another host");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_and_may_have_acted() {
    let (listener, url) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request_of(&mut stream).await;
        let mut rest = Vec::new();
        // Ends when the caller gives up.
        stream.read_to_end(&mut rest).await.unwrap_or_default();
    });
    let settings = CallSettings { total_timeout: SHORT, ..CallSettings::default() };
    let (is_maybe_sent, detail) = failure(settings, call(1, &url)).await;
    assert!(is_maybe_sent);
    assert!(detail.ends_with("no complete answer within 50ms"), "{detail}");
    server.await.unwrap();
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up() {
    let (listener, url) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request_of(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok").await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap_or_default();
    });
    let settings = CallSettings { total_timeout: SHORT, ..CallSettings::default() };
    assert!(failure(settings, call(1, &url)).await.0);
    server.await.unwrap();
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_may_have_brought_it_there() {
    for (bytes, is_reset) in [
        ("", false),
        ("", true),
        ("HTTP/1.1 200 OK\r\ncontent-le", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", false),
        ("not HTTP at all\r\n\r\n", false),
    ] {
        let (is_maybe_sent, detail) = failure_of(bytes, is_reset, CallSettings::default()).await;
        assert!(is_maybe_sent, "{bytes:?}: {detail}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused_announced_or_not() {
    let long = "x".repeat(1_001);
    for head in ["content-length: 1001", "connection: close"] {
        let settings = CallSettings { answer_bytes_max: 1_000, ..CallSettings::default() };
        let bytes = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{long}");
        let (is_maybe_sent, detail) = failure_of(&bytes, false, settings).await;
        assert!(is_maybe_sent && detail.ends_with("longer than 1000 bytes"), "{detail}");
    }
}

#[tokio::test]
async fn what_never_connected_was_not_sent() {
    let (listener, nobody) = listen().await;
    drop(listener);
    let (silent, tls) = listen().await;
    let tls = tls.replace("http:", "https:");
    let settings = CallSettings { connect_timeout: SHORT, ..CallSettings::default() };
    for url in [&*nobody, &tls, "http://no-such-host.invalid/", "no address", "ftp://127.0.0.1/"] {
        let (is_maybe_sent, detail) = failure(settings.clone(), call(1, url)).await;
        assert!(!is_maybe_sent, "{detail}");
        assert!(detail.starts_with(&format!("call of {url}: ")), "{detail}");
    }
    drop(silent);
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_ends_the_call_without_showing_it() {
    let mut bad = call(1, "http://127.0.0.1:9/");
    bad.headers = vec![("api-sign", Confidential::from("hunter2\n"))];
    let (is_maybe_sent, detail) = failure(CallSettings::default(), bad).await;
    assert!(!is_maybe_sent && detail.contains("api-sign"), "{detail}");
    assert!(!detail.contains("hunter2"), "{detail}");
    let mut bad = call(1, "http://127.0.0.1:9/");
    bad.headers = vec![("api sign", Confidential::from("x"))];
    assert!(!failure(CallSettings::default(), bad).await.0);
}

#[tokio::test]
async fn calls_beyond_the_bounds_wait_or_end_at_once_as_not_sent() {
    let (listener, url) = listen().await;
    let settings = CallSettings { under_way_max: 1, waiting_max: 1, ..CallSettings::default() };
    let mut calls = VenueCalls::new(settings).unwrap();
    for number in 1..=3 {
        calls.perform(call(number, &url));
    }
    assert_eq!(calls.open(), 2);
    // The third is told while the first is still under way.
    let (number, refused) = end(&mut calls).await;
    let CallEnd::Failed { is_maybe_sent: false, detail } = refused else { panic!("{refused:?}") };
    assert_eq!((number, &*detail), (CallId::new(3), "1 calls wait already"));
    let server = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            request_of(&mut stream).await;
            let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(bytes).await.unwrap();
        }
    });
    for number in 1..=2 {
        let (got, end) = end(&mut calls).await;
        assert_eq!(got, CallId::new(number));
        assert!(matches!(end, CallEnd::Answered { status: 200, .. }), "{end:?}");
    }
    server.await.unwrap();
}
