//! The REST side: any HTTP request in, exactly one JSON envelope out, always with status 200.
//!
//! In: requests as received. Out: `{"error":[],"result":...}`, or `{"error":["E..."]}` in the venue's words.
//! Everything that trades or remembers is the desk's and the tape's; here text becomes calls and answers text.
//!
//! Invariants: no request panics, hangs or gets another status; no number goes through a float; what a request can
//! make grow is bounded (fields, rows, levels).
//! Source: Kraken REST reference (checked June 2026).

mod account;
mod catalogue;
mod fields;
mod history;
mod market;
mod order;
mod orders;
mod read;
mod trading;

use super::auth::{Permission, PrivateCall, RestCost};
use super::desk::{Desk, DeskResult};
use super::error::KrakenError;
use super::io::HttpCall;
use super::json::Json;
use super::tape::Tape;
use fields::{Fields, Malformed};
use remora_domain::Timestamp;
use remora_matching::TraderIx;

/// The type of every answer.
pub(crate) const CONTENT_TYPE: &str = "application/json; charset=utf-8";

/// Is the answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RestAnswer {
    /// HTTP status: always 200; only faults make others.
    pub(crate) status: u16,
    /// `Content-Type`.
    pub(crate) content_type: &'static str,
    /// Body.
    pub(crate) body: String,
}

/// Answers a request.
pub(crate) fn answer(desk: &mut Desk, tape: &Tape, now: Timestamp, call: &HttpCall) -> RestAnswer {
    let mut json = Json::with_capacity(512);
    json.raw("{\"error\":[],\"result\":");
    let body = match dispatch(desk, tape, now, call, &mut json) {
        Ok(()) => json.into_text() + "}",
        Err(error) => failure(&error),
    };
    RestAnswer { status: 200, content_type: CONTENT_TYPE, body }
}

/// Is a public request, read.
struct Public<'a> {
    desk: &'a Desk,
    tape: &'a Tape,
    now: Timestamp,
    fields: Fields,
}

/// Is a private request that may be served.
struct Private<'a> {
    desk: &'a mut Desk,
    now: Timestamp,
    trader: TraderIx,
    key: &'a str,
    fields: Fields,
}

