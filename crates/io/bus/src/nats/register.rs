//! Registers on NATS: the last message of a subject of one stream, written with the expectation of its sequence.
//!
//! Both go to the stream's own leader (the publish by JetStream's nature, the read because direct reads are not allowed on
//! the stream), so that a read gives what was last acknowledged. Source: async-nats 0.51 and NATS headers
//! `Nats-Expected-Last-Subject-Sequence`, error 10071.

use super::link::Link;
use crate::error::Call;
use crate::{BusError, RegisterValue, Stream};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use bytes::Bytes;

pub(super) async fn read(link: &Link, subject: &str) -> Result<Option<RegisterValue>, BusError> {
    let name = Stream::Leases.name();
    let asked = format!("$JS.API.STREAM.MSG.GET.{name}");
    let find = async {
        let stream = link.context.get_stream_no_info(name).await?;
        match stream.get_last_raw_message_by_subject(subject).await {
            Ok(found) => {
                Ok(Some(RegisterValue { revision: found.sequence, payload: found.payload }))
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(crate::Cause::from(error)),
        }
    };
    link.call(Call::ReadRegister, &asked, find).await
}

pub(super) async fn write(
    link: &Link,
    subject: &str,
    payload: Bytes,
    expected: u64,
) -> Result<Option<u64>, BusError> {
    let message = PublishMessage::build().payload(payload).expected_last_subject_sequence(expected);
    let publish = async {
        let acknowledgement = link.context.send_publish(subject.to_owned(), message).await?;
        match acknowledgement.await {
            Ok(stored) => Ok(Some(stored)),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(None),
            Err(error) => Err(crate::Cause::from(error)),
        }
    };
    let stored = link.call(Call::WriteRegister, subject, publish).await?;
    match stored {
        Some(stored) if stored.stream != Stream::Leases.name() => {
            let (wanted, found) = (Stream::Leases.name().to_owned(), stored.stream);
            Err(BusError::Differs { name: subject.to_owned(), field: "stream", wanted, found })
        }
        Some(stored) => Ok(Some(stored.sequence)),
        None => Ok(None),
    }
}
