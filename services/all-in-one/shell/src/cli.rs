//! The command line, in words a trader understands.

use crate::ctl::{CtlCommand, RiskCommand};
use crate::data::DataCommand;
use crate::journal::JournalCommand;
use crate::research::{EdgeCommand, PairsCommand, TemporalCommand};
use clap::{Args, Parser, Subcommand};
use remora_sim::seeds::SeedArguments;
use remora_venue_sim::SimArguments;
use std::path::PathBuf;

/// Remora finds pairs worth quoting, quotes them around a fair value, controls its inventory and reports what is left
/// after fees. Only `live` can send an order to a real exchange, and only with credentials and `--confirm-live`.
#[derive(Parser)]
#[command(name = "remora", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Market-make on a recording with simulated money: needs no network and nothing installed.
    Demo(DemoArguments),
    /// Market-make on a live public feed with simulated money: no credentials, no real orders.
    Paper(PaperArguments),
    /// Market-make with real orders and real money: needs an API key, a profile with limits, and --confirm-live.
    Live(LiveArguments),
    /// Simulate an exchange over real sockets, for any client: its REST and WebSocket, with simulated money.
    #[command(subcommand)]
    Sim(SimCommand),
    /// Run the whole system in virtual time on a made-up exchange while everything goes wrong that can, by seed.
    Simulate(SeedArguments),
    /// Measure how fast and how large it is here, beside floors of the same run.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Record a live public feed into a file that `demo --data` plays.
    Record(RecordArguments),
    /// Feed a flight recording of a service to the same core again and compare every output.
    Replay(ReplayArguments),
    /// Flight recordings as a journal: has anything in them been changed, added or taken out?
    #[command(subcommand)]
    Journal(JournalCommand),
    /// History: fetch it, and say what files hold.
    #[command(subcommand)]
    Data(DataCommand),
    /// Pairs: which are worth quoting, and what is each score made of?
    #[command(subcommand)]
    Pairs(Box<PairsCommand>),
    /// Patterns by the clock: when are volume, volatility, spread and drift high or low?
    #[command(subcommand)]
    Temporal(TemporalCommand),
    /// Leads between markets: who moves first, and does following pay after fees and latency?
    #[command(subcommand)]
    Edge(EdgeCommand),
    /// Prepare, watch, halt and resume a distributed deployment; look at its dead letters.
    #[command(subcommand)]
    Ctl(CtlCommand),
    /// Look at the controls of a running risk gate, and ask what it would answer to an order.
    #[command(subcommand)]
    Risk(RiskCommand),
}

/// How a run is shown and what it leaves behind.
#[derive(Args)]
pub(crate) struct ShowArguments {
    /// Show a progress line and a summary instead of the live dashboard.
    #[arg(long)]
    pub(crate) headless: bool,
    /// Write a self-contained page: equity, inventory, quotes against the market.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Write every result as JSON; the same input gives the same bytes.
    #[arg(long, value_name = "FILE.json")]
    pub(crate) json: Option<PathBuf>,
    /// Keep the history of the run (orders, approvals, refusals, fills) in this SQLite file.
    #[arg(long, value_name = "FILE.db")]
    pub(crate) history: Option<PathBuf>,
    /// Print what the run logs at this level and above, when no dashboard is shown.
    #[arg(long, value_name = "LEVEL", default_value = "warn", value_parser = ["error", "warn", "info", "debug"])]
    pub(crate) log: String,
}

#[derive(Args)]
pub(crate) struct DemoArguments {
    /// Recordings to play, in order; each file is a session of its own. Default: the synthetic recording that ships with Remora.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub(crate) data: Vec<PathBuf>,
    /// Limits, fees, balances and pair selection: the name of a shipped profile or a TOML file.
    /// Default: the profile made for the data, printed at the start.
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) profile: Option<String>,
    /// How fast to play: `max`, `1x`, `10x`. Default: 10x on a dashboard, max when headless.
    #[arg(long, value_name = "PACE")]
    pub(crate) pace: Option<String>,
    /// Seed of every random choice (latency jitter, reconnect jitter).
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) show: ShowArguments,
}