/// Writes the result of a request.
type PublicMethod = fn(&Public<'_>, &mut Json) -> DeskResult<()>;
/// Does a private request and writes its result.
type PrivateMethod = fn(&mut Private<'_>, &mut Json) -> DeskResult<()>;

/// Is which rights of a key a private method needs.
#[derive(Clone, Copy)]
enum Rights {
    /// None.
    None,
    /// This one.
    One(Permission),
    /// Any of these.
    Any(&'static [Permission]),
    /// All of these.
    All(&'static [Permission]),
}

struct Endpoint {
    rights: Rights,
    cost: RestCost,
    method: PrivateMethod,
}

impl Endpoint {
    const fn new(rights: Rights, cost: RestCost, method: PrivateMethod) -> Self {
        Self { rights, cost, method }
    }
}

fn dispatch(
    desk: &mut Desk,
    tape: &Tape,
    now: Timestamp,
    call: &HttpCall,
    json: &mut Json,
) -> DeskResult<()> {
    // Old clients post public requests too.
    let is_post = call.method == "POST";
    if let Some(name) = call.path.strip_prefix("/0/public/") {
        let method = public_method(name).ok_or(KrakenError::UnknownMethod)?;
        if !is_post && call.method != "GET" {
            return Err(KrakenError::UnknownMethod);
        }
        let fields = fields_of(call).map_err(|Malformed| KrakenError::InvalidArguments)?;
        return method(&Public { desk, tape, now, fields }, json);
    }
    let name = call.path.strip_prefix("/0/private/").ok_or(KrakenError::UnknownMethod)?;
    let endpoint = endpoint(name).filter(|_| is_post).ok_or(KrakenError::UnknownMethod)?;
    let (trader, key, fields) = authorise(desk, now, call, endpoint)?;
    (endpoint.method)(&mut Private { desk, now, trader, key, fields }, json)
}

fn authorise<'a>(
    desk: &mut Desk,
    now: Timestamp,
    call: &'a HttpCall,
    endpoint: &Endpoint,
) -> DeskResult<(TraderIx, &'a str, Fields)> {
    let key = call.api_key.as_deref().ok_or(KrakenError::InvalidKey)?;
    let fields = fields_of(call).map_err(|Malformed| KrakenError::InvalidArguments)?;
    let needs = match endpoint.rights {
        Rights::One(right) => Some(right),
        Rights::None | Rights::Any(_) | Rights::All(_) => None,
    };
    let private = PrivateCall {
        call,
        nonce: fields.text("nonce").unwrap_or_default(),
        otp: fields.text("otp"),
        needs,
        cost: endpoint.cost,
    };
    let trader = desk.authorise_rest(now, &private)?;
    let held = desk.key_facts(key).map(|facts| facts.permissions).unwrap_or_default();
    let may = match endpoint.rights {
        Rights::None | Rights::One(_) => true,
        Rights::Any(rights) => rights.iter().any(|right| held.contains(right)),
        Rights::All(rights) => rights.iter().all(|right| held.contains(right)),
    };
    if may { Ok((trader, key, fields)) } else { Err(KrakenError::PermissionDenied) }
}

/// Reads the fields of the body and the query; the body's win.
fn fields_of(call: &HttpCall) -> Result<Fields, Malformed> {
    let content_type = call.content_type.as_deref().unwrap_or_default();
    let is_json =
        content_type.get(..16).is_some_and(|start| start.eq_ignore_ascii_case("application/json"));
    let mut fields = match (is_json, call.body.is_empty()) {
        (_, true) => Fields::default(),
        (true, false) => Fields::json(&call.body)?,
        (false, false) => Fields::form(&call.body)?,
    };
    fields.merge(Fields::form(call.query.as_bytes())?)?;
    Ok(fields)
}

/// Every public method.
const PUBLIC: [(&str, PublicMethod); 10] = [
    ("Time", catalogue::time),
    ("SystemStatus", catalogue::system_status),
    ("Assets", catalogue::assets),
    ("AssetPairs", catalogue::asset_pairs),
    ("Ticker", market::ticker),
    ("OHLC", market::ohlc),
    ("Depth", market::depth),
    ("GroupedBook", market::grouped_book),
    ("Trades", market::trades),
    ("Spread", market::spread),
];

/// Every private method.
static PRIVATE_METHODS: [(&str, Endpoint); 23] = {
    use Permission::{
        CloseTrades, CreateWsToken, ModifyTrades, QueryClosedTrades, QueryFunds, QueryLedger,
        QueryOpenTrades,
    };
    use RestCost::{Call, Free, History};
    use Rights::One;
    const QUERY: Rights = Rights::Any(&[QueryOpenTrades, QueryClosedTrades]);
    const CHANGE: Rights = Rights::Any(&[ModifyTrades, CloseTrades]);
    const REPLACE: Rights = Rights::All(&[ModifyTrades, CloseTrades]);
    [
        ("Balance", Endpoint::new(One(QueryFunds), Call, account::balance)),
        ("BalanceEx", Endpoint::new(One(QueryFunds), Call, account::balance_ex)),
        ("TradeBalance", Endpoint::new(One(QueryFunds), Call, account::trade_balance)),
        ("TradeVolume", Endpoint::new(One(QueryFunds), Call, account::trade_volume)),
        ("GetApiKeyInfo", Endpoint::new(Rights::None, Call, account::api_key)),
        ("GetWebSocketsToken", Endpoint::new(One(CreateWsToken), Call, account::web_sockets_token)),
        ("OpenOrders", Endpoint::new(One(QueryOpenTrades), Call, orders::open_orders)),
        ("ClosedOrders", Endpoint::new(One(QueryClosedTrades), Call, orders::closed_orders)),
        ("QueryOrders", Endpoint::new(QUERY, Call, orders::query_orders)),
        ("OrderAmends", Endpoint::new(QUERY, Call, orders::order_amends)),
        ("OpenPositions", Endpoint::new(One(QueryOpenTrades), Call, history::open_positions)),
        ("TradesHistory", Endpoint::new(One(QueryClosedTrades), History, history::trades_history)),
        ("QueryTrades", Endpoint::new(One(QueryClosedTrades), Call, history::query_trades)),
        ("Ledgers", Endpoint::new(One(QueryLedger), History, history::ledgers)),
        ("QueryLedgers", Endpoint::new(One(QueryLedger), Call, history::query_ledgers)),
        ("AddOrder", Endpoint::new(One(ModifyTrades), Free, trading::add_order)),
        ("AddOrderBatch", Endpoint::new(One(ModifyTrades), Call, trading::add_order_batch)),
        ("AmendOrder", Endpoint::new(CHANGE, Call, trading::amend_order)),
        ("EditOrder", Endpoint::new(REPLACE, Call, trading::edit_order)),
        ("CancelOrder", Endpoint::new(CHANGE, Free, trading::cancel_order)),
        ("CancelOrderBatch", Endpoint::new(CHANGE, Call, trading::cancel_order_batch)),
        ("CancelAll", Endpoint::new(CHANGE, Call, trading::cancel_all)),
        ("CancelAllOrdersAfter", Endpoint::new(CHANGE, Call, trading::cancel_all_orders_after)),
    ]
};

fn public_method(name: &str) -> Option<PublicMethod> {
    PUBLIC.iter().find(|(known, _)| *known == name).map(|&(_, method)| method)
}

fn endpoint(name: &str) -> Option<&'static Endpoint> {
    PRIVATE_METHODS.iter().find(|(known, _)| *known == name).map(|(_, endpoint)| endpoint)
}

/// Names every method that is served, by the path before its name.
#[cfg(test)]
pub(super) fn routes() -> impl Iterator<Item = (&'static str, &'static str)> {
    let public = PUBLIC.iter().map(|&(name, _)| ("/0/public/", name));
    public.chain(PRIVATE_METHODS.iter().map(|(name, _)| ("/0/private/", *name)))
}

fn failure(error: &KrakenError) -> String {
    let mut json = Json::with_capacity(64);
    json.object(|json| {
        json.key("error").array(|json| json.string(&error.to_string()));
    });
    json.into_text()
}

#[cfg(test)]
mod tests;
