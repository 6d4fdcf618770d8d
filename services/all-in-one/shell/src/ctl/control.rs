//! `remora ctl status`, `halt`, `resume`: an operator's hand on one service, over gRPC, whether or not NATS is up.

use crate::output;
use anyhow::{Context, Error, Result, anyhow, bail};
use clap::Args;
use remora_domain::{
    ControlScope, DurationNs, InstrumentId, InstrumentKey, ServiceState, StrategyId, VenueId,
};
use remora_rpc::{
    CallProblem, CallerToken, ControlClient, Recorded, Role, RpcError, ServiceStatus, Tokens,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Whom to ask, and with which token.
#[derive(Args)]
pub(crate) struct Peer {
    /// gRPC address of the service; by default the one in this container or pod.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9090")]
    pub(super) url: String,
    /// File with tokens, one `<role> <name> <token>` a line; the weakest that suffices is sent.
    #[arg(long, value_name = "FILE", env = "REMORA_CONTROL__TOKEN_FILE")]
    pub(super) token_file: PathBuf,
    /// Certificates to trust at an https:// address, PEM.
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    peer: Peer,
    /// Print everything as JSON, with the facts only this service has.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct CommandArguments {
    #[command(flatten)]
    peer: Peer,
    /// What it is about: `all`, a venue (`kraken-spot`), an instrument (`kraken-spot/BTC-USD`) or a strategy
    /// (`strategy:glft`).
    #[arg(long, value_name = "SCOPE", default_value = "all", value_parser = scope)]
    scope: ControlScope,
    /// Why; it is recorded.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who; it is recorded beside the name of the token. Default: the name of the token.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
}

/// Tells how a service is.
pub(super) async fn status(arguments: StatusArguments) -> Result<()> {
    let peer = arguments.peer;
    let (mut client, token) = peer.connect(Role::Viewer).await?;
    let status = client.status().await.map_err(|error| peer.explain(error, &token))?;
    if arguments.json {
        output::line(&serde_json::to_string_pretty(&to_json(&status)?)?);
    } else {
        describe(&status).iter().for_each(|line| output::line(line));
    }
    Ok(())
}

/// Stops new orders in a scope.
pub(super) async fn halt(arguments: CommandArguments) -> Result<()> {
    let CommandArguments { peer, scope, reason, actor } = arguments;
    let (mut client, token) = peer.connect(Role::Operator).await?;
    let actor = actor.unwrap_or_else(|| token.name.clone());
    let kept = client.halt(&scope, &reason, &actor).await;
    let kept = kept.map_err(|error| peer.explain(error, &token))?;
    output::line(&format!("halted {}: {}", words(&scope), kept_words(kept)));
    Ok(())
}

/// Allows only orders that reduce a position in a scope.
pub(super) async fn reduce(arguments: CommandArguments) -> Result<()> {
    let CommandArguments { peer, scope, reason, actor } = arguments;
    let (mut client, token) = peer.connect(Role::Operator).await?;
    let actor = actor.unwrap_or_else(|| token.name.clone());
    let kept = client.reduce(&scope, &reason, &actor).await;
    let kept = kept.map_err(|error| peer.explain(error, &token))?;
    output::line(&format!("only reducing in {}: {}", words(&scope), kept_words(kept)));
    Ok(())
}

/// Allows quoting again in a scope.
pub(super) async fn resume(arguments: CommandArguments) -> Result<()> {
    let CommandArguments { peer, scope, reason, actor } = arguments;
    let (mut client, token) = peer.connect(Role::Operator).await?;
    let actor = actor.unwrap_or_else(|| token.name.clone());
    let kept = client.resume(&scope, &reason, &actor).await;
    let kept = kept.map_err(|error| peer.explain(error, &token))?;
    output::line(&format!("resumed {}: {}", words(&scope), kept_words(kept)));
    Ok(())
}

impl Peer {
    pub(super) async fn connect(&self, needed: Role) -> Result<(ControlClient, CallerToken)> {
        let is_http = self.url.starts_with("http://") || self.url.starts_with("https://");
        if !is_http {
            bail!("--url {}: want http://HOST:PORT or https://HOST:PORT", self.url);
        }
        let token = read_token(&self.token_file, needed)?;
        let authority = self.ca_file.as_deref().map(read).transpose()?;
        let client = ControlClient::connect(&self.url, token.expose(), authority.as_deref()).await;
        let client = client.with_context(|| format!("{}: no service answers", self.url))?;
        Ok((client, token))
    }

    /// Says what a refused or lost call means for the person who made it.
    pub(super) fn explain(&self, error: RpcError, token: &CallerToken) -> Error {
        let (url, file, name) = (&self.url, self.token_file.display(), &token.name);
        let Some((problem, said)) = error.call_problem() else { return error.into() };
        match problem {
            CallProblem::UnknownToken => {
                anyhow!("{url} does not know token {name:?} of {file}: is it another deployment's?")
            }
            CallProblem::RoleTooLow => anyhow!("{url} refuses token {name:?} of {file}: {said}"),
            CallProblem::BadRequest | CallProblem::NotSupported => anyhow!("{url}: {said}"),
            CallProblem::Away => anyhow!("{url}: no service answers: {said}"),
            CallProblem::Other => error.into(),
        }
    }
}

fn read_token(file: &Path, needed: Role) -> Result<CallerToken> {
    let found = Tokens::find_for(&read(file)?, needed).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow!("{}: {}", file.display(), problems.join("; "))
    })?;
    let want = || format!("{}: no token of a {} in it", file.display(), needed.as_str());
    found.with_context(want)
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))
}

