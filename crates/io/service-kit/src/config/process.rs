//! What every process needs: the bus, telemetry, the addresses it is seen and controlled at.

use super::source::Config;
use crate::secret::Secret;
use remora_domain::{DurationNs, SettingProblem};
use remora_rpc::{ListenSettings, TlsIdentity, Tokens};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A token, a password or a key is short; a longer file is the wrong file.
const SECRET_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Is the `[bus]` section.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BusSettings {
    /// Where NATS is: `nats://HOST:PORT` or `tls://HOST:PORT`. Default `nats://127.0.0.1:4222`.
    pub url: String,
    /// The user; by default the one named after the service (and its venue). Only used with a password.
    pub user: Option<String>,
    /// The file that holds the password.
    pub password_file: Option<PathBuf>,
    /// The password, for a variable of the environment; a file is better.
    pub password: Option<Secret<String>>,
    /// The file with the certificates (PEM) that a `tls://` server is trusted by.
    pub ca_file: Option<PathBuf>,
}

impl Default for BusSettings {
    fn default() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".to_owned(),
            user: None,
            password_file: None,
            password: None,
            ca_file: None,
        }
    }
}

/// Says how log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Is the `[telemetry]` section.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetrySettings {
    /// What is logged, such as `info` or `info,remora_bus=debug`. Default `info`.
    pub log_filter: String,
    /// How log lines look. Default `text`.
    pub log_format: LogFormat,
    /// Where spans go: an OTLP gRPC receiver, `http://HOST:4317`. Default: nowhere.
    pub otlp_endpoint: Option<String>,
    /// Which part of the traces that begin here is kept, 0 to 1. Default 0.01: a market data event a hundred.
    pub trace_fraction: f64,
    /// The folder for flight recordings. Default: none are written.
    pub flight_folder: Option<PathBuf>,
    /// Size of one file of a recording, 1 to 4096 MiB. Default 64.
    pub flight_file_mib_max: u32,
    /// How much the recordings of one service may take together, 1 to 1,048,576 MiB; the oldest runs are removed first.
    /// Default 2048.
    pub flight_total_mib_max: u32,
    /// How old a recording may get, 1 to 3,650 days. Default 14.
    pub flight_age_days_max: u32,
    /// How long an entry may wait before it is flushed to the file, 1 to 60,000 ms. Default 200.
    pub flight_flush_ms_max: u32,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            log_filter: "info".to_owned(),
            log_format: LogFormat::Text,
            otlp_endpoint: None,
            trace_fraction: 0.01,
            flight_folder: None,
            flight_file_mib_max: 64,
            flight_total_mib_max: 2048,
            flight_age_days_max: 14,
            flight_flush_ms_max: 200,
        }
    }
}

/// Is the `[control]` section.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ControlSettings {
    /// Where `/livez`, `/readyz`, `/metrics` and `/status` are served. Default: any free port on loopback.
    pub http_listen: SocketAddr,
    /// Where gRPC control is served. Default: any free port on loopback.
    pub grpc_listen: SocketAddr,
    /// The file of tokens, one `<role> <name> <token>` a line. Without it every call is refused.
    pub token_file: Option<PathBuf>,
    /// The gRPC certificate chain (PEM), needed outside loopback.
    pub tls_certificate_file: Option<PathBuf>,
    /// Its private key (PEM).
    pub tls_key_file: Option<PathBuf>,
    /// The folder where halts are kept that NATS could not take yet, so that they outlive a restart, and the snapshot of
    /// the log of orders (`NAME.snapshot`). Default: the folder for flight recordings; without either, such a halt is
    /// forgotten by a restart, and every start reads the whole log.
    pub halt_folder: Option<PathBuf>,
    /// How old the newest market data may be before a service that needs it is not ready, 1 to 86,400 s. Default 60.
    pub data_age_s_max: u32,
    /// How long a service that is asked to stop may take to take its orders back, 0 to 600 s. Default 10.
    pub stop_s_max: u32,
    /// Allows gRPC and `/status` outside loopback without TLS, where a mesh or a proxy ends TLS, or the network itself is
    /// private. Default false.
    pub is_plaintext_allowed: bool,
}

