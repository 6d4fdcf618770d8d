//! `remora ctl kill`: straight to the routers, whatever else is down; over once every venue lists none of our orders.
//!
//! Own orders only, those that carry our prefix: what else rests in the account is somebody else's. A router that cannot be
//! reached, or whose venue does not answer in time, makes the command fail: then the venue's timer is what is left.

use super::control::{Peer, kept_words};
use crate::output;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use remora_domain::{ControlScope, VenueId};
use remora_rpc::{ControlClient, Role};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// How often a router is asked how far it is; it looks at itself twice a second.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Args, Clone)]
pub(crate) struct KillArguments {
    /// gRPC address of a router; repeat it for each. By default the one in this container or pod.
    #[arg(long = "url", value_name = "URL", default_value = "http://127.0.0.1:9090")]
    urls: Vec<String>,
    /// Only this venue, such as `kraken-spot`; routers of others are left alone.
    #[arg(long, value_name = "VENUE")]
    venue: Option<VenueId>,
    /// File with tokens, one `<role> <name> <token>` a line.
    #[arg(long, value_name = "FILE", env = "REMORA_CONTROL__TOKEN_FILE")]
    token_file: PathBuf,
    /// Certificates to trust at https:// addresses, PEM.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Why; it is recorded.
    #[arg(long, value_name = "TEXT", default_value = "kill")]
    reason: String,
    /// Who; it is recorded beside the name of the token. Default: the name of the token.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// How long to ask a venue, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    within_s: u64,
}

/// Is what a router tells of a halt under way.
struct Told {
    venue: String,
    take_backs: u64,
    orders_open: Option<u64>,
    emptied_after_ms: Option<i64>,
}

/// Kills at every router, side by side.
pub(super) async fn run(arguments: KillArguments) -> Result<()> {
    let mut under_way = Vec::new();
    for url in arguments.urls.clone() {
        let given = arguments.clone();
        let task = tokio::spawn({
            let url = url.clone();
            async move { kill(&given, &url).await }
        });
        under_way.push((url, task));
    }
    let mut failed: usize = 0;
    for (url, task) in under_way {
        match task.await.context("ask a router")? {
            Ok(line) => output::line(&line),
            Err(error) => {
                failed = failed.saturating_add(1);
                output::line(&format!("NOT CONFIRMED {url}: {error:#}"));
            }
        }
    }
    if failed > 0 {
        bail!("{failed} of {} routers did not confirm: look at the venue", arguments.urls.len());
    }
    Ok(())
}

async fn kill(arguments: &KillArguments, url: &str) -> Result<String> {
    let (token_file, ca_file) = (arguments.token_file.clone(), arguments.ca_file.clone());
    let peer = Peer { url: url.to_owned(), token_file, ca_file };
    let (mut client, token) = peer.connect(Role::Operator).await?;
    let before = told(&mut client).await?;
    if arguments.venue.as_ref().is_some_and(|venue| venue.as_str() != before.venue) {
        return Ok(format!("{}: left alone", before.venue));
    }
    let scope = arguments.venue.clone().map_or(ControlScope::Global, ControlScope::Venue);
    let actor = arguments.actor.as_ref().unwrap_or(&token.name);
    let began = Instant::now();
    let kept = client.halt(&scope, &arguments.reason, actor).await;
    let kept = kept_words(kept.map_err(|error| peer.explain(error, &token))?);
    let within = Duration::from_secs(arguments.within_s);
    let mut open = None;
    while began.elapsed() < within {
        // A router that does not answer once may answer the next time: it is halted.
        if let Ok(now) = told(&mut client).await
            && now.take_backs > before.take_backs
        {
            if let (Some(0), Some(after)) = (now.orders_open, now.emptied_after_ms) {
                let (venue, seen) = (now.venue, began.elapsed().as_millis());
                return Ok(format!(
                    "{venue}: the venue confirms none open {after} ms after the command reached the router \
                     (seen here after {seen} ms); halt {kept}"
                ));
            }
            open = now.orders_open;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let open = open.map_or_else(|| "an unknown number".to_owned(), |open| open.to_string());
    bail!("{}: halted, {open} still open after {} s", before.venue, within.as_secs())
}

/// Asks a router how far it is.
async fn told(client: &mut ControlClient) -> Result<Told> {
    let status = client.status().await?;
    let details: Value = serde_json::from_str(&status.details_json)
        .with_context(|| format!("read what {} says of itself", status.service))?;
    let number = |key: &str| details.get(key).and_then(Value::as_u64);
    let venue = details.get("venue").and_then(Value::as_str);
    let (Some(venue), Some(take_backs)) = (venue, number("take_backs")) else {
        bail!("{} takes nothing back from a venue: ask an order router", status.service);
    };
    Ok(Told {
        venue: venue.to_owned(),
        take_backs,
        orders_open: number("orders_open"),
        emptied_after_ms: details.get("emptied_after_ms").and_then(Value::as_i64),
    })
}
