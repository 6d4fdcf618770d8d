//! From messages to rows: the one list of tables, their columns, and what goes into each.
//!
//! Each table is declared once, column beside value, by the `table!` macro in `tables`. Both stores build their
//! SQL from the same list, and tests compare it with the schema that the migrations make.

mod cell;
mod tables;
mod words;

use remora_domain::{Envelope, Header, MessageId};
use std::collections::BTreeMap;

pub use tables::TABLES;

/// Says what a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnKind {
    /// Text: identifiers, words of closed sets, reasons.
    Text,
    /// A whole number: counts, sequences, nanoseconds UTC.
    Int,
    /// A truth value.
    Bool,
    /// An exact decimal, carried as plain decimal text.
    Exact,
    /// An estimate.
    Est,
}

/// Is one column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
    /// Whether it may be unknown.
    pub is_nullable: bool,
}

/// Is one table of history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The columns after those of the header.
    body: &'static [Column],
}

impl Table {
    /// Gives all columns in the order of the cells of a row.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> + use<> {
        tables::HEADER.body.iter().chain(self.body)
    }

    /// Gives the names of all columns, separated by commas.
    #[must_use]
    pub fn column_list(&self) -> String {
        self.columns().map(|column| column.name).collect::<Vec<_>>().join(", ")
    }
}

/// Is one value of a row; `None` is unknown.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// For [`ColumnKind::Text`] and [`ColumnKind::Exact`].
    Text(Option<String>),
    /// For [`ColumnKind::Int`].
    Int(Option<i64>),
    /// For [`ColumnKind::Bool`].
    Bool(Option<bool>),
    /// For [`ColumnKind::Est`].
    Est(Option<f64>),
}

/// Is one row: a cell for each column of its table.
pub type Row = Vec<Cell>;

/// Says why a value can never be stored as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowProblem {
    /// Text with a zero byte, which PostgreSQL cannot hold.
    #[error("column {column}: text with a zero byte")]
    ZeroByte {
        /// For which column.
        column: &'static str,
    },
    /// A count beyond 63 bits.
    #[error("column {column}: {value} is above {max}", max = i64::MAX)]
    Range {
        /// For which column.
        column: &'static str,
        /// The value.
        value: u64,
    },
    /// An estimate that is not a number.
    #[error("column {column}: not a finite number")]
    NotFinite {
        /// For which column.
        column: &'static str,
    },
}

/// Says which message can never be stored, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("store message {id}")]
pub struct RowError {
    /// Which message.
    pub id: MessageId,
    /// Why.
    #[source]
    pub cause: RowProblem,
}

/// Holds the rows of a batch, by table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowSet {
    tables: BTreeMap<&'static Table, Vec<Row>>,
}

impl RowSet {
    /// Maps messages to rows. Messages that are not history (market data, heartbeats) give none.
    ///
    /// # Errors
    /// Names the first message that can never be stored.
    pub fn of<'a>(messages: impl IntoIterator<Item = &'a Envelope>) -> Result<Self, RowError> {
        let mut set = Self::default();
        for message in messages {
            let added = tables::add_rows(&mut set, message);
            added.map_err(|cause| RowError { id: message.header.message_id(), cause })?;
        }
        Ok(set)
    }

    /// Gives each table that has rows, always in the same order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Table, &[Row])> {
        self.tables.iter().map(|(table, rows)| (*table, rows.as_slice()))
    }

    /// Counts the rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tables.values().map(Vec::len).sum()
    }

    /// Tells whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    fn add(
        &mut self,
        table: &'static Table,
        header: &Header,
        body: Vec<Cell>,
    ) -> Result<(), RowProblem> {
        let mut row = tables::header_cells(header)?;
        row.extend(body);
        self.tables.entry(table).or_default().push(row);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::{Body, ControlScope};
    use remora_testkit::{Producer, at_ms, cancel_account, halt, instrument, request};

    #[test]
    fn a_row_has_one_cell_of_the_right_kind_for_every_column() {
        let message =
            Producer::new("decision", 1).wrap(at_ms(5), Body::OrderRequest(request("r-1")));
        let set = RowSet::of([&*message]).unwrap();
        let (table, rows) = set.iter().next().unwrap();
        assert_eq!(table.name, "order_requests");
        for (column, cell) in table.columns().zip(&rows[0]) {
            let fits = matches!(
                (column.kind, cell),
                (ColumnKind::Text | ColumnKind::Exact, Cell::Text(_))
                    | (ColumnKind::Int, Cell::Int(_))
                    | (ColumnKind::Bool, Cell::Bool(_))
                    | (ColumnKind::Est, Cell::Est(_))
            );
            assert!(fits, "{}: {cell:?}", column.name);
        }
        assert_eq!(table.columns().count(), rows[0].len());
    }

    #[test]
    fn a_message_that_can_never_be_stored_is_named_with_its_column() {
        let mut command = halt(ControlScope::Global);
        command.reason = "zero \0 byte".to_owned();
        let message = Producer::new("console", 2).wrap(at_ms(5), Body::ControlCommand(command));
        let error = RowSet::of([&*message]).unwrap_err();
        assert_eq!(error.id, message.header.message_id());
        assert_eq!(error.cause, RowProblem::ZeroByte { column: "reason" });
        let request = Body::OrderRequest(request("r-1"));
        let mut huge = (*Producer::new("decision", 1).wrap(at_ms(5), request)).clone();
        huge.header.sequence = u64::MAX;
        let error = RowSet::of([&huge]).unwrap_err();
        assert!(matches!(error.cause, RowProblem::Range { column: "sequence", .. }), "{error:?}");
    }

    #[test]
    fn a_command_is_kept_with_the_account_whose_every_order_it_takes_back() {
        let mut command = cancel_account();
        let mut row = |at: Option<&str>| {
            let venue = at.map(|venue| venue.parse().unwrap());
            command.account.as_mut().unwrap().venue = venue;
            let body = Body::ControlCommand(command.clone());
            let set = RowSet::of([&*Producer::new("shell", 2).wrap(at_ms(5), body)]).unwrap();
            let (table, rows) = set.iter().next().unwrap();
            let cell = |name| {
                let place = table.columns().position(|column| column.name == name).unwrap();
                rows[0][place].clone()
            };
            ["action", "account", "venue"].map(cell)
        };
        let text = |text: &str| Cell::Text(Some(text.to_owned()));
        let [action, account] = ["cancel_account", remora_testkit::account().as_str()].map(text);
        let here = [action.clone(), account.clone(), text("kraken-spot")];
        assert_eq!(row(Some("kraken-spot")), here);
        assert_eq!(row(None), [action, account, Cell::Text(None)]);
    }

    #[test]
    fn amounts_keep_every_digit_that_was_said() {
        let mut spec = instrument("BTC", "USD");
        spec.tick = "0.10".parse().unwrap();
        let message = Producer::new("ingestor", 1).wrap(at_ms(1), Body::Instrument(spec));
        let set = RowSet::of([&*message]).unwrap();
        let (table, rows) = set.iter().next().unwrap();
        let tick = table.columns().position(|column| column.name == "tick").unwrap();
        assert_eq!(rows[0][tick], Cell::Text(Some("0.10".to_owned())));
    }
}