impl Default for ControlSettings {
    fn default() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            http_listen: any,
            grpc_listen: any,
            token_file: None,
            halt_folder: None,
            data_age_s_max: 60,
            stop_s_max: 10,
            tls_certificate_file: None,
            tls_key_file: None,
            is_plaintext_allowed: false,
        }
    }
}

/// Is what every process needs, checked, with the secrets read from their files.
#[derive(Clone, Debug)]
pub struct ProcessSettings {
    /// The bus.
    pub bus: BusSettings,
    /// Logs, traces, recordings.
    pub telemetry: TelemetrySettings,
    /// Where HTTP is served.
    pub http_listen: SocketAddr,
    /// Where gRPC is served and how.
    pub grpc: ListenSettings,
    /// Who may call.
    pub tokens: Tokens,
    /// Where halts are kept that NATS could not take yet.
    pub halt_folder: Option<PathBuf>,
    /// How old the newest market data may be where it is needed.
    pub data_age_max: DurationNs,
    /// How long stopping may take.
    pub stop_within: Duration,
}

impl Config {
    /// Reads `[bus]`, `[telemetry]` and `[control]` and the secret files they name. `None` when something is wrong;
    /// what, is kept for `finish`.
    pub fn process(&mut self) -> Option<ProcessSettings> {
        let bus = self.section::<BusSettings>("bus");
        let telemetry = self.section::<TelemetrySettings>("telemetry");
        let control = self.section::<ControlSettings>("control");
        let bus = bus.and_then(|bus| self.check("bus", check_bus(bus)));
        let telemetry =
            telemetry.and_then(|telemetry| self.check("telemetry", check_telemetry(telemetry)));
        let halt_folder = control.as_ref().and_then(|control| control.halt_folder.clone());
        let data_age = control.as_ref().map_or(0, |control| control.data_age_s_max);
        let stop = control.as_ref().map_or(0, |control| control.stop_s_max);
        let control = control.and_then(|control| self.check("control", check_control(&control)));
        let (http_listen, grpc, tokens) = control?;
        let (bus, telemetry) = (bus?, telemetry?);
        let halt_folder = halt_folder.or_else(|| telemetry.flight_folder.clone());
        let data_age_max = DurationNs::from_s(i64::from(data_age));
        Some(ProcessSettings {
            bus,
            telemetry,
            http_listen,
            grpc,
            tokens,
            halt_folder,
            data_age_max,
            stop_within: Duration::from_secs(u64::from(stop)),
        })
    }
}

/// Reads a file that holds one secret; the line end is not part of it.
///
/// # Errors
/// Refuses a file that cannot be read, is empty or is larger than any secret.
pub fn read_secret(key: &str, path: &Path) -> Result<Secret<String>, SettingProblem> {
    let problem = |allowed: String| SettingProblem {
        key: key.to_owned(),
        value: path.display().to_string(),
        allowed,
    };
    let size = std::fs::metadata(path)
        .map_err(|error| problem(format!("a file that can be read ({error})")))?
        .len();
    if size > SECRET_FILE_BYTES_MAX {
        return Err(problem("a file of at most 64 KiB".to_owned()));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| problem(format!("a text file that can be read ({error})")))?;
    let text = Secret::new(text);
    let trimmed = text.expose().trim_end_matches(['\r', '\n']);
    if trimmed.is_empty() {
        return Err(problem("a file that is not empty".to_owned()));
    }
    Ok(Secret::new(trimmed.to_owned()))
}

