//! Faults on demand, between the exchange and its clients: what clients see of a venue on a bad day.
//!
//! In: wishes (`POST /sim/faults`, or the settings' script), requests on their way in, outputs on their way out, time.
//! Out: answers instead of the exchange's, outputs dropped, doubled, late or damaged, closed connections, phases.
//!
//! Invariants: equal seeds, wishes, instants and traffic give equal faults; without a fault in force outputs pass
//! untouched and unread; what is held back is bounded; every fault that happened is counted by kind.
//! What must never happen here: a request executed twice, or executed although its fault says it never arrived.

mod admin;
mod hold;
mod inbound;
mod outbound;
mod rule;
mod settings;
#[cfg(test)]
mod tests;
mod text;

pub use settings::{FaultKind, FaultScope, FaultSettings, FaultWish, PhaseMode};

use super::catalogue::{PairStatus, SystemMode};
use super::io::{CallId, PeerId, ServerOutput};
use hold::Hold;
use remora_domain::{DurationNs, SettingProblem, Timestamp};
use remora_machine::SplitMix64;
use rule::{Occasion, Rule};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The code with which the venue's front drops all connections when it restarts.
const GOING_AWAY: u16 = 1001;

/// Is what the fault layer asks of the exchange to know whom and what a request is about.
pub(crate) trait Names {
    /// Names the account of an API key.
    fn account_of_key(&self, api_key: &str) -> Option<Arc<str>>;
    /// Names the account of a WebSocket token.
    fn account_of_token(&self, token: &str) -> Option<Arc<str>>;
    /// Gives the v2 symbol of a pair in any spelling.
    fn symbol(&self, pair: &str) -> Option<Arc<str>>;
}

/// Says whether a request goes on to the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Admission {
    /// It does.
    Admitted,
    /// It does not; what its sender hears is in the outputs.
    Refused,
}

/// Is something that a fault does to the exchange itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FaultEffect {
    /// The exchange is in this mode from now on.
    System(SystemMode),
    /// A pair has this status from now on.
    Pair(Arc<str>, PairStatus),
}

/// Is the request that is being answered.
#[derive(Clone, Debug)]
struct Current {
    from: Sender,
    account: Option<Arc<str>>,
    pair: Option<Arc<str>>,
    method: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Call(CallId),
    Peer(PeerId),
}

/// Is the whole fault layer.
#[derive(Debug)]
pub(crate) struct Faults {
    chance: SplitMix64,
    rules: Vec<Rule>,
    next_id: u64,
    injected: BTreeMap<FaultKind, u64>,
    /// Every connection, with its account once it has shown a token.
    peers: BTreeMap<PeerId, Option<Arc<str>>>,
    current: Option<Current>,
    hold: Hold,
    /// Subscriptions that stay silent: connection, channel, symbol (empty for none).
    silent: BTreeMap<(PeerId, String, String), ()>,
    /// Phases that have begun, by rule.
    phases: BTreeMap<u64, (Option<Arc<str>>, PhaseMode)>,
}

impl Faults {
    /// Puts the script in force, its times counted from now.
    ///
    /// # Errors
    /// Gives everything that is wrong with the settings.
    pub(crate) fn new(
        settings: &FaultSettings,
        now: Timestamp,
    ) -> Result<Self, Vec<SettingProblem>> {
        let problems = settings.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut faults = Self {
            chance: SplitMix64::new(settings.seed),
            rules: Vec::new(),
            next_id: 1,
            injected: BTreeMap::new(),
            peers: BTreeMap::new(),
            current: None,
            hold: Hold::default(),
            silent: BTreeMap::new(),
            phases: BTreeMap::new(),
        };
        for wish in &settings.script {
            faults.add(now, wish.clone());
        }
        Ok(faults)
    }

    /// Gives how far the venue's clock is ahead of ours.
    pub(crate) fn clock_offset(&self, now: Timestamp) -> DurationNs {
        let active = |rule: &&Rule| rule.wish.kind == FaultKind::ClockOffset && rule.is_active(now);
        let newest = self.rules.iter().rev().find(active);
        DurationNs::from_ms(newest.and_then(|rule| rule.wish.offset_ms).unwrap_or(0))
    }

