//! A scripted session over a real wire: real sockets, real calls, a real folder for nonces.

use super::*;
use crate::{CallSettings, NonceStore, SocketSettings};
use futures::{SinkExt as _, StreamExt as _};
use remora_domain::{DurationNs, VenueReport};
use remora_machine::Machine;
use remora_venue_api::{CallEnd, CallId, CallMethod, ConnId, VenueCall, VenueCommand};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

const CONN: ConnId = ConnId::new(1);
const PATIENCE: Duration = Duration::from_secs(30);

/// Is a session that does one thing after the other: reserve, call, connect, send, report.
struct Scripted {
    ws: String,
    rest: String,
    heard: Vec<String>,
    deadline: Option<Timestamp>,
}

impl Scripted {
    fn up(&self, out: &mut Vec<VenueOutput>) {
        out.push(VenueOutput::Report(VenueReport::Session { is_up: !self.heard.is_empty() }));
    }
}

impl Machine for Scripted {
    type Input = VenueInput;
    type Output = VenueOutput;

    fn handle(&mut self, now: Timestamp, input: VenueInput, out: &mut Vec<VenueOutput>) {
        match input {
            VenueInput::Start => {
                // Asked for twice and answered twice, in order.
                out.push(VenueOutput::ReserveNonces { until: 10 });
                out.push(VenueOutput::ReserveNonces { until: 20 });
            }
            VenueInput::NoncesReserved { until: 10 } => self.heard.push("10".to_owned()),
            VenueInput::NoncesReserved { until } => {
                self.heard.push(until.to_string());
                out.push(VenueOutput::Call(VenueCall {
                    call: CallId::new(1),
                    method: CallMethod::Get,
                    url: self.rest.clone(),
                    headers: Vec::new(),
                    body: "".into(),
                }));
            }
            VenueInput::CallEnded { call: _, end } => {
                let CallEnd::Answered { status: 200, body } = end else { panic!("{end:?}") };
                self.heard.push(body.expose().to_owned());
                out.push(VenueOutput::Connect { conn: CONN, url: self.ws.clone() });
            }
            VenueInput::Connected { conn: CONN } => {
                out.push(VenueOutput::Send { conn: CONN, text: "with a token".into() });
            }
            VenueInput::Frame { conn: CONN, receive_time, text } => {
                assert!(receive_time <= now);
                self.heard.push(text.expose().to_owned());
                self.deadline = Some(now.saturating_add(DurationNs::from_ms(1)));
            }
            VenueInput::Disconnected { conn: CONN, detail } => {
                self.heard.push(detail);
                self.up(out);
            }
            VenueInput::Command(VenueCommand::QueryAccount) => self.up(out),
            other @ (VenueInput::Command(_)
            | VenueInput::Book { .. }
            | VenueInput::Trade { .. }
            | VenueInput::Instrument(_)
            | VenueInput::Restored(_)
            | VenueInput::Stop
            | VenueInput::Connected { .. }
            | VenueInput::Frame { .. }
            | VenueInput::Disconnected { .. }) => panic!("{other:?}"),
        }
    }

    fn tick(&mut self, _: Timestamp, out: &mut Vec<VenueOutput>) {
        self.deadline = None;
        out.push(VenueOutput::Close { conn: CONN });
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.deadline
    }
}

impl OrderEntry for Scripted {}

/// A clock that moves a millisecond each time it is read.
fn clock() -> ReceiveClock {
    let reads = AtomicI64::new(0);
    Arc::new(move || Timestamp::from_ns(reads.fetch_add(1_000_000, Ordering::Relaxed)))
}

fn wire(folder: &Path, clock: &ReceiveClock) -> OrderWire {
    let nonces = NonceStore::open(folder, "k").unwrap();
    let (sockets, calls) = (SocketSettings::for_orders(), CallSettings::default());
    OrderWire::new(sockets, calls, nonces, Arc::clone(clock)).unwrap()
}

async fn serve_call(listener: TcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
    }
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\ntoken";
    stream.write_all(answer).await.unwrap();
}

async fn serve_socket(listener: TcpListener) -> String {
    let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
    let got = socket.next().await.unwrap().unwrap().to_text().unwrap().to_owned();
    socket.send(Message::text("a private frame")).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    got
}

#[tokio::test]
async fn a_session_reserves_calls_connects_sends_and_hears_in_its_own_order() {
    let folder = tempfile::tempdir().unwrap();
    let listen = || TcpListener::bind("127.0.0.1:0");
    let (rest, ws) = (listen().await.unwrap(), listen().await.unwrap());
    let session = Scripted {
        ws: format!("ws://{}/v2", ws.local_addr().unwrap()),
        rest: format!("http://{}/0", rest.local_addr().unwrap()),
        heard: Vec::new(),
        deadline: None,
    };
    let (call, socket) = (tokio::spawn(serve_call(rest)), tokio::spawn(serve_socket(ws)));
    let clock = clock();
    let wire = wire(folder.path(), &clock);
    let mut driver = OrderEntryDriver::new(Box::new(session), Some(wire), clock);
    driver.tell(VenueInput::Command(VenueCommand::QueryAccount));
    let is_up = |is_up| Said::Report(VenueReport::Session { is_up });
    assert_eq!(driver.ready().unwrap(), Some(is_up(false)));
    assert_eq!(driver.ready().unwrap(), None);
    driver.tell(VenueInput::Start);
    // The report comes after the connection was closed at the deadline that the frame had set.
    let said = tokio::time::timeout(PATIENCE, driver.recv()).await.unwrap().unwrap();
    assert_eq!(said, is_up(true));
    call.await.unwrap();
    assert_eq!(socket.await.unwrap(), "with a token");
    drop(driver);
    assert_eq!(NonceStore::open(folder.path(), "k").unwrap().until(), 20);
}

#[tokio::test]
async fn a_session_without_a_wire_that_wants_one_ends_after_what_it_said() {
    let session =
        Scripted { ws: String::new(), rest: String::new(), heard: Vec::new(), deadline: None };
    let mut driver = OrderEntryDriver::new(Box::new(session), None, clock());
    driver.tell(VenueInput::Command(VenueCommand::QueryAccount));
    driver.tell(VenueInput::Start);
    assert!(matches!(driver.recv().await, Ok(Said::Report(_))));
    assert!(matches!(driver.recv().await, Err(DriverError::NoWire)));
}

#[tokio::test]
async fn nonces_that_cannot_be_stored_end_the_wire() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let mut wire = wire(folder.path(), &clock);
    // A folder stands where the file would be written.
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let lock = entry.unwrap().path();
        std::fs::create_dir(lock.with_extension("new")).unwrap();
    }
    assert_eq!(wire.perform(VenueOutput::ReserveNonces { until: 5 }), None);
    let ended = tokio::time::timeout(PATIENCE, wire.recv()).await.unwrap();
    assert!(matches!(ended, Err(WireError::Nonces(_))), "{ended:?}");
}
