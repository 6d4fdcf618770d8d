//! Throw-away keys as files, the form in which programs take credentials.

use crate::ThrowAwayKey;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Writes each key as `NAME.key` and `NAME.secret`, readable by their owner only; those of an earlier run are replaced.
///
/// # Errors
/// Tells which file could not be written.
pub(crate) fn write(folder: &Path, keys: &[ThrowAwayKey]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for ThrowAwayKey { name, key, secret, .. } in keys {
        for (end, text) in [("key", key), ("secret", secret)] {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(folder.join(format!("{name}.{end}")))?;
            writeln!(file, "{text}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn each_key_is_two_files_that_only_their_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("keys");
        let key = |secret: &str| ThrowAwayKey {
            account: "maker".to_owned(),
            name: "maker-trading".to_owned(),
            key: "k-1".to_owned(),
            secret: secret.to_owned(),
        };
        write(&folder, &[key("a longer one")]).unwrap();
        write(&folder, &[key("s-1")]).unwrap();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(
            (&*read("maker-trading.key"), &*read("maker-trading.secret")),
            ("k-1\n", "s-1\n")
        );
        let mode = fs::metadata(folder.join("maker-trading.secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
