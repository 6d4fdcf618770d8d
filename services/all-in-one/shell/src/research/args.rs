//! The arguments of research commands.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What a research command leaves behind.
#[derive(Args, Clone)]
pub(crate) struct OutArguments {
    /// Write the whole result as JSON; the same input gives the same bytes.
    #[arg(long, value_name = "FILE.json")]
    pub(crate) json: Option<PathBuf>,
    /// Write the rows as CSV.
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) csv: Option<PathBuf>,
    /// Write a self-contained page with plots.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
}

/// A live public feed in place of files.
#[derive(Args, Clone)]
pub(crate) struct FeedArguments {
    /// A live public feed in place of files, such as ws://127.0.0.1:9080/v2: every pair of it is listened to.
    #[arg(long, conflicts_with = "data", requires = "seconds", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// How long to listen.
    #[arg(long, requires = "url", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(10..=31_536_000))]
    pub(crate) seconds: Option<u64>,
    /// Which exchange's feed it is.
    #[arg(long, default_value = "kraken-spot")]
    pub(crate) venue: String,
}

#[derive(Subcommand)]
pub(crate) enum TemporalCommand {
    /// Find when volume, volatility, spread and drift are high or low, by minute, hour and weekday (UTC), and whether it repeats.
    Analyze(TemporalArguments),
}

#[derive(Args)]
pub(crate) struct TemporalArguments {
    /// Candle files (CSV, `t,o,h,l,c,v`, `t` in epoch seconds, UTC; compressed when the name ends in .gz) or folders of them.
    #[arg(long, num_args = 1.., required_unless_present = "url", value_name = "CANDLES")]
    pub(crate) data: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) feed: FeedArguments,
    /// Length of the bars that are made of a live feed, seconds.
    #[arg(long, default_value_t = 60, requires = "url", value_parser = clap::value_parser!(i64).range(1..=3_600))]
    pub(crate) bar_s: i64,
    /// Expected share of false ones among what is called a pattern.
    #[arg(long, default_value_t = 0.05, value_parser = share)]
    pub(crate) q: f64,
    /// Turns of the clock per test.
    #[arg(long, default_value_t = 199, value_parser = clap::value_parser!(u32).range(19..=99_999))]
    pub(crate) permutations: u32,
    /// Seed of the turns.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Share of its bars that a file must have; with fewer it is refused.
    #[arg(long, default_value_t = 0.9, value_parser = share)]
    pub(crate) coverage_min: f64,
    /// Hours of the day, UTC, at which perpetuals pay funding, tested as events on bars of one minute.
    #[arg(long, value_delimiter = ',', default_value = "0,8,16", value_parser = clap::value_parser!(u8).range(0..24))]
    pub(crate) funding_hours: Vec<u8>,
    #[command(flatten)]
    pub(crate) out: OutArguments,
}

/// Reads a share between 0 and 1, both excluded.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "want a number between 0 and 1".to_owned())?;
    if share > 0.0 && share < 1.0 {
        Ok(share)
    } else {
        Err("want a number between 0 and 1".to_owned())
    }
}

#[derive(Subcommand)]
pub(crate) enum EdgeCommand {
    /// Does one market lead another of the same asset, by how much, and what is following it worth after fees?
    Validate(EdgeArguments),
}

#[derive(Args)]
pub(crate) struct EdgeArguments {
    /// Recordings of the same time: best quotes of two markets and more.
    #[arg(long, num_args = 1.., required_unless_present = "url", value_name = "RECORDING")]
    pub(crate) data: Vec<PathBuf>,
    /// Live public feeds in their place, heard by one clock: the address of a Kraken Spot feed, or VENUE=URL for any; repeatable.
    #[arg(long, num_args = 1.., conflicts_with = "data", requires = "seconds", value_name = "URL|VENUE=URL")]
    pub(crate) url: Vec<String>,
    /// How long to listen.
    #[arg(long, requires = "url", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(10..=31_536_000))]
    pub(crate) seconds: Option<u64>,
    /// Fee of taking, basis points: one for all markets, or one for each venue as VENUE=BPS (repeatable). There is no default.
    #[arg(long, num_args = 1.., required = true, value_name = "BPS|VENUE=BPS")]
    pub(crate) taker_fee_bps: Vec<String>,
    /// From the leader's jump to our order at the follower's venue, milliseconds.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(0..=60_000))]
    pub(crate) latency_ms: i64,
    /// Expected share of false ones among leads and edges called established.
    #[arg(long, default_value_t = 0.05, value_parser = share)]
    pub(crate) q: f64,
    /// Surrogates of the null test.
    #[arg(long, default_value_t = 99, value_parser = clap::value_parser!(u32).range(19..=9_999))]
    pub(crate) surrogates: u32,
    /// Seed of them.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Days that the second part of a recording must have for a verdict.
    #[arg(long, default_value_t = 20.0)]
    pub(crate) days_min: f64,
    #[command(flatten)]
    pub(crate) out: OutArguments,
}

#[derive(Subcommand)]
pub(crate) enum PairsCommand {
    /// Show the score card of every pair: what is earned, what it costs, how sure that is.
    Analyze(PairsArguments),
    /// Choose the pairs to quote, with the reason for each that is in or out.
    Select(SelectArguments),
    /// Show what one pair's score is made of.
    Explain(ExplainArguments),
}

