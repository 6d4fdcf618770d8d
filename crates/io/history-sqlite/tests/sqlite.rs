//! The SQLite store on real files, and beside PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../history-store/tests/common/mod.rs"]
mod common;

use common::{STORY_ROWS, check_past, fills_with_bars, many, story};
use remora_history_sqlite::HistorySqlite;
use remora_history_store::rows::{ColumnKind, TABLES};
use remora_history_store::{
    Disposition, HistoryError, HistorySettings, HistoryStore, WriteOutcome,
};
use remora_test_servers::Postgres;
use remora_testkit as kit;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};
use std::path::{Path, PathBuf};

/// Is an empty folder with the name of a history file in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.sqlite");
    (folder, path)
}

async fn reader(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

async fn rows(connection: &mut SqliteConnection, sql: String) -> Vec<SqliteRow> {
    sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap()
}

#[tokio::test]
async fn every_table_is_written_and_a_repeat_changes_nothing() {
    let (_folder, path) = place();
    let store = HistorySqlite::open(&path).await.unwrap();
    let story = story();
    let first = store.write(&story[..12]).await.unwrap();
    let rest = store.write(&story).await.unwrap();
    assert_eq!(rest.duplicates, first.inserted);
    assert_eq!(first.inserted + rest.inserted, STORY_ROWS);
    let twice: Vec<_> = many(3).into_iter().chain(many(3)).collect();
    assert_eq!(store.write(&twice).await.unwrap(), WriteOutcome { inserted: 3, duplicates: 3 });
    let summary = store.summary().await.unwrap();
    for table in TABLES {
        assert!(summary.rows[table.name] > 0, "{} is empty", table.name);
    }
    assert!(summary.is_complete(), "{:?}", summary.offenders);
}

#[tokio::test]
async fn past_fills_come_with_the_mid_of_the_minute_after_them() {
    let (_folder, path) = place();
    let store = HistorySqlite::open(&path).await.unwrap();
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
async fn a_file_opened_again_holds_what_was_stored() {
    let (_folder, path) = place();
    let store = HistorySqlite::open(&path).await.unwrap();
    let messages = many(3_000);
    store.write(&messages).await.unwrap();
    // No close: as if the process had been killed.
    let again = HistorySqlite::open(&path).await.unwrap();
    again.ping().await.unwrap();
    assert_eq!(again.summary().await.unwrap().rows["order_cancels"], 3_000);
    drop(store);
    let outcome = again.write(&many(3_001)).await.unwrap();
    assert_eq!(outcome, WriteOutcome { inserted: 1, duplicates: 3_000 });
    again.close().await;
}

#[tokio::test]
async fn the_schema_has_exactly_the_columns_that_are_written() {
    let (_folder, path) = place();
    let store = HistorySqlite::open(&path).await.unwrap();
    let mut connection = reader(&path).await;
    for table in TABLES {
        store.prepare(table).await.unwrap();
        let sql =
            format!("SELECT name, type, \"notnull\" FROM pragma_table_info('{}')", table.name);
        let mut have: Vec<(String, String, bool)> = rows(&mut connection, sql)
            .await
            .iter()
            .map(|r| (r.get(0), r.get(1), r.get(2)))
            .collect();
        let word = |kind| match kind {
            ColumnKind::Text | ColumnKind::Exact => "TEXT",
            ColumnKind::Int | ColumnKind::Bool => "INTEGER",
            ColumnKind::Est => "REAL",
        };
        let mut want: Vec<_> = table
            .columns()
            .map(|c| (c.name.to_owned(), word(c.kind).to_owned(), !c.is_nullable))
            .collect();
        have.sort();
        want.sort();
        assert_eq!(have, want, "{}", table.name);
    }
}

#[tokio::test]
async fn a_failed_batch_leaves_nothing_and_says_whether_to_try_again() {
    let (folder, path) = place();
    let store = HistorySqlite::open(&path).await.unwrap();
    let mut connection = reader(&path).await;
    rows(
        &mut connection,
        "CREATE TRIGGER t BEFORE INSERT ON order_cancels WHEN NEW.cl_ord_id = \
         'many-7' BEGIN SELECT RAISE(ABORT, 'no'); END"
            .to_owned(),
    )
    .await;
    let error = store.write(&many(10)).await.unwrap_err();
    assert!(matches!(error, HistoryError::Write { table: "order_cancels", .. }), "{error:?}");
    assert_eq!(error.disposition(), Disposition::GiveUp);
    assert_eq!(store.summary().await.unwrap().rows["order_cancels"], 0);
    let error = HistorySqlite::open(folder.path()).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Retry, "{error:?}");
}

#[tokio::test]
async fn both_stores_hold_the_same_values() {
    let server = Postgres::start().unwrap();
    let postgres = HistoryStore::connect(&server.url(), &HistorySettings::default()).await.unwrap();
    postgres.migrate().await.unwrap();
    let (_folder, path) = place();
    let sqlite = HistorySqlite::open(&path).await.unwrap();
    assert_eq!(postgres.write(&story()).await.unwrap(), sqlite.write(&story()).await.unwrap());
    let mut connection = reader(&path).await;
    for table in TABLES {
        let order = "ORDER BY producer, session, sequence";
        let name = table.name;
        let text = |kind, column| match kind {
            ColumnKind::Bool => format!("CASE WHEN {column} THEN 1 ELSE 0 END"),
            // To six decimals: the two print estimates differently.
            ColumnKind::Est => format!("cast(round({column} * 1000000) as bigint)"),
            ColumnKind::Text | ColumnKind::Int | ColumnKind::Exact => column,
        };
        let columns: Vec<_> = table
            .columns()
            .map(|c| format!("coalesce(cast({} as text), '-')", text(c.kind, c.name.to_owned())))
            .collect();
        let line = columns.join(" || '|' || ");
        let sql = format!("SELECT {line} FROM {name} {order}");
        let mut lines: Vec<String> =
            rows(&mut connection, sql.clone()).await.iter().map(|r| r.get(0)).collect();
        let other = server.query("postgres", &sql).unwrap();
        let mut other: Vec<_> = other.lines().map(str::to_owned).collect();
        lines.sort();
        other.sort();
        assert_eq!(lines, other, "{name}");
    }
    assert_eq!(postgres.summary().await.unwrap(), sqlite.summary().await.unwrap());
}
