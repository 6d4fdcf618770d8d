//! The PostgreSQL store against a real server.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{STORY_ROWS, check_past, fills_with_bars, many, story};
use remora_domain::Body;
use remora_history_store::rows::{ColumnKind, TABLES};
use remora_history_store::{
    CHECKS, Disposition, HistoryError, HistorySettings, HistoryStore, WriteOutcome,
};
use remora_test_servers::Postgres;
use remora_testkit as kit;
use std::sync::Arc;
use std::time::Duration;

/// Zero, the smallest and the largest amount, and one with zeros at its end.
const EXACT: [&str; 4] =
    ["0", "0.000000000000000001", "79228162514.264337593543950335", "-12.3400"];

async fn store_of(server: &Postgres) -> HistoryStore {
    let store = HistoryStore::connect(&server.url(), &HistorySettings::default()).await.unwrap();
    store.migrate().await.unwrap();
    store
}

fn ask(server: &Postgres, sql: &str) -> String {
    server.query("postgres", sql).unwrap().trim().to_owned()
}

#[tokio::test]
async fn every_table_is_written_and_a_repeat_changes_nothing() {
    let server = Postgres::start().unwrap();
    let store = store_of(&server).await;
    store.migrate().await.unwrap();
    let story = story();

    let first = store.write(&story[..12]).await.unwrap();
    assert_eq!(first.duplicates, 0);
    let rest = store.write(&story).await.unwrap();
    assert_eq!(rest.duplicates, first.inserted, "what was written before is left alone");
    assert_eq!(first.inserted + rest.inserted, STORY_ROWS);
    let again = store.write(&story).await.unwrap();
    assert_eq!(again, WriteOutcome { inserted: 0, duplicates: STORY_ROWS });
    let twice: Vec<_> = many(3).into_iter().chain(many(3)).collect();
    assert_eq!(store.write(&twice).await.unwrap(), WriteOutcome { inserted: 3, duplicates: 3 });

    let summary = store.summary().await.unwrap();
    for table in TABLES {
        assert!(summary.rows[table.name] > 0, "{} is empty", table.name);
    }
    assert_eq!(summary.rows.values().sum::<u64>(), STORY_ROWS + 3);
    assert!(summary.is_complete(), "{:?}", summary.offenders);
    // What is no pattern has no row; factors begin with midnight.
    let insights = "select h.target, split_part(h.factors_est, ',', 15), l.leader_instrument, \
                    l.lag_ns from hour_patterns h, pair_leads l";
    assert_eq!(ask(&server, insights), "volume|2.75|BTC-EUR|120000000");
    let lives = "select cl_ord_id, is_approved, refusal_reason, ord_status from order_lives \
                 order by cl_ord_id";
    assert_eq!(ask(&server, lives), "story-1|t||cancelled\nstory-2|f|notional_above_max|");
}

#[tokio::test]
async fn past_fills_come_with_the_mid_of_the_minute_after_them() {
    let server = Postgres::start().unwrap();
    let store = store_of(&server).await;
    store.write(&fills_with_bars()).await.unwrap();
    let account = kit::account();
    let fills = store.past_fills(account.as_str(), kit::at_ms(0)).await.unwrap();
    check_past(&fills, &store.known_since().await.unwrap());
    assert_eq!(store.accounts().await.unwrap(), [account.to_string()]);
    let later = store.past_fills(account.as_str(), kit::at_ms(61_001)).await.unwrap();
    assert_eq!(later.len(), 1);
    assert!(store.past_fills("nobody", kit::at_ms(0)).await.unwrap().is_empty());
}

