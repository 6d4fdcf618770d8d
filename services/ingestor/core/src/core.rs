//! The core: what happens when.

use crate::bars::Bars;
use crate::books::{Books, Quote};
use crate::problems::Problems;
use crate::{IngestorConfig, IngestorEffect, IngestorInput, ProblemKey, ProblemSummary};
use remora_domain::{
    Body, BookState, DurationNs, Envelope, FeedCounters, FeedStatus, Heartbeat, Instrument,
    InstrumentKey, MarketStatus, Sequencer, Service, ServiceState, SystemStatus, Timestamp,
    VenueId,
};
use remora_machine::{Machine, ServiceCore, ServiceInput, ServiceOutput};
use remora_venue_api::{ConnId, FeedInput, FeedOutput, FeedSession, LinkCommand, MarketEvent};
use std::collections::BTreeMap;

/// How often feed health, quiet books and the heartbeat are told.
const SECOND: DurationNs = DurationNs::from_s(1);

type Output = ServiceOutput<IngestorEffect>;

/// Is what was told of one instrument's feed.
#[derive(Debug, Default)]
struct FeedView {
    told: Option<FeedStatus>,
    last_frame_time: Option<Timestamp>,
}

/// Is the ingestor's core for one venue, or one shard of a venue's instruments.
pub struct IngestorCore {
    venue: VenueId,
    session: Box<dyn FeedSession>,
    sequencer: Sequencer,
    is_caught_up: bool,
    instruments: BTreeMap<InstrumentKey, Instrument>,
    books: Books,
    bars: Bars,
    feeds: BTreeMap<InstrumentKey, FeedView>,
    status: Option<SystemStatus>,
    problems: Problems,
    /// When the last frame arrived.
    last_frame_time: Option<Timestamp>,
    /// The next whole second; `None` while nothing is under way, so that time may jump between recordings.
    next_second: Option<Timestamp>,
    /// Reused for what the session gives.
    scratch: Vec<FeedOutput>,
}

impl IngestorCore {
    /// Joins a venue's session to the bus. `session` was made with `config.feed_settings(..)`.
    #[must_use]
    pub fn new(
        config: IngestorConfig,
        session: Box<dyn FeedSession>,
        sequencer: Sequencer,
    ) -> Self {
        Self {
            venue: config.venue,
            session,
            sequencer,
            is_caught_up: false,
            instruments: BTreeMap::new(),
            books: Books::new(config.silence_max),
            bars: Bars::default(),
            feeds: BTreeMap::new(),
            status: None,
            problems: Problems::default(),
            last_frame_time: None,
            next_second: None,
            scratch: Vec::new(),
        }
    }

    /// Gives what was counted for each instrument.
    #[must_use]
    pub fn counters(&self) -> BTreeMap<InstrumentKey, FeedCounters> {
        self.session.counters()
    }

    /// Gives what was wrong with the feed, by kind and instrument.
    #[must_use]
    pub const fn problems(&self) -> &BTreeMap<ProblemKey, ProblemSummary> {
        self.problems.summaries()
    }

    /// Gives when the last frame arrived, by the socket's time.
    #[must_use]
    pub const fn last_frame_time(&self) -> Option<Timestamp> {
        self.last_frame_time
    }

    /// Tells whether any book may be used.
    #[must_use]
    pub fn is_any_book_live(&self) -> bool {
        self.books.is_any_live()
    }

    /// Remembers a definition of an earlier run, so that an unchanged one is not published again.
    fn observe(&mut self, envelope: &Envelope) {
        if let Body::Instrument(instrument) = &envelope.body
            && instrument.key.venue == self.venue
        {
            self.instruments.insert(instrument.key.clone(), instrument.clone());
        }
    }

    /// Gives the session one input and publishes what follows from it.
    fn feed(&mut self, now: Timestamp, input: FeedInput, out: &mut Vec<Output>) {
        self.roll(now, out);
        let heard = match &input {
            FeedInput::Frame { conn, receive_time, .. } => Some((*conn, *receive_time)),
            FeedInput::Start
            | FeedInput::Connected { .. }
            | FeedInput::Disconnected { .. }
            | FeedInput::SessionEnded => None,
        };
        let lost = match &input {
            FeedInput::Disconnected { conn, .. } => Some(Some(*conn)),
            FeedInput::SessionEnded => Some(None),
            FeedInput::Start | FeedInput::Connected { .. } | FeedInput::Frame { .. } => None,
        };
        let mut given = std::mem::take(&mut self.scratch);
        self.session.handle(now, input, &mut given);
        self.take_all(now, heard.map(|(conn, _)| conn), &mut given, out);
        self.scratch = given;
        if let Some((conn, receive_time)) = heard {
            self.last_frame_time = Some(receive_time);
            let back = self.books.hear(now, conn, receive_time);
            self.publish_books(now, back, out);
        }
        if let Some(conn) = lost {
            let quotes = self.books.lose(now, conn);
            self.publish_books(now, quotes, out);
        }
        if lost == Some(None) {
            self.end_session(now, out);
        } else if self.next_second.is_none() && (heard.is_some() || has_effects(out)) {
            self.next_second = Some(second_after(now));
        }
    }

