//! The SQLite twin of the history store, for one process: the same rows in one file, without a server.
//!
//! In: envelopes. Out: rows; how many were new; counts, checks, our past fills. Rows, errors and checks are those of
//! `remora-history-store`; only the SQL around them is here. Amounts are exact decimal TEXT.
//!
//! Invariants: a batch is stored as a whole or not at all; writing a message again changes nothing; a crash of
//! the process loses no batch that was reported stored (a power cut may lose the last ones: WAL, synchronous NORMAL).
//! Must never happen: two processes as persisters of one file, which would wait for each other at every batch.
//! Test alone: `cargo nextest run -p remora-history-sqlite`.
#![deny(missing_docs)]

use remora_domain::{Envelope, InstrumentKey, Timestamp};
use remora_history_store::past::{self, PastFill};
use remora_history_store::rows::{Cell, Row, RowSet, Table};
pub use remora_history_store::{Disposition, HistoryError};
use remora_history_store::{Summary, WriteOutcome};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, SqlSafeStr as _, Sqlite, SqliteConnection,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../../migrations/sqlite");

/// Values in one statement: SQLite's bound is 32,766, and smaller statements are prepared faster.
const VALUES_MAX: usize = 8_000;

/// How long a call waits for the file: another program may be reading it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Is the history in a SQLite file. Cheap to clone; clones share the one connection.
#[derive(Clone, Debug)]
pub struct HistorySqlite {
    pool: SqlitePool,
}

impl HistorySqlite {
    /// Opens a file, making it where it is absent, and brings its schema up to date.
    ///
    /// # Errors
    /// Reports a file that cannot be opened or is not a history of ours.
    pub async fn open(path: &Path) -> Result<Self, HistoryError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(PATIENCE);
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
        let pool = pool.connect_with(options).await;
        let pool = pool.map_err(|cause| HistoryError::Connect { cause })?;
        let done = MIGRATIONS.run(&pool).await;
        done.map_err(|cause| HistoryError::Migrate { cause })?;
        Ok(Self { pool })
    }

    /// Stores messages in one transaction; rows that are there already stay as they are.
    ///
    /// # Errors
    /// Says what failed; its disposition says whether to try again. Nothing is stored then.
    pub async fn write(&self, messages: &[Arc<Envelope>]) -> Result<WriteOutcome, HistoryError> {
        let set = RowSet::of(messages.iter().map(|message| &**message));
        let set = set.map_err(|cause| HistoryError::Row { cause })?;
        within("write", self.write_rows(&set)).await
    }

    /// Asks the file for a sign of life.
    ///
    /// # Errors
    /// Reports a file that does not answer.
    pub async fn ping(&self) -> Result<(), HistoryError> {
        self.count("ping", "SELECT 1".to_owned()).await.map(drop)
    }

    /// Counts the rows of every table and the offenders of every check.
    ///
    /// # Errors
    /// Reports a query that failed.
    pub async fn summary(&self) -> Result<Summary, HistoryError> {
        let mut answers = BTreeMap::new();
        for (name, sql) in Summary::questions() {
            answers.insert(name, self.count(name, sql).await?);
        }
        Ok(Summary::of(&answers))
    }

    /// Gives our fills of an account since an instant, with the mid after each.
    ///
    /// # Errors
    /// Reports a query that failed; refuses a row that is none of ours, and more fills than [`past::FILLS_MAX`].
    pub async fn past_fills(
        &self,
        account: &str,
        since: Timestamp,
    ) -> Result<Vec<PastFill>, HistoryError> {
        let what = "fills";
        let answer = async {
            let mut connection = self.acquire().await?;
            let query = sqlx::query_as::<_, past::FillRow>(past::FILLS_SQL);
            // One more than may be, so that a cut is seen.
            let query = query.bind(account.to_owned()).bind(since.as_ns());
            let rows = query.bind(past::FILLS_MAX.saturating_add(1)).fetch_all(&mut *connection);
            rows.await.map_err(|cause| HistoryError::Query { what, cause })
        };
        past::fills_of(within("query", answer).await?)
    }

    /// Gives the accounts that have fills.
    ///
    /// # Errors
    /// Reports a query that failed.
    pub async fn accounts(&self) -> Result<Vec<String>, HistoryError> {
        let what = "accounts";
        let answer = async {
            let mut connection = self.acquire().await?;
            let rows = sqlx::query_scalar::<_, String>(past::ACCOUNTS_SQL);
            let rows = rows.fetch_all(&mut *connection).await;
            rows.map_err(|cause| HistoryError::Query { what, cause })
        };
        within("query", answer).await
    }

    /// Gives when each instrument was first defined.
    ///
    /// # Errors
    /// Reports a query that failed; refuses a row that is none of ours.
    pub async fn known_since(&self) -> Result<BTreeMap<InstrumentKey, Timestamp>, HistoryError> {
        let what = "instruments";
        let answer = async {
            let mut connection = self.acquire().await?;
            let rows = sqlx::query_as::<_, (String, String, i64)>(past::KNOWN_SQL);
            let rows = rows.fetch_all(&mut *connection).await;
            rows.map_err(|cause| HistoryError::Query { what, cause })
        };
        past::known_of(within("query", answer).await?)
    }

    /// Has the database check the statement that writes a table, without writing.
    ///
    /// # Errors
    /// Gives the database's complaint.
    pub async fn prepare(&self, table: &'static Table) -> Result<(), HistoryError> {
        within("preparation", async {
            let mut connection = self.acquire().await?;
            // The text is made of our own table and column names only.
            let sql = AssertSqlSafe(insert_sql(table, 2)).into_sql_str();
            let prepared = connection.prepare(sql).await.map(drop);
            prepared.map_err(|cause| HistoryError::Query { what: table.name, cause })
        })
        .await
    }

    /// Writes the log back into the file and closes it.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn count(&self, what: &'static str, sql: String) -> Result<u64, HistoryError> {
        let counted = within("query", async {
            let mut connection = self.acquire().await?;
            // The text is one of the questions.
            let counted = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql));
            let counted = counted.fetch_one(&mut *connection).await;
            counted.map_err(|cause| HistoryError::Query { what, cause })
        });
        // A count is never negative.
        Ok(counted.await?.unsigned_abs())
    }

    async fn write_rows(&self, set: &RowSet) -> Result<WriteOutcome, HistoryError> {
        let failed = |cause| HistoryError::Write { table: "transaction", cause };
        let mut connection = self.acquire().await?;
        // Taking the write lock at once avoids a lock that has to be raised midway, which SQLite may refuse.
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let mut outcome = WriteOutcome::default();
        for (table, rows) in set.iter() {
            let rows_max = VALUES_MAX / table.columns().count().max(1);
            for rows in rows.chunks(rows_max.max(1)) {
                let inserted = insert(&mut transaction, table, rows).await?;
                outcome = outcome.plus(rows.len(), inserted);
            }
        }
        transaction.commit().await.map_err(failed)?;
        Ok(outcome)
    }

    async fn acquire(&self) -> Result<sqlx::pool::PoolConnection<Sqlite>, HistoryError> {
        self.pool.acquire().await.map_err(|cause| HistoryError::Connect { cause })
    }
}

