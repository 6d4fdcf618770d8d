//! Where the shared reference data lie: `REMORA_SHARED`, or `shared` beside the workspace.

use std::path::{Path, PathBuf};

/// Gives a file or folder of the shared reference, such as `data/candles`. Where it is absent it says "skipped", and the test that
/// asked should end: the data may not be published, so a clone alone does not have them.
#[must_use]
pub fn shared(part: &str) -> Option<PathBuf> {
    let named = std::env::var("REMORA_SHARED").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared");
    let path = named.unwrap_or_else(|_| beside()).join(part);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: no {}; set REMORA_SHARED", path.display());
    None
}
