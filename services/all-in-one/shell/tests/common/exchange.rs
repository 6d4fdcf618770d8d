//! A simulated exchange as a process of its own, and what its clients need to know.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// Is a running `remora sim`; killed when a test ends without stopping it.
pub(crate) struct Exchange {
    process: Child,
    pub(crate) said: Vec<String>,
}

impl Exchange {
    /// Starts it on free ports and waits until it says where it is.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_remora"));
        command.args(["sim", "kraken-spot"]).args(arguments).env_clear();
        for flag in ["--listen", "--auth-listen", "--l3-listen", "--admin-listen"] {
            command.args([flag, "127.0.0.1:0"]);
        }
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut said: Vec<String> = Vec::new();
        for line in lines.map(Result::unwrap) {
            said.push(line);
            // The last of four keys is the last thing it says.
            if said.iter().filter(|line| line.starts_with("    secret")).count() == 4 {
                break;
            }
        }
        Self { process, said }
    }

    pub(crate) fn public_url(&self) -> String {
        self.address("(public)")
    }

    /// Gives the address on the line with this in it.
    pub(crate) fn address(&self, part: &str) -> String {
        let line = self.said.iter().find(|line| line.contains(part)).unwrap();
        line.split_whitespace().find(|word| word.contains("://")).unwrap().to_owned()
    }

    /// Asks it to stop and tells whether it ended well.
    pub(crate) fn stop(mut self) -> bool {
        signal("TERM", self.process.id());
        self.process.wait().unwrap().success()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // One that was stopped is gone already.
        let _ = self.process.kill();
    }
}

/// Sends a signal to a process that the test started.
pub(crate) fn signal(name: &str, process: u32) {
    let kill = format!("kill -{name} {process}");
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}
