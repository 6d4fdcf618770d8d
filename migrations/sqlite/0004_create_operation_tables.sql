-- Purpose: decision records and control events.
-- Lock impact: none, the tables are new.
-- Backfill: none.
--
-- Every row is keyed by the message that brought it (producer, session, sequence; item where a message makes
-- several rows), so writing a message again changes nothing. Money is exact decimal TEXT (SQLite has no exact
-- number beyond 64 bits), times are nanoseconds UTC, truth values are 0 or 1.

-- Why a quote is where it is, or why there is none.
CREATE TABLE decision_records (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        INTEGER NOT NULL,
    cause           TEXT,
    publish_time_ns INTEGER NOT NULL,
    receive_time_ns INTEGER,
    venue_time_ns   INTEGER,
    venue           TEXT    NOT NULL,
    instrument      TEXT    NOT NULL,
    reason          TEXT    NOT NULL,
    bid_px          TEXT,
    bid_qty         TEXT,
    ask_px          TEXT,
    ask_qty         TEXT,
    position        TEXT    NOT NULL,
    fair_value_est  REAL,
    volatility_est  REAL,
    bid_offset_est  REAL,
    ask_offset_est  REAL,
    PRIMARY KEY (producer, session, sequence)
) STRICT;
CREATE INDEX decision_records_by_venue_instrument_publish_time ON decision_records (venue, instrument, publish_time_ns);

-- Halts, resumes and the condition of gate and routers.
CREATE TABLE control_events (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        INTEGER NOT NULL,
    cause           TEXT,
    publish_time_ns INTEGER NOT NULL,
    receive_time_ns INTEGER,
    venue_time_ns   INTEGER,
    kind            TEXT    NOT NULL,
    action          TEXT,
    scope           TEXT,
    actor           TEXT,
    service         TEXT,
    account         TEXT,
    venue           TEXT,
    state           TEXT,
    epoch           INTEGER,
    halted          TEXT,
    reason          TEXT    NOT NULL,
    PRIMARY KEY (producer, session, sequence)
) STRICT;
CREATE INDEX control_events_by_publish_time ON control_events (publish_time_ns);