    /// Notes a new connection.
    pub(crate) fn opened(&mut self, peer: PeerId) {
        self.peers.insert(peer, None);
    }

    /// Forgets a connection and what was held back for it.
    pub(crate) fn closed(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.hold.closed(peer);
        self.silent.retain(|(silent, _, _), ()| *silent != peer);
    }

    /// Begins, repeats and ends what happens by itself; lets go what was held back long enough.
    pub(crate) fn tick(
        &mut self,
        now: Timestamp,
        effects: &mut Vec<FaultEffect>,
        out: &mut Vec<ServerOutput>,
    ) {
        self.hold.release(now, out);
        for at in 0..self.rules.len() {
            let Some(rule) = self.rules.get_mut(at) else { break };
            if rule.next.is_none_or(|next| next > now) || rule.is_over(now) {
                continue;
            }
            let again = rule.wish.every_ms.map(DurationNs::from_ms);
            rule.next = again.map(|every| now.saturating_add(every));
            self.happen(at, effects, out);
            if let Some(rule) = self.rules.get_mut(at)
                && rule.next.is_none()
                && !rule.wish.kind.is_lasting()
            {
                rule.left = Some(0);
            }
        }
        let ended = |rule: &Rule| rule.is_over(now);
        if self.rules.iter().any(ended) {
            self.rules.retain(|rule| !ended(rule));
            self.end_phases(effects);
        }
    }

    /// Lets the fault at this place of the list happen.
    fn happen(&mut self, at: usize, effects: &mut Vec<FaultEffect>, out: &mut Vec<ServerOutput>) {
        let Some(rule) = self.rules.get_mut(at) else { return };
        if !rule.happens(&mut self.chance) {
            return;
        }
        let (id, kind) = (rule.id, rule.wish.kind);
        count(&mut self.injected, kind);
        let scope = &rule.wish.scope;
        let is_hit = |peer: PeerId, account: Option<&str>| {
            scope.connection.is_none_or(|wanted| wanted == peer.0)
                && scope.account.as_deref().is_none_or(|wanted| Some(wanted) == account)
        };
        let hit = self.peers.iter().filter(|(peer, account)| is_hit(**peer, account.as_deref()));
        match kind {
            FaultKind::Disconnected => {
                let code = rule.wish.code.unwrap_or(GOING_AWAY);
                let reason = "CloudFlare WebSocket proxy restarting";
                out.extend(hit.map(|(&peer, _)| ServerOutput::WsClose { peer, code, reason }));
            }
            FaultKind::Stalled => {
                let duration = rule.wish.delay();
                out.extend(hit.map(|(&peer, _)| ServerOutput::WsStall { peer, duration }));
            }
            FaultKind::Phase => {
                if let Some(mode) = rule.wish.mode {
                    let pair = scope.pair.as_deref().map(Arc::from);
                    effects.extend(phase(pair.as_ref(), Some(mode)));
                    self.phases.insert(id, (pair, mode));
                }
            }
            FaultKind::ClockOffset
            | FaultKind::RequestLost
            | FaultKind::InvalidNonce
            | FaultKind::Throttled
            | FaultKind::Unavailable
            | FaultKind::ReplyLost
            | FaultKind::ErrorPage
            | FaultKind::ReplyDelayed
            | FaultKind::Delayed
            | FaultKind::Duplicated
            | FaultKind::Reordered
            | FaultKind::Lost
            | FaultKind::CorruptChecksum
            | FaultKind::Silent => {}
        }
    }

    /// Takes back the phases whose faults are gone; where an older one of the same pair goes on, it is in force again.
    fn end_phases(&mut self, effects: &mut Vec<FaultEffect>) {
        let is_alive = |id: &u64| self.rules.iter().any(|rule| rule.id == *id);
        let ended: Vec<u64> = self.phases.keys().filter(|id| !is_alive(id)).copied().collect();
        for id in ended {
            let Some((pair, _)) = self.phases.remove(&id) else { continue };
            let left = self.phases.values().rev().find(|(of, _)| *of == pair);
            effects.extend(phase(pair.as_ref(), left.map(|(_, mode)| *mode)));
        }
    }

