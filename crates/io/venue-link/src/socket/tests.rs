//! Sockets against a real server on loopback: order, stamps, reconnects, bounds, silence.

use super::*;
use futures::{SinkExt, StreamExt};
use std::sync::atomic::AtomicI64;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

const CONN: ConnId = ConnId::new(3);

/// A clock that counts its calls.
fn counting_clock() -> ReceiveClock {
    let calls = AtomicI64::new(0);
    Arc::new(move || Timestamp::from_ns(calls.fetch_add(1, Ordering::Relaxed) + 1))
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/v2", listener.local_addr().unwrap());
    (listener, url)
}

async fn accept(listener: &TcpListener) -> WebSocketStream<TcpStream> {
    accept_async(listener.accept().await.unwrap().0).await.unwrap()
}

fn quick() -> SocketSettings {
    SocketSettings { connect_timeout: Duration::from_secs(5), ..SocketSettings::default() }
}

/// Opens a connection to a listener; gives both ends.
async fn connected(settings: SocketSettings) -> (VenueSockets, WebSocketStream<TcpStream>) {
    let (listener, url) = listen().await;
    let mut sockets = VenueSockets::new(settings, counting_clock());
    sockets.perform(LinkCommand::Connect { conn: CONN, url });
    let server = accept(&listener).await;
    assert!(matches!(next(&mut sockets).await, FeedInput::Connected { conn: CONN }));
    (sockets, server)
}

/// Gives the next input; a test that would hang fails instead.
async fn next(sockets: &mut VenueSockets) -> FeedInput {
    tokio::time::timeout(Duration::from_secs(20), sockets.recv()).await.unwrap()
}

/// Gives the next input, which must be a frame.
async fn frame(sockets: &mut VenueSockets) -> (Timestamp, String) {
    let input = next(sockets).await;
    let FeedInput::Frame { conn: CONN, receive_time, text } = input else {
        panic!("want a frame, got {input:?}");
    };
    (receive_time, text)
}

/// Passes over frames up to the end of the connection; gives their number and the reason.
async fn frames_to_end(sockets: &mut VenueSockets) -> (usize, String) {
    let mut frames = 0;
    loop {
        let input = next(sockets).await;
        if let FeedInput::Disconnected { conn: CONN, detail } = input {
            return (frames, detail);
        }
        let FeedInput::Frame { text, .. } = input else {
            panic!("want frames and an end, got {input:?}");
        };
        // Numbered frames arrive without a gap.
        assert!(text.parse::<usize>().is_ok_and(|number| number == frames), "{text}");
        frames += 1;
    }
}

async fn end_of(sockets: &mut VenueSockets) -> String {
    frames_to_end(sockets).await.1
}

#[tokio::test]
async fn frames_arrive_in_order_each_with_its_own_receive_time() {
    let (mut sockets, mut server) = connected(quick()).await;
    for n in 0..50 {
        server.send(Message::text(format!("{{\"n\":{n}}}"))).await.unwrap();
    }
    for n in 0..50 {
        let want = (Timestamp::from_ns(n + 1), format!("{{\"n\":{n}}}"));
        assert_eq!(frame(&mut sockets).await, want);
    }
}

#[tokio::test]
async fn what_is_sent_reaches_the_venue_and_a_close_is_reported() {
    let (mut sockets, mut server) = connected(quick()).await;
    sockets.perform(LinkCommand::Send { conn: CONN, text: "{\"method\":\"ping\"}".to_owned() });
    let got = server.next().await.unwrap().unwrap();
    assert_eq!(got.to_text().unwrap(), "{\"method\":\"ping\"}");
    sockets.perform(LinkCommand::Close { conn: CONN });
    let reader = tokio::spawn(async move { while let Some(Ok(_)) = server.next().await {} });
    assert_eq!(end_of(&mut sockets).await, "closed by us");
    reader.await.unwrap();
}

#[tokio::test]
async fn after_the_venue_closes_the_same_id_connects_again() {
    let (listener, url) = listen().await;
    let mut sockets = VenueSockets::new(quick(), counting_clock());
    for round in 0..3 {
        sockets.perform(LinkCommand::Connect { conn: CONN, url: url.clone() });
        let mut server = accept(&listener).await;
        assert!(matches!(next(&mut sockets).await, FeedInput::Connected { conn: CONN }));
        server.send(Message::text(format!("{round}"))).await.unwrap();
        server.close(None).await.unwrap();
        assert_eq!(frame(&mut sockets).await.1, format!("{round}"));
        assert!(end_of(&mut sockets).await.starts_with("closed by the venue"));
    }
}

#[tokio::test]
async fn a_replaced_connection_is_not_heard_of_again() {
    let (listener, url) = listen().await;
    let mut sockets = VenueSockets::new(quick(), counting_clock());
    sockets.perform(LinkCommand::Connect { conn: CONN, url: url.clone() });
    let mut old = accept(&listener).await;
    assert!(matches!(next(&mut sockets).await, FeedInput::Connected { .. }));
    let _ = old.send(Message::text("old")).await;
    sockets.perform(LinkCommand::Connect { conn: CONN, url });
    let mut new = accept(&listener).await;
    assert!(matches!(next(&mut sockets).await, FeedInput::Connected { .. }));
    new.send(Message::text("new")).await.unwrap();
    assert!(matches!(next(&mut sockets).await, FeedInput::Frame { text, .. } if text == "new"));
}

#[tokio::test]
async fn an_oversized_message_ends_the_connection() {
    let settings = SocketSettings { frame_bytes_max: 1_000, ..quick() };
    let (mut sockets, mut server) = connected(settings).await;
    server.send(Message::text("x".repeat(1_001))).await.unwrap();
    let detail = end_of(&mut sockets).await;
    assert!(detail.contains("1001 > 1000"), "{detail}");
}

