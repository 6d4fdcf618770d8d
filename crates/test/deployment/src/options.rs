//! What a deployment is to be like.

use crate::programs;
use anyhow::Result;
use std::path::PathBuf;

/// Says what is started, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The profile every service reads.
    pub profile: PathBuf,
    /// What the ingestors play; a recording that ships when empty.
    pub recordings: Vec<PathBuf>,
    /// How fast, such as `1x` or `max`.
    pub pace: String,
    /// How many ingestors share the venue's instruments.
    pub shards: u32,
    /// Whether ingestors are started with the rest; otherwise [`crate::Deployment::start_ingestor`] does.
    pub starts_ingestors: bool,
    /// Variables for every service beside our own.
    pub environment: Vec<(String, String)>,
    /// Where the programs are.
    pub programs: PathBuf,
    /// Where logs, flight recordings and secrets are kept; a temporary folder when absent.
    pub folder: Option<PathBuf>,
}

impl Options {
    /// Is the shipped profile and recording at ten times their speed, one ingestor, the programs beside this one.
    ///
    /// # Errors
    /// Tells when it cannot be told where this program is.
    pub fn demo() -> Result<Self> {
        let root = programs::root();
        Ok(Self {
            profile: root.join("profiles/demo.toml"),
            recordings: Vec::new(),
            pace: "10x".to_owned(),
            shards: 1,
            starts_ingestors: true,
            environment: Vec::new(),
            programs: programs::beside_this()?,
            folder: None,
        })
    }
}
