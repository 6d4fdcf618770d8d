//! Facts that are not about one pair: fees, balances, venue status, universe, halts. The newest of each counts,
//! whatever order messages arrive in.

use remora_domain::{
    AccountId, Amount, Asset, Balance, Balances, ControlAction, ControlCommand, ControlScope,
    ControlState, DurationNs, FeeSchedule, Header, Instrument, InstrumentKey, ProducerId, Service,
    ServiceState, SessionId, StrategyId, SystemStatus, Timestamp, Universe, VenueId,
};
use remora_machine::Liveness;
use std::collections::BTreeMap;

/// Orders the messages of one subject: by publication, then by number.
pub(crate) type Stamp = (Timestamp, SessionId, u64);

/// Gives the stamp of a message.
pub(crate) const fn stamp(header: &Header) -> Stamp {
    (header.publish_time, header.session, header.sequence)
}

/// Holds the newest value of one subject.
#[derive(Debug)]
pub(crate) struct Latest<T>(Option<(Stamp, T)>);

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Latest<T> {
    /// Takes the value unless it is a repeat or older; tells whether it was taken.
    pub(crate) fn set(&mut self, header: &Header, value: T) -> bool {
        let stamp = stamp(header);
        let is_news = self.0.as_ref().is_none_or(|(newest, _)| stamp > *newest);
        if is_news {
            self.0 = Some((stamp, value));
        }
        is_news
    }

    /// Takes the value whatever was there.
    fn replace(&mut self, header: &Header, value: T) {
        self.0 = Some((stamp(header), value));
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, value)| value)
    }

    pub(crate) fn stamp(&self) -> Option<Stamp> {
        self.0.as_ref().map(|(stamp, _)| *stamp)
    }
}

/// Says whether gate and router let a pair be quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    /// They do.
    Open,
    /// Halted, or no gate works.
    Halted,
    /// No router of the venue works under the gate's epoch.
    RouterNotReady,
    /// The gate was active and has fallen silent.
    GateSilent,
    /// The router of the venue was active and has fallen silent.
    RouterSilent,
}

/// Is the last word of a gate or router, and whose it is.
#[derive(Debug)]
struct Told {
    producer: ProducerId,
    state: ControlState,
}

/// Holds everything known that is not about one pair.
#[derive(Debug)]
pub(crate) struct Facts {
    fees: BTreeMap<VenueId, Latest<FeeSchedule>>,
    balances: BTreeMap<VenueId, Latest<Vec<Balance>>>,
    status: BTreeMap<VenueId, Latest<SystemStatus>>,
    universe: Latest<Universe>,
    gate: Latest<Told>,
    routers: BTreeMap<VenueId, Latest<Told>>,
    /// Signs of life of gate and routers.
    pub(crate) liveness: Liveness,
    /// What our own orders bound of each asset when balances were last told.
    own_bound: BTreeMap<VenueId, BTreeMap<Asset, Amount>>,
    commands: BTreeMap<ControlScope, Latest<ControlAction>>,
}

impl Facts {
    pub(crate) fn new(control_silence_max: DurationNs) -> Self {
        Self {
            fees: BTreeMap::new(),
            balances: BTreeMap::new(),
            status: BTreeMap::new(),
            universe: Latest::default(),
            gate: Latest::default(),
            routers: BTreeMap::new(),
            liveness: Liveness::new(control_silence_max),
            own_bound: BTreeMap::new(),
            commands: BTreeMap::new(),
        }
    }

    pub(crate) fn set_fees(&mut self, header: &Header, venue: &VenueId, fees: FeeSchedule) -> bool {
        self.fees.entry(venue.clone()).or_default().set(header, fees)
    }

    pub(crate) fn fees(&self, venue: &VenueId) -> Option<FeeSchedule> {
        self.fees.get(venue)?.get().copied()
    }

