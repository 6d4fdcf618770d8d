//! The deployment itself.

use crate::options::Options;
use crate::reaper::Reaper;
use crate::service::{Recipe, Running, read};
use crate::wait::wait_for;
use crate::{http, programs};
use anyhow::{Context as _, Result, bail};
use remora_test_servers::{NatsOptions, NatsServer, Postgres, RedisServer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;
use tempfile::TempDir;

/// The only venue of the shipped profiles.
const VENUE: &str = "kraken-spot";
/// The second gate, where there are two.
const STANDBY: &str = "risk-gate-standby";
/// The database of history.
const DATABASE: &str = "remora";
/// How much of a log is told of a service that ended.
const LAST_LINES: usize = 5;
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Is what a token of the deployment allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// To see.
    Viewer,
    /// To halt and resume.
    Operator,
}

struct Seat {
    recipe: Recipe,
    starts: u32,
    running: Option<Running>,
}

/// Is a running deployment. Services are named as their producers: `risk-gate`, `ingestor-kraken-spot-0`.
pub struct Deployment {
    /// First, so that it is dropped first: it must not act on process ids that are nobody's any more.
    reaper: Reaper,
    /// In the order of their start.
    seats: Vec<Seat>,
    options: Options,
    folder: PathBuf,
    nats: NatsServer,
    redis: RedisServer,
    postgres: Postgres,
    tokens: BTreeMap<String, String>,
    _temporary: Option<TempDir>,
}

impl Deployment {
    /// Starts everything and waits until every service is ready.
    ///
    /// # Errors
    /// Tells what is absent or does not start, with its log.
    pub fn start(options: Options) -> Result<Self> {
        let temporary = match &options.folder {
            None => Some(tempfile::Builder::new().prefix("remora-up-").tempdir()?),
            Some(_) => None,
        };
        let folder = temporary.as_ref().map(|dir| dir.path().to_owned());
        let folder = folder.or_else(|| options.folder.clone()).context("a folder")?;
        for name in ["logs", "flight", "secrets"] {
            let path = folder.join(name);
            fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        }
        let reaper = Reaper::start(temporary.as_ref().map(TempDir::path))?;
        let remora = programs::find(&options.programs, "remora")?;
        let secrets = folder.join("secrets");
        programs::run(Command::new(&remora).args(["ctl", "init", "--dir"]).arg(&secrets))?;
        let nats = NatsServer::start_with(NatsOptions {
            config: Some(programs::root().join("deploy/nats/nats.conf")),
            environment: passwords(&secrets.join("nats-passwords.conf"))?,
        })?;
        let mut declare = Command::new(&remora);
        declare.args(["ctl", "bus", "--user", "admin", "--url", &nats.url(), "--password-file"]);
        programs::run(declare.arg(secrets.join("admin.password")))?;
        let (redis, postgres) = (RedisServer::start()?, Postgres::start()?);
        postgres.create_database(DATABASE, None)?;
        let tokens = tokens(&secrets.join("control.tokens"))?;
        let (seats, _temporary) = (Vec::new(), temporary);
        let mut made =
            Self { reaper, seats, options, folder, nats, redis, postgres, tokens, _temporary };
        made.start_services()?;
        Ok(made)
    }

    fn start_services(&mut self) -> Result<()> {
        let router = format!("order-router-{VENUE}");
        for (name, program) in [
            ("persister", "remora-persister"),
            ("pair-discovery", "remora-pair-discovery"),
            (&*router, "remora-order-router"),
            ("risk-gate", "remora-risk-gate"),
            (STANDBY, "remora-risk-gate"),
            ("decision", "remora-decision"),
        ] {
            if name == STANDBY && !self.options.has_standby {
                continue;
            }
            let recipe = self.recipe(name, program)?;
            self.seats.push(Seat { recipe, starts: 0, running: None });
            self.launch(name)?;
        }
        // A recording begins when everybody listens. Live, nobody is ready before the feed has told the router its pairs.
        let is_live = self.options.live.is_some();
        if !is_live {
            self.wait_all_ready()?;
        }
        if self.options.starts_ingestors {
            let shards = self.options.shards;
            for shard in 0..shards {
                self.start_ingestor(shard, shards)?;
            }
        }
        if is_live { self.wait_all_ready() } else { Ok(()) }
    }