#[derive(Args)]
pub(crate) struct PaperArguments {
    /// Which exchange's public feed to read.
    #[arg(long, default_value = "kraken-spot")]
    pub(crate) venue: String,
    /// Address of the feed, such as wss://ws.kraken.com/v2 or ws://127.0.0.1:8080/v2. Default: the exchange's own.
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Limits, fees, balances and pair selection: the name of a shipped profile or a TOML file.
    /// Default: the profile named as the exchange, else `paper`.
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) profile: Option<String>,
    /// Stop by itself after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) seconds: Option<u64>,
    #[command(flatten)]
    pub(crate) show: ShowArguments,
}

#[derive(Args)]
pub(crate) struct LiveArguments {
    /// Send real orders. Without it the command checks everything, says what it would do, and ends.
    #[arg(long)]
    pub(crate) confirm_live: bool,
    /// The file that holds the API key.
    #[arg(long, env = "REMORA_VENUE_KEY_FILE", value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// The file that holds the key's secret.
    #[arg(long, env = "REMORA_VENUE_SECRET_FILE", value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Address of the public feed, such as wss://ws.kraken.com/v2. Default: the profile's, then the exchange's own.
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Address of the exchange's calls, such as `https://api.kraken.com`. Default: the profile's, then the exchange's own.
    #[arg(long, value_name = "URL")]
    pub(crate) rest_url: Option<String>,
    /// Address of the private socket, such as wss://ws-auth.kraken.com/v2. Default: the profile's, then the exchange's own.
    #[arg(long, value_name = "URL")]
    pub(crate) private_url: Option<String>,
    /// Limits, account tier and pair selection: the name of a shipped profile or a TOML file.
    #[arg(long, value_name = "NAME|FILE", default_value = "live")]
    pub(crate) profile: String,
    /// Stop by itself after this many seconds, with every order taken back.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) seconds: Option<u64>,
    #[command(flatten)]
    pub(crate) show: ShowArguments,
}

#[derive(Subcommand)]
pub(crate) enum SimCommand {
    /// Kraken Spot.
    KrakenSpot(Box<SimArguments>),
    /// Kraken Futures, public side: perpetuals and dated futures, without accounts.
    KrakenFutures(Box<SimArguments>),
}

#[derive(Subcommand)]
pub(crate) enum BenchCommand {
    /// Kraken Spot's codec and the simulated exchange.
    Kraken(BenchArguments),
    /// A bare echo of the stack that the simulated exchange is served with; `kraken` starts it.
    #[command(hide = true)]
    Echo,
}

#[derive(Args)]
pub(crate) struct BenchArguments {
    /// Recordings whose book frames are read. Default: the synthetic recording that ships with Remora.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub(crate) data: Vec<PathBuf>,
    /// How long each measurement takes.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) seconds: u64,
}

#[derive(Args)]
pub(crate) struct RecordArguments {
    /// Which exchange's public feed to read.
    #[arg(long, default_value = "kraken-spot")]
    pub(crate) venue: String,
    /// Address of the feed. Default: the exchange's own.
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Pairs to record, in the exchange's spelling, such as BTC/USD or PF_XBTUSD.
    #[arg(long, num_args = 1.., required = true, value_name = "PAIR")]
    pub(crate) pairs: Vec<String>,
    /// Book levels a side.
    #[arg(long, default_value_t = 25)]
    pub(crate) depth: u32,
    /// Stop by itself after this many seconds; otherwise Ctrl-C stops.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) seconds: Option<u64>,
    /// Where to write (JSON lines, compressed when the name ends in .gz).
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Args)]
pub(crate) struct ReplayArguments {
    /// Flight recordings of services.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The gate's key file, needed to replay a risk gate.
    #[arg(long, value_name = "FILE")]
    pub(crate) gate_key: Option<PathBuf>,
    /// The gate's public key file, needed to replay an order router.
    #[arg(long, value_name = "FILE")]
    pub(crate) gate_public_key: Option<PathBuf>,
}
