//! Which nonces of a key may have been used, kept across restarts.
//!
//! A file per key in a folder, named after a digest of the key: it holds the first number that was never reserved. It is
//! replaced as a whole, and synced, before anybody learns of it. A lock beside it keeps a second process of this
//! machine from using the same key; the venue would refuse the nonces of one of them.

use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// What the file begins with; a change of its meaning changes it.
const HEADER: &str = "remora nonces 1";
/// Digits of the digest in the name: enough to tell keys apart, not enough to look one up.
const DIGITS: usize = 16;

/// Says why nonces cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum NonceError {
    /// The folder cannot be made.
    #[error("make the folder for nonces {}", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Another process uses the same key.
    #[error(
        "another process on this machine uses the same key ({} is locked): end it, or use a key of its own for each",
        path.display()
    )]
    Locked {
        /// The lock.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{what} {}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The file holds something else.
    #[error(
        "{} is damaged: want {HEADER:?} and a number; the venue refuses nonces below the last one it saw, so put that \
         number there, or use another key",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
}

/// Keeps the nonces of one key. Dropping it lets another process use the key.
#[derive(Debug)]
pub struct NonceStore {
    path: PathBuf,
    folder: File,
    until: u64,
    /// Locked as long as it is open.
    _lock: File,
}

impl NonceStore {
    /// Opens the store of a key, making the folder where it is absent.
    ///
    /// # Errors
    /// Refuses a key that another process uses, and a file that does not hold what this one writes.
    pub fn open(folder: &Path, key: &str) -> Result<Self, NonceError> {
        let made = fs::create_dir_all(folder);
        made.map_err(|cause| NonceError::Folder { folder: folder.to_owned(), cause })?;
        let digest = Sha256::digest(key);
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let name = name.get(..DIGITS).unwrap_or(&name);
        let path = folder.join(format!("nonces-{name}"));
        let lock = lock(&folder.join(format!("nonces-{name}.lock")))?;
        let failed = |what, cause| NonceError::File { what, path: path.clone(), cause };
        let until = match fs::read_to_string(&path) {
            Ok(text) => read(&text).ok_or_else(|| NonceError::Damaged { path: path.clone() })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(failed("read", error)),
        };
        let folder = File::open(folder).map_err(|cause| failed("open the folder of", cause))?;
        Ok(Self { path, folder, until, _lock: lock })
    }

    /// Gives the first number that was never reserved; 0 for a key that was never used here.
    #[must_use]
    pub const fn until(&self) -> u64 {
        self.until
    }

    /// Stores that every number below `until` may have been used; on return it is on the disk. What was reserved stays
    /// reserved.
    ///
    /// # Errors
    /// Tells what failed; nothing is reserved then.
    pub fn reserve(&mut self, until: u64) -> Result<(), NonceError> {
        if until <= self.until {
            return Ok(());
        }
        let new = self.path.with_extension("new");
        let failed = |what, cause| NonceError::File { what, path: new.clone(), cause };
        let mut file = File::create(&new).map_err(|cause| failed("create", cause))?;
        let written = write!(file, "{HEADER}\n{until}\n").and_then(|()| file.sync_all());
        written.map_err(|cause| failed("write", cause))?;
        fs::rename(&new, &self.path).map_err(|cause| failed("put in its place", cause))?;
        // The name is as durable as the content only after this.
        self.folder.sync_all().map_err(|cause| failed("sync the folder of", cause))?;
        self.until = until;
        Ok(())
    }
}

fn lock(path: &Path) -> Result<File, NonceError> {
    let failed = |what, cause| NonceError::File { what, path: path.to_owned(), cause };
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = opened.map_err(|cause| failed("open", cause))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(NonceError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(cause)) => Err(failed("lock", cause)),
    }
}

fn read(text: &str) -> Option<u64> {
    let number = text.strip_prefix(HEADER)?.strip_prefix('\n')?.strip_suffix('\n')?;
    // Digits only: `parse` would take a sign as well.
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "a key of a test";

    fn file(folder: &Path) -> PathBuf {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = files.filter(|path| path.extension().is_none()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }

    #[test]
    fn what_was_reserved_is_known_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("not there yet");
        let mut store = NonceStore::open(&folder, KEY).unwrap();
        assert_eq!(store.until(), 0);
        store.reserve(1_000).unwrap();
        store.reserve(u64::MAX).unwrap();
        drop(store);
        assert_eq!(NonceStore::open(&folder, KEY).unwrap().until(), u64::MAX);
        assert_eq!(NonceStore::open(&folder, "another key").unwrap().until(), 0);
    }

    #[test]
    fn what_was_reserved_is_never_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = NonceStore::open(folder.path(), KEY).unwrap();
        store.reserve(1_000).unwrap();
        store.reserve(999).unwrap();
        assert_eq!(store.until(), 1_000);
        drop(store);
        assert_eq!(NonceStore::open(folder.path(), KEY).unwrap().until(), 1_000);
    }

    #[test]
    fn a_second_user_of_the_key_is_refused_until_the_first_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let first = NonceStore::open(folder.path(), KEY).unwrap();
        let error = NonceStore::open(folder.path(), KEY).unwrap_err();
        assert!(matches!(error, NonceError::Locked { .. }), "{error}");
        assert!(!error.to_string().contains(KEY));
        drop(NonceStore::open(folder.path(), "another key").unwrap());
        drop(first);
        drop(NonceStore::open(folder.path(), KEY).unwrap());
    }

    #[test]
    fn a_damaged_file_is_refused_and_stays_as_it_is() {
        for text in ["", "12", "remora nonces 1\n", "remora nonces 1\n-1\n", "remora nonces 1\n9"] {
            let folder = tempfile::tempdir().unwrap();
            NonceStore::open(folder.path(), KEY).unwrap().reserve(1).unwrap();
            let path = file(folder.path());
            fs::write(&path, text).unwrap();
            let error = NonceStore::open(folder.path(), KEY).unwrap_err();
            assert!(matches!(error, NonceError::Damaged { .. }), "{text:?}: {error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn the_key_is_in_no_name_and_in_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = NonceStore::open(folder.path(), KEY).unwrap();
        store.reserve(7).unwrap();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            assert!(!entry.file_name().to_string_lossy().contains(KEY));
            assert!(!fs::read_to_string(entry.path()).unwrap().contains(KEY));
        }
    }

    #[test]
    fn a_reservation_that_is_not_stored_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = NonceStore::open(folder.path(), KEY).unwrap();
        store.reserve(1).unwrap();
        // A folder in the place of the file that would be written.
        fs::create_dir(file(folder.path()).with_extension("new")).unwrap();
        assert!(store.reserve(2).is_err());
        assert_eq!(store.until(), 1);
    }
}