/// Reads a scope as a person writes it.
fn scope(text: &str) -> Result<ControlScope, String> {
    if text == "all" {
        return Ok(ControlScope::Global);
    }
    if let Some(strategy) = text.strip_prefix("strategy:") {
        let strategy = StrategyId::new(strategy).map_err(|error| error.to_string())?;
        return Ok(ControlScope::Strategy(strategy));
    }
    let venue = |venue: &str| VenueId::new(venue).map_err(|error| error.to_string());
    match text.split_once('/') {
        None => Ok(ControlScope::Venue(venue(text)?)),
        Some((at, instrument)) => {
            let instrument = InstrumentId::new(instrument).map_err(|error| error.to_string())?;
            Ok(ControlScope::Instrument(InstrumentKey::new(venue(at)?, instrument)))
        }
    }
}

fn words(scope: &ControlScope) -> String {
    match scope {
        ControlScope::Global => "everything".to_owned(),
        ControlScope::Venue(venue) => venue.to_string(),
        ControlScope::Instrument(key) => key.to_string(),
        ControlScope::Strategy(strategy) => format!("strategy {strategy}"),
    }
}

pub(super) const fn kept_words(kept: Option<Recorded>) -> &'static str {
    match kept {
        Some(Recorded::InStream) => "recorded on the bus",
        Some(Recorded::OnDisk) => "in force; a file keeps it until the bus can record it",
        Some(Recorded::InMemory) => {
            "in force; only the running service knows it until the bus can record it"
        }
        None => "in force; the service does not tell how it is kept",
    }
}

const fn state_word(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Starting => "starting",
        ServiceState::Active => "active",
        ServiceState::Halted => "halted",
    }
}

fn describe(status: &ServiceStatus) -> Vec<String> {
    let ServiceStatus { service, instance, version, .. } = status;
    let age = status.data_age.map(|age| format!("{} ms old", age.as_ms()));
    let mut lines = vec![
        format!("{service} ({instance}, version {version}): {}", state_word(status.state)),
        format!("market data: {}", age.unwrap_or_else(|| "none heard".to_owned())),
    ];
    lines.extend(status.dependencies.iter().map(|needed| {
        let word = if needed.is_up { "up" } else { "DOWN" };
        format!("{}: {word} ({})", needed.name, needed.detail)
    }));
    lines
}

fn to_json(status: &ServiceStatus) -> Result<Value> {
    let dependencies = status.dependencies.iter().map(
        |needed| json!({ "name": needed.name, "is_up": needed.is_up, "detail": needed.detail }),
    );
    let details: Value =
        serde_json::from_str(&status.details_json).context("read the details of the service")?;
    Ok(json!({
        "service": status.service,
        "instance": status.instance,
        "version": status.version,
        "state": state_word(status.state),
        "data_age_ms": status.data_age.map(DurationNs::as_ms),
        "dependencies": dependencies.collect::<Vec<_>>(),
        "details": details,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_everything_a_venue_or_an_instrument() {
        for (text, wanted) in [
            ("all", "everything"),
            ("kraken-spot", "kraken-spot"),
            ("kraken-spot/BTC-USD", "kraken-spot/BTC-USD"),
        ] {
            assert_eq!(words(&scope(text).unwrap()), wanted);
        }
        for wrong in ["", "Kraken Spot", "kraken-spot/", "kraken-spot/BTC/USD"] {
            assert!(scope(wrong).is_err(), "{wrong}");
        }
    }
}
