//! One corrupted digit on the way from the simulated exchange: found on that frame, that pair alone stops quoting, its
//! book is fetched again and it is quoted again. All services in one process, in virtual time; the exchange replays the
//! recording that ships.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![expect(dead_code, reason = "the other tests of recordings need the rest of what is shared")]

mod common;

use common::{Run, plan, shipped, store};
use remora_domain::{
    Body, BookState, DurationNs, Envelope, InvalidBook, OrdStatus, Timestamp, VenueId,
};
use remora_ingestor_core::IngestorEffect;
use remora_machine::Machine as _;
use remora_sim::{Playback, RunFacts, Tally, World};
use remora_venue_api::{ConnId, FeedInput, LinkCommand};
use remora_venue_link::{Played, Player};
use remora_venue_registry::find;
use remora_venue_registry::kraken_spot::faults::FaultSettings;
use remora_venue_registry::kraken_spot::io::{
    CallId, Flow, PeerId, ServerInput, ServerOutput, WsHost,
};
use remora_venue_registry::kraken_spot::{
    PairFinder, Recorded, Server, ServerSettings, WsSettings, listing,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Is what the services said, in order, with the number of the frame during which they said it.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Book { pair: String, state: BookState },
    Requested { pair: String },
    Cancelled { id: String },
    Order { pair: String, id: String, is_open: bool },
}

#[derive(Default)]
struct Heard {
    frame: usize,
    said: Vec<(usize, Said)>,
}

impl Heard {
    fn note(&mut self, message: &Envelope) {
        let name = |key: &remora_domain::InstrumentKey| key.instrument.to_string();
        let said = if let Body::Book(top) = &message.body {
            Said::Book { pair: name(&top.instrument), state: top.state }
        } else if let Body::OrderRequest(request) = &message.body {
            Said::Requested { pair: name(&request.instrument) }
        } else if let Body::OrderCancel(cancel) = &message.body {
            Said::Cancelled { id: cancel.cl_ord_id.to_string() }
        } else if let Body::OrderEvent(event) = &message.body {
            let (pair, id) = (name(&event.instrument), event.cl_ord_id.to_string());
            Said::Order { pair, id, is_open: event.ord_status == OrdStatus::Working }
        } else {
            return;
        };
        self.said.push((self.frame, said));
    }

    /// Counts what was said of a pair since a place in the record.
    fn requests(&self, since: usize, of: impl Fn(&str) -> bool) -> usize {
        let is_it = |said: &Said| matches!(said, Said::Requested { pair } if of(pair));
        self.said.iter().skip(since).filter(|(_, said)| is_it(said)).count()
    }

    /// Gives the orders of a pair that are open after what was said up to a place in the record.
    fn open(&self, until: usize, of: &str) -> BTreeSet<&str> {
        let mut open = BTreeSet::new();
        for (_, said) in self.said.iter().take(until) {
            if let Said::Order { pair, id, is_open } = said
                && pair == of
            {
                if *is_open {
                    open.insert(id.as_str())
                } else {
                    open.remove(id.as_str())
                };
            }
        }
        open
    }
}

/// Is the exchange with one connection, and all services behind it.
struct Road {
    exchange: Server,
    playback: Playback,
    heard: Rc<RefCell<Heard>>,
    open: Option<(ConnId, PeerId)>,
    peers: u64,
    now: Timestamp,
    /// Whether the exchange was told to corrupt a frame.
    is_armed: bool,
    /// The number of the first book frame of the pair after that.
    struck_frame: Option<usize>,
}

impl Road {
    fn new(exchange: Server, now: Timestamp) -> Self {
        let plan = plan(&Run::of("demo", &[]));
        let entry = find(&plan.ingestor.venue).unwrap();
        let feed = plan.ingestor.feed_settings("ws://exchange/v2", false, true, 1);
        let tally = Tally::new(plan.facts.reporting.clone());
        let cores = plan.assemble((entry.feed)(feed), 1).unwrap();
        let heard = Rc::new(RefCell::new(Heard::default()));
        let watcher = Rc::clone(&heard);
        let playback = Playback::new(World::new(cores, now), tally, RunFacts::default())
            .watched(move |message| watcher.borrow_mut().note(message));
        let mut road = Self {
            exchange,
            playback,
            heard,
            open: None,
            peers: 0,
            now,
            is_armed: false,
            struck_frame: None,
        };
        road.playback.start(now).unwrap();
        road.carry();
        road
    }