fn check_bus(mut bus: BusSettings) -> Result<BusSettings, Vec<SettingProblem>> {
    let mut problems = Vec::new();
    let mut wrong = |key: &str, value: &str, allowed: &str| {
        problems.push(SettingProblem {
            key: key.to_owned(),
            value: value.to_owned(),
            allowed: allowed.to_owned(),
        });
    };
    if !["nats://", "tls://"].iter().any(|scheme| bus.url.starts_with(scheme)) {
        wrong("url", &bus.url, "nats://HOST:PORT or tls://HOST:PORT");
    } else if bus.url.contains('@') {
        wrong("url", "***", "no user or password in the address: use user and password_file");
    }
    if bus.password.is_some() && bus.password_file.is_some() {
        wrong("password", "***", "either password or password_file");
    }
    if let Some(path) = &bus.password_file {
        match read_secret("password_file", path) {
            Ok(secret) => bus.password = Some(secret),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(bus) } else { Err(problems) }
}

fn check_telemetry(telemetry: TelemetrySettings) -> Result<TelemetrySettings, Vec<SettingProblem>> {
    let mut problems = Vec::new();
    let mut check = |is_good: bool, key: &str, value: String, allowed: &str| {
        if !is_good {
            let allowed = allowed.to_owned();
            problems.push(SettingProblem { key: key.to_owned(), value, allowed });
        }
    };
    let filter = &telemetry.log_filter;
    let is_filter = tracing_subscriber::EnvFilter::try_new(filter).is_ok();
    check(
        is_filter,
        "log_filter",
        filter.clone(),
        "a filter such as info or info,remora_bus=debug",
    );
    let fraction = telemetry.trace_fraction;
    check((0.0..=1.0).contains(&fraction), "trace_fraction", fraction.to_string(), "0 to 1");
    let size = telemetry.flight_file_mib_max;
    check((1..=4096).contains(&size), "flight_file_mib_max", size.to_string(), "1 to 4096");
    let total = telemetry.flight_total_mib_max;
    let is_total = (1..=1_048_576).contains(&total);
    check(is_total, "flight_total_mib_max", total.to_string(), "1 to 1048576");
    let days = telemetry.flight_age_days_max;
    check((1..=3_650).contains(&days), "flight_age_days_max", days.to_string(), "1 to 3650");
    let flush = telemetry.flight_flush_ms_max;
    check((1..=60_000).contains(&flush), "flight_flush_ms_max", flush.to_string(), "1 to 60000");
    if let Some(endpoint) = &telemetry.otlp_endpoint {
        let is_good = endpoint.starts_with("http://") || endpoint.starts_with("https://");
        check(is_good, "otlp_endpoint", endpoint.clone(), "http://HOST:PORT or https://HOST:PORT");
    }
    if problems.is_empty() { Ok(telemetry) } else { Err(problems) }
}

fn check_control(
    control: &ControlSettings,
) -> Result<(SocketAddr, ListenSettings, Tokens), Vec<SettingProblem>> {
    let mut problems = Vec::new();
    let mut read = |key: &str, path: &Option<PathBuf>| {
        let path = path.as_ref()?;
        read_secret(key, path).map_err(|problem| problems.push(problem)).ok()
    };
    let token_text = read("token_file", &control.token_file);
    let certificate = read("tls_certificate_file", &control.tls_certificate_file);
    let key = read("tls_key_file", &control.tls_key_file);
    let tokens = match token_text.map(|text| Tokens::parse(text.expose())) {
        None => Tokens::default(),
        Some(Ok(tokens)) => tokens,
        Some(Err(errors)) => {
            problems.extend(errors.into_iter().map(|error| SettingProblem {
                key: format!("token_file line {} {}", error.line, error.field),
                value: error.value,
                allowed: error.allowed.to_owned(),
            }));
            Tokens::default()
        }
    };
    if control.tls_certificate_file.is_some() != control.tls_key_file.is_some() {
        problems.push(SettingProblem {
            key: "tls_certificate_file".to_owned(),
            value: "alone".to_owned(),
            allowed: "tls_certificate_file and tls_key_file, or neither".to_owned(),
        });
    }
    for (key, value, allowed) in [
        ("data_age_s_max", control.data_age_s_max, 1..=86_400),
        ("stop_s_max", control.stop_s_max, 0..=600),
    ] {
        if !allowed.contains(&value) {
            let (key, value) = (key.to_owned(), value.to_string());
            let allowed = format!("{} to {}", allowed.start(), allowed.end());
            problems.push(SettingProblem { key, value, allowed });
        }
    }
    let tls = certificate.zip(key).map(|(certificate, key)| TlsIdentity {
        certificate_pem: certificate.expose().clone(),
        key_pem: key.expose().clone(),
    });
    let address = control.grpc_listen;
    let is_plaintext_allowed = control.is_plaintext_allowed;
    if !address.ip().is_loopback() && tls.is_none() && !is_plaintext_allowed {
        problems.push(SettingProblem {
            key: "grpc_listen".to_owned(),
            value: address.to_string(),
            allowed: "a loopback address, or TLS files, or is_plaintext_allowed = true".to_owned(),
        });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok((control.http_listen, ListenSettings { address, tls, is_plaintext_allowed }, tokens))
}
