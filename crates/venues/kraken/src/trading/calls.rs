//! REST calls: what is asked, signed once over the bytes that are sent, and what is under way.
//!
//! One signed call is under way at a time, so that nonces arrive in order; what must not wait (cancels, the timer) may
//! overtake a read, which is asked again if it is refused for its nonce.

use super::nonce::Nonces;
use super::orders::Out;
use crate::auth::{ApiSigner, Signed};
use remora_domain::{ClOrdId, InstrumentKey, OrderId, Timestamp};
use remora_venue_api::{CallId, CallMethod, Confidential, VenueCall, VenueOutput};
use std::collections::BTreeMap;

const USER_AGENT: &str = concat!("remora/", env!("CARGO_PKG_VERSION"));

/// Is what a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The venue's clock.
    Time,
    /// Names of assets.
    Assets,
    /// Names of pairs.
    Pairs,
    /// What our key may do.
    KeyInfo,
    /// A token for the socket.
    Token,
    /// What the account owns.
    Balances,
    /// Fees of these pairs, by altname.
    Fees(Vec<String>),
    /// Every open order.
    OpenOrders,
    /// These orders.
    Orders(Vec<OrderId>),
    /// The closed order of this name.
    Closed(ClOrdId),
    /// Closed orders that were opened after then, newest first, from this place on.
    ClosedPage { after: Option<Timestamp>, offset: u32 },
    /// Fills, newest first, from this place on.
    Trades { offset: u32 },
    /// Something that changes the venue.
    Act(Act),
}

/// Is something that changes the venue, whichever way it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Place these orders.
    Add(Vec<ClOrdId>),
    /// Put this order in the place of another.
    Amend(ClOrdId),
    /// Take these orders back.
    Cancel(Vec<ClOrdId>),
    /// Take every order of the account back, whoever placed it.
    CancelAccount,
    /// Set the timer; 0 takes it off.
    Guard(u32),
}

/// Is what an act was reckoned to cost of the engine's counters.
pub(super) type Cost = Vec<(InstrumentKey, i64)>;

/// Is the fields of a call, without nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fields {
    /// `a=1&b=2`, percent-encoded; for public calls the query.
    Form(String),
    /// `"a":1,"b":2`.
    Json(String),
}

/// Is a call under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) ask: Ask,
    pub(super) cost: Cost,
    /// What it costs of the call counter.
    pub(super) points: i64,
    pub(super) sent_at: Timestamp,
}

impl Fields {
    /// Tells whether they name several orders.
    pub(super) const fn is_batch(&self) -> bool {
        matches!(self, Self::Json(_))
    }
}