    /// Tells the last counts and stops the clock until something happens again.
    fn end_session(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        self.bars.clear();
        self.publish_feeds(now, out);
        self.publish_heartbeat(now, out);
        self.next_second = None;
    }

    fn take_all(
        &mut self,
        now: Timestamp,
        conn: Option<ConnId>,
        given: &mut Vec<FeedOutput>,
        out: &mut Vec<Output>,
    ) {
        for output in given.drain(..) {
            match output {
                FeedOutput::Event(event) => self.take_event(now, conn, event, out),
                FeedOutput::Problem(problem) => self.problems.note(now, problem),
                asked @ (FeedOutput::Connect { .. }
                | FeedOutput::Send { .. }
                | FeedOutput::Close { .. }) => {
                    let asked = LinkCommand::of(asked).map(IngestorEffect);
                    out.extend(asked.map(ServiceOutput::Local));
                }
            }
        }
    }

    fn take_event(
        &mut self,
        now: Timestamp,
        conn: Option<ConnId>,
        event: MarketEvent,
        out: &mut Vec<Output>,
    ) {
        match event {
            MarketEvent::Instrument(instrument) => self.take_instrument(now, instrument, out),
            MarketEvent::Book { top, venue_time, receive_time } => {
                self.touch(&top.instrument, receive_time);
                let quote = self.books.take(now, conn, top, venue_time, receive_time);
                self.publish_books(now, quote, out);
            }
            MarketEvent::Trade { trade, venue_time, receive_time } => {
                self.touch(&trade.instrument, receive_time);
                self.bars.trade(&trade, self.instruments.get(&trade.instrument));
                let body = Body::Trade(trade);
                self.publish_market(now, venue_time, receive_time, body, out);
            }
            MarketEvent::Ticker { ticker, venue_time, receive_time } => {
                self.touch(&ticker.instrument, receive_time);
                let body = Body::Ticker(ticker);
                self.publish_market(now, venue_time, receive_time, body, out);
            }
            MarketEvent::Status(status) => self.take_status(now, status, out),
        }
    }

    /// Publishes what the venue says of itself. A lost connection of ours says nothing of the venue, which other
    /// shards may hear well: the books say it, and the last status is not repeated as if it were known.
    fn take_status(&mut self, now: Timestamp, status: MarketStatus, out: &mut Vec<Output>) {
        match status.status {
            SystemStatus::Disconnected => self.status = None,
            SystemStatus::Online
            | SystemStatus::PostOnly
            | SystemStatus::CancelOnly
            | SystemStatus::Maintenance => {
                if self.status.replace(status.status) != Some(status.status) {
                    self.publish(now, Body::MarketStatus(status), out);
                }
            }
        }
    }

    /// Publishes a definition that is new or differs in more than its receive time, under its next version.
    fn take_instrument(
        &mut self,
        now: Timestamp,
        mut instrument: Instrument,
        out: &mut Vec<Output>,
    ) {
        let receive_time = instrument.receive_time;
        if let Some(known) = self.instruments.get(&instrument.key) {
            (instrument.version, instrument.receive_time) = (known.version, known.receive_time);
            if instrument == *known {
                return;
            }
            instrument.version = known.version.saturating_add(1);
            instrument.receive_time = receive_time;
        }
        self.instruments.insert(instrument.key.clone(), instrument.clone());
        self.publish_market(now, None, receive_time, Body::Instrument(instrument), out);
    }

    fn touch(&mut self, key: &InstrumentKey, receive_time: Timestamp) {
        match self.feeds.get_mut(key) {
            Some(feed) => feed.last_frame_time = Some(receive_time),
            None => {
                let feed = FeedView { told: None, last_frame_time: Some(receive_time) };
                self.feeds.insert(key.clone(), feed);
            }
        }
    }

    fn publish_books(
        &mut self,
        now: Timestamp,
        quotes: impl IntoIterator<Item = Quote>,
        out: &mut Vec<Output>,
    ) {
        for Quote { top, venue_time, receive_time, is_state_change } in quotes {
            match top.state {
                BookState::Live => self.bars.book(now, &top),
                BookState::Invalid(_) => self.bars.invalid(now, &top.instrument),
            }
            let key = is_state_change.then(|| top.instrument.clone());
            self.publish_market(now, venue_time, receive_time, Body::Book(top), out);
            if let Some(key) = key {
                self.publish_feed(now, key, out);
            }
        }
    }

    /// Tells the health of every feed in which something changed since it was told last.
    fn publish_feeds(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let is_news = |(key, counters): (InstrumentKey, FeedCounters)| {
            let told = self.feeds.get(&key).and_then(|feed| feed.told.as_ref());
            let is_told = told.is_some_and(|told| {
                told.counters == counters && told.state == self.books.state(&key)
            });
            (!is_told).then_some(key)
        };
        let news: Vec<InstrumentKey> =
            self.session.counters().into_iter().filter_map(is_news).collect();
        for key in news {
            self.publish_feed(now, key, out);
        }
    }

