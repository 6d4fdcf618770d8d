//! Registers: one value a subject, written only over the revision that the writer has seen.

use crate::rig::Rig;
use bytes::Bytes;
use remora_bus::{BusError, lease_subject};
use std::sync::Arc;

fn subject(account: &str) -> String {
    lease_subject("risk-gate", &account.parse().unwrap())
}

pub(crate) async fn a_register_is_written_only_over_the_revision_its_writer_has_seen(rig: Rig) {
    let at = subject("paper");
    assert_eq!(rig.bus.read_register(&at).await.unwrap(), None);
    let first = rig.bus.write_register(&at, Bytes::from("a"), 0).await.unwrap().unwrap();
    assert_eq!(rig.other.write_register(&at, Bytes::from("b"), 0).await.unwrap(), None);
    let found = rig.other.read_register(&at).await.unwrap().unwrap();
    assert_eq!((found.revision, &found.payload[..]), (first, &b"a"[..]));
    let second = rig.other.write_register(&at, Bytes::from("c"), first).await.unwrap().unwrap();
    assert!(second > first);
    assert_eq!(rig.bus.write_register(&at, Bytes::from("d"), first).await.unwrap(), None);
    assert_eq!(&rig.bus.read_register(&at).await.unwrap().unwrap().payload[..], b"c");
}

pub(crate) async fn registers_of_two_accounts_know_nothing_of_each_other(rig: Rig) {
    let (one, other) = (subject("one"), subject("other"));
    let first = rig.bus.write_register(&one, Bytes::from("a"), 0).await.unwrap().unwrap();
    rig.bus.write_register(&other, Bytes::from("b"), 0).await.unwrap().unwrap();
    assert!(rig.bus.write_register(&one, Bytes::from("c"), first).await.unwrap().is_some());
}

pub(crate) async fn of_many_that_write_at_once_one_succeeds(rig: Rig) {
    let at = Arc::new(subject("paper"));
    let mut expected = 0;
    for _ in 0..5 {
        let writers = (0..16_u8).map(|number| {
            let bus = if number % 2 == 0 { &rig.bus } else { &rig.other };
            let (bus, at) = (Arc::clone(bus), Arc::clone(&at));
            tokio::spawn(async move {
                bus.write_register(&at, Bytes::from(vec![number]), expected).await.unwrap()
            })
        });
        let writers: Vec<_> = writers.collect();
        let mut written = Vec::new();
        for writer in writers {
            written.extend(writer.await.unwrap());
        }
        assert_eq!(written.len(), 1, "{written:?}");
        expected = written[0];
    }
}

pub(crate) async fn what_is_no_register_is_refused(rig: Rig) {
    for at in ["remora.v1.control.command.console", "remora.v1.lease.risk-gate.>", "elsewhere"] {
        let read = rig.bus.read_register(at).await.unwrap_err();
        let written = rig.bus.write_register(at, Bytes::new(), 0).await.unwrap_err();
        for error in [read, written] {
            let is_refused =
                matches!(error, BusError::NotRegister { .. } | BusError::Pattern { .. });
            assert!(is_refused, "{at}: {error}");
        }
    }
}
