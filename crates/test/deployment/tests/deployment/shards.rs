//! Ingestors share a venue's instruments, and may become more or fewer.

use crate::common::{INGESTOR, Watcher};
use remora_bus::{Bus, Subscription};
use remora_deployment::{Deployment, Options, wait_for};
use remora_domain::{Body, Kind};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const SECOND: &str = "ingestor-kraken-spot-1";
const WITHIN: Duration = Duration::from_secs(30);

/// Gives the instruments of which an ingestor has verified books.
fn instruments(deployment: &Deployment, name: &str) -> BTreeSet<String> {
    let details = deployment.details(name).unwrap();
    let counted = details["instruments"].as_object().cloned().unwrap_or_default();
    let has_books = |counters: &serde_json::Value| counters["checksums_passed"].as_u64() > Some(0);
    counted.into_iter().filter(|(_, counters)| has_books(counters)).map(|(key, _)| key).collect()
}

fn subscribe(watcher: &Watcher) -> Subscription {
    let patterns = [Kind::MdBook.pattern()];
    watcher.runtime.block_on(watcher.bus.subscribe(&patterns, 100_000)).unwrap()
}

/// Gives the publishers of each instrument's books, as heard until every instrument has been.
fn publishers(
    watcher: &Watcher,
    books: &mut Subscription,
    wanted: &BTreeSet<String>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    while !wanted.iter().all(|name| found.contains_key(name)) {
        let heard = async { tokio::time::timeout(WITHIN, books.recv()).await };
        let heard = watcher.runtime.block_on(heard);
        let message = heard.expect("books in time").expect("the bus is open");
        let envelope = remora_wire::decode(&message.payload).unwrap();
        let Body::Book(top) = &envelope.body else { panic!("{envelope:?} among books") };
        let publisher = envelope.header.producer.to_string();
        found.entry(top.instrument.to_string()).or_default().insert(publisher);
    }
    found
}

#[test]
fn two_shards_share_the_instruments_without_overlap_and_one_takes_them_back() {
    let mut deployment = Deployment::start(Options::demo().unwrap()).unwrap();
    let watcher = Watcher::new(&mut deployment);
    let all = wait_for("one ingestor serves every instrument", WITHIN, || {
        let found = instruments(&deployment, INGESTOR);
        Ok((found.len() == 7).then_some(found))
    })
    .unwrap();

    // The old one goes before the new ones come: never two publishers for one instrument.
    deployment.stop_service(INGESTOR).unwrap();
    let mut books = subscribe(&watcher);
    deployment.start_ingestor(0, 2).unwrap();
    deployment.start_ingestor(1, 2).unwrap();
    let found = publishers(&watcher, &mut books, &all);
    assert!(found.values().all(|publishers| publishers.len() == 1), "{found:?}");
    let used: BTreeSet<&String> = found.values().flatten().collect();
    assert_eq!(used.len(), 2, "both shards have instruments: {found:?}");
    let (first, second) = wait_for("both shards serve all instruments", WITHIN, || {
        let (first, second) =
            (instruments(&deployment, INGESTOR), instruments(&deployment, SECOND));
        Ok((first.len() + second.len() >= all.len()).then_some((first, second)))
    })
    .unwrap();
    assert!(first.is_disjoint(&second), "{first:?} and {second:?}");
    assert_eq!(&first | &second, all);

    deployment.stop_service(SECOND).unwrap();
    deployment.stop_service(INGESTOR).unwrap();
    let mut books = subscribe(&watcher);
    deployment.start_ingestor(0, 1).unwrap();
    let found = publishers(&watcher, &mut books, &all);
    let alone = BTreeSet::from([INGESTOR.to_owned()]);
    assert!(found.values().all(|publishers| *publishers == alone), "{found:?}");
    deployment.stop().unwrap();
}