    /// Tells the health of one feed.
    fn publish_feed(&mut self, now: Timestamp, key: InstrumentKey, out: &mut Vec<Output>) {
        let counters = self.session.counters_of(&key);
        let state = self.books.state(&key);
        let heard = self.books.last_heard(&key);
        let feed = self.feeds.entry(key.clone()).or_default();
        // A frame that changed nothing published is known by the counters only: it arrived within the last
        // second, at the latest when its connection was heard last.
        let told_time = feed.told.as_ref().and_then(|told| told.last_frame_time);
        let told_frames = feed.told.as_ref().map_or(0, |told| told.counters.frames);
        if counters.frames > told_frames && feed.last_frame_time == told_time {
            feed.last_frame_time = heard.or(feed.last_frame_time);
        }
        let last_frame_time = feed.last_frame_time;
        let status = FeedStatus { instrument: key, counters, state, last_frame_time };
        feed.told = Some(status.clone());
        self.publish(now, Body::FeedStatus(status), out);
    }

    fn publish_heartbeat(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let is_active = self.books.is_any_live();
        let heartbeat = Heartbeat {
            service: Service::Ingestor.name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: if is_active { ServiceState::Active } else { ServiceState::Starting },
            data_age: self.last_frame_time.map(|heard| now.since(heard)),
        };
        self.publish(now, Body::Heartbeat(heartbeat), out);
    }

    fn publish_market(
        &mut self,
        now: Timestamp,
        venue_time: Option<Timestamp>,
        receive_time: Timestamp,
        body: Body,
        out: &mut Vec<Output>,
    ) {
        let envelope = self.sequencer.from_venue(now, venue_time, receive_time, body);
        out.push(ServiceOutput::publish(envelope));
    }

    fn publish(&mut self, now: Timestamp, body: Body, out: &mut Vec<Output>) {
        out.push(ServiceOutput::publish(self.sequencer.wrap(now, body)));
    }

    /// Publishes the bars of a minute that is over.
    fn roll(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        if self.bars.bar_end().is_some_and(|end| now < end) {
            return;
        }
        for bar in self.bars.roll(now) {
            self.publish(now, Body::Bar(bar), out);
        }
    }

    /// Does what is done once a second: feed health, quiet books, venue status, heartbeat. The status is
    /// repeated because a reader that starts later would otherwise never hear it.
    fn each_second(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        self.publish_feeds(now, out);
        let quiet = self.books.refresh(now, SECOND);
        self.publish_books(now, quiet, out);
        if let Some(status) = self.status {
            let status = MarketStatus { venue: self.venue.clone(), status };
            self.publish(now, Body::MarketStatus(status), out);
        }
        self.publish_heartbeat(now, out);
        self.next_second = Some(second_after(now));
    }
}

/// Tells whether the session asked for anything: then time matters even before a frame arrives.
fn has_effects(out: &[Output]) -> bool {
    out.iter().any(|output| matches!(output, ServiceOutput::Local(_)))
}

/// Gives the first whole second after an instant.
fn second_after(now: Timestamp) -> Timestamp {
    let into = now.as_ns().rem_euclid(SECOND.as_ns());
    now.saturating_sub(DurationNs::from_ns(into)).saturating_add(SECOND)
}

impl Machine for IngestorCore {
    type Input = ServiceInput<IngestorInput>;
    type Output = Output;

    fn handle(&mut self, now: Timestamp, input: Self::Input, out: &mut Vec<Self::Output>) {
        match input {
            ServiceInput::Message(envelope) => self.observe(&envelope),
            ServiceInput::CaughtUp => {
                if !std::mem::replace(&mut self.is_caught_up, true) {
                    self.publish_heartbeat(now, out);
                    self.feed(now, FeedInput::Start, out);
                }
            }
            // Market data leaves nothing behind: readers see it fall silent.
            ServiceInput::Stopping => {}
            ServiceInput::Local(IngestorInput(input)) => {
                if self.is_caught_up {
                    self.feed(now, input, out);
                } else {
                    tracing::debug!("feed input before recovery ended: discarded");
                }
            }
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<Self::Output>) {
        if self.session.next_deadline().is_some_and(|due| due <= now) {
            let mut given = std::mem::take(&mut self.scratch);
            self.session.tick(now, &mut given);
            self.take_all(now, None, &mut given, out);
            self.scratch = given;
            if self.next_second.is_none() && has_effects(out) {
                self.next_second = Some(second_after(now));
            }
        }
        let silent = self.books.fall_silent(now);
        self.publish_books(now, silent, out);
        if self.next_second.is_some_and(|due| due <= now) {
            self.roll(now, out);
            self.each_second(now, out);
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let own = [self.next_second, self.books.silence_deadline(), self.session.next_deadline()];
        own.into_iter().flatten().min()
    }
}

impl ServiceCore for IngestorCore {
    type LocalInput = IngestorInput;
    type LocalOutput = IngestorEffect;
}
