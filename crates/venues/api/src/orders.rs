//! Order entry: what drives an order-entry session and what it gives.

use crate::{Confidential, ConnId, FeedInput, Problem};
use remora_approval::ApprovedOrder;
use remora_domain::{
    AccountId, Body, BookTop, ClOrdId, DurationNs, Envelope, Instrument, MarketTrade, OrderEvent,
    OrderId, SessionId, Timestamp, VenueId, VenueReport,
};
use remora_machine::Machine;

/// Is what an order-entry session is told at its start.
#[derive(Clone, Debug)]
pub struct OrderEntrySettings {
    /// Which venue.
    pub venue: VenueId,
    /// Which account of ours; what is reported carries its name.
    pub account: AccountId,
    /// Which run this is. What a session names at the venue differs from run to run.
    pub run: SessionId,
    /// What the venue knows us by.
    pub credentials: Credentials,
    /// Where calls go, without a trailing slash.
    pub rest_url: String,
    /// Where the private socket is.
    pub private_url: String,
    /// The first nonce that no earlier run may have used: the last `ReserveNonces` that was stored; 0 for a new key.
    pub nonces_from: u64,
    /// What the venue's own timer does.
    pub dead_man: DeadMan,
    /// Whether to trade by calls alone, without a socket.
    pub is_rest_only: bool,
    /// The venue's name of the account's rate tier, one of the entry's `rate_tiers`.
    pub rate_tier: String,
    /// What every client order id of ours begins with.
    pub cl_ord_id_prefix: String,
    /// Seeds the jitter of reconnects.
    pub seed: u64,
}

/// Is an API key with its secret. Both print as `***`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The public part.
    pub key: Confidential,
    /// The private part, as the venue gives it.
    pub secret: Confidential,
}

/// Says what the venue's timer does that cancels every open order of the account when we fall silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadMan {
    /// It is armed before the first order. While the account has open orders that are not ours, no order is sent: it
    /// would cancel them too.
    Guard(DurationNs),
    /// It is armed, and covers orders that are not ours too: the operator has said that the account is shared and that
    /// they may go.
    GuardShared(DurationNs),
    /// It is never armed: the operator has said that the account is shared and that orders that are not ours must stay.
    Off,
}

/// Is anything the router asks of a venue. A new order needs an [`ApprovedOrder`]; nothing else can carry one.
#[derive(Debug)]
pub enum VenueCommand {
    /// Send a new order.
    Submit(ApprovedOrder),
    /// Take an order back.
    Cancel {
        /// Our id.
        cl_ord_id: ClOrdId,
        /// The venue's id, if known.
        order_id: Option<OrderId>,
    },
    /// Take back every open order of the account, also those that are not ours. It needs no approval, waits for nothing,
    /// leaves while no session is up, and may be said again. What becomes of our orders is reported as ever; that the
    /// others are gone shows in the next list.
    CancelAccount,
    /// Forget the last [`Self::CancelAccount`] where it has not left yet: it is confirmed, given up, or somebody has resumed,
    /// and people place orders.
    ForgetCancelAccount,
    /// Ask which orders are open; answered by `VenueReport::OpenOrders`. One answer may stand for several queries.
    QueryOpenOrders {
        /// Now, by the router's clock; the answer repeats it.
        asked_at: Timestamp,
    },
    /// Ask for balances and fee tier; answered by `VenueReport::{Balances, Fees}`.
    QueryAccount,
}

/// Is anything that can happen to an order-entry session.
#[derive(Debug)]
pub enum VenueInput {
    /// The router wants something.
    Command(VenueCommand),
    /// The public book moved (only simulated venues listen).
    Book {
        /// The top.
        top: BookTop,
        /// When the venue says it moved.
        venue_time: Option<Timestamp>,
    },
    /// Somebody traded (only simulated venues listen).
    Trade {
        /// The trade.
        trade: MarketTrade,
        /// When the venue says it happened.
        venue_time: Option<Timestamp>,
    },
    /// A definition is new or changed.
    Instrument(Instrument),
    /// An event of an earlier run, read from the log before anything is sent. It restores used ids and which
    /// executions were told; a simulated venue restores its balances from it as well.
    Restored(OrderEvent),
    /// Start: open the session.
    Start,
    /// The service ends in order, and sends no order any more: nothing is to be left armed or open that need not be.
    /// Answered by `Stopped`, within seconds.
    Stop,
    /// A private connection is open.
    Connected {
        /// Which.
        conn: ConnId,
    },
    /// A private frame arrived.
    Frame {
        /// On which connection.
        conn: ConnId,
        /// When, stamped at the socket.
        receive_time: Timestamp,
        /// Its text.
        text: Confidential,
    },
    /// A private connection closed or could not be opened.
    Disconnected {
        /// Which.
        conn: ConnId,
        /// Why, for people.
        detail: String,
    },
    /// A call has ended; said once of each.
    CallEnded {
        /// Which.
        call: CallId,
        /// How.
        end: CallEnd,
    },
    /// Nonces below `until` may be used: that they may have been is stored.
    NoncesReserved {
        /// The first number that is not reserved.
        until: u64,
    },
}

