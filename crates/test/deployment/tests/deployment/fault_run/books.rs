//! Two sets of books: the exchange's, told by its operator, and ours, from the durable log, history and the gate.

use super::exchange::{Exchange, ExchangeOrder, Execution};
use crate::common::Watcher;
use remora_bus::Stream;
use remora_deployment::Deployment;
use remora_domain::{Body, Envelope, OrderEvent, OrderRequest, Side};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// Is what the durable log says of our orders.
#[derive(Default)]
pub(crate) struct Ours {
    /// What was approved, by client order id.
    approved: BTreeMap<String, OrderRequest>,
    /// The last event of each order.
    last: BTreeMap<String, OrderEvent>,
    /// Every booking of an execution, in order.
    fills: Vec<Execution>,
    /// The newest balances, by asset.
    balances: BTreeMap<String, Decimal>,
}

impl Ours {
    /// Reads the log as it is now.
    pub(crate) fn read(orders: &[Envelope], accounts: &[Envelope]) -> Self {
        let mut ours = Self::default();
        for envelope in orders {
            if let Body::OrderApproval(approval) = &envelope.body {
                let request = &approval.fields.request;
                ours.approved.insert(request.cl_ord_id.to_string(), request.clone());
            } else if let Body::OrderEvent(event) = &envelope.body {
                ours.event(event);
            }
        }
        for envelope in accounts {
            if let Body::Balances(balances) = &envelope.body {
                let totals = balances.entries.iter();
                let totals = totals.map(|it| (it.asset.to_string(), it.total.to_decimal()));
                ours.balances = totals.collect();
            }
        }
        ours
    }

    fn event(&mut self, event: &OrderEvent) {
        let cl_ord_id = event.cl_ord_id.to_string();
        if let Some(fill) = &event.fill {
            self.fills.push(Execution {
                exec_id: fill.exec_id.to_string(),
                cl_ord_id: Some(cl_ord_id.clone()),
                symbol: symbol(&event.instrument.to_string()),
                side: side(event.side).to_owned(),
                price: fill.last_px.to_decimal(),
                qty: fill.last_qty.to_decimal(),
                cost: fill.cost.unwrap().to_decimal(),
                fee: fill.fee.amount.to_decimal(),
                fee_asset: fill.fee.asset.to_string(),
            });
        }
        self.last.insert(cl_ord_id, event.clone());
    }

    /// Gives our position in each pair.
    fn positions(&self) -> BTreeMap<String, Decimal> {
        positions(&self.fills)
    }
}

/// Gives the venue's symbol of an instrument.
fn symbol(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).replace('-', "/")
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// Sums executions by pair; pairs that ended flat are left out.
fn positions(fills: &[Execution]) -> BTreeMap<String, Decimal> {
    let mut positions: BTreeMap<String, Decimal> = BTreeMap::new();
    for fill in fills {
        let by = if fill.side == "buy" { fill.qty } else { -fill.qty };
        *positions.entry(fill.symbol.clone()).or_default() += by;
    }
    positions.retain(|_, position| !position.is_zero());
    positions
}

/// Is what the exchange says of our account.
pub(crate) struct Theirs {
    pub(crate) orders: Vec<ExchangeOrder>,
    pub(crate) executions: Vec<Execution>,
    balances: BTreeMap<String, Decimal>,
    held: Vec<String>,
    forgotten: u64,
}

impl Theirs {
    pub(crate) fn read(exchange: &Exchange) -> Self {
        let books = exchange.books();
        let held = books.balances.iter().filter(|(_, balance)| !balance.held.is_zero());
        Self {
            orders: exchange.orders(),
            executions: exchange.executions(),
            held: held.map(|(asset, balance)| format!("{asset} {}", balance.held)).collect(),
            balances: books.balances.into_iter().map(|(asset, it)| (asset, it.total)).collect(),
            forgotten: books.forgotten.values().sum(),
        }
    }

    /// Gives the pairs on which at least one order of ours was accepted.
    pub(crate) fn pairs(&self) -> usize {
        self.orders.iter().map(|order| &order.symbol).collect::<BTreeSet<_>>().len()
    }
}

/// Compares everything at a quiet moment; gives what is not one.
pub(crate) fn differences(theirs: &Theirs, ours: &Ours) -> Vec<String> {
    let mut found = Vec::new();
    if theirs.forgotten > 0 {
        found.push(format!("the exchange has forgotten {} of its records", theirs.forgotten));
    }
    found.extend(theirs.held.iter().map(|held| format!("still held at the exchange: {held}")));
    orders(theirs, ours, &mut found);
    fills(theirs, ours, &mut found);
    if theirs.balances != ours.balances {
        for (asset, total) in &theirs.balances {
            let known = ours.balances.get(asset);
            if known != Some(total) {
                found.push(format!("{asset}: the exchange has {total}, our log {known:?}"));
            }
        }
        let unknown = ours.balances.keys().filter(|asset| !theirs.balances.contains_key(*asset));
        found.extend(unknown.map(|asset| format!("{asset}: the exchange does not know it")));
    }
    found
}