#[tokio::test]
async fn amounts_and_times_come_back_digit_for_digit() {
    let server = Postgres::start().unwrap();
    let store = store_of(&server).await;
    let mut producer = kit::Producer::new("router", 0xABCD);
    for text in EXACT {
        let position = kit::position(text);
        let body = remora_domain::PositionSnapshot {
            account: kit::account(),
            instrument: kit::key("BTC-USD"),
            position,
            realised_pnl: kit::notional("0.00"),
            fees: kit::notional("-0.10"),
        };
        let now = remora_domain::Timestamp::from_ns(1_700_000_000_123_456_789);
        store.write(&[producer.wrap(now, Body::Position(body))]).await.unwrap();
    }
    let rows = ask(
        &server,
        "select position::text, realised_pnl::text, fees::text, publish_time_ns, session \
         from positions order by sequence",
    );
    let expected: Vec<String> =
        EXACT.map(|text| format!("{text}|0.00|-0.10|1700000000123456789|000000000000abcd")).into();
    assert_eq!(rows.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn the_schema_has_exactly_the_columns_that_are_written() {
    let server = Postgres::start().unwrap();
    let _store = store_of(&server).await;
    for table in TABLES {
        let sql = format!(
            "select column_name || ' ' || data_type || ' ' || is_nullable \
             from information_schema.columns where table_name = '{}' order by 1",
            table.name
        );
        let have = ask(&server, &sql);
        let word = |kind| match kind {
            ColumnKind::Text => "text",
            ColumnKind::Int => "bigint",
            ColumnKind::Bool => "boolean",
            ColumnKind::Exact => "numeric",
            ColumnKind::Est => "double precision",
        };
        let mut want: Vec<String> = table
            .columns()
            .map(|c| {
                let nullable = if c.is_nullable { "YES" } else { "NO" };
                format!("{} {} {nullable}", c.name, word(c.kind))
            })
            .collect();
        let mut have: Vec<_> = have.lines().map(str::to_owned).collect();
        want.sort();
        have.sort();
        assert_eq!(have, want, "{}", table.name);
    }
    let tables = ask(
        &server,
        "select count(*) from information_schema.tables \
         where table_schema = 'public' and table_type = 'BASE TABLE' and table_name !~ '^_sqlx'",
    );
    assert_eq!(tables, TABLES.len().to_string());
}

#[tokio::test]
async fn every_query_is_accepted_by_the_schema() {
    let server = Postgres::start().unwrap();
    let store = store_of(&server).await;
    for table in TABLES {
        store.prepare(table).await.unwrap();
    }
    for check in CHECKS {
        ask(&server, &format!("prepare checked as {}; deallocate checked", check.sql));
    }
}

#[tokio::test]
async fn a_restart_of_the_database_midway_loses_and_doubles_nothing() {
    let mut server = Postgres::start().unwrap();
    let settings = HistorySettings {
        connect_timeout: Duration::from_secs(2),
        answer_timeout: Duration::from_secs(5),
        ..HistorySettings::default()
    };
    let store = HistoryStore::connect(&server.url(), &settings).await.unwrap();
    store.migrate().await.unwrap();
    let messages = many(5_000);
    store.write(&messages[..2_500]).await.unwrap();
    server.stop().unwrap();
    let error = store.write(&messages[2_500..]).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Retry, "{error:?}");
    assert!(store.ping().await.is_err());
    server.restart().unwrap();
    // The persister core would pause between tries; here they follow each other.
    let mut outcome = Err(error);
    for _ in 0..20 {
        outcome = store.write(&messages).await;
        if outcome.is_ok() {
            break;
        }
    }
    assert_eq!(outcome.unwrap(), WriteOutcome { inserted: 2_500, duplicates: 2_500 });
    store.ping().await.unwrap();
    assert_eq!(ask(&server, "select count(distinct cl_ord_id) from order_cancels"), "5000");
}

#[tokio::test]
async fn a_killed_connection_leaves_nothing_of_its_transaction() {
    let server = Postgres::start().unwrap();
    let store = store_of(&server).await;
    // The batch is stopped at its last table by a lock; then its connection is cut.
    let mut batch = many(2_000);
    batch.extend(story());
    let mut blocker = std::process::Command::new("psql")
        .args(["-X", "-q", &server.url(), "-c"])
        .arg("begin; lock table universe_pairs in exclusive mode; select pg_sleep(60)")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let locked = "select count(*) from pg_locks where mode = 'ExclusiveLock' \
                  and relation = 'universe_pairs'::regclass and granted";
    wait_for(&server, locked, "1").await;
    let writing = tokio::spawn({
        let (store, batch) = (store.clone(), batch.clone());
        async move { store.write(&batch).await }
    });
    wait_for(&server, "select count(*) from pg_locks where not granted", "1").await;
    let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
               where application_name = 'remora-persister'";
    ask(&server, cut);
    let error = writing.await.unwrap().unwrap_err();
    assert_eq!(error.disposition(), Disposition::Retry, "{error:?}");
    assert_eq!(ask(&server, "select count(*) from order_cancels"), "0");
    let free = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                where query like '%pg_sleep%' and pid <> pg_backend_pid()";
    ask(&server, free);
    blocker.wait().unwrap();
    let outcome = store.write(&batch).await.unwrap();
    assert_eq!(outcome, WriteOutcome { inserted: 2_000 + STORY_ROWS, duplicates: 0 });
}

/// Asks until the answer is the one wanted.
async fn wait_for(server: &Postgres, sql: &str, wanted: &str) {
    for _ in 0..500 {
        if ask(server, sql) == wanted {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("never {wanted}: {sql}");
}

#[tokio::test]
async fn a_silent_connection_is_an_error_in_time_and_is_replaced() {
    let server = Postgres::start().unwrap();
    let settings = HistorySettings {
        connect_timeout: Duration::from_secs(1),
        answer_timeout: Duration::from_secs(2),
        ..HistorySettings::default()
    };
    let store = HistoryStore::connect(&server.url(), &settings).await.unwrap();
    store.migrate().await.unwrap();
    let ours = "select pid from pg_stat_activity where application_name = 'remora-persister'";
    let pids = ask(&server, ours);
    let signal = |name| {
        let sent = std::process::Command::new("kill").arg(name).args(pids.lines()).status();
        assert!(sent.unwrap().success());
    };
    signal("-STOP");
    let error = store.write(&many(10)).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Retry, "{error:?}");
    let mut outcome = Err(error);
    for _ in 0..5 {
        outcome = store.write(&many(10)).await;
        if outcome.is_ok() {
            break;
        }
    }
    signal("-CONT");
    assert_eq!(outcome.unwrap(), WriteOutcome { inserted: 10, duplicates: 0 });
}

#[tokio::test]
async fn a_fill_is_booked_once_an_execution_id_whoever_reports_it() {
    let server = Postgres::start().unwrap();
    let store = store_of(&server).await;
    let request = kit::request("r-1");
    let fill = || Body::OrderEvent(kit::filled(&request, "T-9", kit::qty("0"), kit::qty("0.001")));
    let before = kit::Producer::new("order-router", 1).wrap(kit::at_ms(1), fill());
    let after = kit::Producer::new("order-router", 2).wrap(kit::at_ms(2), fill());
    let outcome = store.write(&[before, after]).await.unwrap();
    assert_eq!(outcome, WriteOutcome { inserted: 3, duplicates: 1 });
    let summary = store.summary().await.unwrap();
    assert_eq!((summary.rows["order_events"], summary.rows["fills"]), (2, 1));
    assert_eq!(summary.offenders["fills_without_approval"], 1);
    assert!(summary.is_sound() && !summary.is_complete());
    let sending = || Body::OrderEvent(kit::sending(&request));
    let first = kit::Producer::new("order-router", 3).wrap(kit::at_ms(3), sending());
    let second = kit::Producer::new("order-router", 4).wrap(kit::at_ms(4), sending());
    store.write(&[first, second]).await.unwrap();
    assert!(!store.summary().await.unwrap().is_sound(), "sent twice");
}

#[tokio::test]
async fn what_can_never_be_stored_is_told_apart_from_what_cannot_be_stored_now() {
    let server = Postgres::start().unwrap();
    let store = HistoryStore::connect(&server.url(), &HistorySettings::default()).await.unwrap();
    let message = many(1);
    let error = store.write(&message).await.unwrap_err();
    assert!(matches!(error, HistoryError::Write { table: "order_cancels", .. }), "{error:?}");
    assert_eq!(error.disposition(), Disposition::Retry, "a schema can be mended");
    store.migrate().await.unwrap();

    let mut command = kit::halt(remora_domain::ControlScope::Global);
    command.actor = "\0".to_owned();
    let poison =
        kit::Producer::new("console", 1).wrap(kit::at_ms(1), Body::ControlCommand(command));
    let error = store.write(&[Arc::clone(&message[0]), poison]).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::GiveUp, "{error:?}");
    assert_eq!(ask(&server, "select count(*) from order_cancels"), "0", "all or nothing");

    ask(&server, "alter table order_cancels add check (reason <> 'shutdown')");
    let error = store.write(&message).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::GiveUp, "{error:?}");
}

#[tokio::test]
async fn a_wrong_or_silent_address_is_reported_without_its_password() {
    let settings = HistorySettings {
        connect_timeout: Duration::from_millis(300),
        ..HistorySettings::default()
    };
    for url in ["postgres://u:hunter2@127.0.0.1:1/x", "mysql://u:hunter2@host/x", "hunter2"] {
        let error = HistoryStore::connect(url, &settings).await.unwrap_err();
        let mut chain = format!("{error:?}");
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(next) = cause {
            chain.push_str(&next.to_string());
            cause = next.source();
        }
        assert!(!chain.contains("hunter2"), "{chain}");
    }
}
