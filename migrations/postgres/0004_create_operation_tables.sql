-- Purpose: decision records and control events.
-- Lock impact: none, the tables are new.
-- Backfill: none.
--
-- Every row is keyed by the message that brought it (producer, session, sequence; item where a message makes
-- several rows), so writing a message again changes nothing. Money is NUMERIC, times are nanoseconds UTC.

-- Why a quote is where it is, or why there is none.
CREATE TABLE decision_records (
    producer        TEXT             NOT NULL,
    session         TEXT             NOT NULL,
    sequence        BIGINT           NOT NULL,
    cause           TEXT,
    publish_time_ns BIGINT           NOT NULL,
    receive_time_ns BIGINT,
    venue_time_ns   BIGINT,
    venue           TEXT             NOT NULL,
    instrument      TEXT             NOT NULL,
    reason          TEXT             NOT NULL,
    bid_px          NUMERIC,
    bid_qty         NUMERIC,
    ask_px          NUMERIC,
    ask_qty         NUMERIC,
    position        NUMERIC          NOT NULL,
    fair_value_est  DOUBLE PRECISION,
    volatility_est  DOUBLE PRECISION,
    bid_offset_est  DOUBLE PRECISION,
    ask_offset_est  DOUBLE PRECISION,
    PRIMARY KEY (producer, session, sequence)
);
CREATE INDEX decision_records_by_venue_instrument_publish_time ON decision_records (venue, instrument, publish_time_ns);
CREATE INDEX decision_records_by_time ON decision_records USING brin (publish_time_ns);

-- Halts, resumes and the condition of gate and routers.
CREATE TABLE control_events (
    producer        TEXT   NOT NULL,
    session         TEXT   NOT NULL,
    sequence        BIGINT NOT NULL,
    cause           TEXT,
    publish_time_ns BIGINT NOT NULL,
    receive_time_ns BIGINT,
    venue_time_ns   BIGINT,
    kind            TEXT   NOT NULL,
    action          TEXT,
    scope           TEXT,
    actor           TEXT,
    service         TEXT,
    account         TEXT,
    venue           TEXT,
    state           TEXT,
    epoch           BIGINT,
    halted          TEXT,
    reason          TEXT   NOT NULL,
    PRIMARY KEY (producer, session, sequence)
);
CREATE INDEX control_events_by_publish_time ON control_events (publish_time_ns);
