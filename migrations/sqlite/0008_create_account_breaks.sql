-- Purpose: differences between a venue's account and ours, each with its cause, its age and how it ended.
-- Lock impact: none, table and view are new.
-- Backfill: none, earlier versions kept no differences.
--
-- A difference is told when it opens and again when it ends: rows are keyed by the message that told it (producer, session,
-- sequence), so writing one again changes nothing; the latest row of a break_id is how it stands. `expected` is by our books, `actual`
-- by the venue, in units of the asset: exact
-- decimal TEXT.
CREATE TABLE account_breaks (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        INTEGER NOT NULL,
    cause           TEXT,
    publish_time_ns INTEGER NOT NULL,
    receive_time_ns INTEGER,
    venue_time_ns   INTEGER,
    break_id        TEXT    NOT NULL,
    account         TEXT    NOT NULL,
    venue           TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    instrument      TEXT,
    asset           TEXT,
    cl_ord_id       TEXT,
    cause_text      TEXT    NOT NULL,
    expected        TEXT,
    actual          TEXT,
    opened_ns       INTEGER NOT NULL,
    ended_ns        INTEGER,
    resolution      TEXT    NOT NULL,
    PRIMARY KEY (producer, session, sequence)
) STRICT;
CREATE INDEX account_breaks_by_break_id_publish_time ON account_breaks (break_id, publish_time_ns);

-- One line for each difference; the age of one that is open grows.
CREATE VIEW reconciliation_ledger AS
SELECT
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
    opened_ns,
    ended_ns,
    coalesce(ended_ns, CAST(strftime('%s', 'now') AS INTEGER) * 1000000000) - opened_ns AS age_ns,
    ended_ns IS NULL AS is_open,
    resolution
FROM account_breaks AS told
WHERE NOT EXISTS (
    SELECT 1
    FROM account_breaks AS later
    WHERE later.break_id = told.break_id
        AND ((later.ended_ns IS NOT NULL AND told.ended_ns IS NULL)
            OR ((later.ended_ns IS NULL) = (told.ended_ns IS NULL)
                AND (later.publish_time_ns, later.sequence) > (told.publish_time_ns, told.sequence)))
);
