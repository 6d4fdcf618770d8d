//! The `[storage]` section of a profile.

use remora_domain::SettingProblem;
use remora_service_kit::Secret;
use remora_service_kit::config::read_secret;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Is the section as written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StorageSettings {
    /// Where PostgreSQL is: `postgres://USER@HOST:PORT/DATABASE`, without a password.
    postgres_url: String,
    /// The file that holds the password.
    #[serde(default)]
    postgres_password_file: Option<PathBuf>,
    /// Where Redis is: `redis://HOST:PORT`. Default: there are no hot views.
    #[serde(default)]
    redis_url: Option<String>,
}

/// Is the checked section.
#[derive(Debug)]
pub(crate) struct Storage {
    /// With the password.
    pub(crate) postgres_url: Secret<String>,
    pub(crate) redis_url: Option<String>,
}

impl StorageSettings {
    pub(crate) fn validate(&self) -> Result<Storage, Vec<SettingProblem>> {
        let mut problems = Vec::new();
        let mut problem = |key: &str, value: &str, allowed: &str| {
            let (key, value, allowed) = (key.to_owned(), value.to_owned(), allowed.to_owned());
            problems.push(SettingProblem { key, value, allowed });
        };
        let parts = split(&self.postgres_url);
        match parts {
            None => problem("postgres_url", "***", "postgres://USER@HOST:PORT/DATABASE"),
            Some((user, _)) if user.contains(':') => {
                problem(
                    "postgres_url",
                    "***",
                    "no password in the address: use postgres_password_file",
                );
            }
            Some(_) => {}
        }
        if let Some(url) = self.redis_url.as_ref().filter(|url| !is_redis(url)) {
            problem("redis_url", url, "redis://HOST:PORT or rediss://HOST:PORT");
        }
        let password = self.postgres_password_file.as_ref().and_then(|path| {
            let read = read_secret("postgres_password_file", path);
            read.map_err(|problem| problems.push(problem)).ok()
        });
        let Some((user, rest)) = parts.filter(|_| problems.is_empty()) else {
            return Err(problems);
        };
        let password =
            password.map_or_else(String::new, |secret| format!(":{}", escaped(secret.expose())));
        let postgres_url = Secret::new(format!("postgres://{user}{password}@{rest}"));
        Ok(Storage { postgres_url, redis_url: self.redis_url.clone() })
    }
}

/// Splits an address into its user and what follows the `@`.
fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"))?;
    rest.split_once('@').filter(|(user, host)| !user.is_empty() && !host.is_empty())
}

fn is_redis(url: &str) -> bool {
    url.starts_with("redis://") || url.starts_with("rediss://")
}

/// Writes everything but letters and digits as `%XX` (RFC 3986, section 2.1).
fn escaped(text: &str) -> String {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_into_the_address_escaped_and_is_never_shown() {
        let folder = std::env::temp_dir().join(format!("remora-storage-{}", std::process::id()));
        std::fs::write(&folder, "p@s/s:\n").unwrap();
        let settings = StorageSettings {
            postgres_url: "postgres://remora@db:5432/remora".to_owned(),
            postgres_password_file: Some(folder.clone()),
            redis_url: None,
        };
        let storage = settings.validate().unwrap();
        std::fs::remove_file(folder).unwrap();
        assert_eq!(storage.postgres_url.expose(), "postgres://remora:p%40s%2Fs%3A@db:5432/remora");
        assert!(!format!("{storage:?}").contains("p%40"));
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let settings = StorageSettings {
            postgres_url: "postgres://remora:secret@db/remora".to_owned(),
            postgres_password_file: Some("/nowhere/at/all".into()),
            redis_url: Some("http://redis".to_owned()),
        };
        let problems = settings.validate().unwrap_err();
        let keys: Vec<&str> = problems.iter().map(|problem| &*problem.key).collect();
        assert_eq!(keys, ["postgres_url", "redis_url", "postgres_password_file"]);
        assert!(!format!("{problems:?}").contains("secret@"));
    }
}
