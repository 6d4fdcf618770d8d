//! Waiting for a condition, never for a length of time.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// How often conditions are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks again and again until the condition gives something.
///
/// # Errors
/// Passes on the condition's own error at once; after `within` says what was waited for.
pub fn wait_for<T>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if started.elapsed() > within {
            bail!("{what}: not within {within:?}");
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
