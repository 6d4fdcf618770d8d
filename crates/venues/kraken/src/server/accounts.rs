//! `/sim/accounts`: what the venue itself knows of its accounts, for whoever compares books with it; and deposits.
//!
//! In: an operator's question. Out: JSON; every amount is text in the decimals of its asset or pair, every instant
//! nanoseconds of the venue's clock. Asking passes no faults, costs no nonce, counts for no limit and changes nothing.
//! A deposit is money from nowhere, told to the account like any other.
//! What must never happen here: a key, a secret or a token in an answer.

use super::desk::{Desk, Execution, Forgotten, OrderFacts, OrderStatus};
use remora_domain::{Side, Timestamp};
use remora_matching::{OrderNo, TraderIx};
use rust_decimal::Decimal;
use rust_decimal::serde::str as text;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Is an account in short.
#[derive(Serialize)]
struct Summary<'a> {
    name: &'a str,
    /// Orders that are open, and those that have ended and are remembered.
    orders_open: usize,
    orders_ended: usize,
    executions: usize,
    /// When its dead man's switch fires, where it is armed.
    cancel_all_at_ns: Option<i64>,
    /// What was dropped because the bounds of the history were reached.
    forgotten: Dropped,
    balances: BTreeMap<&'a str, Balance>,
}

#[derive(Serialize)]
struct Dropped {
    orders: u64,
    executions: u64,
    ledger: u64,
}

#[derive(Serialize)]
struct Balance {
    total: Decimal,
    held: Decimal,
}

#[derive(Serialize)]
struct Order<'a> {
    txid: &'a str,
    cl_ord_id: Option<&'a str>,
    symbol: &'a str,
    side: &'static str,
    /// None for an order by an amount of quote.
    qty: Option<Decimal>,
    limit: Option<Decimal>,
    cum_qty: Decimal,
    cum_cost: Decimal,
    fee: Decimal,
    status: &'static str,
    reason: Option<&'static str>,
    opened_ns: i64,
    closed_ns: Option<i64>,
}

#[derive(Serialize)]
struct Fill<'a> {
    exec_id: &'a str,
    txid: String,
    /// None also where the order is no longer remembered.
    cl_ord_id: Option<&'a str>,
    symbol: &'a str,
    side: &'static str,
    price: Decimal,
    qty: Decimal,
    cost: Decimal,
    fee: Decimal,
    fee_asset: &'a str,
    is_maker: bool,
    time_ns: i64,
}

/// Is what an operator gives to an account, or takes with a minus.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deposit {
    /// In any spelling.
    asset: String,
    #[serde(with = "text")]
    amount: Decimal,
}

