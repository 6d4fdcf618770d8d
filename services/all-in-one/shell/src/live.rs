//! What live commands share: sockets with a clock, and the wish to stop.

use anyhow::{Result, bail};
use remora_service_kit::Clock;
use remora_venue_api::FeedInput;
use remora_venue_link::{SocketSettings, VenueSockets};
use std::sync::Arc;
use std::time::Duration;

/// Refuses an address that is not a WebSocket's.
pub(crate) fn check_url(url: &str) -> Result<()> {
    let rest = url.strip_prefix("ws://").or_else(|| url.strip_prefix("wss://"));
    if rest.is_none_or(str::is_empty) {
        bail!("--url {url}: want ws://HOST or wss://HOST, such as wss://ws.kraken.com/v2");
    }
    Ok(())
}

/// Remembers whether the feed was ever heard, and why it was lost.
#[derive(Default)]
pub(crate) struct Heard {
    frames: u64,
    lost: Option<String>,
}

impl Heard {
    /// Takes note of an input; gives a line for people when a connection was lost or could not be opened.
    pub(crate) fn note(&mut self, input: &FeedInput) -> Option<String> {
        match input {
            FeedInput::Frame { .. } => self.frames = self.frames.saturating_add(1),
            FeedInput::Disconnected { detail, .. } => {
                self.lost = Some(detail.clone());
                return Some(format!("feed lost: {detail}; connecting again"));
            }
            FeedInput::Start | FeedInput::Connected { .. } | FeedInput::SessionEnded => {}
        }
        None
    }

    /// Gives the number of frames.
    ///
    /// # Errors
    /// Refuses a run that never heard anything: nothing it says would be about the market.
    pub(crate) fn frames(self, url: &str) -> Result<u64> {
        if self.frames == 0 {
            let why = self.lost.unwrap_or_else(|| "the connection stayed silent".to_owned());
            bail!("no frame arrived from {url}: {why}");
        }
        Ok(self.frames)
    }
}

/// Makes sockets whose receive times come from `clock`.
pub(crate) fn sockets(clock: &Clock) -> VenueSockets {
    let clock = clock.clone();
    VenueSockets::new(SocketSettings::default(), Arc::new(move || clock.now()))
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
