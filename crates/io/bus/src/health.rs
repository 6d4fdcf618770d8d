//! The condition of the connection, as a value to watch.

use remora_domain::Timestamp;

/// Says whether there is a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// There is.
    Connected,
    /// There is none.
    Disconnected {
        /// Since when (wall clock).
        since: Timestamp,
    },
}

/// Is what health endpoints and alarms are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusHealth {
    /// Now.
    pub connection: Connection,
    /// How often the connection came back.
    pub reconnects: u64,
    /// How many publishes or subscriptions the server refused this user. Not 0 means a wrong configuration or
    /// an intruder: raise an alarm.
    pub permission_violations: u64,
    /// The server's words about the newest refusal.
    pub last_violation: Option<String>,
    /// How often the client library dropped messages because we read too slowly.
    pub slow_consumers: u64,
    /// How often an open log reader or consumer had to be opened again.
    pub reopened_readers: u64,
}

impl BusHealth {
    /// Is the condition right after connecting.
    #[must_use]
    pub const fn connected() -> Self {
        Self {
            connection: Connection::Connected,
            reconnects: 0,
            permission_violations: 0,
            last_violation: None,
            slow_consumers: 0,
            reopened_readers: 0,
        }
    }

    /// Tells whether there is a connection now.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        match self.connection {
            Connection::Connected => true,
            Connection::Disconnected { .. } => false,
        }
    }
}
