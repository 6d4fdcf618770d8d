//! Plays recorded inputs through a world: settle, jump between sessions, keep the tally.
//!
//! In: what a player gives, in order. Out: a finished run: facts and tally. The same inputs give the same run,
//! byte for byte: pacing and drawing happen outside and decide nothing.

use crate::{Holdings, RunFacts, Tally, World, WorldError};
use remora_domain::{Body, DurationNs, Envelope, Service, Timestamp};
use remora_ingestor_core::{IngestorCore, IngestorEffect};
use remora_persister_core::{Batch, PersisterInput, PersisterOutput};
use remora_venue_api::{FeedInput, VenueInput, VenueOutput};
use remora_venue_link::{Origin, Played, SESSION_GAP};

/// How long the world goes on after a session's last frame, so that cancels reach the venue and are confirmed.
const SETTLE: DurationNs = SESSION_GAP;

/// Sees every published message, in order.
type Watcher = Box<dyn FnMut(&Envelope)>;

/// Runs a world on recorded inputs.
pub struct Playback {
    world: World,
    tally: Tally,
    facts: RunFacts,
    session: Option<usize>,
    /// Problems of the feed that were noted.
    problems_seen: u64,
    watcher: Option<Watcher>,
    holdings: Holdings,
    /// How many of our orders the venue listed when the router last looked while it takes everything back.
    orders_open: Option<u64>,
}

impl Playback {
    /// Takes a world that has not started, what is known of the run, and an empty tally.
    #[must_use]
    pub fn new(world: World, tally: Tally, facts: RunFacts) -> Self {
        let holdings = Holdings::default();
        Self {
            world,
            tally,
            facts,
            session: None,
            problems_seen: 0,
            watcher: None,
            holdings,
            orders_open: None,
        }
    }

    /// Shows `watcher` every message published from now on, in order. It sees and changes nothing.
    #[must_use]
    pub fn watched(self, watcher: impl FnMut(&Envelope) + 'static) -> Self {
        Self { watcher: Some(Box::new(watcher)), ..self }
    }

