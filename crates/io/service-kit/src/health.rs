//! What a process knows about itself: state, dependencies, data age, whether its loop turns.

use crate::Clock;
use remora_domain::{DurationNs, ServiceState, Timestamp};
use remora_rpc::{DependencyStatus, ServiceStatus};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A loop that has not turned for this long hangs: it wakes at least once a second.
const BEAT_AGE_MAX: DurationNs = DurationNs::from_s(10);

/// Is the condition of a process; clones share it. Everything else reads it: HTTP, gRPC, log lines.
#[derive(Clone, Debug)]
pub struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    service: String,
    instance: String,
    version: String,
    clock: Clock,
    facts: Mutex<Facts>,
    heard_ns: AtomicI64,
    beat_ns: AtomicI64,
    is_ready: watch::Sender<bool>,
}

#[derive(Debug)]
struct Facts {
    state: ServiceState,
    dependencies: BTreeMap<String, Dependency>,
    data_needed: Option<DataNeeded>,
    details: Value,
}

#[derive(Clone, Copy, Debug)]
struct DataNeeded {
    age_max: DurationNs,
    since: Timestamp,
}

#[derive(Debug)]
struct Dependency {
    is_required: bool,
    is_up: bool,
    detail: String,
    since: Timestamp,
}

/// Stands for "never" in the two counters.
const NEVER: i64 = i64::MIN;

impl Health {
    /// Starts in the state `Starting`, with no dependencies.
    #[must_use]
    pub fn new(service: &str, instance: &str, version: &str, clock: Clock) -> Self {
        let facts = Facts {
            state: ServiceState::Starting,
            dependencies: BTreeMap::new(),
            data_needed: None,
            details: json!({}),
        };
        Self(Arc::new(Inner {
            service: service.to_owned(),
            instance: instance.to_owned(),
            version: version.to_owned(),
            clock,
            facts: Mutex::new(facts),
            heard_ns: AtomicI64::new(NEVER),
            beat_ns: AtomicI64::new(NEVER),
            is_ready: watch::Sender::new(false),
        }))
    }

    /// Sets the condition of the service.
    pub fn set_state(&self, state: ServiceState) {
        let was = std::mem::replace(&mut self.facts().state, state);
        if was != state {
            tracing::info!(service = self.0.service, ?was, now = ?state, "service state changed");
        }
        self.publish();
    }

    /// Gives the condition of the service.
    #[must_use]
    pub fn state(&self) -> ServiceState {
        self.facts().state
    }

    /// Tells how a dependency is. A required one that is down makes the service not ready.
    pub fn set_dependency(&self, name: &str, is_required: bool, is_up: bool, detail: &str) {
        let now = self.0.clock.now();
        {
            let mut facts = self.facts();
            let since = match facts.dependencies.get(name) {
                Some(before) if before.is_up == is_up => before.since,
                Some(_) | None => {
                    tracing::info!(dependency = name, is_up, detail, "dependency changed");
                    now
                }
            };
            let detail = detail.to_owned();
            facts
                .dependencies
                .insert(name.to_owned(), Dependency { is_required, is_up, detail, since });
        }
        let up = if is_up { 1.0 } else { 0.0 };
        metrics::gauge!("remora_service_dependency_up", "dependency" => name.to_owned()).set(up);
        self.publish();
    }

    /// Makes the service not ready while its newest market data is older than this, or while there has been none for that
    /// long from now on: services start before their feed.
    pub fn require_data_younger_than(&self, age_max: DurationNs) {
        let since = self.0.clock.now();
        self.facts().data_needed = Some(DataNeeded { age_max, since });
        self.publish();
    }

    /// Says that no more market data is to come: the recording has been played. Its age keeps nobody from being ready.
    pub fn expect_no_more_data(&self) {
        self.facts().data_needed = None;
        self.publish();
    }

    /// Sets the facts only this service has; a JSON object.
    pub fn set_details(&self, details: Value) {
        self.facts().details = details;
    }

    /// Notes that market data arrived.
    pub fn heard(&self, at: Timestamp) {
        self.0.heard_ns.fetch_max(at.as_ns(), Ordering::Relaxed);
    }

    /// Notes that the loop turned.
    pub fn beat(&self) {
        self.0.beat_ns.store(self.0.clock.now().as_ns(), Ordering::Relaxed);
    }

    /// Looks again whether the service is ready, which it may cease to be just because time passes.
    pub fn refresh(&self) {
        self.publish();
    }

    /// Gives the age of the newest market data, when there was any.
    #[must_use]
    pub fn data_age(&self) -> Option<DurationNs> {
        self.age_of(&self.0.heard_ns)
    }

