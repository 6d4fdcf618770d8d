//! Which simulated exchange runs: each venue's server half is a machine of the same shape.

use remora_domain::Timestamp;
use remora_machine::Machine;
use remora_venue_registry::kraken_spot::io::{ServerInput, ServerOutput};
use remora_venue_registry::{kraken_futures, kraken_spot};
use serde::{Deserialize, Serialize};

/// Says which venue is simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SimVenue {
    /// Kraken Spot: public and private.
    #[default]
    KrakenSpot,
    /// Kraken Futures: public only.
    KrakenFutures,
}

impl SimVenue {
    /// Gives the path of its WebSocket.
    pub(crate) const fn socket_path(self) -> &'static str {
        match self {
            Self::KrakenSpot => "/v2",
            Self::KrakenFutures => "/ws/v1",
        }
    }

    /// Gives its id in the registry.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::KrakenSpot => "kraken-spot",
            Self::KrakenFutures => "kraken-futures",
        }
    }
}

/// Is the exchange.
pub(crate) enum Exchange {
    Spot(Box<kraken_spot::Server>),
    Futures(Box<kraken_futures::Server>),
}

impl Machine for Exchange {
    type Input = ServerInput;
    type Output = ServerOutput;

    fn handle(&mut self, now: Timestamp, input: ServerInput, out: &mut Vec<ServerOutput>) {
        match self {
            Self::Spot(server) => server.handle(now, input, out),
            Self::Futures(server) => server.handle(now, input, out),
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<ServerOutput>) {
        match self {
            Self::Spot(server) => server.tick(now, out),
            Self::Futures(server) => server.tick(now, out),
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Spot(server) => server.next_deadline(),
            Self::Futures(server) => server.next_deadline(),
        }
    }
}
