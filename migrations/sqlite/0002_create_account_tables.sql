-- Purpose: balances, positions and fee tiers.
-- Lock impact: none, the tables are new.
-- Backfill: none.
--
-- Every row is keyed by the message that brought it (producer, session, sequence; item where a message makes
-- several rows), so writing a message again changes nothing. Money is exact decimal TEXT (SQLite has no exact
-- number beyond 64 bits), times are nanoseconds UTC, truth values are 0 or 1.

-- What the venue says we hold: one row an asset and statement.
CREATE TABLE balances (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        INTEGER NOT NULL,
    item            INTEGER NOT NULL,
    cause           TEXT,
    publish_time_ns INTEGER NOT NULL,
    receive_time_ns INTEGER,
    venue_time_ns   INTEGER,
    account         TEXT    NOT NULL,
    venue           TEXT    NOT NULL,
    asset           TEXT    NOT NULL,
    total           TEXT    NOT NULL,
    held            TEXT    NOT NULL,
    PRIMARY KEY (producer, session, sequence, item)
) STRICT;
CREATE INDEX balances_by_account_venue_asset_publish_time ON balances (account, venue, asset, publish_time_ns);

-- What we say we hold, from fills.
CREATE TABLE positions (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        INTEGER NOT NULL,
    cause           TEXT,
    publish_time_ns INTEGER NOT NULL,
    receive_time_ns INTEGER,
    venue_time_ns   INTEGER,
    account         TEXT    NOT NULL,
    venue           TEXT    NOT NULL,
    instrument      TEXT    NOT NULL,
    position        TEXT    NOT NULL,
    realised_pnl    TEXT    NOT NULL,
    fees            TEXT    NOT NULL,
    PRIMARY KEY (producer, session, sequence)
) STRICT;
CREATE INDEX positions_by_account_venue_instrument_publish_time ON positions (account, venue, instrument, publish_time_ns);

-- The fee tier in force.
CREATE TABLE account_fees (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        INTEGER NOT NULL,
    cause           TEXT,
    publish_time_ns INTEGER NOT NULL,
    receive_time_ns INTEGER,
    venue_time_ns   INTEGER,
    account         TEXT    NOT NULL,
    venue           TEXT    NOT NULL,
    maker_bps       TEXT    NOT NULL,
    taker_bps       TEXT    NOT NULL,
    PRIMARY KEY (producer, session, sequence)
) STRICT;
CREATE INDEX account_fees_by_account_venue_publish_time ON account_fees (account, venue, publish_time_ns);
