//! PostgreSQL, initialised once and copied for every start.

use crate::process::{Process, on_free_port, private_dir, text};
use crate::tools::{ensure_postgres, is_root, lock, run, tools_dir};
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The only role; it may do everything.
const ROLE: &str = "remora";

/// Is a PostgreSQL server on a free loopback port. It syncs nothing to disk.
pub struct Postgres {
    programs: PathBuf,
    owner: Option<Owner>,
    port: u16,
    process: Option<Process>,
    folder: TempDir,
}

/// Is the system user that the server runs as when we are root, because it refuses root.
#[derive(Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Postgres {
    /// Starts one with an empty database `postgres`.
    ///
    /// # Errors
    /// Says what is absent, or what the server said when it would not start.
    pub fn start() -> Result<Self> {
        let programs = ensure_postgres()?;
        let owner = is_root().then(find_owner).transpose()?;
        let template = ensure_template(&programs, owner)?;
        on_free_port(|port| {
            let folder = private_dir("pg")?;
            copy(&template, &folder.path().join("data"))?;
            give(folder.path(), owner)?;
            let programs = programs.clone();
            let mut server = Self { programs, owner, port, process: None, folder };
            server.launch()?;
            Ok(server)
        })
    }

    fn launch(&mut self) -> Result<()> {
        let folder = self.folder.path();
        let mut command = as_owner(Command::new(self.programs.join("postgres")), self.owner);
        command.args(["-D", &text(&folder.join("data"))?, "-p", &self.port.to_string()]);
        let sockets = format!("unix_socket_directories={}", text(folder)?);
        for setting in [
            "listen_addresses=127.0.0.1",
            &sockets,
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "logging_collector=off",
            "log_destination=stderr",
            "lc_messages=C",
            "max_connections=50",
            "shared_buffers=32MB",
        ] {
            command.args(["-c", setting]);
        }
        command.current_dir(folder);
        let ready = "database system is ready to accept connections";
        self.process = Some(Process::start(&mut command, &folder.join("log"), ready, folder)?);
        Ok(())
    }

    /// Gives the address of the database `postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Gives the address of a database.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{database}", self.port)
    }

    /// Gives the port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Creates a database, as a copy of `template` where one is named, and gives its address.
    ///
    /// # Errors
    /// Gives the server's complaint.
    pub fn create_database(&self, name: &str, template: Option<&str>) -> Result<String> {
        let mut command = Command::new(self.programs.join("createdb"));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", ROLE]);
        if let Some(template) = template {
            command.args(["-T", template]);
        }
        run(command.arg(name)).with_context(|| format!("create database {name}"))?;
        Ok(self.url_of(name))
    }

    /// Runs SQL in a database with `psql` and gives the rows as text, one a line, `|` between columns.
    ///
    /// # Errors
    /// Gives the server's complaint.
    pub fn query(&self, database: &str, sql: &str) -> Result<String> {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"]);
        command.args(["-p", &self.port.to_string(), "-U", ROLE, "-d", database, "-c", sql]);
        run(&mut command)
    }

    /// Stops it in good order; data and port are kept for [`Self::restart`].
    ///
    /// # Errors
    /// Reports a server that does not stop.
    pub fn stop(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), |process| process.stop("INT"))
    }

    /// Kills it on the spot, as a crash would; data and port are kept for [`Self::restart`].
    pub fn kill(&mut self) {
        drop(self.process.take());
    }

    /// Freezes the process that accepts connections; connections that are open go on.
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
        // After a kill the children of the old server need a moment to let go of its shared memory.
        self.launch().or_else(|_| {
            std::thread::sleep(std::time::Duration::from_millis(500));
            self.launch()
        })
    }
}

/// Initialises a data folder once per version and machine, for all later starts to copy.
fn ensure_template(programs: &Path, owner: Option<Owner>) -> Result<PathBuf> {
    let version = run(Command::new(programs.join("postgres")).arg("--version"))?;
    let version: String = version
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
        .collect();
    let kept = tools_dir()
        .join(format!("pg-template{}", version.trim_end_matches('-').replace("postgres", "")));
    if kept.exists() {
        return Ok(kept);
    }
    let _lock = lock("pg-template")?;
    if kept.exists() {
        return Ok(kept);
    }
    // Initialised in the temporary folder, as the server's user may not be allowed to reach ours.
    let folder = private_dir("pg-template")?;
    give(folder.path(), owner)?;
    let data = folder.path().join("data");
    let mut initdb = as_owner(Command::new(programs.join("initdb")), owner);
    initdb.args(["-D", &text(&data)?, "-U", ROLE, "--auth=trust", "--no-sync"]);
    initdb.args(["-E", "UTF8", "--locale=C"]).current_dir(folder.path());
    run(&mut initdb).context("initialise PostgreSQL's data folder")?;
    let made = kept.with_extension("new");
    if made.exists() {
        fs::remove_dir_all(&made)?;
    }
    copy(&data, &made)?;
    fs::rename(&made, &kept)?;
    Ok(kept)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    // With the point a folder behind a symbolic link is copied, and not the link.
    run(Command::new("cp").arg("-a").arg(from.join(".")).arg(to)).map(drop)
}

/// Makes a folder the server user's own.
fn give(folder: &Path, owner: Option<Owner>) -> Result<()> {
    let Some(Owner { uid, gid }) = owner else { return Ok(()) };
    run(Command::new("chown").arg("-R").arg(format!("{uid}:{gid}")).arg(folder)).map(drop)
}

fn as_owner(mut command: Command, owner: Option<Owner>) -> Command {
    if let Some(Owner { uid, gid }) = owner {
        command.uid(uid).gid(gid);
    }
    command
}

fn find_owner() -> Result<Owner> {
    let ask = |what: &str| -> Result<u32> {
        let said = run(Command::new("id").args([what, "postgres"]))?;
        said.trim().parse().with_context(|| format!("read the number in {said:?}"))
    };
    let owner = Owner { uid: ask("-u")?, gid: ask("-g")? };
    if owner.uid == 0 {
        bail!("user postgres is root, which PostgreSQL refuses");
    }
    Ok(owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_starts_keeps_its_data_over_a_crash_and_copies_databases() {
        let mut server = Postgres::start().unwrap();
        server.create_database("model", None).unwrap();
        server.query("model", "create table t (n int); insert into t values (7)").unwrap();
        let url = server.create_database("copy", Some("model")).unwrap();
        assert!(url.ends_with("/copy"), "{url}");
        server.query("copy", "checkpoint").unwrap();
        server.kill();
        assert!(server.query("copy", "select 1").is_err());
        server.restart().unwrap();
        assert_eq!(server.query("copy", "select n from t").unwrap().trim(), "7");
        server.restart().unwrap();
        assert_eq!(server.query("model", "select n from t").unwrap().trim(), "7");
    }
}
