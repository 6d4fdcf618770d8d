-- Purpose: balances, positions and fee tiers.
-- Lock impact: none, the tables are new.
-- Backfill: none.
--
-- Every row is keyed by the message that brought it (producer, session, sequence; item where a message makes
-- several rows), so writing a message again changes nothing. Money is NUMERIC, times are nanoseconds UTC.

-- What the venue says we hold: one row an asset and statement.
CREATE TABLE balances (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        BIGINT  NOT NULL,
    item            BIGINT  NOT NULL,
    cause           TEXT,
    publish_time_ns BIGINT  NOT NULL,
    receive_time_ns BIGINT,
    venue_time_ns   BIGINT,
    account         TEXT    NOT NULL,
    venue           TEXT    NOT NULL,
    asset           TEXT    NOT NULL,
    total           NUMERIC NOT NULL,
    held            NUMERIC NOT NULL,
    PRIMARY KEY (producer, session, sequence, item)
);
CREATE INDEX balances_by_account_venue_asset_publish_time ON balances (account, venue, asset, publish_time_ns);
CREATE INDEX balances_by_time ON balances USING brin (publish_time_ns);

-- What we say we hold, from fills.
CREATE TABLE positions (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        BIGINT  NOT NULL,
    cause           TEXT,
    publish_time_ns BIGINT  NOT NULL,
    receive_time_ns BIGINT,
    venue_time_ns   BIGINT,
    account         TEXT    NOT NULL,
    venue           TEXT    NOT NULL,
    instrument      TEXT    NOT NULL,
    position        NUMERIC NOT NULL,
    realised_pnl    NUMERIC NOT NULL,
    fees            NUMERIC NOT NULL,
    PRIMARY KEY (producer, session, sequence)
);
CREATE INDEX positions_by_account_venue_instrument_publish_time ON positions (account, venue, instrument, publish_time_ns);
CREATE INDEX positions_by_time ON positions USING brin (publish_time_ns);

-- The fee tier in force.
CREATE TABLE account_fees (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        BIGINT  NOT NULL,
    cause           TEXT,
    publish_time_ns BIGINT  NOT NULL,
    receive_time_ns BIGINT,
    venue_time_ns   BIGINT,
    account         TEXT    NOT NULL,
    venue           TEXT    NOT NULL,
    maker_bps       NUMERIC NOT NULL,
    taker_bps       NUMERIC NOT NULL,
    PRIMARY KEY (producer, session, sequence)
);
CREATE INDEX account_fees_by_account_venue_publish_time ON account_fees (account, venue, publish_time_ns);
CREATE INDEX account_fees_by_time ON account_fees USING brin (publish_time_ns);