    /// Gives the exchange something and its frames to the services.
    fn exchange(&mut self, input: ServerInput) {
        let mut out = Vec::new();
        self.exchange.handle(self.now, input, &mut out);
        self.deliver(out);
    }

    fn deliver(&mut self, out: Vec<ServerOutput>) {
        for output in out {
            let ServerOutput::WsSend { peer, text } = output else { continue };
            let Some((conn, _)) = self.open.filter(|(_, own)| *own == peer) else { continue };
            self.heard.borrow_mut().frame += 1;
            let is_book = text.contains("\"channel\":\"book\"") && text.contains(STRUCK.0);
            if self.is_armed && self.struck_frame.is_none() && is_book {
                self.struck_frame = Some(self.heard.borrow().frame);
            }
            let frame = FeedInput::Frame { conn, receive_time: self.now, text: text.to_string() };
            self.playback.live(self.now, frame).unwrap();
            self.carry();
        }
    }

    /// Carries out what the feed asks of its sockets.
    fn carry(&mut self) {
        store(&mut self.playback);
        for IngestorEffect(command) in self.playback.take_feed_commands() {
            match command {
                LinkCommand::Connect { conn, .. } => {
                    self.peers += 1;
                    let (peer, host) = (PeerId(self.peers), WsHost::Public);
                    self.open = Some((conn, peer));
                    self.playback.live(self.now, FeedInput::Connected { conn }).unwrap();
                    let address = "127.0.0.1".to_owned();
                    self.exchange(ServerInput::WsOpened { peer, host, address });
                    self.carry();
                }
                LinkCommand::Send { text, .. } => {
                    let (_, peer) = self.open.unwrap();
                    self.exchange(ServerInput::WsFrame { peer, text });
                }
                LinkCommand::Close { .. } => panic!("the feed gave up its connection"),
            }
        }
    }

    /// Lets time pass on both sides, deadline by deadline.
    fn pass(&mut self, until: Timestamp) {
        loop {
            let next = [self.exchange.next_deadline(), self.playback.next_deadline()];
            let Some(due) = next.into_iter().flatten().min().filter(|due| *due <= until) else {
                break;
            };
            self.now = self.now.max(due);
            let mut out = Vec::new();
            if self.exchange.next_deadline().is_some_and(|due| due <= self.now) {
                self.exchange.tick(self.now, &mut out);
            }
            self.deliver(out);
            self.playback.advance(self.now).unwrap();
            self.carry();
        }
        self.now = self.now.max(until);
    }
}

/// Gives the exchange that lists the pairs of the recording, and what happens on it.
fn recorded(played: &[Played]) -> (Server, Vec<(Timestamp, Vec<Flow>)>) {
    let venue = VenueId::new("kraken-spot").unwrap();
    let mut finder = PairFinder::new(&venue);
    played.iter().for_each(|played| finder.play(played.at, played.input.clone()));
    let pairs = finder.finish();
    let settings = ServerSettings {
        desk: listing::recorded(1, &pairs),
        ws: WsSettings { message_rate: None },
        faults: FaultSettings::default(),
    };
    let mut recorded = Recorded::new(&venue, &pairs);
    let flow = played.iter().map(|played| {
        let mut flow = Vec::new();
        recorded.play(played.at, played.input.clone(), &mut flow);
        (played.at, flow)
    });
    let flow = flow.collect();
    (Server::new(&settings, played.first().unwrap().at).unwrap(), flow)
}

/// The pair that is struck, on the wire and among us.
const STRUCK: (&str, &str) = ("ETH/USD", "ETH-USD");
/// The fault strikes after so long, and the run goes on for as long.
const HALF: DurationNs = DurationNs::from_s(90);

