//! The simulated exchange as one machine: calls and frames in, answers and frames out.
//!
//! In: [`ServerInput`]. Out: [`ServerOutput`], in the order they must happen: the answer to a request first, then what
//! everybody hears of it.
//!
//! Invariants: after every input the desk is drained, what it told is put on the tape and then published, so a
//! subscription always starts from what its subscriber has not been told yet. Everything clients send and get passes
//! the faults; the operator's own calls do not. Equal inputs give equal outputs.
//!
//! Two clocks: the shell's drives heartbeats, silences and faults; the venue's, which is that one plus the fault
//! "clock offset", is the desk's and the one clients see. It never runs back: where the offset shrinks it waits.

use super::catalogue::Catalogue;
use super::desk::{AccountEvent, Desk, PublicFact};
use super::faults::{Admission, FaultEffect, FaultSettings, Faults, Names};
use super::io::{CallId, Flow, HttpCall, PeerId, ServerInput, ServerOutput, shown_time};
use super::rest;
use super::settings::DeskSettings;
use super::tape::Tape;
use super::ws::{Room, Sessions, WsSettings};
use remora_domain::{DurationNs, SettingProblem, Timestamp};
use remora_machine::Machine;
use serde::Deserialize;
use std::sync::Arc;

const JSON: &str = "application/json";

/// Is everything the exchange has to know before its first call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// What is traded, by whom, at what fees.
    pub desk: DeskSettings,
    /// What a connection may do.
    pub ws: WsSettings,
    /// What goes wrong by itself; nothing when left out.
    #[serde(default)]
    pub faults: FaultSettings,
}

/// Is the simulated exchange.
pub struct Server {
    desk: Desk,
    tape: Tape,
    sessions: Sessions,
    faults: Faults,
    /// How far the venue's clock is ahead, and where it stands.
    offset: DurationNs,
    venue_time: Timestamp,
    /// What the desk told in this input.
    account: Vec<AccountEvent>,
    public: Vec<(Timestamp, PublicFact)>,
    /// What the exchange made in this input, before the faults.
    made: Vec<ServerOutput>,
    effects: Vec<FaultEffect>,
    refused_flow: u64,
}

impl Server {
    /// Opens the exchange.
    ///
    /// # Errors
    /// Lists every setting that is impossible.
    pub fn new(settings: &ServerSettings, now: Timestamp) -> Result<Self, Vec<SettingProblem>> {
        let mut problems = settings.ws.problems();
        let desk = Desk::new(&settings.desk, now).map_err(|more| problems.extend(more));
        let faults = Faults::new(&settings.faults, now).map_err(|more| problems.extend(more));
        let (Ok(desk), Ok(faults), true) = (desk, faults, problems.is_empty()) else {
            return Err(problems);
        };
        Ok(Self {
            desk,
            tape: Tape::default(),
            sessions: Sessions::new(settings.ws, settings.desk.seed),
            faults,
            offset: DurationNs::ZERO,
            venue_time: now,
            account: Vec::new(),
            public: Vec::new(),
            made: Vec::new(),
            effects: Vec::new(),
            refused_flow: 0,
        })
    }

    /// Gives what is traded.
    #[must_use]
    pub const fn catalogue(&self) -> &Catalogue {
        self.desk.catalogue()
    }

    /// Gives the desk: what accounts own and owe, for whoever checks the venue's own books.
    #[must_use]
    pub const fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Gives how many movements of the background flow were refused: an unknown market, an impossible order.
    #[must_use]
    pub const fn refused_flow(&self) -> u64 {
        self.refused_flow
    }

    /// Gives the desk, for tests of what is said about it.
    #[cfg(test)]
    pub(crate) const fn desk_mut(&mut self) -> &mut Desk {
        &mut self.desk
    }

    /// Sets the venue's clock and gives it.
    fn set_clock(&mut self, now: Timestamp) -> Timestamp {
        self.offset = self.faults.clock_offset(now);
        self.venue_time = self.venue_time.max(shown_time(now, self.offset));
        self.venue_time
    }

    fn http(
        &mut self,
        now: Timestamp,
        call: CallId,
        request: &HttpCall,
        out: &mut Vec<ServerOutput>,
    ) {
        let time = self.venue_time;
        let names = Known { desk: &self.desk, time };
        match self.faults.http(now, &names, call, request, out) {
            Admission::Refused => {}
            Admission::Admitted => {
                let answer = rest::answer(&mut self.desk, &self.tape, time, request);
                self.made.push(ServerOutput::HttpReply {
                    call,
                    status: answer.status,
                    content_type: answer.content_type,
                    body: answer.body.into(),
                });
            }
        }
    }

    fn frame(&mut self, now: Timestamp, peer: PeerId, text: &str, out: &mut Vec<ServerOutput>) {
        let names = Known { desk: &self.desk, time: self.venue_time };
        match self.faults.frame(now, &names, peer, text, out) {
            Admission::Refused => {}
            Admission::Admitted => {
                let (sessions, mut room) = self.room(now);
                sessions.frame(&mut room, peer, text);
            }
        }
    }

