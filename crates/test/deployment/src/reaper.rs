//! A shell that kills our processes and removes our folder when this process ends without cleaning up.

use anyhow::{Context as _, Result};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Reads lists of process ids; when there is nothing more to read, it kills those of the last one.
const SCRIPT: &str = r#"trap "" INT TERM HUP
pids=""
while read -r line; do pids="$line"; done
for pid in $pids; do kill -9 "$pid"; done
[ -z "$1" ] || rm -rf "$1""#;

pub(crate) struct Reaper(Child);

impl Reaper {
    /// Starts the shell; `folder` is removed in the end when there is one.
    pub(crate) fn start(folder: Option<&Path>) -> Result<Self> {
        let folder = folder.unwrap_or(Path::new(""));
        Command::new("sh")
            .args(["-c", SCRIPT, "reaper"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Self)
            .context("start the shell that cleans up after us")
    }

    /// Tells which processes there are now.
    pub(crate) fn tell(&mut self, pids: impl Iterator<Item = u32>) -> Result<()> {
        let pids: Vec<String> = pids.map(|pid| pid.to_string()).collect();
        let stdin = self.0.stdin.as_mut().context("talk to the shell that cleans up")?;
        writeln!(stdin, "{}", pids.join(" ")).context("talk to the shell that cleans up")
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        // Both fail only if it has ended already. It must not act: process ids may belong to others by now.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
