//! `/sim/faults`: put faults in force, see them and what they did, clear them.

use super::Faults;
use super::settings::{FaultWish, WISHES_MAX};
use remora_domain::{SettingProblem, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Is the answer to an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AdminAnswer {
    /// HTTP status.
    pub(crate) status: u16,
    /// JSON.
    pub(crate) body: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: u64,
    injected: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<u64>,
    is_active: bool,
    fault: &'a FaultWish,
}

#[derive(Serialize)]
struct Overview<'a> {
    faults: Vec<Shown<'a>>,
    /// How often each kind happened since the start.
    injected: BTreeMap<super::FaultKind, u64>,
    /// Outputs held back now.
    held: usize,
    connections: Vec<Connection<'a>>,
}

#[derive(Serialize)]
struct Connection<'a> {
    connection: u64,
    account: Option<&'a str>,
}

#[derive(Serialize)]
struct Problem<'a> {
    key: &'a str,
    value: &'a str,
    allowed: &'a str,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clear {
    #[serde(default)]
    id: Option<u64>,
}

impl Faults {
    /// Answers an operator; `path` is below `/sim/`. None where the path is not about faults. What was asked for
    /// happens at the next `tick`, which is due at once.
    pub(crate) fn admin(
        &mut self,
        now: Timestamp,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Option<AdminAnswer> {
        Some(match (method, path.trim_matches('/')) {
            ("GET", "faults") => self.overview(now),
            ("POST", "faults") => self.wished(now, body),
            ("POST", "faults/clear") => match serde_json::from_slice::<Clear>(non_empty(body)) {
                Ok(Clear { id }) => self.clear(now, id),
                Err(error) => wrong("body", &error.to_string(), "{} or {\"id\":NUMBER}"),
            },
            ("DELETE", "faults") => self.clear(now, None),
            (_, "faults" | "faults/clear") => {
                AdminAnswer { status: 405, body: r#"{"error":"method not allowed"}"#.to_owned() }
            }
            (_, _) => return None,
        })
    }

    fn overview(&self, now: Timestamp) -> AdminAnswer {
        let shown = |rule: &super::Rule| -> (u64, u64, Option<u64>, bool) {
            (rule.id, rule.injected, rule.left, rule.is_active(now))
        };
        let faults = self.rules.iter().map(|rule| {
            let (id, injected, left, is_active) = shown(rule);
            Shown { id, injected, left, is_active, fault: &rule.wish }
        });
        let connections = self
            .peers
            .iter()
            .map(|(peer, account)| Connection { connection: peer.0, account: account.as_deref() });
        answer(&Overview {
            faults: faults.collect(),
            injected: self.injected.clone(),
            held: self.hold.len(),
            connections: connections.collect(),
        })
    }

    fn wished(&mut self, now: Timestamp, body: &[u8]) -> AdminAnswer {
        // One fault, or several at once.
        let read: Result<Vec<FaultWish>, _> = if body.trim_ascii_start().starts_with(b"[") {
            serde_json::from_slice(body)
        } else {
            serde_json::from_slice(body).map(|wish| vec![wish])
        };
        let wishes = match read {
            Ok(wishes) => wishes,
            Err(error) => {
                return wrong("body", &error.to_string(), "a fault, or an array of faults");
            }
        };
        let mut problems: Vec<SettingProblem> = wishes
            .iter()
            .enumerate()
            .flat_map(|(index, wish)| wish.problems(&format!("faults.{index}")))
            .collect();
        if self.rules.len().saturating_add(wishes.len()) > WISHES_MAX {
            problems.push(SettingProblem {
                key: "faults".to_owned(),
                value: wishes.len().to_string(),
                allowed: format!("at most {WISHES_MAX} in force"),
            });
        }
        if !problems.is_empty() {
            return refused(&problems);
        }
        let ids: Vec<u64> = wishes.into_iter().map(|wish| self.add(now, wish)).collect();
        answer(&BTreeMap::from([("ids", ids)]))
    }

    /// Ends one fault or all. What was held back goes out when it is due; silent subscriptions speak again.
    fn clear(&mut self, now: Timestamp, id: Option<u64>) -> AdminAnswer {
        let mut cleared = 0_u64;
        for rule in &mut self.rules {
            if id.is_none_or(|id| id == rule.id) {
                rule.until = Some(now);
                cleared = cleared.saturating_add(1);
            }
        }
        if id.is_none() {
            self.silent.clear();
        }
        answer(&BTreeMap::from([("cleared", cleared)]))
    }
}

fn non_empty(body: &[u8]) -> &[u8] {
    if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body }
}

fn answer(value: &impl Serialize) -> AdminAnswer {
    match serde_json::to_string(value) {
        Ok(body) => AdminAnswer { status: 200, body },
        Err(error) => wrong("answer", &error.to_string(), "a value that is JSON"),
    }
}

fn wrong(key: &str, value: &str, allowed: &str) -> AdminAnswer {
    refused(&[SettingProblem {
        key: key.to_owned(),
        value: value.to_owned(),
        allowed: allowed.to_owned(),
    }])
}

fn refused(problems: &[SettingProblem]) -> AdminAnswer {
    let problem = |problem: &'_ SettingProblem| -> serde_json::Value {
        let SettingProblem { key, value, allowed } = problem;
        serde_json::to_value(Problem { key, value, allowed }).unwrap_or_default()
    };
    let problems: Vec<_> = problems.iter().map(problem).collect();
    AdminAnswer { status: 400, body: serde_json::json!({ "problems": problems }).to_string() }
}
