//! What a deployment is to be like.

use crate::programs;
use anyhow::Result;
use std::path::PathBuf;

/// Says what is started, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The profile every service reads.
    pub profile: PathBuf,
    /// Listens and trades at this venue instead of playing recordings; the profile is one that trades live.
    pub live: Option<Live>,
    /// Listens to this public feed, such as `ws://127.0.0.1:9080/v2`, instead of playing recordings; orders stay on paper.
    pub feed_url: Option<String>,
    /// What the ingestors play; a recording that ships when empty.
    pub recordings: Vec<PathBuf>,
    /// How fast, such as `1x` or `max`.
    pub pace: String,
    /// How many ingestors share the venue's instruments.
    pub shards: u32,
    /// Whether a second gate stands by, named `risk-gate-standby`; a lease says which of the two leads.
    pub has_standby: bool,
    /// Whether ingestors are started with the rest; otherwise [`crate::Deployment::start_ingestor`] does.
    pub starts_ingestors: bool,
    /// Variables for every service beside our own.
    pub environment: Vec<(String, String)>,
    /// Where the programs are.
    pub programs: PathBuf,
    /// Where logs, flight recordings and secrets are kept; a temporary folder when absent.
    pub folder: Option<PathBuf>,
}

/// Says where a deployment trades live, and with whose credentials. It is given the operator's `--confirm-live`: to
/// be pointed at simulated exchanges only.
#[derive(Clone, Debug)]
pub struct Live {
    /// The public feed, such as `ws://127.0.0.1:9080/v2`.
    pub feed_url: String,
    /// Where calls go.
    pub rest_url: String,
    /// The private socket.
    pub private_url: String,
    /// The file with the API key.
    pub key_file: PathBuf,
    /// The file with its secret.
    pub secret_file: PathBuf,
}

impl Options {
    /// Is the shipped profile of live trading, at this venue.
    ///
    /// # Errors
    /// Tells when it cannot be told where this program is.
    pub fn live(live: Live) -> Result<Self> {
        let profile = programs::root().join("profiles/live.toml");
        Ok(Self { profile, live: Some(live), ..Self::demo()? })
    }

    /// Is the shipped profile and recording at ten times their speed, one ingestor, the programs beside this one.
    ///
    /// # Errors
    /// Tells when it cannot be told where this program is.
    pub fn demo() -> Result<Self> {
        let root = programs::root();
        Ok(Self {
            profile: root.join("profiles/demo.toml"),
            live: None,
            feed_url: None,
            recordings: Vec::new(),
            pace: "10x".to_owned(),
            shards: 1,
            has_standby: false,
            starts_ingestors: true,
            environment: Vec::new(),
            programs: programs::beside_this()?,
            folder: None,
        })
    }
}