    pub(crate) fn set_balances(&mut self, header: &Header, balances: &Balances) -> bool {
        let slot = self.balances.entry(balances.venue.clone()).or_default();
        slot.set(header, balances.entries.clone())
    }

    pub(crate) fn balances(&self, venue: &VenueId) -> Option<&[Balance]> {
        self.balances.get(venue)?.get().map(Vec::as_slice)
    }

    /// Gives the balances of every venue.
    pub(crate) fn all_balances(&self, account: &AccountId) -> impl Iterator<Item = Balances> {
        self.balances.iter().filter_map(|(venue, told)| {
            let (account, venue) = (account.clone(), venue.clone());
            Some(Balances { account, venue, entries: told.get()?.clone() })
        })
    }

    pub(crate) fn balances_stamp(&self, venue: &VenueId) -> Option<Stamp> {
        self.balances.get(venue)?.stamp()
    }

    pub(crate) fn set_status(
        &mut self,
        header: &Header,
        venue: &VenueId,
        status: SystemStatus,
    ) -> bool {
        self.status.entry(venue.clone()).or_default().set(header, status)
    }

    /// Tells whether the venue takes orders that add liquidity. A venue that has said nothing does not.
    pub(crate) fn is_venue_open(&self, venue: &VenueId) -> bool {
        match self.status.get(venue).and_then(Latest::get) {
            Some(SystemStatus::Online | SystemStatus::PostOnly) => true,
            Some(
                SystemStatus::CancelOnly | SystemStatus::Maintenance | SystemStatus::Disconnected,
            )
            | None => false,
        }
    }

    pub(crate) fn set_universe(&mut self, header: &Header, universe: Universe) -> bool {
        self.universe.set(header, universe)
    }

    pub(crate) fn universe(&self) -> Option<&Universe> {
        self.universe.get()
    }

    /// Tells whether the universe in force at `now` selects the pair.
    pub(crate) fn is_selected(&self, now: Timestamp, key: &InstrumentKey) -> bool {
        self.universe.get().is_some_and(|universe| {
            now <= universe.valid_until
                && universe.pairs.iter().any(|p| p.is_selected && p.instrument == *key)
        })
    }

    pub(crate) fn set_control_state(&mut self, header: &Header, state: &ControlState) -> bool {
        let told = Told { producer: header.producer.clone(), state: state.clone() };
        if state.service == Service::RiskGate.name() {
            return self.set_gate(header, told);
        }
        match &state.venue {
            Some(venue) if state.service == Service::OrderRouter.name() => {
                self.routers.entry(venue.clone()).or_default().set(header, told)
            }
            Some(_) | None => false,
        }
    }

    /// Takes the word of a gate. Whoever acts under the newer epoch is right, whatever the clocks of the two say.
    fn set_gate(&mut self, header: &Header, told: Told) -> bool {
        let epoch = told.state.epoch;
        match self.gate.get().map(|newest| newest.state.epoch) {
            Some(newest) if newest > epoch => false,
            Some(newest) if newest == epoch => self.gate.set(header, told),
            Some(_) | None => {
                self.gate.replace(header, told);
                true
            }
        }
    }

    /// Notes a sign of life; tells whether it ends the silence of a gate or router that counts.
    pub(crate) fn hear_control(&mut self, now: Timestamp, header: &Header) -> bool {
        let told = self.routers.values().filter_map(Latest::get).chain(self.gate.get());
        let counts = told.map(|told| &told.producer).any(|producer| *producer == header.producer);
        let was_silent = self.liveness.is_silent(now, &header.producer);
        self.liveness.hear(now, header);
        counts && was_silent && !self.liveness.is_silent(now, &header.producer)
    }

    /// Gives the instants at which the gate, and the router of a venue, fall silent unless they are heard.
    pub(crate) fn silences(&self, venue: &VenueId) -> impl Iterator<Item = Timestamp> {
        let told = [self.gate.get(), self.routers.get(venue).and_then(Latest::get)];
        told.into_iter().flatten().filter_map(|told| self.liveness.silent_at(&told.producer))
    }