#[derive(Args)]
pub(crate) struct PairsArguments {
    /// Recordings of books and trades, or candle files named BASE_QUOTE, or folders of either.
    #[arg(long, num_args = 1.., required_unless_present = "url", value_name = "DATA")]
    pub(crate) data: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) feed: FeedArguments,
    /// Committed to each pair, in the reporting currency. There is no default.
    #[arg(long, value_parser = above_zero)]
    pub(crate) capital: f64,
    /// Fee of making, basis points; a rebate is below zero. There is no default.
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) maker_fee_bps: f64,
    /// The same at the next fee tier, shown beside it.
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) next_maker_fee_bps: Option<f64>,
    /// What everything is reported in. Pairs paid in something else need a rate in the same data.
    #[arg(long)]
    pub(crate) currency: String,
    /// Share of a pair's volume that our quotes get.
    #[arg(long, default_value_t = 0.01, value_parser = share)]
    pub(crate) participation: f64,
    /// The most that is filled a day, times the capital.
    #[arg(long, default_value_t = 20.0, value_parser = above_zero)]
    pub(crate) turnover_max: f64,
    /// Typical inventory, share of the capital.
    #[arg(long, default_value_t = 0.5, value_parser = share)]
    pub(crate) inventory_share: f64,
    /// What a day's standard deviation of the inventory costs, share of it.
    #[arg(long, default_value_t = 0.1, value_parser = share)]
    pub(crate) risk_aversion: f64,
    /// Standard errors taken off the expectation.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) error_multiple: f64,
    /// Share of its bars that a candle file must have; with fewer it is refused.
    #[arg(long, default_value_t = 0.9, value_parser = share)]
    pub(crate) coverage_min: f64,
    /// Who lists futures: recordings of a venue with contracts, or its live feed as VENUE=ws://HOST, which is heard for five seconds.
    #[arg(long, num_args = 1.., value_name = "DATA|VENUE=URL")]
    pub(crate) futures: Vec<String>,
    #[command(flatten)]
    pub(crate) past: PastArguments,
    #[command(flatten)]
    pub(crate) out: OutArguments,
}

/// Where our own history is: what our fills have earned, and since when a pair is known.
#[derive(Args)]
pub(crate) struct PastArguments {
    /// Our own history: a SQLite file, or postgres://USER@HOST:PORT/DATABASE without a password.
    #[arg(long, value_name = "FILE|URL", requires = "account")]
    pub(crate) history: Option<String>,
    /// Whose fills.
    #[arg(long, requires = "history", value_name = "NAME")]
    pub(crate) account: Option<String>,
    /// File with the password of PostgreSQL.
    #[arg(long, value_name = "FILE", env = "REMORA_STORAGE__POSTGRES_PASSWORD_FILE")]
    pub(crate) postgres_password_file: Option<PathBuf>,
    /// Days of it, back from now.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(i64).range(2..=3_650))]
    pub(crate) record_days: i64,
    /// Fills without which there is no record.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(2..=1_000_000))]
    pub(crate) record_fills_min: u64,
    /// Days with a fill without which there is none.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(2..=3_650))]
    pub(crate) record_days_min: u64,
}

#[derive(Args)]
pub(crate) struct SelectArguments {
    #[command(flatten)]
    pub(crate) pairs: PairsArguments,
    /// Pairs to quote at most.
    #[arg(long, default_value_t = 10)]
    pub(crate) pairs_max: usize,
    /// Ranks beyond it that a pair already in may fall.
    #[arg(long, default_value_t = 3)]
    pub(crate) slack: usize,
    /// How much correlation with better pairs counts.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) correlation_weight: f64,
    /// A hard filter as NAME=LIMIT, repeatable, in place of the default of that name. Names: volume_min, spread_bps_min, spread_bps_max,
    /// edge_bps_min, score_bps_min, depth_min, tick_bps_max, tick_to_fee_max, minimum_order_max, volatility_pct_min, volatility_pct_max,
    /// history_days_min, listing_age_days_min, coverage_min, feed_health_min, realised_day_min.
    /// Defaults: volume_min=5e6 (a day), edge_bps_min=0, history_days_min=30; where the data have definitions and books also
    /// minimum_order_max=CAPITAL, feed_health_min=0.995 and status; with --history realised_day_min=0.
    #[arg(long = "filter", value_name = "NAME=LIMIT")]
    pub(crate) filters: Vec<String>,
    /// Leave out a default filter, repeatable.
    #[arg(long, value_name = "NAME")]
    pub(crate) no_filter: Vec<String>,
    /// Only pairs that match, such as `*_USDT`; repeatable.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) allow: Vec<String>,
    /// No pair that matches; repeatable.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) deny: Vec<String>,
    /// Only pairs on whose asset --futures lists one.
    #[arg(long, requires = "futures")]
    pub(crate) has_future: bool,
    /// Only pairs of which our own history has a record.
    #[arg(long, requires = "history")]
    pub(crate) has_record: bool,
    /// How many pairs that move together may be chosen.
    #[arg(long, value_name = "PAIRS", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(crate) cluster_max: Option<u64>,
    /// Correlation from which pairs move together; where too little is common to tell, they do.
    #[arg(long, default_value_t = 0.8, requires = "cluster_max", value_parser = share)]
    pub(crate) cluster_correlation: f64,
    /// The JSON file of the last run: pairs then enter and leave only when two runs agree.
    #[arg(long, value_name = "FILE.json")]
    pub(crate) before: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ExplainArguments {
    /// The pair, as `pairs analyze` names it.
    #[arg(value_name = "PAIR")]
    pub(crate) pair: String,
    #[command(flatten)]
    pub(crate) pairs: PairsArguments,
}

/// Reads a number above zero.
fn above_zero(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "want a number above 0".to_owned())?;
    if number.is_finite() && number > 0.0 {
        Ok(number)
    } else {
        Err("want a number above 0".to_owned())
    }
}