async fn within<T>(
    what: &'static str,
    answer: impl Future<Output = Result<T, HistoryError>>,
) -> Result<T, HistoryError> {
    // Above the file's own patience, so that its own reason is seen.
    let after = PATIENCE.saturating_mul(2);
    let answer = tokio::time::timeout(after, answer).await;
    answer.unwrap_or(Err(HistoryError::Timeout { what, after }))
}

async fn insert(
    connection: &mut SqliteConnection,
    table: &'static Table,
    rows: &[Row],
) -> Result<u64, HistoryError> {
    let failed = |cause| HistoryError::Write { table: table.name, cause };
    let mut values = SqliteArguments::default();
    for cell in rows.iter().flatten() {
        bind(&mut values, cell).map_err(|cause| failed(sqlx::Error::Encode(cause)))?;
    }
    // The text is made of our own table and column names only.
    let query = sqlx::query_with(AssertSqlSafe(insert_sql(table, rows.len())), values);
    query.execute(connection).await.map(|done| done.rows_affected()).map_err(failed)
}

fn bind(
    values: &mut SqliteArguments,
    cell: &Cell,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    use sqlx::Arguments as _;
    match cell {
        Cell::Text(value) => values.add(value.clone()),
        Cell::Int(value) => values.add(*value),
        Cell::Bool(value) => values.add(*value),
        Cell::Est(value) => values.add(*value),
    }
}

/// Makes the statement that inserts `rows` rows into a table; rows that exist are left alone.
fn insert_sql(table: &Table, rows: usize) -> String {
    let row = format!("({})", vec!["?"; table.columns().count()].join(", "));
    format!(
        "INSERT INTO {} ({}) VALUES {} ON CONFLICT DO NOTHING",
        table.name,
        table.column_list(),
        vec![row; rows].join(", ")
    )
}