#[test]
fn one_corrupted_digit_stops_one_pair_on_that_frame_until_it_is_fetched_again() {
    let played: Vec<Played> = Player::open(&[shipped()]).unwrap().map(Result::unwrap).collect();
    let start = played.first().unwrap().at;
    let (strike, end) =
        (start.saturating_add(HALF), start.saturating_add(HALF).saturating_add(HALF));
    let (exchange, flow) = recorded(&played);
    let mut road = Road::new(exchange, start);
    let mut struck_at = None;
    for (at, flow) in flow.into_iter().take_while(|(at, _)| *at < end) {
        road.pass(at);
        if at >= strike && struck_at.is_none() {
            let heard = road.heard.borrow();
            struck_at = Some(heard.said.len());
            assert!(!heard.open(usize::MAX, STRUCK.1).is_empty(), "not quoted before");
            drop(heard);
            let wish = r#"{"kind":"corrupt_checksum","count":1,"scope":{"pair":"ETH/USD"}}"#;
            let (method, path) = ("POST".to_owned(), "faults".to_owned());
            let body = wish.as_bytes().to_vec();
            road.exchange(ServerInput::Admin { call: CallId(1), method, path, body });
            road.is_armed = true;
        }
        flow.into_iter().for_each(|flow| road.exchange(ServerInput::Flow(flow)));
    }
    let counters = road.playback.facts().counters.clone();
    let heard = road.heard.borrow();
    let struck_at = struck_at.unwrap();
    let place = |from: usize, wanted: BookState| {
        let is_it = |(_, said): &(usize, Said)| matches!(said, Said::Book { pair, state } if pair == STRUCK.1 && *state == wanted);
        heard.said.iter().skip(from).position(is_it).map(|at| from + at)
    };
    // The first book frame of the pair after the strike is the one, and no good book comes between.
    let taken_back = place(struck_at, BookState::Invalid(InvalidBook::Checksum)).unwrap();
    let live_before = place(struck_at, BookState::Live).unwrap();
    assert!(taken_back < live_before, "a book was believed after the strike");
    assert_eq!(Some(heard.said[taken_back].0), road.struck_frame);
    let again = place(taken_back, BookState::Live).unwrap();
    // While it is away the pair is not quoted, and every order of it is taken back.
    let away = &heard.said[taken_back..again];
    let is_asked =
        |(_, said): &(usize, Said)| matches!(said, Said::Requested { pair } if pair == STRUCK.1);
    assert!(!away.iter().any(is_asked), "quoted without a book");
    for id in heard.open(taken_back, STRUCK.1) {
        let is_it =
            |(_, said): &(usize, Said)| matches!(said, Said::Cancelled { id: of } if of == id);
        assert!(away.iter().any(is_it), "{id} was not taken back");
    }
    // Then it is quoted again, and all the time the others were.
    assert!(heard.requests(again, |pair| pair == STRUCK.1) > 0, "not quoted again");
    assert!(heard.requests(struck_at, |pair| pair != STRUCK.1) > 0, "the others stopped");
    let invalid: BTreeMap<&str, usize> = heard.said[struck_at..]
        .iter()
        .filter_map(|(_, said)| match said {
            Said::Book { pair, state: BookState::Invalid(_) } => Some(pair.as_str()),
            Said::Book { .. }
            | Said::Requested { .. }
            | Said::Cancelled { .. }
            | Said::Order { .. } => None,
        })
        .fold(BTreeMap::new(), |mut counts, pair| {
            *counts.entry(pair).or_default() += 1;
            counts
        });
    assert_eq!(invalid, BTreeMap::from([(STRUCK.1, 1)]), "other books were taken back");
    let failed: Vec<(String, u64, u64)> = counters
        .iter()
        .filter(|(_, counters)| counters.checksums_failed + counters.resyncs > 0)
        .map(|(key, counters)| {
            (key.instrument.to_string(), counters.checksums_failed, counters.resyncs)
        })
        .collect();
    assert_eq!(failed, [(STRUCK.1.to_owned(), 1, 1)]);
}
