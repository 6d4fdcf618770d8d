//! What recordings in tests are made of.

use remora_domain::{ProducerId, SessionId};
use remora_service_kit::flight::FlightSettings;
use remora_wire::flight::FlightHeader;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Gives the header of run 1.
pub(crate) fn header() -> FlightHeader {
    FlightHeader {
        service: "test".to_owned(),
        producer: ProducerId::new("core").unwrap(),
        session: SessionId::new(1),
        seed: 1,
        version: "0.1.0".to_owned(),
        settings: "[risk_gate]\n".to_owned(),
        previous: None,
    }
}

/// Gives settings without a bound that a test would reach, but for the size of a part. Outputs are kept.
pub(crate) fn settings(folder: &Path, file_bytes_max: u64, flush_ms: u64) -> FlightSettings {
    FlightSettings {
        folder: folder.to_owned(),
        file_bytes_max,
        total_bytes_max: 1 << 30,
        age_max: Duration::from_secs(3_600),
        flush_interval: Duration::from_millis(flush_ms),
        keeps_outputs: true,
    }
}

/// Gives where run 1 begins.
pub(crate) fn first_part(folder: &Path) -> PathBuf {
    folder.join("core-0000000000000001-00001.flight.gz")
}
