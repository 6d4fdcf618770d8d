//! Connections: greeting, ping, heartbeat, silence, message rate, status.

use super::*;
use crate::server::ws::MessageRate;

#[test]
fn a_connection_is_greeted_with_the_status() {
    let mut venue = Venue::new();
    let peer = venue.open(WsHost::Public);
    let greeting = venue.heard(peer);
    let [greeting] = greeting.as_slice() else { panic!("{greeting:?}") };
    let id = json(greeting)["data"][0]["connection_id"].as_u64().unwrap();
    let want = format!(
        r#"{{"channel":"status","type":"update","data":[{{"version":"2.0.10","system":"online","api_version":"v2","connection_id":{id}}}]}}"#
    );
    assert_eq!(&**greeting, want);
}

#[test]
fn a_ping_is_answered_with_or_without_a_number() {
    let mut venue = Venue::new();
    let peer = venue.connect(WsHost::Public);
    venue.send(peer, r#"{"method":"ping","req_id":101}"#);
    let want = r#"{"method":"pong","req_id":101,"time_in":"2026-02-16T09:36:07.100001Z","time_out":"2026-02-16T09:36:07.100001Z"}"#;
    assert_eq!(venue.heard(peer), [want.into()]);
    assert_eq!(venue.ask(peer, r#"{"method": "ping"}"#), [r#"{"method":"pong"}"#]);
    assert_eq!(
        venue.ask(peer, r#"{"method":"ping","params":{}}"#),
        [
            r#"{"error":"Unsupported field: 'params' for the given msg type: ping","method":"ping","success":false}"#
        ]
    );
}

#[test]
fn heartbeats_come_each_second_after_the_first_subscription() {
    let mut venue = Venue::new();
    let peer = venue.connect(WsHost::Public);
    venue.pass(DurationNs::from_s(10));
    assert!(venue.heard(peer).is_empty());
    let text = r#"{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD"]}}"#;
    assert_eq!(venue.ask(peer, text).len(), 1);
    venue.pass(DurationNs::from_s(90));
    let beats = venue.heard(peer);
    assert_eq!(beats.len(), 90);
    assert!(beats.iter().all(|text| &**text == r#"{"channel":"heartbeat"}"#));
    let text = r#"{"method":"unsubscribe","params":{"channel":"trade","symbol":["BTC/USD"]}}"#;
    assert_eq!(venue.ask(peer, text).len(), 1);
    venue.pass(DurationNs::from_s(30));
    assert!(venue.heard(peer).is_empty());
}

#[test]
fn a_connection_that_listens_to_nothing_is_closed_after_a_minute_of_silence() {
    let mut venue = Venue::new();
    let (silent, pinging) = (venue.connect(WsHost::Public), venue.connect(WsHost::Private));
    venue.pass(DurationNs::from_s(59));
    venue.ask(pinging, r#"{"method":"ping"}"#);
    assert!(venue.closed().is_empty());
    venue.pass(DurationNs::from_s(1));
    assert_eq!(venue.closed(), [silent]);
    venue.send(silent, r#"{"method":"ping"}"#);
    assert!(venue.heard(silent).is_empty(), "a closed connection is heard no more");
    venue.pass(DurationNs::from_s(59));
    assert_eq!(venue.closed(), [silent, pinging]);
}

#[test]
fn too_many_messages_are_refused_until_time_has_passed() {
    let rate = MessageRate { per_s: 2, burst: 3 };
    let mut venue = Venue::with(WsSettings { message_rate: Some(rate) });
    let (peer, other) = (venue.connect(WsHost::Public), venue.connect(WsHost::Public));
    let ping = r#"{"method":"ping"}"#;
    let pong = r#"{"method":"pong"}"#;
    for _ in 0..3 {
        assert_eq!(venue.ask(peer, ping), [pong]);
    }
    for _ in 0..5 {
        assert_eq!(venue.ask(peer, ping), [r#"{"Error":"Exceeded msg rate"}"#]);
    }
    assert_eq!(venue.ask(other, ping), [pong]);
    venue.pass(DurationNs::from_ms(500));
    assert_eq!(venue.ask(peer, ping), [pong]);
    assert_eq!(venue.ask(peer, ping), [r#"{"Error":"Exceeded msg rate"}"#]);
}

#[test]
fn a_new_status_reaches_every_connection() {
    let mut venue = Venue::new();
    let peers = [venue.connect(WsHost::Public), venue.connect(WsHost::Private)];
    let now = venue.now;
    venue.server.desk_mut().set_system_mode(now, crate::server::catalogue::SystemMode::PostOnly);
    venue.take("BTC/USD", Side::Buy, 1, 1);
    for peer in peers {
        let heard = venue.heard(peer);
        assert!(heard[0].contains(r#""system":"post_only""#), "{heard:?}");
    }
}

#[test]
fn what_comes_to_the_wrong_host_is_refused() {
    let mut venue = Venue::new();
    let token = venue.token("maker");
    let public = venue.connect(WsHost::Public);
    let level3 = venue.connect(WsHost::Level3);
    let private = venue.connect(WsHost::Private);
    let executions = format!(
        r#"{{"method":"subscribe","params":{{"channel":"executions","token":"{token}"}}}}"#
    );
    let refused = |error: &str, method: &str| {
        vec![format!(r#"{{"error":"{error}","method":"{method}","success":false}}"#)]
    };
    let not_private =
        "Private data and trading are unavailable on this endpoint. Try ws-auth.kraken.com";
    assert_eq!(venue.ask(public, &executions), refused(not_private, "subscribe"));
    let cancel = format!(r#"{{"method":"cancel_all","params":{{"token":"{token}"}}}}"#);
    assert_eq!(venue.ask(public, &cancel), refused(not_private, "cancel_all"));
    let book = r#"{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"]}}"#;
    let not_public =
        "Public market data subscriptions are unavailable on this endpoint. Try ws.kraken.com";
    assert_eq!(venue.ask(level3, book), refused(not_public, "subscribe"));
    assert_eq!(venue.ask(private, book).len(), 2);
}
