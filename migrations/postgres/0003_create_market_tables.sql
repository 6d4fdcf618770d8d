-- Purpose: instruments, bars and universes.
-- Lock impact: none, the tables are new.
-- Backfill: none.
--
-- Every row is keyed by the message that brought it (producer, session, sequence; item where a message makes
-- several rows), so writing a message again changes nothing. Money is NUMERIC, times are nanoseconds UTC.

-- Definitions of instruments, one row a statement; versions count changes.
CREATE TABLE instruments (
    producer           TEXT    NOT NULL,
    session            TEXT    NOT NULL,
    sequence           BIGINT  NOT NULL,
    cause              TEXT,
    publish_time_ns    BIGINT  NOT NULL,
    receive_time_ns    BIGINT,
    venue_time_ns      BIGINT,
    venue              TEXT    NOT NULL,
    instrument         TEXT    NOT NULL,
    symbol             TEXT    NOT NULL,
    base               TEXT    NOT NULL,
    quote              TEXT    NOT NULL,
    kind               TEXT    NOT NULL,
    status             TEXT    NOT NULL,
    tick               NUMERIC NOT NULL,
    price_decimals     BIGINT  NOT NULL,
    lot                NUMERIC NOT NULL,
    qty_decimals       BIGINT  NOT NULL,
    qty_min            NUMERIC NOT NULL,
    cost_min           NUMERIC,
    multiplier         NUMERIC NOT NULL,
    version            BIGINT  NOT NULL,
    definition_time_ns BIGINT  NOT NULL,
    is_synthetic       BOOLEAN NOT NULL,
    PRIMARY KEY (producer, session, sequence)
);
CREATE INDEX instruments_by_venue_instrument_version ON instruments (venue, instrument, version);
CREATE INDEX instruments_by_time ON instruments USING brin (publish_time_ns);

-- One-minute bars, the history that pair discovery learns from.
CREATE TABLE bars (
    producer        TEXT             NOT NULL,
    session         TEXT             NOT NULL,
    sequence        BIGINT           NOT NULL,
    cause           TEXT,
    publish_time_ns BIGINT           NOT NULL,
    receive_time_ns BIGINT,
    venue_time_ns   BIGINT,
    venue           TEXT             NOT NULL,
    instrument      TEXT             NOT NULL,
    open_time_ns    BIGINT           NOT NULL,
    open            NUMERIC          NOT NULL,
    high            NUMERIC          NOT NULL,
    low             NUMERIC          NOT NULL,
    close           NUMERIC          NOT NULL,
    volume          NUMERIC          NOT NULL,
    turnover        NUMERIC          NOT NULL,
    trades          BIGINT           NOT NULL,
    spread_bps_est  DOUBLE PRECISION NOT NULL,
    touch_qty_est   DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (producer, session, sequence)
);
CREATE INDEX bars_by_venue_instrument_open_time ON bars (venue, instrument, open_time_ns);
CREATE INDEX bars_by_time ON bars USING brin (publish_time_ns);

-- Every pair of every universe, in or out, with its reason.
CREATE TABLE universe_pairs (
    producer           TEXT             NOT NULL,
    session            TEXT             NOT NULL,
    sequence           BIGINT           NOT NULL,
    item               BIGINT           NOT NULL,
    cause              TEXT,
    publish_time_ns    BIGINT           NOT NULL,
    receive_time_ns    BIGINT,
    venue_time_ns      BIGINT,
    version            BIGINT           NOT NULL,
    valid_until_ns     BIGINT           NOT NULL,
    venue              TEXT             NOT NULL,
    instrument         TEXT             NOT NULL,
    is_selected        BOOLEAN          NOT NULL,
    rank               BIGINT,
    reason             TEXT             NOT NULL,
    spread_bps_est     DOUBLE PRECISION,
    volume_day_est     DOUBLE PRECISION,
    volatility_bps_est DOUBLE PRECISION,
    edge_bps_est       DOUBLE PRECISION,
    score_est          DOUBLE PRECISION,
    PRIMARY KEY (producer, session, sequence, item)
);
CREATE INDEX universe_pairs_by_venue_instrument_publish_time ON universe_pairs (venue, instrument, publish_time_ns);
CREATE INDEX universe_pairs_by_time ON universe_pairs USING brin (publish_time_ns);