    /// Tells whether the loop turns; also before it started.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.age_of(&self.0.beat_ns).is_none_or(|age| age <= BEAT_AGE_MAX)
    }

    /// Tells what keeps the service from being ready; nothing when it is.
    #[must_use]
    pub fn unready(&self) -> Vec<String> {
        let data_age = self.data_age();
        let facts = self.facts();
        let mut why = Vec::new();
        if facts.state == ServiceState::Starting {
            why.push("starting".to_owned());
        }
        for (name, dependency) in &facts.dependencies {
            if dependency.is_required && !dependency.is_up {
                why.push(format!("{name} is down: {}", dependency.detail));
            }
        }
        if let Some(DataNeeded { age_max, since }) = facts.data_needed
            && data_age.unwrap_or_else(|| self.0.clock.now().since(since)) > age_max
        {
            why.push(format!("no market data for more than {} ms", age_max.as_ms()));
        }
        why
    }

    /// Watches whether the service is ready.
    #[must_use]
    pub fn watch_ready(&self) -> watch::Receiver<bool> {
        self.0.is_ready.subscribe()
    }

    /// Gives everything, for gRPC.
    #[must_use]
    pub fn status(&self) -> ServiceStatus {
        let data_age = self.data_age();
        let facts = self.facts();
        let dependencies = facts.dependencies.iter().map(|(name, dependency)| DependencyStatus {
            name: name.clone(),
            is_up: dependency.is_up,
            detail: dependency.detail.clone(),
            since: Some(dependency.since),
        });
        ServiceStatus {
            service: self.0.service.clone(),
            instance: self.0.instance.clone(),
            version: self.0.version.clone(),
            state: facts.state,
            data_age,
            dependencies: dependencies.collect(),
            details_json: facts.details.to_string(),
        }
    }

    /// Gives everything as JSON, for HTTP; without the facts only this service has.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let status = self.status();
        let why_not_ready = self.unready();
        let dependencies: Vec<Value> = status
            .dependencies
            .iter()
            .map(|dependency| {
                json!({
                    "name": dependency.name,
                    "is_up": dependency.is_up,
                    "detail": dependency.detail,
                    "since_ns": dependency.since.map(Timestamp::as_ns),
                })
            })
            .collect();
        json!({
            "service": status.service,
            "instance": status.instance,
            "version": status.version,
            "state": state_word(status.state),
            "is_live": self.is_live(),
            "is_ready": why_not_ready.is_empty(),
            "why_not_ready": why_not_ready,
            "data_age_ms": status.data_age.map(DurationNs::as_ms),
            "dependencies": dependencies,
        })
    }

    /// Gives the facts only this service has.
    #[must_use]
    pub fn details(&self) -> Value {
        self.facts().details.clone()
    }

    fn age_of(&self, at_ns: &AtomicI64) -> Option<DurationNs> {
        match at_ns.load(Ordering::Relaxed) {
            NEVER => None,
            at => Some(self.0.clock.now().since(Timestamp::from_ns(at))),
        }
    }

    fn publish(&self) {
        let is_ready = self.unready().is_empty();
        self.0.is_ready.send_if_modified(|was| std::mem::replace(was, is_ready) != is_ready);
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        // Nothing can fail while the lock is held, so a poisoned lock holds good facts.
        self.0.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn state_word(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Starting => "starting",
        ServiceState::Active => "active",
        ServiceState::Halted => "halted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        Health::new("risk-gate", "risk-gate-0", "0.1.0", Clock::new())
    }

    #[test]
    fn a_service_is_ready_once_it_is_active_and_what_it_needs_is_up() {
        let health = health();
        let ready = health.watch_ready();
        assert_eq!(health.unready(), ["starting"]);
        health.set_dependency("bus", true, false, "disconnected");
        health.set_dependency("recording", false, false, "disk full");
        health.set_state(ServiceState::Active);
        assert_eq!(health.unready(), ["bus is down: disconnected"]);
        health.set_dependency("bus", true, true, "");
        assert!(health.unready().is_empty() && *ready.borrow());
    }

    #[test]
    fn a_halted_service_is_ready_to_be_controlled() {
        let health = health();
        health.set_state(ServiceState::Halted);
        assert!(health.unready().is_empty());
    }

    #[test]
    fn silence_makes_a_service_unready_when_it_needs_data() {
        let health = health();
        health.set_state(ServiceState::Active);
        health.require_data_younger_than(DurationNs::from_s(5));
        assert!(health.unready().is_empty(), "the feed may still be starting");
        let long_ago = health.0.clock.now().saturating_sub(DurationNs::from_s(60));
        health.heard(long_ago);
        assert_eq!(health.unready(), ["no market data for more than 5000 ms"]);
        health.heard(health.0.clock.now());
        assert!(health.unready().is_empty());
        let needed = DataNeeded { age_max: DurationNs::from_s(5), since: long_ago };
        health.facts().data_needed = Some(needed);
        health.0.heard_ns.store(NEVER, Ordering::Relaxed);
        assert_eq!(health.unready(), ["no market data for more than 5000 ms"]);
        health.heard(health.0.clock.now());
        assert!(health.data_age().is_some());
    }

    #[test]
    fn a_feed_that_is_over_leaves_a_service_ready() {
        let health = health();
        health.set_state(ServiceState::Active);
        health.require_data_younger_than(DurationNs::from_s(5));
        health.heard(health.0.clock.now().saturating_sub(DurationNs::from_s(60)));
        assert!(!health.unready().is_empty());
        let ready = health.watch_ready();
        health.expect_no_more_data();
        assert!(health.unready().is_empty() && *ready.borrow());
    }

    #[test]
    fn a_hanging_loop_is_not_live() {
        let health = health();
        assert!(health.is_live());
        health.beat();
        assert!(health.is_live());
        let long_ago = health.0.clock.now().saturating_sub(DurationNs::from_s(60));
        health.0.beat_ns.store(long_ago.as_ns(), Ordering::Relaxed);
        assert!(!health.is_live());
    }

    #[test]
    fn a_dependency_keeps_the_instant_of_its_last_change() {
        let health = health();
        health.set_dependency("bus", true, true, "a");
        let first = health.status().dependencies;
        health.set_dependency("bus", true, true, "b");
        let second = health.status().dependencies;
        assert_eq!(first.first().unwrap().since, second.first().unwrap().since);
        assert_eq!(second.first().unwrap().detail, "b");
    }
}
