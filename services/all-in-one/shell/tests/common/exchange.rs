//! A simulated exchange as a process of its own.

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
        let mut said = Vec::new();
        for line in lines.map(Result::unwrap) {
            let is_last_secret = line.contains("secret") && said.len() > 16;
            said.push(line);
            if is_last_secret {
                break;
            }
        }
        Self { process, said }
    }

    pub(crate) fn public_url(&self) -> String {
        let line = self.said.iter().find(|line| line.ends_with("(public)")).unwrap();
        line.split_whitespace().find(|word| word.starts_with("ws://")).unwrap().to_owned()
    }

    /// Asks it to stop and tells whether it ended well.
    pub(crate) fn stop(mut self) -> bool {
        let stop = format!("kill -TERM {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &stop]).status().unwrap().success());
        self.process.wait().unwrap().success()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // One that was stopped is gone already.
        let _ = self.process.kill();
    }
}
