//! What live commands share: sockets with a clock, and the wish to stop.

use anyhow::Result;
use remora_ingestor_core::IngestorEffect;
use remora_service_kit::Clock;
use remora_venue_link::{LinkCommand, SocketSettings, VenueSockets};
use std::sync::Arc;
use std::time::Duration;

/// Makes sockets whose receive times come from `clock`.
pub(crate) fn sockets(clock: &Clock) -> VenueSockets {
    let clock = clock.clone();
    VenueSockets::new(SocketSettings::default(), Arc::new(move || clock.now()))
}

/// Gives the socket command of an ingestor's effect.
pub(crate) fn command(effect: IngestorEffect) -> LinkCommand {
    match effect {
        IngestorEffect::Connect { conn, url } => LinkCommand::Connect { conn, url },
        IngestorEffect::Send { conn, text } => LinkCommand::Send { conn, text },
        IngestorEffect::Close { conn } => LinkCommand::Close { conn },
    }
}

/// Ends when the person presses Ctrl-C or the time is over.
pub(crate) async fn stop(seconds: Option<u64>) -> Result<()> {
    let over = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = over => Ok(()),
        pressed = tokio::signal::ctrl_c() => Ok(pressed?),
    }
}
