//! redis-server without persistence.

use crate::process::{Process, on_free_port, private_dir, text};
use crate::tools::ensure_redis;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// Is a redis-server on a free loopback port. It keeps nothing: a restart comes up empty, as ours may.
pub struct RedisServer {
    program: PathBuf,
    port: u16,
    process: Option<Process>,
    folder: TempDir,
}

impl RedisServer {
    /// Starts one.
    ///
    /// # Errors
    /// Says what is absent, or what the server said when it would not start.
    pub fn start() -> Result<Self> {
        let program = ensure_redis()?;
        on_free_port(|port| {
            let folder = private_dir("redis")?;
            let mut server = Self { program: program.clone(), port, process: None, folder };
            server.launch()?;
            Ok(server)
        })
    }

    fn launch(&mut self) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "no", "--daemonize", "no"]);
        command.args(["--dir", &text(self.folder.path())?]);
        let log = self.folder.path().join("log");
        let ready = "eady to accept connections";
        self.process = Some(Process::start(&mut command, &log, ready, self.folder.path())?);
        Ok(())
    }

    /// Gives the address for clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Gives the port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Stops it in good order; the port is kept for [`Self::restart`].
    ///
    /// # Errors
    /// Reports a server that does not stop.
    pub fn stop(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), |process| process.stop("TERM"))
    }

    /// Kills it on the spot; the port is kept for [`Self::restart`].
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

    /// Starts it again, empty, on the same port, stopping it first if it runs.
    ///
    /// # Errors
    /// Reports what the server said when it would not stop or start.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.launch()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn ask(server: &RedisServer, command: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port()))?;
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        let mut bytes = [0; 256];
        let count = stream.read(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes[..count]).into_owned())
    }

    #[test]
    fn a_redis_server_starts_and_comes_back_empty_on_its_port() {
        let mut server = RedisServer::start().unwrap();
        assert_eq!(ask(&server, "SET a 1").unwrap(), "+OK\r\n");
        server.kill();
        assert!(ask(&server, "GET a").is_err());
        server.restart().unwrap();
        assert_eq!(ask(&server, "GET a").unwrap(), "$-1\r\n");
    }
}