    fn wait_all_ready(&mut self) -> Result<()> {
        for name in self.names() {
            self.wait_ready(&name)?;
        }
        Ok(())
    }

    /// Starts the ingestor of one shard, replacing the one of the same number; it plays from the beginning.
    ///
    /// # Errors
    /// Tells why it does not start.
    pub fn start_ingestor(&mut self, shard: u32, shards: u32) -> Result<()> {
        let name = format!("ingestor-{VENUE}-{shard}");
        let mut recipe = self.recipe(&name, "remora-ingestor")?;
        let live = self.options.live.as_ref().map(|live| &live.feed_url);
        match live.or(self.options.feed_url.as_ref()) {
            Some(url) => {
                recipe.environment.push(("REMORA_INGESTOR__URL".to_owned(), url.clone()));
            }
            None => recipe.arguments.extend(self.played()?),
        }
        for (key, value) in [("SHARD", shard), ("SHARDS", shards)] {
            recipe.environment.push((format!("REMORA_INGESTOR__{key}"), value.to_string()));
        }
        match self.seats.iter_mut().find(|seat| seat.recipe.name == name) {
            Some(seat) => {
                seat.running = None;
                seat.recipe = recipe;
            }
            None => self.seats.push(Seat { recipe, starts: 0, running: None }),
        }
        self.launch(&name)?;
        self.wait_ready(&name)
    }

    /// Gives the arguments of an ingestor that plays recordings.
    fn played(&self) -> Result<Vec<String>> {
        let shipped = || vec![programs::root().join("demo/synthetic_kraken_spot.jsonl.gz")];
        let recordings = &self.options.recordings;
        let recordings = if recordings.is_empty() { shipped() } else { recordings.clone() };
        let mut arguments = vec!["--recording".to_owned()];
        for recording in recordings {
            arguments.push(text(&recording)?);
        }
        arguments.extend(["--pace".to_owned(), self.options.pace.clone()]);
        Ok(arguments)
    }

    fn recipe(&self, name: &str, program: &str) -> Result<Recipe> {
        let secrets = self.folder.join("secrets");
        let secret = |file: &str| text(&secrets.join(file));
        let mut arguments = vec!["--config".to_owned(), text(&self.options.profile)?];
        // Shards of an ingestor share the user of their venue.
        let user = match name {
            STANDBY => "risk-gate",
            _ if name.starts_with("ingestor-") => &format!("ingestor-{VENUE}"),
            _ => name,
        };
        let mut environment = vec![
            ("REMORA_BUS__URL".to_owned(), self.nats.url()),
            ("REMORA_BUS__PASSWORD_FILE".to_owned(), secret(&format!("{user}.password"))?),
            ("REMORA_CONTROL__TOKEN_FILE".to_owned(), secret("control.tokens")?),
            ("REMORA_TELEMETRY__FLIGHT_FOLDER".to_owned(), text(&self.flight_folder_of(name))?),
        ];
        match program {
            "remora-risk-gate" => {
                arguments.extend(["--key-file".to_owned(), secret("gate.key")?]);
                arguments.extend(self.options.has_standby.then(|| "--lease".to_owned()));
            }
            "remora-order-router" => {
                arguments.extend(["--gate-public-key-file".to_owned(), secret("gate.pub")?]);
                if let Some(live) = &self.options.live {
                    arguments.push("--confirm-live".to_owned());
                    for (flag, file) in
                        [("--key-file", &live.key_file), ("--secret-file", &live.secret_file)]
                    {
                        arguments.extend([flag.to_owned(), text(file)?]);
                    }
                    let nonces = text(&self.folder.join("nonces"))?;
                    for (key, value) in [
                        ("REST_URL", &live.rest_url),
                        ("PRIVATE_URL", &live.private_url),
                        ("NONCE_FOLDER", &nonces),
                    ] {
                        environment.push((format!("REMORA_LIVE__{key}"), value.clone()));
                    }
                }
            }
            "remora-persister" => {
                environment.push(("REMORA_STORAGE__POSTGRES_URL".to_owned(), self.postgres_url()));
                environment.push(("REMORA_STORAGE__REDIS_URL".to_owned(), self.redis.url()));
            }
            _ => {}
        }
        environment.extend(self.options.environment.iter().cloned());
        Ok(Recipe {
            name: name.to_owned(),
            program: programs::find(&self.options.programs, program)?,
            arguments,
            environment,
            log: self.folder.join("logs").join(name),
        })
    }

