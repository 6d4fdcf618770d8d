-- Purpose: differences between a venue's account and ours, each with its cause, its age and how it ended.
-- Lock impact: none, table and view are new.
-- Backfill: none, earlier versions kept no differences.
--
-- A difference is told when it opens and again when it ends: rows are keyed by the message that told it (producer, session,
-- sequence), so writing one again changes nothing; the latest row of a break_id is how it stands. `expected` is by our books, `actual`
-- by the venue, in units of the asset.
CREATE TABLE account_breaks (
    producer        TEXT   NOT NULL,
    session         TEXT   NOT NULL,
    sequence        BIGINT NOT NULL,
    cause           TEXT,
    publish_time_ns BIGINT NOT NULL,
    receive_time_ns BIGINT,
    venue_time_ns   BIGINT,
    break_id        TEXT   NOT NULL,
    account         TEXT   NOT NULL,
    venue           TEXT   NOT NULL,
    kind            TEXT   NOT NULL,
    instrument      TEXT,
    asset           TEXT,
    cl_ord_id       TEXT,
    cause_text      TEXT   NOT NULL,
    expected        NUMERIC,
    actual          NUMERIC,
    opened_ns       BIGINT NOT NULL,
    ended_ns        BIGINT,
    resolution      TEXT   NOT NULL,
    PRIMARY KEY (producer, session, sequence)
);
CREATE INDEX account_breaks_by_break_id_publish_time ON account_breaks (break_id, publish_time_ns);

-- One line for each difference; the age of one that is open grows.
CREATE VIEW reconciliation_ledger AS
SELECT DISTINCT ON (break_id)
    break_id,
    account,
    venue,
    kind,
    instrument,
    asset,
    cl_ord_id,
    cause_text AS cause,
    expected,
    actual,
    to_timestamp(opened_ns / 1e9) AS opened_at,
    to_timestamp(ended_ns / 1e9) AS ended_at,
    coalesce(to_timestamp(ended_ns / 1e9), now()) - to_timestamp(opened_ns / 1e9) AS age,
    ended_ns IS NULL AS is_open,
    resolution
FROM account_breaks
ORDER BY break_id, ended_ns NULLS LAST, publish_time_ns DESC;