impl VenueInput {
    /// Gives what a private socket said.
    #[must_use]
    pub fn of_socket(input: FeedInput) -> Option<Self> {
        match input {
            FeedInput::Connected { conn } => Some(Self::Connected { conn }),
            FeedInput::Frame { conn, receive_time, text } => {
                Some(Self::Frame { conn, receive_time, text: text.into() })
            }
            FeedInput::Disconnected { conn, detail } => Some(Self::Disconnected { conn, detail }),
            FeedInput::Start | FeedInput::SessionEnded => None,
        }
    }

    /// Gives what a simulated venue sees of a bus message; `None` for everything but market data.
    #[must_use]
    pub fn of_market(message: &Envelope) -> Option<Self> {
        let venue_time = message.header.venue_time;
        if let Body::Book(top) = &message.body {
            Some(Self::Book { top: top.clone(), venue_time })
        } else if let Body::Trade(trade) = &message.body {
            Some(Self::Trade { trade: trade.clone(), venue_time })
        } else if let Body::Instrument(instrument) = &message.body {
            Some(Self::Instrument(instrument.clone()))
        } else {
            None
        }
    }
}

/// Is anything an order-entry session gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VenueOutput {
    /// The venue said something.
    Report(VenueReport),
    /// Open a private connection; answered by `Connected` or `Disconnected`. Replaces one of the same id, of which
    /// nothing more is heard.
    Connect {
        /// Which.
        conn: ConnId,
        /// Where to: `ws://` or `wss://`.
        url: String,
    },
    /// Send a private text frame. Without an open connection it is discarded: its `Disconnected` has been given.
    Send {
        /// On which connection.
        conn: ConnId,
        /// Its text: it holds a token.
        text: Confidential,
    },
    /// Close a private connection; answered by `Disconnected`.
    Close {
        /// Which.
        conn: ConnId,
    },
    /// Make a call; answered by `CallEnded`, once.
    Call(VenueCall),
    /// Store durably that every nonce below `until` may have been used; answered by `NoncesReserved` once it is
    /// stored, never before.
    ReserveNonces {
        /// The first number that is not reserved.
        until: u64,
    },
    /// Something was wrong with what the venue sent. Holds nothing private.
    Problem(Problem),
    /// The session has ended, as asked by `Stop`.
    Stopped,
}

/// Names a call of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u64);

impl CallId {
    /// Takes the number of a call.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Gives the number of the call.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Is an HTTP request to the venue, signed where it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueCall {
    /// Which.
    pub call: CallId,
    /// How.
    pub method: CallMethod,
    /// Where to: `http://` or `https://`, with path and query. Holds nothing private.
    pub url: String,
    /// Header fields: lower-case name, value.
    pub headers: Vec<(&'static str, Confidential)>,
    /// The body; empty for none.
    pub body: Confidential,
}

/// Says how a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallMethod {
    /// Without a body.
    Get,
    /// With a body.
    Post,
}

/// Says how a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// The venue answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The body, as text; bytes that are no UTF-8 are replaced.
        body: Confidential,
    },
    /// No answer: whether the venue acted on it is unknown, unless nothing was sent.
    Failed {
        /// Whether bytes of it may have reached the venue.
        is_maybe_sent: bool,
        /// Why, for people. Holds nothing private.
        detail: String,
    },
}

/// Is one venue's order-entry session for one account.
pub trait OrderEntry: Machine<Input = VenueInput, Output = VenueOutput> + Send {}
