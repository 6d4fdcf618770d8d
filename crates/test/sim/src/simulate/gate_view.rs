//! What one run of the gate has received, and whether each of its approvals keeps the limits on that.
//!
//! Computed from the messages alone. Every approved order counts with all that it may still fill until a report ends it:
//! one whose fate is unknown counts as live. The gate itself may count more; that is its right.

use super::halt_view::HaltView;
use remora_domain::{
    Body, ClOrdId, ControlAction, Envelope, ExecId, Instrument, InstrumentKey, MessageId, Notional,
    OrderApproval, OrderEvent, OrderRequest, Position, Price, Qty, Service, Side,
};
use remora_risk_gate_core::RiskGateConfig;
use std::collections::{BTreeMap, BTreeSet};

/// Is an order that may still fill.
struct Open {
    request: OrderRequest,
    cum: Qty,
}

/// Is the limits that are computed again here.
#[derive(Clone, Copy)]
struct Limits {
    version: u64,
    order: Notional,
    pair: Notional,
    total: Notional,
}

/// Is the view.
pub(super) struct GateView {
    config: RiskGateConfig,
    limits: Limits,
    instruments: BTreeMap<InstrumentKey, Instrument>,
    mids: BTreeMap<InstrumentKey, Price>,
    positions: BTreeMap<InstrumentKey, Position>,
    executions: BTreeSet<ExecId>,
    open: BTreeMap<ClOrdId, Open>,
    ended: BTreeSet<ClOrdId>,
    heard: BTreeSet<MessageId>,
    halts: HaltView,
    /// The newest epoch that another gate has told of.
    epoch_told: u64,
}

impl GateView {
    pub(super) fn new(config: RiskGateConfig) -> Self {
        let limits = Limits {
            version: config.version,
            order: config.order_notional_max,
            pair: config.pair_position_max,
            total: config.total_position_max,
        };
        Self {
            config,
            limits,
            instruments: BTreeMap::new(),
            mids: BTreeMap::new(),
            positions: BTreeMap::new(),
            executions: BTreeSet::new(),
            open: BTreeMap::new(),
            ended: BTreeSet::new(),
            heard: BTreeSet::new(),
            halts: HaltView::default(),
            epoch_told: 0,
        }
    }

    /// Takes what the gate is given.
    pub(super) fn hear(&mut self, message: &Envelope) {
        self.halts.read(message);
        match &message.body {
            Body::Book(top) => {
                if let Some(mid) = top.mid() {
                    self.mids.insert(top.instrument.clone(), mid);
                }
            }
            Body::Instrument(instrument) => {
                self.instruments.insert(instrument.key.clone(), instrument.clone());
            }
            Body::OrderApproval(approval) => self.approved(approval),
            Body::OrderEvent(event) => {
                // An old statement that is read again says nothing new.
                if self.heard.insert(message.header.message_id()) {
                    self.event(event);
                }
            }
            Body::ControlCommand(command) if command.action == ControlAction::ChangeLimits => {
                if let Some(change) = &command.limits
                    && change.version == self.limits.version.saturating_add(1)
                {
                    self.limits.version = change.version;
                    let of =
                        |key| change.limits.get(key).and_then(|text| Notional::parse(text).ok());
                    self.limits.pair = of("pair_position_usd_max").unwrap_or(self.limits.pair);
                    self.limits.total = of("total_position_usd_max").unwrap_or(self.limits.total);
                }
            }
            Body::ControlState(state) if state.service == Service::RiskGate.name() => {
                self.epoch_told = self.epoch_told.max(state.epoch);
            }
            Body::Trade(_)
            | Body::Ticker(_)
            | Body::MarketStatus(_)
            | Body::FeedStatus(_)
            | Body::Bar(_)
            | Body::Universe(_)
            | Body::OrderRequest(_)
            | Body::OrderRefusal(_)
            | Body::OrderCancel(_)
            | Body::Balances(_)
            | Body::Position(_)
            | Body::AccountFees(_)
            | Body::AccountBreak(_)
            | Body::DecisionRecord(_)
            | Body::ControlCommand(_)
            | Body::ControlState(_)
            | Body::Heartbeat(_) => {}
        }
    }

    /// Takes an approval: of this run as it is given, of earlier ones from the log.
    pub(super) fn approved(&mut self, approval: &OrderApproval) {
        let request = &approval.fields.request;
        let id = &request.cl_ord_id;
        if !self.ended.contains(id) && !self.open.contains_key(id) {
            self.open.insert(id.clone(), Open { request: request.clone(), cum: Qty::ZERO });
        }
    }

