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

    /// Gives the names of ours that the venue's order has had, newest first: those whose place others took, under the name
    /// that the venue knows, which is the first.
    fn names<'a>(&'a self, newest: &'a str) -> Vec<&'a str> {
        let mut names = vec![newest];
        let mut of = newest;
        while let Some(orig) = self.approved.get(of).and_then(|it| it.orig_cl_ord_id.as_ref()) {
            let at_venue = |id: &str| self.last.get(id).and_then(|event| event.order_id.clone());
            let place = at_venue(orig.as_str());
            if place.is_none() || place != at_venue(of) {
                break; // its place was never taken
            }
            of = orig.as_str();
            names.push(of);
        }
        names
    }

    /// Gives the name that the venue knows of each of our orders.
    fn first_names(&self) -> BTreeMap<&str, &str> {
        let ids = self.approved.keys().map(String::as_str);
        ids.filter_map(|id| Some((id, *self.names(id).last()?))).collect()
    }

    /// Gives what our log booked on all these names.
    fn cum(&self, names: &[&str]) -> Decimal {
        let events = names.iter().filter_map(|name| self.last.get(*name));
        events.map(|event| event.cum_qty.to_decimal()).sum()
    }

    /// Gives price and quantity that the venue's order was to have in the end, as it counts them.
    fn terms(&self, names: &[&str]) -> Option<(Decimal, Decimal)> {
        let (newest, before) = names.split_first()?;
        let request = self.approved.get(*newest)?;
        let earlier = before.split_first().map(|(_, earlier)| self.cum(earlier));
        let base = earlier.unwrap_or_default() + request.orig_cum_qty.to_decimal();
        let base = if before.is_empty() { Decimal::ZERO } else { base };
        Some((request.price.to_decimal(), base + request.qty.to_decimal()))
    }

    /// Tells whether a price was approved for the venue's order, whether or not our log says that it ever had it.
    fn is_asked(&self, names: &[&str], price: Option<Decimal>) -> bool {
        let is_of = |request: &&OrderRequest| {
            let orig = request.orig_cl_ord_id.as_ref().map(|orig| orig.as_str());
            names.contains(&request.cl_ord_id.as_str())
                || orig.is_some_and(|it| names.contains(&it))
        };
        let mut requests = self.approved.values().filter(is_of);
        requests.any(|request| Some(request.price.to_decimal()) == price)
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
    let first_names = ours.first_names();
    // Of each of the venue's orders the name that came last.
    let mut newest: BTreeMap<&str, &str> = BTreeMap::new();
    for (id, first) in &first_names {
        let longest = newest.entry(first).or_insert(id);
        if ours.names(id).len() > ours.names(longest).len() {
            *longest = id;
        }
    }
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
        let names = newest.get(id).map_or_else(|| vec![id], |newest| ours.names(newest));
        let approved = (symbol(&asked.instrument.to_string()), side(asked.side));
        let sent = (order.symbol.clone(), order.side.as_str());
        if approved != sent {
            found.push(format!("{id}: approved {approved:?}, at the exchange {sent:?}"));
        }
        let (terms, is) = (ours.terms(&names), order.limit.zip(order.qty));
        // A change to less than was filled by then ends an order at what was filled.
        let is_cut = order.qty == Some(order.cum_qty) && ours.is_asked(&names, order.limit);
        if terms != is && !is_cut {
            found.push(format!("{id}: approved {terms:?}, at the exchange {is:?} ({names:?})"));
        }
        let booked = ours.cum(&names);
        if booked != order.cum_qty {
            found.push(format!("{id}: filled {}, our log {booked} ({names:?})", order.cum_qty));
        }
    }
    for (id, event) in &ours.last {
        if !event.ord_status.is_terminal() {
            found.push(format!("{id}: {:?} in our log", event.ord_status));
        }
        let first = first_names.get(id.as_str()).copied().unwrap_or(id);
        if !seen.contains_key(first) && !event.cum_qty.is_zero() {
            found.push(format!("{id}: filled in our log, unknown to the exchange"));
        }
    }
}

/// Wants every execution of the exchange booked exactly once, in its very terms, and none beside them.
fn fills(theirs: &Theirs, ours: &Ours, found: &mut Vec<String>) {
    let first_names = ours.first_names();
    let mut booked: BTreeMap<&str, Execution> = BTreeMap::new();
    for fill in &ours.fills {
        let known = fill.cl_ord_id.as_deref().and_then(|id| first_names.get(id));
        let cl_ord_id = known.map(|first| (*first).to_owned()).or_else(|| fill.cl_ord_id.clone());
        if booked.insert(&fill.exec_id, Execution { cl_ord_id, ..fill.clone() }).is_some() {
            found.push(format!("{}: booked twice", fill.exec_id));
        }
    }
    for execution in &theirs.executions {
        match booked.remove(execution.exec_id.as_str()) {
            Some(fill) if fill == *execution => {}
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
pub(crate) fn history_differs(
    deployment: &Deployment,
    theirs: &Theirs,
    ours: &Ours,
) -> Option<String> {
    let first_names = ours.first_names();
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
        if let Some(first) = cells.first_mut() {
            let known = first_names.get(first.as_str()).map(|known| (*known).to_owned());
            *first = known.unwrap_or_else(|| first.clone());
        }
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
