//! Worst cases: what each approval lets the positions become, at the mids when it was asked for.
//!
//! With position P, open buys B and open sells S a pair ends anywhere in [P − S, P + B]. No approval may take the end
//! it pushes on over the limit of the pair, nor the sum of all pairs over the total; one that leaves the sum where it
//! was is allowed, because a position must always be reducible.

use super::findings::{Findings, Promise};
use super::markets::{Markets, Marks};
use super::orders::Orders;
use remora_domain::{
    AmountError, InstrumentKey, Notional, OrderRequest, Position, Price, Qty, Side,
};
use remora_risk_gate_core::RiskGateConfig;

/// Is what the gate of the run promised to keep.
pub(super) struct Limits {
    gate: RiskGateConfig,
}

impl Limits {
    pub(super) const fn new(gate: RiskGateConfig) -> Self {
        Self { gate }
    }
}

/// Is the range in which a position can end.
#[derive(Clone, Copy)]
struct Ends {
    lowest: Position,
    highest: Position,
}

impl Ends {
    fn of(orders: &Orders, key: &InstrumentKey) -> Result<Self, AmountError> {
        let position = orders.position(key);
        let flat = Self { lowest: position, highest: position };
        orders
            .open_of(key)
            .try_fold(flat, |ends, (_, order)| ends.with(order.request.side, order.remaining()))
    }

    fn with(self, side: Side, qty: Qty) -> Result<Self, AmountError> {
        let by = Position::of(side, qty);
        match side {
            Side::Buy => Ok(Self { highest: self.highest.checked_add(by)?, ..self }),
            Side::Sell => Ok(Self { lowest: self.lowest.checked_add(by)?, ..self }),
        }
    }

    fn without(self, side: Side, qty: Qty) -> Result<Self, AmountError> {
        let by = Position::of(side, qty);
        match side {
            Side::Buy => Ok(Self { highest: self.highest.checked_sub(by)?, ..self }),
            Side::Sell => Ok(Self { lowest: self.lowest.checked_sub(by)?, ..self }),
        }
    }

    fn outward(self, side: Side) -> Qty {
        let end = match side {
            Side::Buy => self.highest,
            Side::Sell => self.lowest,
        };
        if end.side() == Some(side) { end.abs() } else { Qty::ZERO }
    }

    fn worst(self) -> Qty {
        self.lowest.abs().max(self.highest.abs())
    }
}

/// Checks an approval that the orders hold already.
pub(super) fn check(
    limits: &Limits,
    orders: &Orders,
    markets: &Markets,
    request: &OrderRequest,
    findings: &mut Findings,
) {
    let Some(order) = orders.get(&request.cl_ord_id) else { return };
    let view = View { limits, orders, markets, marks: &order.marks };
    let judged = view.judge(request, findings);
    findings.exact(judged);
}

/// Says why a value could not be computed.
#[derive(Debug, thiserror::Error)]
enum ValueError {
    #[error(transparent)]
    Amount(#[from] AmountError),
    #[error("approved without a definition, a mid or a rate of {0}")]
    Unknown(InstrumentKey),
}

struct View<'a> {
    limits: &'a Limits,
    orders: &'a Orders,
    markets: &'a Markets,
    marks: &'a Marks,
}

impl View<'_> {
    fn judge(&self, request: &OrderRequest, findings: &mut Findings) -> Result<(), ValueError> {
        let gate = &self.limits.gate;
        let key = &request.instrument;
        let order = self.value(key, request.price, request.qty)?;
        above(findings, Promise::OrdersAreWithinTheLimit, request, order, gate.order_notional_max);
        let after = Ends::of(self.orders, key)?;
        let before = after.without(request.side, request.qty)?;
        let outward = self.at_mid(key, after.outward(request.side))?;
        let pair_max = gate.pair_position_max(key);
        above(findings, Promise::PairsAreWithinTheLimit, request, outward, pair_max);
        if after.worst() <= before.worst() {
            return Ok(());
        }
        let mut total = Notional::ZERO;
        for exposed in self.orders.exposed() {
            let worst = Ends::of(self.orders, exposed)?.worst();
            total = total.checked_add(self.at_mid(exposed, worst)?)?;
        }
        let total_max = gate.total_position_max;
        above(findings, Promise::TheTotalIsWithinTheLimit, request, total, total_max);
        Ok(())
    }

    fn at_mid(&self, key: &InstrumentKey, qty: Qty) -> Result<Notional, ValueError> {
        if qty.is_zero() {
            return Ok(Notional::ZERO);
        }
        let mid = self.marks.get(key).ok_or_else(|| ValueError::Unknown(key.clone()))?;
        self.value(key, *mid, qty)
    }

    fn value(&self, key: &InstrumentKey, price: Price, qty: Qty) -> Result<Notional, ValueError> {
        let unknown = || ValueError::Unknown(key.clone());
        let instrument = self.markets.instrument(key).ok_or_else(unknown)?;
        let cost = price.checked_notional(qty, instrument.multiplier)?;
        self.limits.gate.reporting.convert(&instrument.quote, cost)?.ok_or_else(unknown)
    }
}

fn above(
    findings: &mut Findings,
    promise: Promise,
    request: &OrderRequest,
    value: Notional,
    limit: Notional,
) {
    if value > limit {
        let (id, key) = (&request.cl_ord_id, &request.instrument);
        findings.add(promise, format!("{id} on {key}: {value} above {limit}"));
    }
}
