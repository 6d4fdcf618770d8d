//! The PostgreSQL store: one transaction a batch, one UNNEST statement a table.

use crate::past::{self, PastFill};
use crate::rows::{Cell, ColumnKind, Row, RowSet, Table};
use crate::{HistoryError, Summary, WriteOutcome};
use remora_domain::{Envelope, InstrumentKey, Timestamp};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::query::Query;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, Postgres, SqlSafeStr as _,
};
use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../../migrations/postgres");

/// Rows in one statement; the fastest of those measured lie between 500 and 1,000.
const ROWS_MAX: usize = 1_000;

/// Says how the store connects and how long it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistorySettings {
    /// How long a connection may take to come up.
    pub connect_timeout: Duration,
    /// How long a write, a query or a ping may take as a whole.
    pub answer_timeout: Duration,
    /// How long a migration may take as a whole.
    pub migrate_timeout: Duration,
    /// Connections at most: one writes, others answer health and queries.
    pub connections_max: u32,
}

impl Default for HistorySettings {
    /// Gives 5 s to connect, 10 s to answer, 60 s to migrate, 3 connections.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(10),
            migrate_timeout: Duration::from_secs(60),
            connections_max: 3,
        }
    }
}

/// Is the history in a PostgreSQL database. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct HistoryStore {
    pool: PgPool,
    answer_timeout: Duration,
    migrate_timeout: Duration,
}

impl HistoryStore {
    /// Prepares a store without connecting: it comes up, and comes back, by itself.
    ///
    /// # Errors
    /// Refuses an address that is not understood.
    pub fn open(url: &str, settings: &HistorySettings) -> Result<Self, HistoryError> {
        Self::open_as(url, None, settings)
    }

    /// As [`Self::open`], with a password that is not part of the address.
    ///
    /// # Errors
    /// Refuses an address that is not understood.
    pub fn open_as(
        url: &str,
        password: Option<&str>,
        settings: &HistorySettings,
    ) -> Result<Self, HistoryError> {
        let mut options =
            PgConnectOptions::from_str(url).map_err(|cause| HistoryError::Address { cause })?;
        if let Some(password) = password {
            options = options.password(password);
        }
        // The server gives up a little before we do, so that its own reason is seen.
        let patience = settings.answer_timeout.saturating_sub(Duration::from_millis(500));
        let patience = format!("{}ms", patience.as_millis().max(1));
        let options = options
            .application_name("remora-persister")
            .options([("statement_timeout", &*patience), ("lock_timeout", &*patience)]);
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections_max)
            .acquire_timeout(settings.connect_timeout)
            .connect_lazy_with(options);
        let HistorySettings { answer_timeout, migrate_timeout, .. } = *settings;
        Ok(Self { pool, answer_timeout, migrate_timeout })
    }

    /// Opens a store and makes sure that the database answers.
    ///
    /// # Errors
    /// Refuses an address that is not understood; reports a database that cannot be reached.
    pub async fn connect(url: &str, settings: &HistorySettings) -> Result<Self, HistoryError> {
        let store = Self::open(url, settings)?;
        let connection = store.pool.acquire().await;
        connection.map_err(|cause| HistoryError::Connect { cause })?;
        Ok(store)
    }

    /// Brings the schema up to date. Several may try at once: one does it, the others wait.
    ///
    /// # Errors
    /// Reports a database that cannot be reached, and a schema that was changed by hand or is newer.
    pub async fn migrate(&self) -> Result<(), HistoryError> {
        let after = self.migrate_timeout;
        let done = tokio::time::timeout(after, MIGRATIONS.run(&self.pool)).await;
        let done = done.map_err(|_| HistoryError::Timeout { what: "migration", after })?;
        done.map_err(|cause| HistoryError::Migrate { cause })
    }

    /// Stores messages in one transaction; rows that are there already stay as they are.
    ///
    /// # Errors
    /// Says what failed; its disposition says whether to try again. Nothing is stored then, unless only the
    /// answer was lost.
    pub async fn write(&self, messages: &[Arc<Envelope>]) -> Result<WriteOutcome, HistoryError> {
        let set = RowSet::of(messages.iter().map(|message| &**message));
        let set = set.map_err(|cause| HistoryError::Row { cause })?;
        self.within("write", self.write_rows(&set)).await
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// Reports a database that does not answer.
    pub async fn ping(&self) -> Result<(), HistoryError> {
        let what = "ping";
        let answer = async {
            let mut connection = self.acquire().await?;
            connection.ping().await.map_err(|cause| HistoryError::Query { what, cause })
        };
        self.within(what, answer).await
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
        past::fills_of(self.within("query", answer).await?)
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
        self.within("query", answer).await
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
        past::known_of(self.within("query", answer).await?)
    }

    /// Has the database check the statement that writes a table, without writing.
    ///
    /// # Errors
    /// Gives the database's complaint.
    pub async fn prepare(&self, table: &'static Table) -> Result<(), HistoryError> {
        let answer = async {
            let mut connection = self.acquire().await?;
            // The text is made of our own table and column names only.
            let sql = AssertSqlSafe(insert_sql(table)).into_sql_str();
            let prepared = connection.prepare(sql).await.map(drop);
            prepared.map_err(|cause| HistoryError::Query { what: table.name, cause })
        };
        self.within("preparation", answer).await
    }

    /// Closes all connections in good order.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn count(&self, what: &'static str, sql: String) -> Result<u64, HistoryError> {
        let answer = async {
            let mut connection = self.acquire().await?;
            // The text is one of the questions.
            let counted = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql));
            let counted = counted.fetch_one(&mut *connection).await;
            counted.map_err(|cause| HistoryError::Query { what, cause })
        };
        // A count is never negative.
        Ok(self.within("query", answer).await?.unsigned_abs())
    }

    async fn write_rows(&self, set: &RowSet) -> Result<WriteOutcome, HistoryError> {
        let failed = |cause| HistoryError::Write { table: "transaction", cause };
        let mut connection = self.acquire().await?;
        let mut transaction = connection.begin().await.map_err(failed)?;
        let mut outcome = WriteOutcome::default();
        for (table, rows) in set.iter() {
            for rows in rows.chunks(ROWS_MAX) {
                let inserted = insert(&mut transaction, table, rows).await?;
                outcome = outcome.plus(rows.len(), inserted);
            }
        }
        transaction.commit().await.map_err(failed)?;
        Ok(outcome)
    }

    async fn acquire(&self) -> Result<sqlx::pool::PoolConnection<Postgres>, HistoryError> {
        self.pool.acquire().await.map_err(|cause| HistoryError::Connect { cause })
    }

    async fn within<T>(
        &self,
        what: &'static str,
        answer: impl Future<Output = Result<T, HistoryError>>,
    ) -> Result<T, HistoryError> {
        let after = self.answer_timeout;
        let answer = tokio::time::timeout(after, answer).await;
        answer.unwrap_or(Err(HistoryError::Timeout { what, after }))
    }
}