    /// Gives the world one input of a recording.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn play(&mut self, played: Played) -> Result<(), WorldError> {
        let Played { at, elapsed, session, origin, input } = played;
        if self.session != Some(session) {
            self.begin(session, at)?;
        }
        let is_frame = matches!(input, FeedInput::Frame { .. });
        let is_end = matches!(input, FeedInput::SessionEnded);
        self.world.feed(at, 0, input)?;
        if is_frame {
            self.note_frame(at);
        }
        self.facts.elapsed = elapsed;
        self.note_problems(origin.as_ref());
        if is_end {
            self.world.advance_to(at.saturating_add(SETTLE))?;
        }
        self.collect();
        // A recorded session asks nothing of a socket.
        drop(self.world.take_feed_commands());
        Ok(())
    }

    /// Starts the world on a live feed.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn start(&mut self, now: Timestamp) -> Result<(), WorldError> {
        self.begin(0, now)?;
        self.collect();
        Ok(())
    }

    /// Gives the world one input of a live feed.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn live(&mut self, now: Timestamp, input: FeedInput) -> Result<(), WorldError> {
        let elapsed = now.since(self.facts.first_frame.unwrap_or(now));
        if let FeedInput::Frame { .. } = &input {
            self.note_frame(now);
        }
        self.world.feed(now, 0, input)?;
        self.facts.elapsed = elapsed;
        self.collect();
        Ok(())
    }

    /// Gives the order-entry session something from its wire.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn venue(&mut self, now: Timestamp, input: VenueInput) -> Result<(), WorldError> {
        self.world.venue(now, input)?;
        self.collect();
        Ok(())
    }

    /// Takes what the order-entry session wants of its wire, and its problems.
    pub fn take_venue_effects(&mut self) -> Vec<VenueOutput> {
        self.world.take_venue_effects()
    }

    /// Tells whether orders flow: the session is up, and orders, balances and fees were compared with the venue's.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.world.router().is_ready()
    }

    /// Gives how often the venue told all balances.
    #[must_use]
    pub const fn balances_told(&self) -> u64 {
        self.world.balances_told()
    }

    /// Asks all services to end in order: everything is taken back.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn stop(&mut self, now: Timestamp) -> Result<(), WorldError> {
        self.world.stop(now)?;
        self.collect();
        Ok(())
    }

    /// Tells, after `stop`, whether nothing is left to wait for.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.world.has_stopped()
    }

    /// Tells whether the venue itself, asked since `stop`, listed none of our orders.
    #[must_use]
    pub fn is_confirmed_empty(&self) -> bool {
        self.orders_open == Some(0)
    }

    /// Gives what each venue holds for us, beside our own books.
    #[must_use]
    pub const fn holdings(&self) -> &Holdings {
        &self.holdings
    }

    /// Serves the deadlines up to `now`.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn advance(&mut self, now: Timestamp) -> Result<(), WorldError> {
        self.world.advance_to(now)?;
        self.collect();
        Ok(())
    }

    /// Gives the next deadline.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.world.next_deadline()
    }

    /// Takes what the ingestor wants of its sockets.
    pub fn take_feed_commands(&mut self) -> Vec<IngestorEffect> {
        self.world.take_feed_commands().into_iter().map(|(_, effect)| effect).collect()
    }

    /// Asks the persister to write what it holds at once, also what failed before.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn flush(&mut self) -> Result<(), WorldError> {
        self.world.store_outcome(PersisterInput::Flush)?;
        self.collect();
        Ok(())
    }

    /// Counts the messages that the persister holds: not stored yet, or never.
    #[must_use]
    pub fn unstored(&self) -> usize {
        self.world.persister().counts().pending
    }

    /// Counts what history has lost for good.
    #[must_use]
    pub const fn history_losses(&self) -> u64 {
        self.facts.history_losses
    }

    /// Ends the run: lets the world settle and the persister write what it still holds.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn finish(&mut self) -> Result<(), WorldError> {
        let now = self.world.now();
        self.world.advance_to(now.saturating_add(SETTLE))?;
        self.flush()?;
        self.refresh();
        Ok(())
    }

    /// Takes the batches the persister wants stored; each wants one `stored` in return.
    pub fn take_batches(&mut self) -> Vec<Batch> {
        let mut batches = Vec::new();
        for output in self.world.take_writes() {
            match output {
                PersisterOutput::Write(batch) => batches.push(batch),
                PersisterOutput::Declined { .. } | PersisterOutput::DeadLetter(_) => {
                    self.facts.history_losses = self.facts.history_losses.saturating_add(1);
                }
                // One process has no deliveries to acknowledge or to pause, and no hot store.
                PersisterOutput::Acknowledge { .. }
                | PersisterOutput::AlreadyStored { .. }
                | PersisterOutput::Pause
                | PersisterOutput::Resume
                | PersisterOutput::Hot(_) => {}
            }
        }
        batches
    }

    /// Tells the persister how a write ended.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn stored(&mut self, outcome: PersisterInput) -> Result<(), WorldError> {
        self.world.store_outcome(outcome)?;
        self.collect();
        Ok(())
    }

    /// Brings counters up to date and gives what is known of the run.
    pub fn facts(&mut self) -> &RunFacts {
        self.refresh();
        &self.facts
    }

    /// Brings counters up to date and lends facts and tally to whoever draws them.
    pub fn draw<T>(&mut self, draw: impl FnOnce(&RunFacts, &Tally) -> T) -> T {
        self.refresh();
        draw(&self.facts, &self.tally)
    }

    /// Gives what was seen of the run.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Gives facts and tally of the finished run.
    #[must_use]
    pub fn into_parts(mut self) -> (RunFacts, Tally) {
        self.refresh();
        (self.facts, self.tally)
    }

    fn begin(&mut self, session: usize, at: Timestamp) -> Result<(), WorldError> {
        self.world.jump_to(at);
        if self.session.is_none() {
            self.world.start()?;
        }
        self.session = Some(session);
        self.facts.sessions = self.facts.sessions.saturating_add(1);
        Ok(())
    }

    fn collect(&mut self) {
        for message in self.world.take_published() {
            self.tally.observe(&message);
            self.holdings.observe(&message);
            if let Body::ControlState(state) = &message.body
                && state.service == Service::OrderRouter.name()
            {
                self.orders_open = state.orders_open;
            }
            if let Some(watcher) = &mut self.watcher {
                watcher(&message);
            }
        }
    }

    /// Takes note of the problems that have come since the last look, and of the line that caused them.
    fn note_problems(&mut self, origin: Option<&Origin>) {
        let all = self.world.ingestors().flat_map(IngestorCore::problems);
        let count = all.map(|(_, summary)| summary.count).fold(0, u64::saturating_add);
        if std::mem::replace(&mut self.problems_seen, count) == count {
            return;
        }
        for ((kind, instrument), summary) in self.world.ingestors().flat_map(IngestorCore::problems)
        {
            let name = match instrument {
                Some(key) => format!("{kind:?} {key}"),
                None => format!("{kind:?}"),
            };
            let known = self.facts.problems.insert(name.clone(), summary.count);
            if known != Some(summary.count) {
                let detail = &summary.last_detail;
                let detail = match origin {
                    Some(origin) => format!("{origin}: {detail}"),
                    None => detail.clone(),
                };
                self.facts.problem_details.insert(name, detail);
            }
        }
    }

    fn note_frame(&mut self, at: Timestamp) {
        self.facts.frames_played = self.facts.frames_played.saturating_add(1);
        self.facts.first_frame = self.facts.first_frame.or(Some(at));
        self.facts.last_frame = Some(at);
    }

    fn refresh(&mut self) {
        for ingestor in self.world.ingestors() {
            for (key, counters) in ingestor.counters() {
                if counters.frames > 0 {
                    self.facts.counters.insert(key, counters);
                }
            }
        }
        self.note_problems(None);
        self.facts.is_synthetic = self.tally.pairs().any(|(_, pair)| pair.instrument.is_synthetic);
    }
}
