//! Outputs as bytes, and the digest of what came out of one input.

use bytes::Bytes;
use remora_domain::Envelope;
use remora_machine::{LocalCodec, ServiceOutput};
use remora_wire::flight::FlightOutput;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Is one output with its published bytes, encoded once for the bus and for the digest.
#[derive(Debug)]
pub(crate) enum Encoded<L> {
    /// Publish this.
    Publish(Arc<Envelope>, Bytes),
    /// An effect of the service.
    Local(L),
    /// An impossible state.
    Fault(&'static str),
}

/// Encodes outputs in order.
pub(crate) fn encode<L>(out: &mut Vec<ServiceOutput<L>>) -> Vec<Encoded<L>> {
    let encoded = out.drain(..).map(|output| match output {
        ServiceOutput::Publish(envelope) => {
            let bytes = remora_wire::encode(&envelope);
            Encoded::Publish(envelope, bytes)
        }
        ServiceOutput::Local(local) => Encoded::Local(local),
        ServiceOutput::Fault(text) => Encoded::Fault(text),
    });
    encoded.collect()
}

/// Gives outputs as a journal keeps them.
pub(crate) fn kept<L: LocalCodec>(outputs: &[Encoded<L>]) -> Vec<FlightOutput> {
    let kept = outputs.iter().map(|output| match output {
        Encoded::Publish(_, bytes) => FlightOutput::Publish(bytes.clone()),
        Encoded::Local(local) => {
            let mut bytes = Vec::new();
            local.encode(&mut bytes);
            FlightOutput::Local(Bytes::from(bytes))
        }
        Encoded::Fault(text) => FlightOutput::Fault((*text).to_owned()),
    });
    kept.collect()
}

/// Digests outputs in order: each with a tag and its length, so that no two lists look alike.
pub(crate) fn digest<L: LocalCodec>(outputs: &[Encoded<L>]) -> [u8; 32] {
    let mut sha = Sha256::new();
    let mut add = |tag: u8, bytes: &[u8]| {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        sha.update([tag]);
        sha.update(length.to_le_bytes());
        sha.update(bytes);
    };
    let mut local_bytes = Vec::new();
    for output in outputs {
        match output {
            Encoded::Publish(_, bytes) => add(1, bytes),
            Encoded::Local(local) => {
                local_bytes.clear();
                local.encode(&mut local_bytes);
                add(2, &local_bytes);
            }
            Encoded::Fault(text) => add(3, text.as_bytes()),
        }
    }
    sha.finalize().into()
}