    fn room(&mut self, now: Timestamp) -> (&mut Sessions, Room<'_>) {
        let Self { sessions, desk, tape, made: out, venue_time, .. } = self;
        (sessions, Room { now, time: *venue_time, desk, tape, out })
    }

    fn flow(&mut self, flow: &Flow) {
        if self.desk.flow(self.venue_time, flow).is_err() {
            self.refused_flow = self.refused_flow.saturating_add(1);
        }
    }

    fn admin(&mut self, now: Timestamp, method: &str, path: &str, body: &[u8]) -> (u16, Arc<str>) {
        if let Some(answer) = self.faults.admin(now, method, path, body) {
            return (answer.status, answer.body.into());
        }
        if let Some((status, body)) = self.desk.admin(self.venue_time, method, path, body) {
            return (status, body.into());
        }
        match (method, path.trim_matches('/')) {
            ("GET", "status") => {
                let (connections, refused) = (self.sessions.count(), self.refused_flow);
                let text = format!(r#"{{"connections":{connections},"refused_flow":{refused}}}"#);
                (200, text.into())
            }
            (_, _) => (404, r#"{"error":"no such path below /sim/"}"#.into()),
        }
    }

    /// Publishes what the desk told, and lets everything made pass the faults.
    fn finish(&mut self, now: Timestamp, out: &mut Vec<ServerOutput>) {
        self.desk.drain(&mut self.account, &mut self.public);
        for (time, fact) in &self.public {
            self.tape.record(*time, fact, self.desk.exchange());
        }
        let Self { sessions, desk, tape, account, public, made, .. } = self;
        sessions.publish(self.venue_time, desk, tape, account, public, made);
        self.account.clear();
        self.public.clear();
        self.faults.pass(now, &mut self.made, out);
    }

    fn apply_effects(&mut self) {
        let time = self.venue_time;
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                FaultEffect::System(mode) => self.desk.set_system_mode(time, mode),
                FaultEffect::Pair(symbol, status) => {
                    // A pair that is not there has no phases.
                    let _ = self.desk.set_pair_status(time, &symbol, status);
                }
            }
        }
    }
}

impl Machine for Server {
    type Input = ServerInput;
    type Output = ServerOutput;

    fn handle(&mut self, now: Timestamp, input: ServerInput, out: &mut Vec<ServerOutput>) {
        self.set_clock(now);
        match input {
            ServerInput::Http { call, request } => self.http(now, call, &request, out),
            ServerInput::WsOpened { peer, host, address: _ } => {
                self.faults.opened(peer);
                let (sessions, mut room) = self.room(now);
                sessions.opened(&mut room, peer, host);
            }
            ServerInput::WsFrame { peer, text } => self.frame(now, peer, &text, out),
            ServerInput::WsClosed { peer } => {
                self.faults.closed(peer);
                self.sessions.closed(&mut self.desk, peer);
            }
            ServerInput::Flow(flow) => self.flow(&flow),
            ServerInput::Admin { call, method, path, body } => {
                let (status, body) = self.admin(now, &method, &path, &body);
                out.push(ServerOutput::HttpReply { call, status, content_type: JSON, body });
            }
        }
        self.finish(now, out);
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<ServerOutput>) {
        self.faults.tick(now, &mut self.effects, out);
        let time = self.set_clock(now);
        self.apply_effects();
        if self.desk.next_deadline().is_some_and(|at| at <= time) {
            self.desk.tick(time);
        }
        let (sessions, mut room) = self.room(now);
        sessions.tick(&mut room);
        self.finish(now, out);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        // The desk's instants are the venue's.
        let back = DurationNs::ZERO.as_ns().saturating_sub(self.offset.as_ns());
        let desk = self.desk.next_deadline().map(|at| shown_time(at, DurationNs::from_ns(back)));
        let others = self.sessions.next_deadline().into_iter().chain(self.faults.next_deadline());
        others.chain(desk).min()
    }
}

/// Is the desk as the faults ask it for names.
struct Known<'a> {
    desk: &'a Desk,
    time: Timestamp,
}

impl Names for Known<'_> {
    fn account_of_key(&self, api_key: &str) -> Option<Arc<str>> {
        self.desk.account_of_key(api_key).map(Arc::from)
    }

    fn account_of_token(&self, token: &str) -> Option<Arc<str>> {
        // Names a connection that has no subscription: only the token itself counts.
        let trader = self.desk.trader_of_token(self.time, token, PeerId(u64::MAX)).ok()?;
        self.desk.traders().find(|(known, _)| *known == trader).map(|(_, name)| Arc::from(name))
    }

    fn symbol(&self, pair: &str) -> Option<Arc<str>> {
        self.desk.catalogue().find_pair(pair).map(|pair| pair.symbol.clone())
    }
}

#[cfg(test)]
mod tests;
