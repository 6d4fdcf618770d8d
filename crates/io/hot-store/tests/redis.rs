//! The hot store against a real Redis.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use remora_domain::{Body, Kind, ProducerId, ServiceState, Subject, Universe};
use remora_hot_store::{HotError, HotSettings, HotStore, KEYS, key_of};
use remora_test_servers::RedisServer;
use remora_testkit as kit;
use std::time::Duration;

fn store_of(server: &RedisServer) -> HotStore {
    let settings = HotSettings { timeout: Duration::from_secs(2) };
    HotStore::open(&server.url(), &settings).unwrap()
}

fn name(text: &str) -> ProducerId {
    ProducerId::new(text).unwrap()
}

fn book(instrument: &str, bid: &str) -> Body {
    Body::Book(kit::book(instrument, bid, "999999"))
}

#[tokio::test]
async fn every_kind_in_the_table_comes_back_as_it_was_put() {
    let server = RedisServer::start().unwrap();
    let store = store_of(&server);
    let mut discovery = kit::Producer::new("pair-discovery", 1);
    let mut router = kit::Producer::new("order-router", 2);
    let now = kit::at_ms(1_700_000_000_000);
    let universe = Universe { version: 1, valid_until: now, pairs: vec![], insights: vec![] };
    let messages = [
        router.wrap(now, book("BTC-USD", "61000.10")),
        discovery.wrap(now, Body::Universe(universe)),
        router.wrap(now, Body::Balances(kit::balances(&[("BTC", "0.50")]))),
        router.wrap(now, Body::ControlState(kit::router_state(ServiceState::Active, 3))),
    ];
    for message in &messages {
        assert!(store.put(message).await.unwrap());
    }
    let (account, key) = (kit::account(), kit::key("BTC-USD"));
    let got = [
        store.get_book(&key).await.unwrap(),
        store.get_universe(&name("pair-discovery")).await.unwrap(),
        store.get_balances(&account, &kit::venue()).await.unwrap(),
        store.get_control_state(&name("order-router")).await.unwrap(),
    ];
    for (message, got) in messages.iter().zip(got) {
        assert_eq!(got.as_ref(), Some(&**message));
    }
    let kinds: Vec<_> = messages.iter().map(|message| Subject::of(message).kind).collect();
    assert_eq!(kinds, KEYS.map(|spec| spec.kind), "the table lists exactly what is tested");
}

#[tokio::test]
async fn an_older_message_never_replaces_a_newer_one() {
    let server = RedisServer::start().unwrap();
    let store = store_of(&server);
    let mut ingestor = kit::Producer::new("ingestor", 1);
    let first = ingestor.wrap(kit::at_ms(1_000), book("BTC-USD", "1"));
    let second = ingestor.wrap(kit::at_ms(1_000), book("BTC-USD", "2"));
    let late = kit::Producer::new("ingestor", 9).wrap(kit::at_ms(999), book("BTC-USD", "3"));
    assert!(store.put(&first).await.unwrap());
    assert!(store.put(&second).await.unwrap(), "the sequence decides within one instant");
    for old in [&first, &second, &late] {
        assert!(!store.put(old).await.unwrap());
    }
    let got = store.get_book(&kit::key("BTC-USD")).await.unwrap();
    assert_eq!(got.as_ref(), Some(&*second));
}

#[tokio::test]
async fn every_key_has_the_type_and_expiry_of_the_table() {
    let server = RedisServer::start().unwrap();
    let store = store_of(&server);
    let message = kit::Producer::new("ingestor", 1).wrap(kit::at_ms(1), book("BTC-USD", "1"));
    store.put(&message).await.unwrap();
    let key = key_of(&Subject::of(&message));
    assert_eq!(key, format!("remora:hot:1:remora.v1.md.book.{}.BTC-USD", kit::venue()));
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut connection).await.unwrap();
    assert_eq!(kind, KEYS[0].redis_type);
    let left: u64 = redis::cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
    let expiry = u64::try_from(KEYS[0].expiry.as_millis()).unwrap();
    assert!(left <= expiry && left > expiry / 2, "{left} of {expiry} ms");
}

#[tokio::test]
async fn a_listing_gives_every_subject_of_a_kind_once_in_order() {
    let server = RedisServer::start().unwrap();
    let store = store_of(&server);
    let mut ingestor = kit::Producer::new("ingestor", 1);
    for n in (0..1_200).rev() {
        let message = ingestor.wrap(kit::at_ms(1), book(&format!("C{n:04}-USD"), "1"));
        store.put(&message).await.unwrap();
    }
    let listed = store.list(Kind::MdBook).await.unwrap();
    let subjects: Vec<_> = listed.iter().map(|message| Subject::of(message).to_string()).collect();
    assert_eq!(subjects.len(), 1_200);
    assert!(subjects.is_sorted());
    assert_eq!(store.list(Kind::ControlState).await.unwrap(), vec![]);
}

#[tokio::test]
async fn what_is_no_view_is_refused_and_what_is_no_message_is_reported() {
    let server = RedisServer::start().unwrap();
    let store = store_of(&server);
    let request = kit::Producer::new("decision", 1)
        .wrap(kit::at_ms(1), Body::OrderRequest(kit::request("r-1")));
    let error = store.put(&request).await.unwrap_err();
    assert!(matches!(error, HotError::NotHot { kind: Kind::OrderRequest }), "{error:?}");

    let message = kit::Producer::new("ingestor", 1).wrap(kit::at_ms(1), book("BTC-USD", "1"));
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut write = redis::cmd("HSET");
    write.arg(key_of(&Subject::of(&message))).arg("message").arg("rubbish");
    let () = write.query_async(&mut connection).await.unwrap();
    let error = store.get_book(&kit::key("BTC-USD")).await.unwrap_err();
    assert!(matches!(error, HotError::Decode { .. }), "{error:?}");
}

#[tokio::test]
async fn a_lost_redis_is_an_error_in_time_and_comes_back_by_itself() {
    let mut server = RedisServer::start().unwrap();
    let settings = HotSettings { timeout: Duration::from_millis(300) };
    let store = HotStore::open(&server.url(), &settings).unwrap();
    let message = kit::Producer::new("ingestor", 1).wrap(kit::at_ms(1), book("BTC-USD", "1"));
    store.ping().await.unwrap();
    server.pause().unwrap();
    let error = store.put(&message).await.unwrap_err();
    assert!(matches!(error, HotError::Timeout { .. } | HotError::Redis { .. }), "{error:?}");
    server.resume().unwrap();
    server.kill();
    assert!(store.put(&message).await.is_err());
    assert!(store.get_book(&kit::key("BTC-USD")).await.is_err());
    server.restart().unwrap();
    let mut is_back = false;
    for _ in 0..50 {
        is_back = store.put(&message).await.is_ok();
        if is_back {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(is_back);
    assert!(store.get_book(&kit::key("BTC-USD")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_wrong_address_is_refused_without_its_password() {
    for url in ["hunter2", "http://u:hunter2@x", "redis://u:hunter2@x:notaport"] {
        let error = HotStore::open(url, &HotSettings::default()).err().unwrap();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        assert!(!format!("{error} {error:?} {cause:?}").contains("hunter2"), "{error:?}");
    }
}
