//! Verifies recordings as one journal: the chain of each run, that each run follows the one it names, and that heads noted
//! elsewhere are in it.

use super::chain::NotedHead;
use super::{Ending, FlightError, FlightReader};
use remora_domain::{ProducerId, SessionId, Timestamp};
use remora_wire::flight::FlightHead;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Is one run of one producer, as far as it holds.
#[derive(Debug)]
pub struct Run {
    /// Its first part.
    pub path: PathBuf,
    /// The service.
    pub service: String,
    /// Who published.
    pub producer: ProducerId,
    /// Which run.
    pub session: SessionId,
    /// How many entries were read and follow from each other.
    pub entries: u64,
    /// The instants of the first and of the last of them.
    pub time: Option<(Timestamp, Timestamp)>,
    /// How far the chain was followed.
    pub head: Option<FlightHead>,
    /// How it ends; `None` when trouble ended the reading before.
    pub ending: Option<Ending>,
    /// What it says about the run before it.
    pub before: Before,
    /// What is wrong with it, in the order it was found. None: it is as it was written.
    pub trouble: Vec<Trouble>,
}

/// Is what a run says about the run before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// It names none: the first in its folder, or the head of the one before could not be read.
    Unnamed,
    /// The run it names is here.
    Here(SessionId),
    /// The run it names is older than everything here: removed as too old or too much, or not given.
    NotHere(SessionId),
}

/// Is something that does not fit.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The recording cannot be read on, or was altered.
    #[error(transparent)]
    Recording(#[from] FlightError),
    /// It is of a version that had no chain.
    #[error("written by a version without a chain: it can be replayed, not verified")]
    Unchained,
    /// Somebody noted another link, or one of an entry that is not there.
    #[error("{by} noted entry {sequence} of this run, and {found}")]
    Noted {
        /// Which entry.
        sequence: u64,
        /// Who noted it.
        by: String,
        /// What was found instead.
        found: &'static str,
    },
    /// The run it names is missing between others.
    #[error("it follows run {missing}, which is not here, though an older one is")]
    Missing {
        /// Which run.
        missing: SessionId,
    },
}

/// Says why nothing could be verified.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A folder cannot be listed.
    #[error("look for recordings in {path:?}")]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// There is nothing to verify.
    #[error(
        "no flight recordings in {0:?}: give a folder that holds *-00001.flight.gz, or such a file"
    )]
    Empty(Vec<PathBuf>),
    /// A run of a noted head is not among what was given.
    #[error("no recording of run {session}, of which a head was noted, is in what was given")]
    NotedRun {
        /// Which run.
        session: SessionId,
    },
    /// A recording cannot be begun to read.
    #[error("begin to read")]
    Recording(#[from] FlightError),
}

/// What is claimed about one run, by entry: who says so, and the link.
type Claims = Vec<(FlightHead, String)>;

/// Reads every recording under `paths` (folders, or first parts) to its end or its first trouble, oldest run first.
///
/// # Errors
/// Tells when there is nothing to read, a file is no recording, or a noted head is of no run that is there.
pub fn verify(paths: &[PathBuf], noted: &[NotedHead]) -> Result<Vec<Run>, JournalError> {
    let firsts = first_parts(paths)?;
    if firsts.is_empty() {
        return Err(JournalError::Empty(paths.to_vec()));
    }
    let mut readers = BTreeMap::new();
    for path in firsts {
        let reader = FlightReader::open(&path)?;
        let header = reader.header();
        readers.insert((header.producer.clone(), header.session), (path, reader));
    }
    let mut claims: BTreeMap<(ProducerId, SessionId), Claims> = BTreeMap::new();
    for NotedHead(head) in noted {
        let is_of = |(_, session): &&(ProducerId, SessionId)| *session == head.session;
        let mut found = readers.keys().filter(is_of).peekable();
        if found.peek().is_none() {
            return Err(JournalError::NotedRun { session: head.session });
        }
        for run in found {
            claims.entry(run.clone()).or_default().push((*head, "you".to_owned()));
        }
    }
    for ((producer, session), (_, reader)) in &readers {
        if let Some(head) = reader.header().previous {
            let claim = (head, format!("run {session}"));
            claims.entry((producer.clone(), head.session)).or_default().push(claim);
        }
    }
    let known: Vec<_> = readers.keys().cloned().collect();
    let runs = readers.into_iter().map(|(key, (path, reader))| {
        read(path, reader, claims.remove(&key).unwrap_or_default(), &known)
    });
    Ok(runs.collect())
}

/// Reads one run to its end or its first trouble.
fn read(
    path: PathBuf,
    mut reader: FlightReader,
    mut claims: Claims,
    known: &[(ProducerId, SessionId)],
) -> Run {
    let header = reader.header().clone();
    let mut run = Run {
        path,
        service: header.service,
        producer: header.producer,
        session: header.session,
        entries: 0,
        time: None,
        head: reader.head(),
        ending: None,
        before: Before::Unnamed,
        trouble: Vec::new(),
    };
    run.follow(header.previous, known);
    if run.head.is_none() {
        run.trouble.push(Trouble::Unchained);
        return run;
    }
    loop {
        run.head = reader.head();
        run.compare(&mut claims);
        match reader.next_entry() {
            Ok(Some(entry)) => {
                run.entries = entry.sequence;
                let first = run.time.map_or(entry.now, |(first, _)| first);
                run.time = Some((first, entry.now));
            }
            Ok(None) => break,
            Err(error) => {
                run.trouble.push(error.into());
                break;
            }
        }
    }
    run.ending = reader.ending();
    let left = claims.into_iter().map(|(head, by)| {
        let found = "it is not there: the end was cut off";
        Trouble::Noted { sequence: head.sequence, by, found }
    });
    run.trouble.extend(left);
    run
}

impl Run {
    /// Finds the run before it among those that are known.
    fn follow(&mut self, previous: Option<FlightHead>, known: &[(ProducerId, SessionId)]) {
        let Some(FlightHead { session, .. }) = previous else { return };
        let ours = || known.iter().filter(|(producer, _)| *producer == self.producer);
        let is_here = ours().any(|(_, known)| *known == session);
        let is_missing = !is_here && ours().any(|(_, known)| *known < session);
        self.before = if is_here { Before::Here(session) } else { Before::NotHere(session) };
        if is_missing {
            self.trouble.push(Trouble::Missing { missing: session });
        }
    }

    /// Compares what is claimed about the entry just read.
    fn compare(&mut self, claims: &mut Claims) {
        let Some(here) = self.head else { return };
        let of_here = claims.extract_if(.., |(claim, _)| claim.sequence == here.sequence);
        let differing = of_here.filter(|(claim, _)| claim.link != here.link).map(|(claim, by)| {
            let found = "its link is another: what stands up to it was written anew";
            Trouble::Noted { sequence: claim.sequence, by, found }
        });
        self.trouble.extend(differing);
    }
}

/// Finds first parts: given files as they are, folders searched without their folders.
fn first_parts(paths: &[PathBuf]) -> Result<Vec<PathBuf>, JournalError> {
    let mut firsts = Vec::new();
    for path in paths {
        if path.is_dir() {
            let cause = |cause| JournalError::Folder { path: path.clone(), cause };
            for entry in std::fs::read_dir(path).map_err(cause)? {
                let found = entry.map_err(cause)?.path();
                if is_first_part(&found) {
                    firsts.push(found);
                }
            }
        } else {
            firsts.push(path.clone());
        }
    }
    firsts.sort();
    firsts.dedup();
    Ok(firsts)
}

fn is_first_part(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.ends_with("-00001.flight.gz"))
}
