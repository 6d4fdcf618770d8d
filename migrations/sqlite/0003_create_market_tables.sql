-- Purpose: instruments, bars and universes.
-- Lock impact: none, the tables are new.
-- Backfill: none.
--
-- Every row is keyed by the message that brought it (producer, session, sequence; item where a message makes
-- several rows), so writing a message again changes nothing. Money is exact decimal TEXT (SQLite has no exact
-- number beyond 64 bits), times are nanoseconds UTC, truth values are 0 or 1.

-- Definitions of instruments, one row a statement; versions count changes.
CREATE TABLE instruments (
    producer           TEXT    NOT NULL,
    session            TEXT    NOT NULL,
    sequence           INTEGER NOT NULL,
    cause              TEXT,
    publish_time_ns    INTEGER NOT NULL,
    receive_time_ns    INTEGER,
    venue_time_ns      INTEGER,
    venue              TEXT    NOT NULL,
    instrument         TEXT    NOT NULL,
    symbol             TEXT    NOT NULL,
    base               TEXT    NOT NULL,
    quote              TEXT    NOT NULL,
    kind               TEXT    NOT NULL,
    status             TEXT    NOT NULL,
    tick               TEXT    NOT NULL,
    price_decimals     INTEGER NOT NULL,
    lot                TEXT    NOT NULL,
    qty_decimals       INTEGER NOT NULL,
    qty_min            TEXT    NOT NULL,
    cost_min           TEXT,
    multiplier         TEXT    NOT NULL,
    version            INTEGER NOT NULL,
    definition_time_ns INTEGER NOT NULL,
    is_synthetic       INTEGER NOT NULL,
    PRIMARY KEY (producer, session, sequence)
) STRICT;
CREATE INDEX instruments_by_venue_instrument_version ON instruments (venue, instrument, version);

-- One-minute bars, the history that pair discovery learns from.
CREATE TABLE bars (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        INTEGER NOT NULL,
    cause           TEXT,
    publish_time_ns INTEGER NOT NULL,
    receive_time_ns INTEGER,
    venue_time_ns   INTEGER,
    venue           TEXT    NOT NULL,
    instrument      TEXT    NOT NULL,
    open_time_ns    INTEGER NOT NULL,
    open            TEXT    NOT NULL,
    high            TEXT    NOT NULL,
    low             TEXT    NOT NULL,
    close           TEXT    NOT NULL,
    volume          TEXT    NOT NULL,
    turnover        TEXT    NOT NULL,
    trades          INTEGER NOT NULL,
    spread_bps_est  REAL    NOT NULL,
    touch_qty_est   REAL    NOT NULL,
    PRIMARY KEY (producer, session, sequence)
) STRICT;
CREATE INDEX bars_by_venue_instrument_open_time ON bars (venue, instrument, open_time_ns);

-- Every pair of every universe, in or out, with its reason.
CREATE TABLE universe_pairs (
    producer           TEXT    NOT NULL,
    session            TEXT    NOT NULL,
    sequence           INTEGER NOT NULL,
    item               INTEGER NOT NULL,
    cause              TEXT,
    publish_time_ns    INTEGER NOT NULL,
    receive_time_ns    INTEGER,
    venue_time_ns      INTEGER,
    version            INTEGER NOT NULL,
    valid_until_ns     INTEGER NOT NULL,
    venue              TEXT    NOT NULL,
    instrument         TEXT    NOT NULL,
    is_selected        INTEGER NOT NULL,
    rank               INTEGER,
    reason             TEXT    NOT NULL,
    spread_bps_est     REAL,
    volume_day_est     REAL,
    volatility_bps_est REAL,
    edge_bps_est       REAL,
    score_est          REAL,
    PRIMARY KEY (producer, session, sequence, item)
) STRICT;
CREATE INDEX universe_pairs_by_venue_instrument_publish_time ON universe_pairs (venue, instrument, publish_time_ns);