    fn launch(&mut self, name: &str) -> Result<()> {
        let seat = self.seat_mut(name)?;
        seat.running = None;
        seat.starts = seat.starts.saturating_add(1);
        seat.running = Some(seat.recipe.start(seat.starts)?);
        let running = self.seats.iter().filter_map(|seat| seat.running.as_ref());
        self.reaper.tell(running.map(Running::pid))
    }

    /// Gives the names of all services, in the order of their start.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.seats.iter().map(|seat| seat.recipe.name.clone()).collect()
    }

    /// Waits until a service says that it is ready.
    ///
    /// # Errors
    /// Gives its log when it ends or is not ready in time.
    pub fn wait_ready(&mut self, name: &str) -> Result<()> {
        let what = format!("{name} is ready");
        let seat = self.seat_mut(name)?;
        let running = seat.running.as_mut().with_context(|| format!("{name} is not running"))?;
        let ready = wait_for(&what, READY_WITHIN, || Ok(running.is_ready()?.then_some(())));
        ready.with_context(|| format!("log of {name}:\n{}", self.log(name).unwrap_or_default()))
    }

    /// Looks whether every service that was started still runs.
    ///
    /// # Errors
    /// Names each that has ended unasked, with how it ended, its last words and where its whole log is.
    pub fn check_running(&mut self) -> Result<()> {
        let mut ended = Vec::new();
        for seat in &mut self.seats {
            let Some(status) = seat.running.as_mut().map(Running::ended).transpose()?.flatten()
            else {
                continue;
            };
            let log = seat.recipe.log_of(seat.starts);
            let (name, words) = (&seat.recipe.name, last_words(&read(&log)));
            ended.push(format!("{name} ended with {status}; log {}:\n{words}", log.display()));
        }
        if ended.is_empty() { Ok(()) } else { bail!("{}", ended.join("\n")) }
    }

    /// Kills a service on the spot.
    ///
    /// # Errors
    /// Refuses an unknown name.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        let seat = self.seat_mut(name)?;
        if let Some(running) = seat.running.take() {
            running.kill();
        }
        Ok(())
    }

    /// Sends a signal, such as `STOP` or `CONT`, to a service.
    ///
    /// # Errors
    /// Refuses a service that is not running.
    pub fn signal(&self, name: &str, signal: &str) -> Result<()> {
        let pid = self.pid(name)?.to_string();
        programs::run(Command::new("kill").args([&format!("-{signal}"), &pid])).map(drop)
    }

    /// Tells how a service ended by itself, once it has.
    ///
    /// # Errors
    /// Refuses an unknown name.
    pub fn ended(&mut self, name: &str) -> Result<Option<ExitStatus>> {
        let running = self.seat_mut(name)?.running.as_mut();
        running.with_context(|| format!("{name} is not running"))?.ended()
    }

    /// Asks a service to stop and waits for its end.
    ///
    /// # Errors
    /// Tells when it does not end, or not well.
    pub fn stop_service(&mut self, name: &str) -> Result<()> {
        let seat = self.seat_mut(name)?;
        let Some(running) = seat.running.take() else { return Ok(()) };
        let stopped = running.stop();
        stopped
            .with_context(|| format!("stop {name}; log:\n{}", self.log(name).unwrap_or_default()))
    }

    /// Starts a service again, killing it first if it runs, and waits until it listens; it may be ready later.
    ///
    /// # Errors
    /// Tells why it does not start.
    pub fn start_again(&mut self, name: &str) -> Result<()> {
        self.launch(name)
    }

    /// Starts a service again, killing it first if it runs, and waits until it is ready.
    ///
    /// # Errors
    /// Tells why it does not start.
    pub fn restart(&mut self, name: &str) -> Result<()> {
        self.launch(name)?;
        self.wait_ready(name)
    }

    /// Stops every service in good order, those that trade first, then the servers.
    ///
    /// # Errors
    /// Tells what did not end well.
    pub fn stop(mut self) -> Result<()> {
        for name in self.names().into_iter().rev() {
            self.stop_service(&name)?;
        }
        self.nats.stop()?;
        self.redis.stop()?;
        self.postgres.stop()
    }

    /// Gives what a service says about itself, details included.
    ///
    /// # Errors
    /// Tells when it does not answer.
    pub fn status(&self, name: &str) -> Result<Value> {
        let token = self.token(Role::Viewer)?;
        let (code, status) = http::get_json(&self.http(name)?, "/status", Some(&token))?;
        if code != 200 {
            bail!("status of {name}: {code}");
        }
        Ok(status)
    }

    /// Gives the facts only this service has.
    ///
    /// # Errors
    /// Tells when it does not answer.
    pub fn details(&self, name: &str) -> Result<Value> {
        Ok(self.status(name)?.get("details").cloned().unwrap_or_default())
    }

    /// Gives whether a service is ready, and everything health says.
    ///
    /// # Errors
    /// Tells when it does not answer.
    pub fn readiness(&self, name: &str) -> Result<(bool, Value)> {
        let (code, health) = http::get_json(&self.http(name)?, "/readyz", None)?;
        Ok((code == 200, health))
    }

    /// Gives the metrics of a service in Prometheus text.
    ///
    /// # Errors
    /// Tells when it does not answer.
    pub fn metrics(&self, name: &str) -> Result<String> {
        Ok(http::get(&self.http(name)?, "/metrics", None)?.1)
    }

    /// Gives the log of a service's last start.
    ///
    /// # Errors
    /// Refuses an unknown name.
    pub fn log(&self, name: &str) -> Result<String> {
        let seat = self.seat(name)?;
        Ok(read(&seat.recipe.log_of(seat.starts)))
    }

    /// Gives the HTTP address of a running service, `HOST:PORT`.
    ///
    /// # Errors
    /// Refuses a service that is not running.
    pub fn http(&self, name: &str) -> Result<String> {
        self.running(name).map(|running| running.http.clone())
    }

    /// Gives the gRPC address of a running service, `HOST:PORT`.
    ///
    /// # Errors
    /// Refuses a service that is not running.
    pub fn grpc(&self, name: &str) -> Result<String> {
        self.running(name).map(|running| running.grpc.clone())
    }

    /// Gives the process id of a running service.
    ///
    /// # Errors
    /// Refuses a service that is not running.
    pub fn pid(&self, name: &str) -> Result<u32> {
        self.running(name).map(Running::pid)
    }

    /// Runs SQL in the history database and gives the rows as text, one a line, `|` between columns.
    ///
    /// # Errors
    /// Gives the server's complaint.
    pub fn query(&self, sql: &str) -> Result<String> {
        self.postgres.query(DATABASE, sql)
    }

    /// Gives the address of the history database.
    #[must_use]
    pub fn postgres_url(&self) -> String {
        self.postgres.url_of(DATABASE)
    }

    /// Gives what it was started with.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Lends the NATS server.
    pub const fn nats(&mut self) -> &mut NatsServer {
        &mut self.nats
    }

    /// Lends the Redis server.
    pub const fn redis(&mut self) -> &mut RedisServer {
        &mut self.redis
    }

    /// Lends the PostgreSQL server.
    pub const fn postgres(&mut self) -> &mut Postgres {
        &mut self.postgres
    }

    /// Gives the password of a user of the bus.
    ///
    /// # Errors
    /// Refuses an unknown user.
    pub fn bus_password(&self, user: &str) -> Result<String> {
        let path = self.folder.join("secrets").join(format!("{user}.password"));
        let password = fs::read_to_string(&path);
        Ok(password.with_context(|| format!("read {}", path.display()))?.trim().to_owned())
    }

    /// Gives a token for the control of services.
    ///
    /// # Errors
    /// Tells when the shipped program has made none.
    pub fn token(&self, role: Role) -> Result<String> {
        let name = match role {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
        };
        self.tokens.get(name).cloned().with_context(|| format!("a token for {name}"))
    }

    /// Gives the folder of everything that is kept.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Gives the folder of flight recordings.
    #[must_use]
    pub fn flight_folder(&self) -> PathBuf {
        self.folder.join("flight")
    }

    /// Gives the folder of one service's: two gates are one producer, and each keeps a journal of its own.
    fn flight_folder_of(&self, name: &str) -> PathBuf {
        if name == STANDBY { self.folder.join("flight-standby") } else { self.flight_folder() }
    }

    /// Feeds the flight recordings of a service to its core again with the shipped program; gives what that says.
    ///
    /// # Errors
    /// Gives the first difference.
    pub fn replay(&self, name: &str) -> Result<String> {
        let secrets = self.folder.join("secrets");
        let mut command = Command::new(programs::find(&self.options.programs, "remora")?);
        command.arg("replay").args(self.recordings(name)?);
        command.arg("--gate-key").arg(secrets.join("gate.key"));
        programs::run(command.arg("--gate-public-key").arg(secrets.join("gate.pub")))
    }

    /// Shows what a service heard and gave that has this text in it, by the shipped program.
    ///
    /// # Errors
    /// Names a service that is not there, or gives what cannot be read.
    pub fn show(&self, name: &str, find: &str) -> Result<String> {
        let mut command = Command::new(programs::find(&self.options.programs, "remora")?);
        command.args(["journal", "show", "--find", find]);
        programs::run(command.args(self.recordings(name)?))
    }

    /// Gives the first parts of all runs of a service, oldest first.
    fn recordings(&self, name: &str) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let producer = if name == STANDBY { "risk-gate" } else { name };
        for entry in fs::read_dir(self.flight_folder_of(name))? {
            let path = entry?.path();
            let is_its = path.file_name().and_then(|n| n.to_str()).is_some_and(|file| {
                let rest = file.strip_prefix(producer).and_then(|rest| rest.strip_prefix('-'));
                // Another part of the name would be another service; a session is hexadecimal, then the part.
                rest.is_some_and(|rest| rest.matches('-').count() == 1 && rest.contains("-00001."))
            });
            if is_its {
                files.push(path);
            }
        }
        files.sort();
        if files.is_empty() {
            bail!("{name} has no flight recording");
        }
        Ok(files)
    }

    /// Verifies all flight recordings as journals with the shipped program; gives what that says.
    ///
    /// # Errors
    /// Gives what does not hold.
    pub fn verify_journals(&self) -> Result<String> {
        let mut command = Command::new(programs::find(&self.options.programs, "remora")?);
        command.args(["journal", "verify"]).arg(self.flight_folder());
        programs::run(
            command.args(self.options.has_standby.then(|| self.flight_folder_of(STANDBY))),
        )
    }

    fn seat(&self, name: &str) -> Result<&Seat> {
        let found = self.seats.iter().find(|seat| seat.recipe.name == name);
        found.with_context(|| format!("{name}: want one of {}", self.names().join(", ")))
    }

    fn seat_mut(&mut self, name: &str) -> Result<&mut Seat> {
        let known = self.names().join(", ");
        let found = self.seats.iter_mut().find(|seat| seat.recipe.name == name);
        found.with_context(|| format!("{name}: want one of {known}"))
    }

    fn running(&self, name: &str) -> Result<&Running> {
        let running = self.seat(name)?.running.as_ref();
        running.with_context(|| format!("{name} is not running"))
    }
}

/// Gives the end of a log.
fn last_words(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default().join("\n")
}

/// Reads the variables that the server's configuration refers to.
fn passwords(path: &Path) -> Result<Vec<(String, String)>> {
    let written = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let pair = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
    };
    Ok(written.lines().filter(|line| !line.starts_with('#')).filter_map(pair).collect())
}

/// Reads the tokens by their role.
fn tokens(path: &Path) -> Result<BTreeMap<String, String>> {
    let written = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let token = |line: &str| {
        let mut words = line.split_whitespace();
        let role = words.next()?.to_owned();
        Some((role, words.nth(1)?.to_owned()))
    };
    Ok(written.lines().filter_map(token).collect())
}

fn text(path: &Path) -> Result<String> {
    let problem = || format!("path {} is not text", path.display());
    path.to_str().map(str::to_owned).with_context(problem)
}
