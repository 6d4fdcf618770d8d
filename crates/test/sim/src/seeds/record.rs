//! The file that says which seeds are done: a line for each, with what was run and its hash.

use super::SeedsError;
use crate::simulate::Simulation;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Is the file, or none.
pub(super) struct Record {
    path: Option<PathBuf>,
    what: String,
    pub(super) done: BTreeSet<u64>,
}

impl Record {
    /// Reads which seeds are done under the terms of `like`.
    pub(super) fn open(path: Option<&Path>, like: Simulation) -> Result<Self, SeedsError> {
        let what = format!("{} {} {}", like.minutes, like.pairs, like.faults);
        let text = match path {
            Some(path) if path.exists() => std::fs::read_to_string(path)
                .map_err(|cause| SeedsError::Read { path: path.to_owned(), cause })?,
            Some(_) | None => String::new(),
        };
        let done = text.lines().filter_map(|line| {
            let (seed, rest) = line.split_once(' ')?;
            let (run, _) = rest.rsplit_once(' ')?;
            (run == what).then(|| seed.parse().ok()).flatten()
        });
        Ok(Self { path: path.map(Path::to_owned), done: done.collect(), what })
    }

    /// Notes a seed that is done.
    pub(super) fn add(&self, seed: u64, hash: &str) -> Result<(), SeedsError> {
        let Some(path) = &self.path else { return Ok(()) };
        let opened = OpenOptions::new().create(true).append(true).open(path);
        opened
            .and_then(|mut file| writeln!(file, "{seed} {} {hash}", self.what))
            .map_err(|cause| SeedsError::Note { path: path.clone(), cause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::FaultKinds;

    #[test]
    fn seeds_done_under_the_same_terms_are_not_run_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seeds");
        let of = |minutes, pairs, faults| Simulation { seed: 1, minutes, pairs, faults };
        let record = Record::open(Some(&path), of(10, 3, FaultKinds::ALL)).unwrap();
        record.add(4, "aa").unwrap();
        record.add(5, "bb").unwrap();
        let done = |of| Record::open(Some(&path), of).unwrap().done;
        assert_eq!(done(of(10, 3, FaultKinds::ALL)), BTreeSet::from([4, 5]));
        assert_eq!(done(of(10, 3, FaultKinds::NONE)), BTreeSet::new());
        assert_eq!(done(of(10, 4, FaultKinds::ALL)), BTreeSet::new());
        assert_eq!(done(of(2, 3, FaultKinds::ALL)), BTreeSet::new());
    }
}
