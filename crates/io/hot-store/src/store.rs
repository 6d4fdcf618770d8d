//! The Redis client: one connection that comes back by itself, one script that keeps the newest.

use crate::HotError;
use crate::keys::{key_of, pattern_of, spec_of};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use remora_domain::{AccountId, Envelope, InstrumentKey, Kind, ProducerId, Subject, VenueId};
use std::collections::BTreeSet;
use std::time::Duration;

/// Keeps the newer of what is there and what is offered; returns 1 when it was the offered one. Marks have one
/// width, so that they compare as text: Lua's numbers cannot hold nanoseconds.
const KEEP_NEWEST: &str = "\
local known = redis.call('HGET', KEYS[1], 'mark')
if known and known >= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'mark', ARGV[1], 'message', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1";

/// Keys asked for in one step of a listing.
const SCAN_COUNT: usize = 500;

/// Says how long the store waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotSettings {
    /// How long any call may take as a whole, connecting included.
    pub timeout: Duration,
}

impl Default for HotSettings {
    /// Gives 500 ms: a view that takes longer is not hot.
    fn default() -> Self {
        Self { timeout: Duration::from_millis(500) }
    }
}

/// Is the hot store. Cheap to clone; clones share one connection.
#[derive(Clone)]
pub struct HotStore {
    connection: ConnectionManager,
    keep_newest: redis::Script,
    timeout: Duration,
}

impl HotStore {
    /// Prepares a store without connecting: it comes up, and comes back, by itself. Needs a tokio runtime.
    ///
    /// # Errors
    /// Refuses an address that is not understood.
    pub fn open(url: &str, settings: &HotSettings) -> Result<Self, HotError> {
        let address = |cause| HotError::Address { cause };
        let client = redis::Client::open(url).map_err(address)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(settings.timeout))
            .set_response_timeout(Some(settings.timeout))
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50));
        let connection =
            ConnectionManager::new_lazy_with_config(client, config).map_err(address)?;
        let keep_newest = redis::Script::new(KEEP_NEWEST);
        Ok(Self { connection, keep_newest, timeout: settings.timeout })
    }

    /// Puts a message unless a newer one of its subject is there; tells whether it was put.
    ///
    /// # Errors
    /// Refuses kinds that are not in [`crate::KEYS`]; reports a Redis that does not answer.
    pub async fn put(&self, envelope: &Envelope) -> Result<bool, HotError> {
        let subject = Subject::of(envelope);
        let kind = subject.kind;
        let spec = spec_of(kind).ok_or(HotError::NotHot { kind })?;
        let mut script = self.keep_newest.key(key_of(&subject));
        script.arg(mark_of(envelope));
        script.arg(remora_wire::encode(envelope).as_ref());
        script.arg(u64::try_from(spec.expiry.as_millis()).unwrap_or(u64::MAX));
        let mut connection = self.connection.clone();
        self.within("write to", script.invoke_async(&mut connection)).await
    }

    /// Gets the newest top of book of an instrument.
    ///
    /// # Errors
    /// Reports a Redis that does not answer and a value that is not a message.
    pub async fn get_book(&self, key: &InstrumentKey) -> Result<Option<Envelope>, HotError> {
        self.get(&at(Kind::MdBook, key)).await
    }

    /// Gets the newest universe of a producer.
    ///
    /// # Errors
    /// Reports a Redis that does not answer and a value that is not a message.
    pub async fn get_universe(&self, from: &ProducerId) -> Result<Option<Envelope>, HotError> {
        self.get(&Subject { producer: Some(from.clone()), ..bare(Kind::PairsUniverse) }).await
    }

    /// Gets the newest balances of an account at a venue.
    ///
    /// # Errors
    /// Reports a Redis that does not answer and a value that is not a message.
    pub async fn get_balances(
        &self,
        account: &AccountId,
        venue: &VenueId,
    ) -> Result<Option<Envelope>, HotError> {
        let (account, venue) = (Some(account.clone()), Some(venue.clone()));
        self.get(&Subject { account, venue, ..bare(Kind::AccountBalance) }).await
    }

    /// Gets the newest condition that a gate or router stated.
    ///
    /// # Errors
    /// Reports a Redis that does not answer and a value that is not a message.
    pub async fn get_control_state(&self, from: &ProducerId) -> Result<Option<Envelope>, HotError> {
        self.get(&Subject { producer: Some(from.clone()), ..bare(Kind::ControlState) }).await
    }

    /// Gets the newest message of a subject.
    ///
    /// # Errors
    /// Reports a Redis that does not answer and a value that is not a message.
    pub async fn get(&self, subject: &Subject) -> Result<Option<Envelope>, HotError> {
        self.read(key_of(subject)).await
    }

    /// Gets the newest message of every subject of a kind, sorted by subject.
    ///
    /// # Errors
    /// Reports a Redis that does not answer and a value that is not a message.
    pub async fn list(&self, kind: Kind) -> Result<Vec<Envelope>, HotError> {
        let mut found = Vec::new();
        for key in self.within("list", self.keys(kind)).await? {
            // A key may have expired since it was listed.
            found.extend(self.read(key).await?);
        }
        Ok(found)
    }

    /// Asks Redis for a sign of life.
    ///
    /// # Errors
    /// Reports a Redis that does not answer.
    pub async fn ping(&self) -> Result<(), HotError> {
        let mut connection = self.connection.clone();
        self.within("ping", redis::cmd("PING").query_async(&mut connection)).await
    }

    async fn keys(&self, kind: Kind) -> redis::RedisResult<BTreeSet<String>> {
        let mut connection = self.connection.clone();
        let mut keys = BTreeSet::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(pattern_of(kind)).arg("COUNT").arg(SCAN_COUNT);
            let (next, some): (u64, Vec<String>) = scan.query_async(&mut connection).await?;
            keys.extend(some);
            if next == 0 {
                return Ok(keys);
            }
            cursor = next;
        }
    }

    async fn read(&self, key: String) -> Result<Option<Envelope>, HotError> {
        let mut get = redis::cmd("HGET");
        get.arg(&key).arg("message");
        let mut connection = self.connection.clone();
        let bytes: Option<Vec<u8>> = self.within("read", get.query_async(&mut connection)).await?;
        let decoded = bytes.map(|bytes| remora_wire::decode(&bytes)).transpose();
        decoded.map_err(|cause| HotError::Decode { key, cause })
    }

    async fn within<T>(
        &self,
        what: &'static str,
        answer: impl Future<Output = redis::RedisResult<T>>,
    ) -> Result<T, HotError> {
        let after = self.timeout;
        let answer = tokio::time::timeout(after, answer).await;
        let answer = answer.map_err(|_| HotError::Timeout { what, after })?;
        answer.map_err(|cause| HotError::Redis { what, cause })
    }
}

/// Orders messages of a subject: by publish time, and by sequence within one instant. Times before 1970 count as 1970.
fn mark_of(envelope: &Envelope) -> String {
    let header = &envelope.header;
    format!("{:020}-{:020}", header.publish_time.as_ns().max(0), header.sequence)
}

fn bare(kind: Kind) -> Subject {
    Subject { kind, account: None, venue: None, instrument: None, producer: None }
}

fn at(kind: Kind, key: &InstrumentKey) -> Subject {
    let (venue, instrument) = (Some(key.venue.clone()), Some(key.instrument.clone()));
    Subject { venue, instrument, ..bare(kind) }
}
