//! `remora ctl kill`: straight to the routers, whatever else is down; over once every venue lists none of our orders.
//!
//! Own orders only, those that carry our prefix: what else rests in the account is somebody else's. With `--whole-account`
//! it is a command of its own that takes those too, and is over once the venue lists no order of the account. A router that cannot be
//! reached, or whose venue does not answer in time, makes the command fail: then the venue's timer is what is left.

use super::control::{Peer, kept_words};
use crate::output;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use remora_domain::{AccountId, ControlScope, VenueId};
use remora_rpc::{ControlClient, Recorded, Role, RpcError};
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
    /// Take back every order of the account, also those that other people or programs placed there. ACCOUNT is the name
    /// that the router knows it by, as in its profile; where it is another, that router does nothing.
    #[arg(long, value_name = "ACCOUNT")]
    whole_account: Option<AccountId>,
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
    ours: Emptying,
    /// Of the whole account.
    all: Emptying,
}

/// Is how far a taking back is.
struct Emptying {
    begun: u64,
    open: Option<u64>,
    emptied_after_ms: Option<i64>,
    is_given_up: bool,
}

impl Told {
    const fn of(&self, is_whole: bool) -> &Emptying {
        if is_whole { &self.all } else { &self.ours }
    }
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
    let began = Instant::now();
    let kept = command(&mut client, arguments, &token.name).await;
    let kept = kept_words(kept.map_err(|error| peer.explain(error, &token))?);
    let is_whole = arguments.whole_account.is_some();
    let within = Duration::from_secs(arguments.within_s);
    let mut open = (None, None);
    while began.elapsed() < within {
        // A router that does not answer once may answer the next time: it is halted.
        if let Ok(now) = told(&mut client).await
            && now.of(is_whole).begun > before.of(is_whole).begun
        {
            if let (Some(0), Some(after)) =
                (now.of(is_whole).open, now.of(is_whole).emptied_after_ms)
            {
                let (venue, seen) = (now.venue, began.elapsed().as_millis());
                let none = if is_whole { "no order of the account" } else { "none" };
                return Ok(format!(
                    "{venue}: the venue confirms {none} open {after} ms after the command reached the router \
                     (seen here after {seen} ms); halt {kept}"
                ));
            }
            if now.of(is_whole).is_given_up {
                bail!("{}: halted, but given up: the venue told no list of open orders", now.venue);
            }
            open = (now.ours.open, now.all.open);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let words = |open: Option<u64>| {
        open.map_or_else(|| "an unknown number".to_owned(), |open| open.to_string())
    };
    let (ours, within) = (words(open.0), within.as_secs());
    if is_whole {
        let (venue, all) = (before.venue, words(open.1));
        bail!(
            "{venue}: halted, {all} orders of the account, {ours} of them ours, still open after {within} s"
        );
    }
    bail!("{}: halted, {ours} still open after {within} s", before.venue)
}

/// Gives the command: a halt of our own, or the one that takes the whole account.
async fn command(
    client: &mut ControlClient,
    arguments: &KillArguments,
    token_name: &str,
) -> Result<Option<Recorded>, RpcError> {
    let KillArguments { venue, reason, .. } = arguments;
    let actor = arguments.actor.as_deref().unwrap_or(token_name);
    match &arguments.whole_account {
        Some(account) => client.cancel_account(account, venue.as_ref(), reason, actor).await,
        None => {
            let scope = venue.clone().map_or(ControlScope::Global, ControlScope::Venue);
            client.halt(&scope, reason, actor).await
        }
    }
}

/// Asks a router how far it is.
async fn told(client: &mut ControlClient) -> Result<Told> {
    let status = client.status().await?;
    let details: Value = serde_json::from_str(&status.details_json)
        .with_context(|| format!("read what {} says of itself", status.service))?;
    let number = |key: &str| details.get(key).and_then(Value::as_u64);
    let ms = |key: &str| details.get(key).and_then(Value::as_i64);
    let venue = details.get("venue").and_then(Value::as_str);
    let Some(venue) = venue else {
        bail!("{} takes nothing back from a venue: ask an order router", status.service);
    };
    // One that still reads its log has begun nothing; it takes the command before it does anything else.
    let begun = number("take_backs").unwrap_or(0);
    let emptied_after_ms = ms("emptied_after_ms");
    let open = number("orders_open");
    let ours = Emptying { begun, open, emptied_after_ms, is_given_up: false };
    let all = Emptying {
        begun: number("account_cancels").unwrap_or(0),
        open: number("account_orders_open"),
        emptied_after_ms: ms("account_emptied_after_ms"),
        is_given_up: details.get("account_given_up").and_then(Value::as_bool).unwrap_or(false),
    };
    Ok(Told { venue: venue.to_owned(), ours, all })
}