impl Ask {
    /// Gives the path.
    pub(super) const fn path(&self, is_batch: bool) -> &'static str {
        match self {
            Self::Time => "/0/public/Time",
            Self::Assets => "/0/public/Assets",
            Self::Pairs => "/0/public/AssetPairs",
            Self::KeyInfo => "/0/private/GetApiKeyInfo",
            Self::Token => "/0/private/GetWebSocketsToken",
            Self::Balances => "/0/private/BalanceEx",
            Self::Fees(_) => "/0/private/TradeVolume",
            Self::OpenOrders => "/0/private/OpenOrders",
            Self::Orders(_) => "/0/private/QueryOrders",
            Self::Closed(_) | Self::ClosedPage { .. } => "/0/private/ClosedOrders",
            Self::Trades { .. } => "/0/private/TradesHistory",
            Self::Act(Act::Add(_)) if is_batch => "/0/private/AddOrderBatch",
            Self::Act(Act::Add(_)) => "/0/private/AddOrder",
            Self::Act(Act::Amend(_)) => "/0/private/AmendOrder",
            Self::Act(Act::Cancel(_)) if is_batch => "/0/private/CancelOrderBatch",
            Self::Act(Act::Cancel(_)) => "/0/private/CancelOrder",
            Self::Act(Act::CancelAccount) => "/0/private/CancelAll",
            Self::Act(Act::Guard(_)) => "/0/private/CancelAllOrdersAfter",
        }
    }

    /// Gives the name for people.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Time => "Time",
            Self::Assets => "Assets",
            Self::Pairs => "AssetPairs",
            Self::KeyInfo => "GetApiKeyInfo",
            Self::Token => "GetWebSocketsToken",
            Self::Balances => "BalanceEx",
            Self::Fees(_) => "TradeVolume",
            Self::OpenOrders => "OpenOrders",
            Self::Orders(_) => "QueryOrders",
            Self::Closed(_) | Self::ClosedPage { .. } => "ClosedOrders",
            Self::Trades { .. } => "TradesHistory",
            Self::Act(Act::Add(_)) => "AddOrder",
            Self::Act(Act::Amend(_)) => "AmendOrder",
            Self::Act(Act::Cancel(_)) => "CancelOrder",
            Self::Act(Act::CancelAccount) => "CancelAll",
            Self::Act(Act::Guard(_)) => "CancelAllOrdersAfter",
        }
    }

    pub(super) const fn is_public(&self) -> bool {
        matches!(self, Self::Time | Self::Assets | Self::Pairs)
    }

    /// Gives what it costs of the call counter. What is not documented counts as an ordinary call.
    pub(super) const fn points(&self, is_batch: bool) -> i64 {
        match self {
            Self::Time | Self::Assets | Self::Pairs => 0,
            Self::Act(Act::Add(_) | Act::Cancel(_)) if !is_batch => 0,
            Self::Trades { .. } => 4,
            Self::KeyInfo
            | Self::Token
            | Self::Balances
            | Self::Fees(_)
            | Self::OpenOrders
            | Self::Orders(_)
            | Self::Closed(_)
            | Self::ClosedPage { .. }
            | Self::Act(_) => 1,
        }
    }

    /// Gives the fields of a read.
    pub(super) fn fields(&self) -> Fields {
        Fields::Form(match self {
            Self::Time
            | Self::Assets
            | Self::Pairs
            | Self::KeyInfo
            | Self::Token
            | Self::Balances
            | Self::OpenOrders
            | Self::Act(_) => String::new(),
            Self::Fees(pairs) => format!("pair={}", pairs.join("%2C")),
            Self::Orders(ids) => {
                let ids: Vec<&str> = ids.iter().map(OrderId::as_str).collect();
                format!("txid={}", ids.join("%2C"))
            }
            Self::Closed(id) => format!("cl_ord_id={id}&without_count=true"),
            Self::ClosedPage { after, offset } => {
                let after =
                    after.map(|at| format!("&start={}", at.as_ns().div_euclid(1_000_000_000)));
                let after = after.unwrap_or_default();
                format!("closetime=open{after}&ofs={offset}&without_count=true")
            }
            Self::Trades { offset } => {
                format!("ofs={offset}&consolidate_taker=false&without_count=true")
            }
        })
    }
}

/// Makes calls and remembers what is under way.
#[derive(Debug)]
pub(super) struct Calls {
    url: String,
    key: Confidential,
    signer: ApiSigner,
    last: u64,
    flights: BTreeMap<CallId, Flight>,
}

impl Calls {
    pub(super) const fn new(url: String, key: Confidential, signer: ApiSigner) -> Self {
        Self { url, key, signer, last: 0, flights: BTreeMap::new() }
    }

    pub(super) fn flights(&self) -> impl Iterator<Item = &Flight> {
        self.flights.values()
    }

    /// Takes the call that has ended.
    pub(super) fn take(&mut self, call: CallId) -> Option<Flight> {
        self.flights.remove(&call)
    }

    /// Sends a call; `false` when no nonce is reserved.
    pub(super) fn send(
        &mut self,
        now: Timestamp,
        nonces: &mut Nonces,
        flight: Flight,
        fields: &Fields,
        out: &mut Out,
    ) -> bool {
        let path = flight.ask.path(fields.is_batch());
        let mut headers = vec![("user-agent", USER_AGENT.into())];
        let (method, body) = if flight.ask.is_public() {
            (CallMethod::Get, String::new())
        } else {
            let Some(nonce) = nonces.take(now) else { return false };
            let nonce = nonce.to_string();
            let (kind, body) = match fields {
                Fields::Form(rest) if rest.is_empty() => {
                    ("application/x-www-form-urlencoded", format!("nonce={nonce}"))
                }
                Fields::Form(rest) => {
                    ("application/x-www-form-urlencoded", format!("nonce={nonce}&{rest}"))
                }
                Fields::Json(rest) => {
                    ("application/json", format!("{{\"nonce\":\"{nonce}\",{rest}}}"))
                }
            };
            let signed = Signed { path, query: "", nonce: &nonce, body: body.as_bytes() };
            headers.push(("api-key", self.key.clone()));
            headers.push(("api-sign", self.signer.sign(signed).into()));
            headers.push(("content-type", kind.into()));
            (CallMethod::Post, body)
        };
        self.last = self.last.wrapping_add(1);
        let call = CallId::new(self.last);
        self.flights.insert(call, flight);
        let (url, body) = (format!("{}{path}", self.url), body.into());
        out.push(VenueOutput::Call(VenueCall { call, method, url, headers, body }));
        true
    }
}
