//! Messages of the bus and flight recordings: any bytes give a value that is written back the same, or an error.
#![no_main]

use remora_wire::flight::{FlightEntry, FlightHeader};
use remora_wire::{decode, encode};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = decode(bytes) {
        assert_eq!(decode(&encode(&envelope)).as_ref(), Ok(&envelope));
    }
    if let Ok(header) = FlightHeader::decode(bytes) {
        assert!(FlightHeader::decode(&header.encode()).is_ok());
    }
    if let Ok(entry) = FlightEntry::decode(bytes) {
        assert!(FlightEntry::decode(&entry.encode()).is_ok());
    }
});
