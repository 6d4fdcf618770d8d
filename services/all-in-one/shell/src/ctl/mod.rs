//! `remora ctl`: what a distributed deployment needs before and beside its services.

mod control;
mod dead;
mod init;
mod kill;
mod risk;
mod sign;

use crate::output;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use control::{CommandArguments, StatusArguments};
use dead::DeadCommand;
use kill::KillArguments;
use remora_bus::{Bus as _, Credentials, NatsBus, NatsSettings, PasswordSource, connect_nats};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use risk::{RiskCommand, run as run_risk};

/// How long a health check waits.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Subcommand)]
pub(crate) enum CtlCommand {
    /// Create the gate's key pair and one password per service in a folder, where they are absent.
    Init {
        /// The folder.
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
    },
    /// Declare the durable streams on a NATS server, and check that it keeps them as declared.
    Bus {
        /// NATS address.
        #[arg(long, default_value = "nats://127.0.0.1:4222")]
        url: String,
        /// User that may declare streams.
        #[arg(long, default_value = "admin")]
        user: String,
        /// File with the user's password.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Ask a service's health address; succeeds when it is well.
    Health {
        /// The address, such as <http://127.0.0.1:8080/readyz>.
        url: String,
    },
    /// Tell how a service is: state, age of its market data, what it needs.
    Status(StatusArguments),
    /// Stop new orders and take back those that rest; works while NATS is down. Ask the gate, or a router.
    Halt(CommandArguments),
    /// Allow only orders that reduce a position; ends a halt of the same scope. Ask the gate.
    Reduce(CommandArguments),
    /// Allow quoting again.
    Resume(CommandArguments),
    /// Halt routers, take back every order of ours, and ask each venue until it lists none; works while NATS, Redis and
    /// PostgreSQL are down. Fails unless every venue confirms.
    Kill(KillArguments),
    /// Messages that a service could not read or keep, kept for a person to look at.
    #[command(subcommand)]
    Dead(DeadCommand),
}

/// Where NATS is, and as whom to connect: by default as a service of this container does.
#[derive(Args)]
pub(crate) struct BusArguments {
    /// NATS address.
    #[arg(long, env = "REMORA_BUS__URL", default_value = "nats://127.0.0.1:4222")]
    bus_url: String,
    /// User that may read the stream: `persister` or `console`.
    #[arg(long, env = "REMORA_BUS__USER", default_value = "persister")]
    bus_user: String,
    /// File with the user's password.
    #[arg(long, value_name = "FILE", env = "REMORA_BUS__PASSWORD_FILE")]
    bus_password_file: Option<PathBuf>,
}

/// Runs a control command.
pub(crate) async fn run(command: CtlCommand) -> Result<()> {
    match command {
        CtlCommand::Init { dir } => init::run(&dir),
        CtlCommand::Bus { url, user, password_file } => {
            let bus = connect(&url, &user, password_file).await?;
            bus.declare_streams().await.context("declare the streams")?;
            output::line("the streams are declared");
            Ok(())
        }
        CtlCommand::Health { url } => health(&url),
        CtlCommand::Status(arguments) => control::status(arguments).await,
        CtlCommand::Halt(arguments) => control::halt(arguments).await,
        CtlCommand::Reduce(arguments) => control::reduce(arguments).await,
        CtlCommand::Resume(arguments) => control::resume(arguments).await,
        CtlCommand::Kill(arguments) => kill::run(arguments).await,
        CtlCommand::Dead(command) => dead::run(command).await,
    }
}

async fn connect(url: &str, user: &str, password_file: Option<PathBuf>) -> Result<NatsBus> {
    let credentials = match password_file {
        Some(path) => {
            Credentials::Password { user: user.to_owned(), password: PasswordSource::File(path) }
        }
        None => Credentials::None,
    };
    let bus = connect_nats(NatsSettings::new(url, "remora-ctl", credentials)).await;
    bus.with_context(|| format!("connect to {url} as {user}"))
}

/// Asks one of our own HTTP addresses whether it is well; for containers without curl.
fn health(url: &str) -> Result<()> {
    let rest = url
        .strip_prefix("http://")
        .with_context(|| format!("{url}: want http://HOST:PORT/PATH"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).with_context(|| format!("connect to {host}"))?;
    stream.set_read_timeout(Some(HEALTH_TIMEOUT))?;
    stream.set_write_timeout(Some(HEALTH_TIMEOUT))?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("read the answer")?;
    let line = answer.lines().next().unwrap_or("no answer");
    if !line.contains(" 200 ") {
        // The body of /readyz says why.
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        bail!("{url}: {line} {body}");
    }
    output::line(line);
    Ok(())
}
