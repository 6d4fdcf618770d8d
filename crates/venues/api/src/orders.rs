//! Order entry: what drives an order-entry session and what it gives.

use remora_approval::ApprovedOrder;
use remora_domain::{
    Body, BookTop, ClOrdId, Envelope, Instrument, MarketTrade, OrderEvent, OrderId, Timestamp,
    VenueReport,
};
use remora_machine::Machine;

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
    /// Ask which orders are open; answered by `VenueReport::OpenOrders`.
    QueryOpenOrders,
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
    /// An event of an earlier run, read from the log before anything is sent (only simulated venues listen:
    /// it restores balances, execution numbers and used ids).
    Restored(OrderEvent),
    /// Start: open the session.
    Start,
}

impl VenueInput {
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
}

/// Is one venue's order-entry session for one account.
pub trait OrderEntry: Machine<Input = VenueInput, Output = VenueOutput> + Send {}
