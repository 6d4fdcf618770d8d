//! What only the router has as inputs and outputs.

use remora_domain::{ClOrdId, Envelope, VenueReport};
use remora_venue_api::VenueCommand;
use std::sync::Arc;

/// Is an input only the router has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouterInput {
    /// The intention to send an order is stored.
    Stored {
        /// Of which order.
        cl_ord_id: ClOrdId,
    },
    /// The intention could not be stored, or nobody knows: the order is not sent.
    StoreFailed {
        /// Of which order.
        cl_ord_id: ClOrdId,
    },
    /// The venue said something.
    Venue(VenueReport),
}

/// Is an effect only the router has.
#[derive(Debug)]
pub enum RouterOutput {
    /// Publish this `OrderEvent` of type `Sending` durably, and answer with `Stored` or `StoreFailed` in any case.
    StoreIntent(Arc<Envelope>),
    /// Give this to the venue's order-entry session.
    Venue(VenueCommand),
}