/// Wants every order at the exchange to be one that was approved, in its very terms, sent once and ended as we say; and
/// every order of ours that is not there to have ended without a trade.
fn orders(theirs: &Theirs, ours: &Ours, found: &mut Vec<String>) {
    let mut seen: BTreeMap<&str, &ExchangeOrder> = BTreeMap::new();
    for order in &theirs.orders {
        let Some(id) = order.cl_ord_id.as_deref() else {
            found.push(format!("{}: an order without an id of ours", order.txid));
            continue;
        };
        if let Some(first) = seen.insert(id, order) {
            found.push(format!("{id}: sent twice, as {} and {}", first.txid, order.txid));
        }
        if order.closed_ns.is_none() {
            found.push(format!("{id}: still open at the exchange"));
        }
        let Some(asked) = ours.approved.get(id) else {
            found.push(format!("{id}: an orphan, nobody approved it"));
            continue;
        };
        let approved = (
            symbol(&asked.instrument.to_string()),
            side(asked.side),
            Some(asked.qty.to_decimal()),
            Some(asked.price.to_decimal()),
        );
        let sent = (order.symbol.clone(), order.side.as_str(), order.qty, order.limit);
        if approved != sent {
            found.push(format!("{id}: approved {approved:?}, at the exchange {sent:?}"));
        }
        let booked = ours.last.get(id).map(|event| event.cum_qty.to_decimal());
        if booked != Some(order.cum_qty) {
            found.push(format!("{id}: filled {}, our log {booked:?}", order.cum_qty));
        }
    }
    for (id, event) in &ours.last {
        if !event.ord_status.is_terminal() {
            found.push(format!("{id}: {:?} in our log", event.ord_status));
        }
        if !seen.contains_key(id.as_str()) && !event.cum_qty.is_zero() {
            found.push(format!("{id}: filled in our log, unknown to the exchange"));
        }
    }
}

/// Wants every execution of the exchange booked exactly once, in its very terms, and none beside them.
fn fills(theirs: &Theirs, ours: &Ours, found: &mut Vec<String>) {
    let mut booked: BTreeMap<&str, &Execution> = BTreeMap::new();
    for fill in &ours.fills {
        if booked.insert(&fill.exec_id, fill).is_some() {
            found.push(format!("{}: booked twice", fill.exec_id));
        }
    }
    for execution in &theirs.executions {
        match booked.remove(execution.exec_id.as_str()) {
            Some(fill) if fill == execution => {}
            Some(fill) => found.push(format!("the exchange {execution:?}, our log {fill:?}")),
            None => found.push(format!("never booked: {execution:?}")),
        }
    }
    found.extend(booked.values().map(|fill| format!("the exchange knows nothing of {fill:?}")));
    let (their, our) = (positions(&theirs.executions), ours.positions());
    if their != our {
        found.push(format!("positions: the exchange {their:?}, our log {our:?}"));
    }
}

/// Compares the gate's positions with the exchange's.
pub(crate) fn check_gate(deployment: &Deployment, theirs: &Theirs) {
    let details = deployment.details("risk-gate").unwrap();
    let pairs = details["pairs"].as_array().unwrap().iter();
    let held = pairs.filter_map(|pair| {
        let text = |field: &str| pair[field].as_str().unwrap().to_owned();
        let position: Decimal = text("position").parse().unwrap();
        (!position.is_zero()).then(|| (symbol(&text("instrument")), position))
    });
    assert_eq!(held.collect::<BTreeMap<_, _>>(), positions(&theirs.executions), "{details}");
}

/// Compares the rows of executions in history with the exchange's.
pub(crate) fn history_differs(deployment: &Deployment, theirs: &Theirs) -> Option<String> {
    let sql = "SELECT exec_id, cl_ord_id, instrument, lower(side), last_px, last_qty, fee_amount, fee_asset FROM fills";
    let rows = deployment.query(sql).unwrap();
    let mut stored: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows.lines() {
        let mut cells = row.split('|').map(str::to_owned);
        let exec_id = cells.next().unwrap();
        if stored.insert(exec_id.clone(), cells.collect()).is_some() {
            return Some(format!("{exec_id} stands in history twice"));
        }
    }
    let shown = |it: &Execution| -> Vec<String> {
        let amount = |amount: Decimal| amount.normalize().to_string();
        let id = it.cl_ord_id.clone().unwrap_or_default();
        let name = it.symbol.replace('/', "-");
        let amounts = [amount(it.price), amount(it.qty), amount(it.fee)];
        let [price, qty, fee] = amounts;
        vec![id, name, it.side.clone(), price, qty, fee, it.fee_asset.clone()]
    };
    let normal = |mut cells: Vec<String>| {
        for cell in cells.iter_mut().skip(3).take(3) {
            *cell = cell.parse::<Decimal>().unwrap().normalize().to_string();
        }
        cells
    };
    for execution in &theirs.executions {
        let row = stored.remove(&execution.exec_id).map(normal);
        let wanted = shown(execution);
        if row.as_ref() != Some(&wanted) {
            return Some(format!(
                "{}: history {row:?}, the exchange {wanted:?}",
                execution.exec_id
            ));
        }
    }
    (!stored.is_empty()).then(|| format!("history knows of {stored:?}, the exchange does not"))
}

/// Reads our books as they are now.
pub(crate) fn ours(watcher: &Watcher) -> Ours {
    Ours::read(&watcher.log(Stream::Orders), &watcher.log(Stream::Accounts))
}
