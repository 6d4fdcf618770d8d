//! Whether another live process has this one's name. In: signs of life on the bus. Out: alone, or not.
//!
//! Gate, router and decision act in the name of one: two gates would answer each request twice. Each tells every second
//! that it lives, so whoever starts listens a little longer than that before it does anything.
//! Limit, stated: two that start in the same moment do not hear each other; a lease on the bus keeps them apart, and with
//! one nobody looks here.

use crate::Shutdown;
use crate::drive::{Identity, patiently, read_message};
use remora_bus::{Bus, BusError};
use remora_domain::{Kind, ProducerId, Service, SessionId};
use std::time::Duration;

/// Two signs of life and a half.
const LISTEN: Duration = Duration::from_millis(2_500);
/// Signs of life that may wait: nobody but a twin sends any here.
const WAITING_MAX: usize = 16;

/// Says why a process may not go on under its name.
#[derive(Debug, thiserror::Error)]
pub enum TwinError {
    /// Another process has it.
    #[error("start {producer}: another one is alive (session {session}); stop it first")]
    Alive {
        /// The name.
        producer: ProducerId,
        /// Which run of it was heard.
        session: SessionId,
    },
    /// Its signs of life cannot be listened to.
    #[error("listen for another process of this name")]
    Listen(#[source] BusError),
}

/// Listens; true once nobody else was heard, false when the process was asked to stop meanwhile. At once true for a
/// service of which there may be several.
pub(crate) async fn is_alone(
    bus: &dyn Bus,
    identity: &Identity,
    shutdown: &Shutdown,
) -> Result<bool, TwinError> {
    let singles = [Service::Decision, Service::RiskGate, Service::OrderRouter];
    if !singles.iter().any(|service| service.name() == identity.service()) {
        return Ok(true);
    }
    let producer = identity.producer();
    let patterns = [Kind::SvcHeartbeat.pattern().replace('>', producer.as_str())];
    let subscribed = patiently(shutdown, || bus.subscribe(&patterns, WAITING_MAX)).await;
    let Some(mut beats) = subscribed.map_err(TwinError::Listen)? else { return Ok(false) };
    let until = tokio::time::Instant::now() + LISTEN;
    loop {
        let beat = tokio::select! {
            biased;
            () = shutdown.requested() => return Ok(false),
            beat = beats.recv() => beat,
            () = tokio::time::sleep_until(until) => return Ok(true),
        };
        let Some(message) = beat else { return Err(TwinError::Listen(BusError::Closed)) };
        // What cannot be read is nobody's sign of life.
        let Ok(envelope) = read_message(&message) else { continue };
        let header = envelope.header;
        if header.producer == *producer && header.session != identity.session() {
            return Err(TwinError::Alive { producer: header.producer, session: header.session });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_bus::{OutMessage, in_memory};
    use remora_domain::{Body, Heartbeat, Sequencer, ServiceState, Subject, Timestamp};
    use std::collections::BTreeMap;

    fn identity(service: Service, session: u64) -> Identity {
        let producer = ProducerId::new(service.name()).unwrap();
        Identity::new(service.name(), producer, SessionId::new(session), 1, "0.1.0").unwrap()
    }

    /// Gives the sign of life of one run.
    fn beat(service: Service, session: u64) -> OutMessage {
        let producer = ProducerId::new(service.name()).unwrap();
        let mut sequencer = Sequencer::new(producer, SessionId::new(session));
        let body = Body::Heartbeat(Heartbeat {
            service: service.name().to_owned(),
            version: "0.1.0".to_owned(),
            state: ServiceState::Active,
            data_age: None,
        });
        let envelope = sequencer.wrap(Timestamp::EPOCH, body);
        let subject = Subject::of(&envelope).to_string();
        let payload = remora_wire::encode(&envelope);
        OutMessage { subject, message_id: String::new(), headers: BTreeMap::new(), payload }
    }

    /// Starts as `service` beside these signs of life, each told again and again.
    async fn start(service: Service, beats: Vec<OutMessage>) -> Result<bool, TwinError> {
        let bus = in_memory();
        let shutdown = Shutdown::new();
        let (others, me) = (bus.clone(), identity(service, 2));
        let telling = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                for beat in &beats {
                    others.publish(beat.clone()).await.unwrap();
                }
            }
        });
        let outcome = is_alone(&bus, &me, &shutdown).await;
        telling.abort();
        outcome
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_gate_is_refused_and_told_which_one_lives() {
        let refused = start(Service::RiskGate, vec![beat(Service::RiskGate, 1)]).await.unwrap_err();
        let wanted = format!(
            "start risk-gate: another one is alive (session {}); stop it first",
            SessionId::new(1)
        );
        assert_eq!(refused.to_string(), wanted);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_hears_only_others_and_itself_is_alone() {
        let beats = vec![beat(Service::Decision, 1), beat(Service::RiskGate, 2)];
        assert!(start(Service::RiskGate, beats).await.unwrap());
        assert!(start(Service::OrderRouter, vec![]).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn services_of_which_there_may_be_several_do_not_wait() {
        let began = tokio::time::Instant::now();
        let beats = vec![beat(Service::Persister, 1)];
        assert!(start(Service::Persister, beats).await.unwrap());
        assert_eq!(tokio::time::Instant::now(), began);
    }
}