async fn insert(
    connection: &mut PgConnection,
    table: &'static Table,
    rows: &[Row],
) -> Result<u64, HistoryError> {
    // The text is made of our own table and column names only.
    let mut query = sqlx::query(AssertSqlSafe(insert_sql(table)));
    for (at, column) in table.columns().enumerate() {
        query = bind_column(query, column.kind, at, rows);
    }
    let done = query.execute(connection).await;
    done.map(|done| done.rows_affected())
        .map_err(|cause| HistoryError::Write { table: table.name, cause })
}

/// Makes the one statement that inserts into a table: an array for each column, rows that exist are left alone.
fn insert_sql(table: &Table) -> String {
    let array = |(at, kind): (usize, ColumnKind)| {
        let cast = match kind {
            ColumnKind::Text => "text[]",
            ColumnKind::Int => "bigint[]",
            ColumnKind::Bool => "boolean[]",
            // As text, so that every digit arrives as it was said.
            ColumnKind::Exact => "text[]::numeric[]",
            ColumnKind::Est => "double precision[]",
        };
        format!("${}::{cast}", at + 1)
    };
    let kinds = table.columns().map(|column| column.kind);
    let arrays: Vec<String> = kinds.enumerate().map(array).collect();
    format!(
        "INSERT INTO {} ({}) SELECT * FROM UNNEST({}) ON CONFLICT DO NOTHING",
        table.name,
        table.column_list(),
        arrays.join(", ")
    )
}

type Insert<'q> = Query<'q, Postgres, PgArguments>;

/// Binds one column of all rows. A cell of another kind than its column cannot occur: both come from one list.
fn bind_column<'q>(query: Insert<'q>, kind: ColumnKind, at: usize, rows: &[Row]) -> Insert<'q> {
    let cells = rows.iter().map(|row| row.get(at));
    match kind {
        ColumnKind::Text | ColumnKind::Exact => query.bind(
            cells
                .map(|cell| if let Some(Cell::Text(value)) = cell { value.clone() } else { None })
                .collect::<Vec<_>>(),
        ),
        ColumnKind::Int => query.bind(
            cells
                .map(|cell| if let Some(Cell::Int(value)) = cell { *value } else { None })
                .collect::<Vec<_>>(),
        ),
        ColumnKind::Bool => query.bind(
            cells
                .map(|cell| if let Some(Cell::Bool(value)) = cell { *value } else { None })
                .collect::<Vec<_>>(),
        ),
        ColumnKind::Est => query.bind(
            cells
                .map(|cell| if let Some(Cell::Est(value)) = cell { *value } else { None })
                .collect::<Vec<_>>(),
        ),
    }
}