    fn event(&mut self, event: &OrderEvent) {
        let id = &event.cl_ord_id;
        if let Some(fill) = &event.fill
            && self.executions.insert(fill.exec_id.clone())
        {
            let position = self.positions.entry(event.instrument.clone()).or_default();
            if let Ok(sum) = position.checked_add(Position::of(event.side, fill.last_qty)) {
                *position = sum;
            }
        }
        if event.ord_status.is_terminal() {
            self.ended.insert(id.clone());
            self.open.remove(id);
        } else if let Some(open) = self.open.get_mut(id) {
            open.cum = open.cum.max(event.cum_qty);
        }
    }

    /// Says why the gate should have kept silent.
    pub(super) fn forbids(&self, approval: &OrderApproval) -> Option<String> {
        let fields = &approval.fields;
        let id = &fields.request.cl_ord_id;
        if let Some(scope) = self.halts.stops(&fields.request) {
            return Some(format!("{id} is approved after a halt of {scope:?} was read"));
        }
        let epoch = self.epoch_told;
        let told = || format!("{id} is approved in epoch {} after {epoch} was read", fields.epoch);
        (fields.epoch < epoch).then(told)
    }

    /// Tells what is wrong with an approval that was just taken.
    pub(super) fn judge(&self, request: &OrderRequest) -> Option<String> {
        match self.excess(request) {
            Some(excess) => excess,
            None => Some(format!("{} has a value that cannot be computed", request.cl_ord_id)),
        }
    }

    /// Gives what exceeds its limit, if anything; the outer `None` says that a value is missing.
    fn excess(&self, request: &OrderRequest) -> Option<Option<String>> {
        let (key, id) = (&request.instrument, &request.cl_ord_id);
        let above = |what: &str, value: Notional, limit: Notional| {
            let text = || format!("{id} on {key}: {what} {value} above {limit}");
            (value > limit).then(text)
        };
        let order = self.value(key, request.price, request.qty)?;
        let (lowest, highest) = self.ends(key)?;
        let (end, before) = match request.side {
            Side::Buy => {
                let by = Position::of(Side::Buy, request.qty);
                (highest, (lowest, highest.checked_sub(by).ok()?))
            }
            Side::Sell => {
                let by = Position::of(Side::Sell, request.qty);
                (lowest, (lowest.checked_sub(by).ok()?, highest))
            }
        };
        let outward = if end.side() == Some(request.side) { end.abs() } else { Qty::ZERO };
        let pair = self.at_mid(key, outward)?;
        let worst = |(lowest, highest): (Position, Position)| lowest.abs().max(highest.abs());
        let mut total = None;
        if worst((lowest, highest)) > worst(before) {
            let mut sum = Notional::ZERO;
            for key in self.exposed() {
                sum = sum.checked_add(self.at_mid(key, worst(self.ends(key)?))?).ok()?;
            }
            total = above("all worst cases", sum, self.limits.total);
        }
        let order = above("order", order, self.limits.order);
        Some(order.or(above("worst case of the pair", pair, self.limits.pair)).or(total))
    }

    fn exposed(&self) -> BTreeSet<&InstrumentKey> {
        let open = self.open.values().map(|open| &open.request.instrument);
        self.positions.keys().chain(open).collect()
    }

    /// Gives the ends of the range in which a position can end.
    fn ends(&self, key: &InstrumentKey) -> Option<(Position, Position)> {
        let position = self.positions.get(key).copied().unwrap_or_default();
        let (mut lowest, mut highest) = (position, position);
        for open in self.open.values().filter(|open| open.request.instrument == *key) {
            let left = open.request.qty.checked_sub(open.cum).ok()?;
            let by = Position::of(open.request.side, left);
            match open.request.side {
                Side::Buy => highest = highest.checked_add(by).ok()?,
                Side::Sell => lowest = lowest.checked_add(by).ok()?,
            }
        }
        Some((lowest, highest))
    }

    fn at_mid(&self, key: &InstrumentKey, qty: Qty) -> Option<Notional> {
        if qty.is_zero() {
            return Some(Notional::ZERO);
        }
        self.value(key, *self.mids.get(key)?, qty)
    }

    fn value(&self, key: &InstrumentKey, price: Price, qty: Qty) -> Option<Notional> {
        let instrument = self.instruments.get(key)?;
        let cost = price.checked_notional(qty, instrument.multiplier).ok()?;
        self.config.reporting.convert(&instrument.quote, cost).ok()?
    }

    /// Gives the position of a pair as the gate has heard it.
    pub(super) fn position(&self, key: &InstrumentKey) -> Position {
        self.positions.get(key).copied().unwrap_or_default()
    }
}
