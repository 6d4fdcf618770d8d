//! Applies stream definitions to the server, then reads them back: a server may drop what it does not know.

use super::link::Link;
use crate::{BusError, Call, DUPLICATE_WINDOW, Stream, StreamDefinition};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

/// Creates or updates one stream and compares the result with its definition.
pub(super) async fn declare(
    link: &Link,
    definition: &StreamDefinition,
    replicas: usize,
) -> Result<(), BusError> {
    let name = definition.stream.name();
    let wanted = config_of(definition, replicas);
    let asked = format!("$JS.API.STREAM.UPDATE.{name}");
    let apply = link.context.create_or_update_stream(wanted.clone());
    link.call(Call::DeclareStream, &asked, apply).await?;
    let asked = format!("$JS.API.STREAM.INFO.{name}");
    let found = link.call(Call::ReadStream, &asked, link.context.get_stream(name)).await?;
    compare(&wanted, &found.cached_info().config)
}

fn config_of(definition: &StreamDefinition, replicas: usize) -> Config {
    let limit = |max: Option<u64>| max.map_or(-1, |max| i64::try_from(max).unwrap_or(i64::MAX));
    let keeps_all = match definition.stream {
        Stream::Orders | Stream::Control => true,
        Stream::Accounts
        | Stream::States
        | Stream::Dead
        | Stream::Leases
        | Stream::Instruments
        | Stream::Bars
        | Stream::Pairs
        | Stream::Decisions => false,
    };
    Config {
        name: definition.stream.name().to_owned(),
        subjects: definition.subjects.clone(),
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        // Refuse new ones rather than forget old ones.
        discard: if keeps_all { DiscardPolicy::New } else { DiscardPolicy::Old },
        deny_delete: keeps_all,
        deny_purge: keeps_all,
        max_age: definition.age_max.unwrap_or_default(),
        max_messages: limit(definition.messages_max),
        max_messages_per_subject: limit(definition.messages_per_subject_max),
        max_bytes: -1,
        max_consumers: -1,
        duplicate_window: DUPLICATE_WINDOW,
        num_replicas: replicas,
        ..Config::default()
    }
}

fn compare(wanted: &Config, found: &Config) -> Result<(), BusError> {
    let text = |c: &Config| {
        [
            ("subjects", format!("{:?}", c.subjects)),
            ("retention", format!("{:?}", c.retention)),
            ("storage", format!("{:?}", c.storage)),
            ("discard", format!("{:?}", c.discard)),
            ("deny_delete", c.deny_delete.to_string()),
            ("deny_purge", c.deny_purge.to_string()),
            ("max_age", format!("{:?}", c.max_age)),
            ("max_messages", c.max_messages.to_string()),
            ("max_messages_per_subject", c.max_messages_per_subject.to_string()),
            ("max_bytes", c.max_bytes.to_string()),
            ("duplicate_window", format!("{:?}", c.duplicate_window)),
            ("num_replicas", c.num_replicas.to_string()),
            ("no_ack", c.no_ack.to_string()),
        ]
    };
    for ((field, wanted_text), (_, found_text)) in text(wanted).into_iter().zip(text(found)) {
        if wanted_text != found_text {
            let name = wanted.name.clone();
            return Err(BusError::Differs { name, field, wanted: wanted_text, found: found_text });
        }
    }
    Ok(())
}