    /// Gives when `tick` is wanted next.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let rules = self.rules.iter().filter_map(Rule::next_deadline);
        rules.chain(self.hold.next_deadline()).min()
    }

    /// Tells whether nothing is in force, held back or silenced: nothing has to be read then.
    fn is_quiet(&self, now: Timestamp) -> bool {
        self.hold.is_empty()
            && self.silent.is_empty()
            && !self.rules.iter().any(|rule| rule.is_active(now))
    }

    fn add(&mut self, now: Timestamp, wish: FaultWish) -> u64 {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        self.rules.push(Rule::new(id, wish, now));
        id
    }

    /// Draws whether a fault of this kind hits the request that is being answered; gives its place in the list.
    fn strikes(&mut self, now: Timestamp, kind: FaultKind) -> Option<usize> {
        self.strikes_where(now, kind, |_| true)
    }

    fn strikes_where(
        &mut self,
        now: Timestamp,
        kind: FaultKind,
        is_meant: impl Fn(&FaultWish) -> bool,
    ) -> Option<usize> {
        let current = self.current.as_ref()?;
        let occasion = Occasion {
            account: current.account.as_deref(),
            pair: current.pair.as_deref(),
            method: Some(&current.method),
            peer: match current.from {
                Sender::Peer(peer) => Some(peer),
                Sender::Call(_) => None,
            },
            channel: None,
        };
        let at = draw(&mut self.rules, &mut self.chance, |rule| {
            rule.wish.kind == kind && rule.fits(now, &occasion) && is_meant(&rule.wish)
        })?;
        count(&mut self.injected, kind);
        Some(at)
    }

    /// Draws whether a fault of this kind hits a frame.
    fn strikes_frame(
        &mut self,
        now: Timestamp,
        kind: FaultKind,
        peer: PeerId,
        channel: &str,
        pair: Option<&str>,
    ) -> Option<usize> {
        let account = self.peers.get(&peer).and_then(Option::as_deref);
        let (peer, channel) = (Some(peer), Some(channel));
        let occasion = Occasion { account, pair, peer, channel, method: None };
        let at = draw(&mut self.rules, &mut self.chance, |rule| {
            rule.wish.kind == kind && rule.fits(now, &occasion)
        })?;
        count(&mut self.injected, kind);
        Some(at)
    }

    /// Gives the error of a request that is unavailable, before or after it was accepted.
    fn unavailable(&mut self, now: Timestamp, is_executed: bool) -> Option<String> {
        let at = self
            .strikes_where(now, FaultKind::Unavailable, |wish| wish.is_executed == is_executed)?;
        let error = self.wish(at).and_then(|wish| wish.error.clone());
        Some(error.unwrap_or_else(|| settings::UNAVAILABLE.to_owned()))
    }

    fn wish(&self, at: usize) -> Option<&FaultWish> {
        self.rules.get(at).map(|rule| &rule.wish)
    }

    fn delay(&self, at: usize) -> DurationNs {
        self.wish(at).map_or(DurationNs::ZERO, FaultWish::delay)
    }
}

/// Draws for each rule that fits, until one happens; gives its place.
fn draw(
    rules: &mut [Rule],
    chance: &mut SplitMix64,
    fits: impl Fn(&Rule) -> bool,
) -> Option<usize> {
    rules.iter_mut().position(|rule| fits(rule) && rule.happens(chance))
}

fn count(injected: &mut BTreeMap<FaultKind, u64>, kind: FaultKind) {
    let count = injected.entry(kind).or_default();
    *count = count.saturating_add(1);
}

/// Gives what a phase does, or the end of it.
fn phase(pair: Option<&Arc<str>>, mode: Option<PhaseMode>) -> Option<FaultEffect> {
    match pair {
        Some(pair) => {
            let status = mode.map_or(PairStatus::Online, PhaseMode::pair);
            Some(FaultEffect::Pair(Arc::clone(pair), status))
        }
        None => mode.map_or(Some(SystemMode::Online), PhaseMode::system).map(FaultEffect::System),
    }
}