    pub(crate) fn set_own_bound(&mut self, venue: &VenueId, bound: BTreeMap<Asset, Amount>) {
        self.own_bound.insert(venue.clone(), bound);
    }

    /// Gives what our own orders bound of an asset when the balances of a venue were told.
    pub(crate) fn own_bound(&self, venue: &VenueId, asset: &Asset) -> Amount {
        let of_venue = self.own_bound.get(venue);
        of_venue.and_then(|bound| bound.get(asset)).copied().unwrap_or(Amount::ZERO)
    }

    pub(crate) fn set_command(&mut self, header: &Header, command: &ControlCommand) -> bool {
        match command.action {
            ControlAction::Halt
            | ControlAction::CancelAccount
            | ControlAction::Reduce
            | ControlAction::Resume => {}
            ControlAction::ChangeLimits | ControlAction::ConfirmLimits => return false,
        }
        let slot = self.commands.entry(command.scope.clone()).or_default();
        slot.set(header, command.action)
    }

    /// Tells whether the router of the venue names a difference between the venue's account and ours that concerns the pair.
    pub(crate) fn has_break(&self, key: &InstrumentKey, definition: &Instrument) -> bool {
        let router = self.routers.get(&key.venue).and_then(Latest::get);
        let mut breaks = router.into_iter().flat_map(|told| &told.state.breaks);
        breaks.any(|found| found.concerns(key, Some(definition)))
    }

    /// Tells whether gate or operators allow the pair only orders that reduce its position.
    pub(crate) fn is_reduce_only(&self, strategy: &StrategyId, key: &InstrumentKey) -> bool {
        let reduces = |action: &Latest<ControlAction>| action.get() == Some(&ControlAction::Reduce);
        let by_command = self.commands.iter().filter(|(_, action)| reduces(action));
        let by_state = self.gate.get().into_iter().flat_map(|told| &told.state.restricted);
        by_command.map(|(scope, _)| scope).chain(by_state).any(|scope| covers(scope, strategy, key))
    }

    /// Tells whether gate, router and operators let the pair be quoted. A gate or router that never spoke forbids it, and
    /// so does one that has given no sign of life for too long, whatever its last word was.
    pub(crate) fn permission(
        &self,
        now: Timestamp,
        strategy: &StrategyId,
        key: &InstrumentKey,
    ) -> Permission {
        let covers = |scope: &ControlScope| covers(scope, strategy, key);
        let by_command = self.commands.iter().any(|(scope, action)| {
            action.get().is_some_and(|told| told.is_halt()) && covers(scope)
        });
        let gate = self.gate.get();
        let router = self.routers.get(&key.venue).and_then(Latest::get);
        let by_state =
            [gate, router].into_iter().flatten().map(|told| &told.state).any(|state| {
                state.state == ServiceState::Halted || state.halted.iter().any(covers)
            });
        let Some(gate) = gate.filter(|gate| gate.state.state == ServiceState::Active) else {
            return Permission::Halted;
        };
        if by_command || by_state {
            return Permission::Halted;
        }
        if self.liveness.is_silent(now, &gate.producer) {
            return Permission::GateSilent;
        }
        let epoch = gate.state.epoch;
        let is_ready =
            |told: &&Told| told.state.state == ServiceState::Active && told.state.epoch >= epoch;
        match router.filter(is_ready) {
            None => Permission::RouterNotReady,
            Some(router) if self.liveness.is_silent(now, &router.producer) => {
                Permission::RouterSilent
            }
            Some(_) => Permission::Open,
        }
    }
}

fn covers(scope: &ControlScope, strategy: &StrategyId, key: &InstrumentKey) -> bool {
    match scope {
        ControlScope::Global => true,
        ControlScope::Venue(venue) => *venue == key.venue,
        ControlScope::Instrument(instrument) => instrument == key,
        ControlScope::Strategy(held) => held == strategy,
    }
}
