//! nats-server with JetStream.

use crate::process::{Process, free_port, on_free_port, private_dir, read_log, text};
use crate::tools::{ensure_nats, run};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Tells a configuration file where to store.
const STORE_VARIABLE: &str = "REMORA_NATS_STORE_DIR";

/// Says how a nats-server is to be started beyond the usual.
#[derive(Clone, Debug, Default)]
pub struct NatsOptions {
    /// A configuration file. Address, ports and storage folder are still ours; a file that sets `store_dir` must set
    /// it to `$REMORA_NATS_STORE_DIR`.
    pub config: Option<PathBuf>,
    /// Environment variables that the file refers to.
    pub environment: Vec<(String, String)>,
}

/// Is a nats-server with JetStream on a free loopback port.
pub struct NatsServer {
    program: PathBuf,
    options: NatsOptions,
    port: u16,
    process: Option<Process>,
    folder: TempDir,
}

impl NatsServer {
    /// Starts one without users and passwords.
    ///
    /// # Errors
    /// Says what is absent, or what the server said when it would not start.
    pub fn start() -> Result<Self> {
        Self::start_with(NatsOptions::default())
    }

    /// Starts one with a configuration.
    ///
    /// # Errors
    /// Says what is absent, or what the server said when it would not start.
    pub fn start_with(options: NatsOptions) -> Result<Self> {
        let program = ensure_nats()?;
        on_free_port(|port| {
            let folder = private_dir("nats")?;
            let (program, options) = (program.clone(), options.clone());
            let mut server = Self { program, options, port, process: None, folder };
            server.launch()?;
            Ok(server)
        })
    }

    fn launch(&mut self) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(["--addr", "127.0.0.1", "--port", &self.port.to_string(), "--jetstream"]);
        let store = text(&self.folder.path().join("jetstream"))?;
        // The server refuses to be told twice where to store.
        let mut is_told = false;
        if let Some(config) = &self.options.config {
            let written = std::fs::read_to_string(config)
                .with_context(|| format!("read {}", config.display()))?;
            is_told = written.contains("store_dir");
            command.args(["--config", &text(config)?]);
            command.args(["--http_port", &free_port()?.to_string()]);
        }
        if is_told {
            command.env(STORE_VARIABLE, store);
        } else {
            command.args(["--store_dir", &store]);
        }
        command.envs(self.options.environment.iter().cloned());
        let log = self.folder.path().join("log");
        let ready = "Server is ready";
        self.process = Some(Process::start(&mut command, &log, ready, self.folder.path())?);
        Ok(())
    }

    /// Gives the address for clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Gives the port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Gives the process id while the server runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Gives what the server has written to its log since its last start.
    #[must_use]
    pub fn log(&self) -> String {
        read_log(&self.folder.path().join("log"))
    }

    /// Stops it in good order; data and port are kept for [`Self::restart`].
    ///
    /// # Errors
    /// Reports a server that does not stop.
    pub fn stop(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), |process| process.stop("TERM"))
    }

    /// Kills it on the spot; data and port are kept for [`Self::restart`].
    pub fn kill(&mut self) {
        drop(self.process.take());
    }

    /// Freezes it: connections stay open, nothing answers.
    ///
    /// # Errors
    /// Reports a server that is gone.
    pub fn pause(&self) -> Result<()> {
        self.process.as_ref().context("the server is not running")?.pause()
    }

    /// Wakes it again.
    ///
    /// # Errors
    /// Reports a server that is gone.
    pub fn resume(&self) -> Result<()> {
        self.process.as_ref().context("the server is not running")?.signal("CONT")
    }

    /// Starts it again on the same port with the same data, stopping it first if it runs.
    ///
    /// # Errors
    /// Reports what the server said when it would not stop or start.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.launch()
    }
}

/// Lets nats-server check a configuration file, and gives what it says.
///
/// # Errors
/// Gives the server's complaints.
pub fn check_nats_config(config: &Path, environment: &[(String, String)]) -> Result<String> {
    let mut command = Command::new(ensure_nats()?);
    command.args(["-t", "--config", &text(config)?]).env(STORE_VARIABLE, "/nowhere");
    command.envs(environment.iter().cloned());
    run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn greeting(server: &NatsServer) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port()))?;
        stream.write_all(b"CONNECT {}\r\nPING\r\n")?;
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes[..count]).into_owned())
    }

    #[test]
    fn a_nats_server_starts_restarts_on_its_port_and_is_gone_when_dropped() {
        let mut server = NatsServer::start().unwrap();
        assert!(greeting(&server).unwrap().contains("\"jetstream\":true"));
        server.kill();
        assert!(greeting(&server).is_err());
        server.restart().unwrap();
        assert!(greeting(&server).unwrap().starts_with("INFO"));
        server.restart().unwrap();
        let (port, folder) = (server.port(), server.folder.path().to_owned());
        drop(server);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        assert!(!folder.exists());
    }

    #[test]
    fn a_broken_configuration_is_explained() {
        let folder = private_dir("test").unwrap();
        let file = folder.path().join("nats.conf");
        std::fs::write(&file, "authorization { users = 5 }").unwrap();
        let error = check_nats_config(&file, &[]).unwrap_err();
        assert!(format!("{error:#}").contains("users"), "{error:#}");
    }
}
