//! Headers and entries of flight recordings survive the wire; any bytes give a value or an error.

use bytes::Bytes;
use proptest::prelude::*;
use remora_domain::{ProducerId, SessionId, Timestamp};
use remora_wire::flight::{FlightEntry, FlightEvent, FlightHead, FlightHeader, FlightOutput};

#[test]
fn a_flight_entry_survives_the_wire() {
    let header = FlightHeader {
        service: "risk-gate".to_owned(),
        producer: ProducerId::new("risk-gate").unwrap(),
        session: SessionId::new(9),
        seed: 42,
        version: "0.1.0".to_owned(),
        settings: "a = 1\n".to_owned(),
        previous: None,
    };
    assert_eq!(FlightHeader::decode(&header.encode()).unwrap(), header);
    let head = FlightHead { session: SessionId::new(8), sequence: 7, link: [5; 32] };
    let header = FlightHeader { previous: Some(head), ..header };
    assert_eq!(FlightHeader::decode(&header.encode()).unwrap(), header);
    let message = Bytes::from_static(b"an encoded envelope");
    let events = [
        FlightEvent::Tick,
        FlightEvent::CaughtUp,
        FlightEvent::Stopping,
        FlightEvent::Message(message.clone()),
        FlightEvent::Local(message.clone()),
        FlightEvent::Snapshot { piece: message.clone(), is_last: false },
        FlightEvent::Snapshot { piece: Bytes::new(), is_last: true },
    ];
    for (sequence, event) in (1..).zip(events) {
        let now = Timestamp::from_ns(8);
        let outputs = vec![
            FlightOutput::Publish(message.clone()),
            FlightOutput::Local(Bytes::from_static(b"effect")),
            FlightOutput::Fault("impossible".to_owned()),
        ];
        let entry = FlightEntry { sequence, now, event, outputs_digest: [3; 32], outputs };
        assert_eq!(FlightEntry::decode(&entry.encode()).unwrap(), entry);
    }
}

proptest! {
    #[test]
    fn any_bytes_give_a_header_or_an_entry_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = FlightEntry::decode(&bytes);
        let _ = FlightHeader::decode(&bytes);
    }
}