impl Desk {
    /// Answers an operator; `path` is below `/sim/`. None where the path is not about accounts.
    pub(crate) fn admin(
        &mut self,
        now: Timestamp,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Option<(u16, String)> {
        let path = path.trim_matches('/');
        let rest = path.strip_prefix("accounts").filter(|it| it.is_empty() || it.starts_with('/'));
        let parts: Vec<&str> = rest?.split('/').skip(1).collect();
        Some(match (method, parts.as_slice()) {
            ("GET", parts) => self.books(parts),
            ("POST", [name, "deposit"]) => self.give(now, name, body),
            (_, _) => (405, r#"{"error":"method not allowed"}"#.to_owned()),
        })
    }

    fn books(&self, parts: &[&str]) -> (u16, String) {
        let find = |name: &str| self.traders().find(|(_, known)| *known == name);
        let trader = parts.first().map(|name| find(name));
        let books = match (trader, parts.get(1..).unwrap_or_default()) {
            (None, []) => {
                let all = self.traders().map(|trader| self.summary(trader));
                json(&BTreeMap::from([("accounts", all.collect::<Vec<_>>())]))
            }
            (Some(Some(trader)), []) => json(&self.summary(trader)),
            (Some(Some((trader, _))), ["orders"]) => {
                json(&BTreeMap::from([("orders", self.all_orders(trader))]))
            }
            (Some(Some((trader, _))), ["executions"]) => {
                let rows = self.last_executions(trader, usize::MAX);
                let fills: Vec<_> = rows.filter_map(|row| self.fill(row)).collect();
                json(&BTreeMap::from([("executions", fills)]))
            }
            (_, _) => return (404, no_such(self)),
        };
        (200, books)
    }

    fn give(&mut self, now: Timestamp, name: &str, body: &[u8]) -> (u16, String) {
        let Some((trader, _)) = self.traders().find(|(_, known)| *known == name) else {
            return (404, no_such(self));
        };
        let wanted = r#"{"asset":"USD","amount":"100"}, a minus takes what is not held"#;
        let problem =
            |error: &str| (400, json(&BTreeMap::from([("error", error), ("want", wanted)])));
        let Ok(Deposit { asset, amount }) = serde_json::from_slice(body) else {
            return problem("unreadable");
        };
        match self.deposit(now, trader, &asset, amount) {
            Ok(ledger_id) => (200, json(&BTreeMap::from([("ledger_id", ledger_id)]))),
            Err(error) => problem(&error.to_string()),
        }
    }

    fn summary<'a>(&'a self, (trader, name): (TraderIx, &'a str)) -> Summary<'a> {
        let Forgotten { orders, executions, ledger, amends: _ } = self.forgotten(trader);
        let balances = self.balances(trader).into_iter().map(|row| {
            let asset: &str = &row.asset.v2;
            (asset, Balance { total: row.total, held: row.held })
        });
        Summary {
            name,
            orders_open: self.open_orders(trader).count(),
            orders_ended: self.ended_orders(trader).count(),
            executions: self.last_executions(trader, usize::MAX).count(),
            cancel_all_at_ns: self.cancel_all_at(trader).map(Timestamp::as_ns),
            forgotten: Dropped { orders, executions, ledger },
            balances: balances.collect(),
        }
    }

    /// Gives every order that is remembered: the ended ones in the order of their end, then the open ones.
    fn all_orders(&self, trader: TraderIx) -> Vec<Value> {
        let all = self.ended_orders(trader).chain(self.open_orders(trader));
        let row = |order: OrderNo| self.order(order).map(|facts| order_row(&facts));
        all.filter_map(row).collect()
    }

    fn fill<'a>(&'a self, row: &'a Execution) -> Option<Fill<'a>> {
        Some(Fill {
            exec_id: &row.exec_id,
            txid: self.order_id(row.order).to_string(),
            cl_ord_id: self.order(row.order).and_then(|facts| facts.cl_ord_id),
            symbol: &self.catalogue().pair(row.market)?.symbol,
            side: side(row.side),
            price: row.price,
            qty: row.qty,
            cost: row.cost,
            fee: row.fee,
            fee_asset: &row.fee_asset,
            is_maker: row.is_maker,
            time_ns: row.time.as_ns(),
        })
    }
}

fn order_row(facts: &OrderFacts<'_>) -> Value {
    let row = Order {
        txid: facts.txid.as_str(),
        cl_ord_id: facts.cl_ord_id,
        symbol: &facts.pair.symbol,
        side: side(facts.side),
        qty: facts.qty,
        limit: facts.limit,
        cum_qty: facts.cum_qty,
        cum_cost: facts.cum_cost,
        fee: facts.fee,
        status: status(facts.status),
        reason: facts.reason,
        opened_ns: facts.opened.as_ns(),
        closed_ns: facts.closed.map(Timestamp::as_ns),
    };
    // Text and numbers only: it cannot fail.
    serde_json::to_value(row).unwrap_or_default()
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

const fn status(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Pending => "pending_new",
        OrderStatus::Open => "new",
        OrderStatus::PartiallyFilled => "partially_filled",
        OrderStatus::Filled => "filled",
        OrderStatus::Canceled => "canceled",
        OrderStatus::Expired => "expired",
    }
}

fn json(books: &impl Serialize) -> String {
    // Text and numbers only: it cannot fail.
    serde_json::to_string(books).unwrap_or_default()
}

fn no_such(desk: &Desk) -> String {
    let names: Vec<&str> = desk.traders().map(|(_, name)| name).collect();
    let error = "want accounts, accounts/NAME, accounts/NAME/orders or accounts/NAME/executions";
    serde_json::json!({ "error": error, "accounts": names }).to_string()
}
