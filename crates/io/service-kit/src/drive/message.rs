//! Reads one message off the bus: its bytes, and whether it was published where it belongs.
//!
//! The server's permissions are by subject, so the subject is what proves who may have said something. A body under
//! another subject, or a producer who does not write such messages, is not believed, however well it decodes.
//! Limit, stated: two instances of one service are not told apart here; the server keeps their venues apart.

use remora_bus::InMessage;
use remora_domain::{Envelope, Kind, ProducerId, Service, Subject};
use remora_wire::WireError;

/// Says why a message is not given to a core.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MessageError {
    /// Its bytes are not a message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// It was published on the subject of another kind, account, venue, instrument or producer.
    #[error("accept a message on {subject:?}: its body and header belong on {belongs:?}")]
    Subject {
        /// Where it was published, cut to 200 characters.
        subject: String,
        /// Where it belongs.
        belongs: String,
    },
    /// Its header names a producer of a service that never writes such messages.
    #[error("accept {kind} of producer {producer}: {service} does not write it")]
    Producer {
        /// What it is about.
        kind: &'static str,
        /// Whom the header names.
        producer: ProducerId,
        /// The service the producer would be of.
        service: &'static str,
    },
}

impl MessageError {
    /// Gives the word for metrics.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Wire(_) => "undecodable",
            Self::Subject { .. } => "wrong-subject",
            Self::Producer { .. } => "wrong-producer",
        }
    }
}

/// Decodes a message and checks that it was published where it belongs.
///
/// # Errors
/// Says what is wrong: which field, which subject, which producer.
pub fn read_message(message: &InMessage) -> Result<Envelope, MessageError> {
    let envelope = remora_wire::decode(&message.payload)?;
    let subject = Subject::of(&envelope);
    let belongs = subject.to_string();
    if belongs != message.subject {
        let subject = message.subject.chars().take(200).collect();
        return Err(MessageError::Subject { subject, belongs });
    }
    check_producer(subject.kind, &envelope.header.producer)?;
    Ok(envelope)
}

/// Refuses what a service says in the name of another: the true message with that identity would later be taken for
/// a repeat. Producers outside the table (the console, tools) are left to the server's permissions.
fn check_producer(kind: Kind, producer: &ProducerId) -> Result<(), MessageError> {
    let is_of = |service: &&Service| {
        let rest = producer.as_str().strip_prefix(service.name());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    match Service::ALL.iter().find(is_of) {
        Some(service) if !service.writes().contains(&kind) => Err(MessageError::Producer {
            kind: kind.as_str(),
            producer: producer.clone(),
            service: service.name(),
        }),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::{Body, ControlScope, Timestamp};
    use remora_testkit::{Producer, accepted, book, halt, request};
    use std::collections::BTreeMap;

    /// Reads a body of a producer, published where another body of another producer belongs.
    fn check(producer: &str, body: Body, on: (&str, Body)) -> Result<(), &'static str> {
        let wrap = |name, body| Producer::new(name, 1).wrap(Timestamp::EPOCH, body);
        let message = InMessage {
            subject: Subject::of(&wrap(on.0, on.1)).to_string(),
            headers: BTreeMap::new(),
            payload: remora_wire::encode(&wrap(producer, body)),
        };
        read_message(&message).map(drop).map_err(|error| error.label())
    }

    fn a_request() -> Body {
        Body::OrderRequest(request("r-1"))
    }

    fn a_command() -> Body {
        Body::ControlCommand(halt(ControlScope::Global))
    }

    #[test]
    fn a_message_where_it_belongs_is_read() {
        assert_eq!(check("decision", a_request(), ("decision", a_request())), Ok(()));
        let gate = "risk-gate-shell";
        assert_eq!(check(gate, a_command(), (gate, a_command())), Ok(()));
        assert_eq!(check("console", a_command(), ("console", a_command())), Ok(()));
    }

    #[test]
    fn a_body_on_the_subject_of_another_kind_instrument_or_producer_is_refused() {
        let on_request = || ("decision", a_request());
        assert_eq!(check("decision", a_command(), on_request()), Err("wrong-subject"));
        let event = Body::OrderEvent(accepted(&request("r-1")));
        assert_eq!(check("order-router-x", event, on_request()), Err("wrong-subject"));
        let a_book = |pair| Body::Book(book(pair, "100", "101"));
        let eth = ("ingestor-x", a_book("ETH-USD"));
        assert_eq!(check("ingestor-x", a_book("BTC-USD"), eth), Err("wrong-subject"));
        let of_gate = ("risk-gate", a_command());
        assert_eq!(check("console", a_command(), of_gate), Err("wrong-subject"));
    }

    #[test]
    fn a_service_that_speaks_in_the_name_of_another_is_refused() {
        let router = "order-router-kraken-spot";
        assert_eq!(check(router, a_request(), (router, a_request())), Err("wrong-producer"));
        let decision = "decision-shell";
        assert_eq!(check(decision, a_command(), (decision, a_command())), Err("wrong-producer"));
        // A name that only begins alike is nobody's.
        assert_eq!(check("decisions", a_command(), ("decisions", a_command())), Ok(()));
    }

    #[test]
    fn the_error_says_where_the_message_was_and_where_it_belongs() {
        let envelope = Producer::new("console", 1).wrap(Timestamp::EPOCH, a_command());
        let subject = "remora.v1.order.request.paper.kraken-spot.BTC-USD".to_owned();
        let payload = remora_wire::encode(&envelope);
        let error = read_message(&InMessage { subject, headers: BTreeMap::new(), payload });
        assert_eq!(
            error.unwrap_err().to_string(),
            "accept a message on \"remora.v1.order.request.paper.kraken-spot.BTC-USD\": its body \
             and header belong on \"remora.v1.control.command.console\""
        );
    }
}
