//! The `main` of every service: arguments, runtime, exit code, the one place that prints to the terminal.

use crate::config::{ConfigError, Effective};
use clap::{CommandFactory, FromArgMatches};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// The exit code of a configuration that cannot be used: trying again is no use.
const EXIT_CONFIG: u8 = 2;

/// Is the command line of every service; one with arguments of its own flattens this into them.
#[derive(Clone, Debug, clap::Parser)]
pub struct ServiceArgs {
    /// The profile: one TOML file with a section for each service.
    #[arg(long, env = "REMORA_CONFIG", value_name = "FILE")]
    pub config: PathBuf,
    /// Checks the configuration, prints the values in force with their sources, and ends.
    #[arg(long)]
    pub check_config: bool,
}

impl ServiceArgs {
    /// Tells whether only the configuration was to be checked, and then prints what is in force.
    ///
    /// # Errors
    /// Tells when the terminal is gone.
    pub fn is_only_check(&self, effective: &Effective) -> std::io::Result<bool> {
        if self.check_config {
            write!(std::io::stdout().lock(), "{effective}")?;
        }
        Ok(self.check_config)
    }
}

/// Reads the command line, runs the service on a runtime of its own, and prints the whole chain of an error that
/// ends it. Exit codes: 0 asked to stop, 1 failed, 2 bad configuration.
pub fn run_main<A, F, R>(
    name: &'static str,
    version: &'static str,
    about: &'static str,
    run: F,
) -> ExitCode
where
    A: CommandFactory + FromArgMatches,
    F: FnOnce(A) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let matches = A::command().name(name).version(version).about(about).get_matches();
    let args = match A::from_arg_matches(&matches) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("start the runtime")),
    };
    match runtime.block_on(run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    // Where nobody reads the terminal the exit code still tells.
    let _ = writeln!(std::io::stderr().lock(), "error: {error:#}");
    if error.downcast_ref::<ConfigError>().is_some() {
        return ExitCode::from(EXIT_CONFIG);
    }
    ExitCode::FAILURE
}
