-- Purpose: what pair-discovery found out beside scores: patterns by the hour, and who leads.
-- Lock impact: none, the tables are new.
-- Backfill: none; what earlier universes told is in the stream PAIRS as long as that is kept.
--
-- Every row is keyed by the universe that told it (producer, session, sequence; item), so writing it again changes nothing. A universe
-- repeats what is known until it is known better: the latest rows of a pair are what held. Version is the universe's.

-- Patterns that were found; a pair and target without a row has none. Factors: 24 numbers, 0 to 23 h UTC, separated by commas.
CREATE TABLE hour_patterns (
    producer           TEXT             NOT NULL,
    session            TEXT             NOT NULL,
    sequence           BIGINT           NOT NULL,
    item               BIGINT           NOT NULL,
    cause              TEXT,
    publish_time_ns    BIGINT           NOT NULL,
    receive_time_ns    BIGINT,
    venue_time_ns      BIGINT,
    version            BIGINT           NOT NULL,
    venue              TEXT             NOT NULL,
    instrument         TEXT             NOT NULL,
    target             TEXT             NOT NULL,
    p_value_est        DOUBLE PRECISION NOT NULL,
    factors_est        TEXT             NOT NULL,
    PRIMARY KEY (producer, session, sequence, item)
);
CREATE INDEX hour_patterns_by_venue_instrument_publish_time ON hour_patterns (venue, instrument, publish_time_ns);
CREATE INDEX hour_patterns_by_time ON hour_patterns USING brin (publish_time_ns);

-- Leads that were tested, significant or not: the leader's moves arrive at the instrument after the lag.
CREATE TABLE pair_leads (
    producer           TEXT             NOT NULL,
    session            TEXT             NOT NULL,
    sequence           BIGINT           NOT NULL,
    item               BIGINT           NOT NULL,
    cause              TEXT,
    publish_time_ns    BIGINT           NOT NULL,
    receive_time_ns    BIGINT,
    venue_time_ns      BIGINT,
    version            BIGINT           NOT NULL,
    venue              TEXT             NOT NULL,
    instrument         TEXT             NOT NULL,
    leader_venue       TEXT             NOT NULL,
    leader_instrument  TEXT             NOT NULL,
    is_significant     BOOLEAN          NOT NULL,
    lag_ns             BIGINT           NOT NULL,
    share_est          DOUBLE PRECISION NOT NULL,
    p_value_est        DOUBLE PRECISION NOT NULL,
    parts              BIGINT           NOT NULL,
    PRIMARY KEY (producer, session, sequence, item)
);
CREATE INDEX pair_leads_by_venue_instrument_publish_time ON pair_leads (venue, instrument, publish_time_ns);
CREATE INDEX pair_leads_by_time ON pair_leads USING brin (publish_time_ns);