#[tokio::test]
async fn a_binary_message_ends_the_connection() {
    let (mut sockets, mut server) = connected(quick()).await;
    server.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(end_of(&mut sockets).await, "binary message of 3 bytes, want text");
}

#[tokio::test]
async fn a_slow_reader_loses_the_connection_but_never_a_frame_in_between() {
    let settings = SocketSettings { inbound_frames_max: 4, ..quick() };
    let (mut sockets, mut server) = connected(settings).await;
    let writer = tokio::spawn(async move {
        for n in 0..1_000 {
            if server.send(Message::text(format!("{n}"))).await.is_err() {
                return;
            }
        }
        while let Some(Ok(_)) = server.next().await {}
    });
    writer.await.unwrap();
    let (expected, detail) = frames_to_end(&mut sockets).await;
    assert_eq!(detail, "inbound queue full: 4 frames wait unread");
    assert!((4..1_000).contains(&expected), "{expected}");
    assert_eq!(sockets.overflows(), 1);
}

#[tokio::test]
async fn frames_that_wait_are_bounded_by_their_bytes_as_well() {
    let settings = SocketSettings { inbound_bytes_max: 2_500, ..quick() };
    let (mut sockets, mut server) = connected(settings).await;
    for _ in 0..3 {
        server.send(Message::text("x".repeat(1_000))).await.unwrap();
    }
    // The venue hears that the connection has ended before anything is read here.
    while let Some(Ok(_)) = server.next().await {}
    assert_eq!(frame(&mut sockets).await.1.len(), 1_000);
    assert_eq!(frame(&mut sockets).await.1.len(), 1_000);
    assert_eq!(end_of(&mut sockets).await, "inbound queue full: 2000 bytes wait unread");
    assert_eq!((sockets.overflows(), sockets.waiting()), (1, 0));
}

#[tokio::test]
async fn a_venue_that_answers_no_ping_counts_as_gone() {
    let settings = SocketSettings {
        ping_after: Duration::from_millis(20),
        silence_max: Duration::from_millis(60),
        ..quick()
    };
    // The server end is held but never polled, so that it answers no ping.
    let (mut sockets, _server) = connected(settings).await;
    let detail = end_of(&mut sockets).await;
    assert!(detail.starts_with("silent for 60ms"), "{detail}");
}

#[tokio::test]
async fn a_venue_that_answers_pings_is_kept_though_it_says_nothing() {
    let settings = SocketSettings {
        ping_after: Duration::from_millis(10),
        silence_max: Duration::from_secs(15),
        ..quick()
    };
    let (mut sockets, mut server) = connected(settings).await;
    // Reading a ping answers it; three in a row show that each answer restarted the wait.
    for _ in 0..3 {
        assert!(matches!(server.next().await.unwrap().unwrap(), Message::Ping(_)));
    }
    server.send(Message::text("alive")).await.unwrap();
    assert_eq!(frame(&mut sockets).await.1, "alive");
}

#[tokio::test]
async fn a_port_without_a_listener_is_reported_as_disconnected() {
    let (listener, url) = listen().await;
    drop(listener);
    let mut sockets = VenueSockets::new(quick(), counting_clock());
    sockets.perform(LinkCommand::Connect { conn: CONN, url: url.clone() });
    let detail = end_of(&mut sockets).await;
    assert!(detail.starts_with(&format!("connect to {url}: ")), "{detail}");
}

#[tokio::test]
async fn a_venue_that_never_answers_the_upgrade_times_out() {
    let (_listener, url) = listen().await;
    let settings = SocketSettings { connect_timeout: Duration::from_millis(30), ..quick() };
    let mut sockets = VenueSockets::new(settings, counting_clock());
    sockets.perform(LinkCommand::Connect { conn: CONN, url });
    assert!(end_of(&mut sockets).await.ends_with("no answer within 30ms"));
}

#[tokio::test]
async fn commands_without_a_connection_change_nothing() {
    let mut sockets = VenueSockets::new(quick(), counting_clock());
    sockets.perform(LinkCommand::Send { conn: CONN, text: "{}".to_owned() });
    sockets.perform(LinkCommand::Close { conn: CONN });
    assert_eq!(sockets.waiting(), 0);
}

/// Serves one answer to one question; gives what the holder hears.
async fn asked(answer: &str) -> FeedInput {
    let (listener, _) = listen().await;
    let url = format!("http://{}/instruments?expired=false", listener.local_addr().unwrap());
    let mut sockets = VenueSockets::new(quick(), counting_clock());
    sockets.perform(LinkCommand::Connect { conn: CONN, url });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "the request ended early");
    }
    assert!(request.starts_with(b"GET /instruments?expired=false HTTP/1.1\r\n"));
    stream.write_all(answer.as_bytes()).await.unwrap();
    drop(stream);
    next(&mut sockets).await
}

#[tokio::test]
async fn an_address_of_a_document_is_asked_once_and_its_answer_is_a_frame() {
    let heard = asked("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{\"a\":1}\n").await;
    let FeedInput::Frame { conn: CONN, receive_time, text } = heard else {
        panic!("want a frame, got {heard:?}");
    };
    assert_eq!((receive_time, text.as_str()), (Timestamp::from_ns(1), "{\"a\":1}\n"));
}

#[tokio::test]
async fn a_question_without_a_good_answer_is_reported_as_disconnected() {
    for (answer, part) in [
        ("HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n", "status 429"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{", "call of http://"),
    ] {
        let heard = asked(answer).await;
        let FeedInput::Disconnected { conn: CONN, detail } = heard else {
            panic!("want an end, got {heard:?}");
        };
        assert!(detail.contains(part), "{detail}");
    }
}
