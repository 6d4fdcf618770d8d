-- Purpose: the life of every order: requests, approvals, refusals, cancels, events, fills.
-- Lock impact: none, the tables are new.
-- Backfill: none.
--
-- Every row is keyed by the message that brought it (producer, session, sequence; item where a message makes
-- several rows), so writing a message again changes nothing. Money is exact decimal TEXT (SQLite has no exact
-- number beyond 64 bits), times are nanoseconds UTC, truth values are 0 or 1.

-- What decision asked the risk gate for.
CREATE TABLE order_requests (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        INTEGER NOT NULL,
    cause           TEXT,
    publish_time_ns INTEGER NOT NULL,
    receive_time_ns INTEGER,
    venue_time_ns   INTEGER,
    cl_ord_id       TEXT    NOT NULL,
    account         TEXT    NOT NULL,
    strategy        TEXT    NOT NULL,
    venue           TEXT    NOT NULL,
    instrument      TEXT    NOT NULL,
    side            TEXT    NOT NULL,
    price           TEXT    NOT NULL,
    qty             TEXT    NOT NULL,
    tif             TEXT    NOT NULL,
    is_post_only    INTEGER NOT NULL,
    deadline_ns     INTEGER NOT NULL,
    PRIMARY KEY (producer, session, sequence)
) STRICT;
CREATE INDEX order_requests_by_account_cl_ord_id ON order_requests (account, cl_ord_id);

-- The gate's signed yes, with everything that was signed; the signature in hex.
CREATE TABLE order_approvals (
    producer          TEXT    NOT NULL,
    session           TEXT    NOT NULL,
    sequence          INTEGER NOT NULL,
    cause             TEXT,
    publish_time_ns   INTEGER NOT NULL,
    receive_time_ns   INTEGER,
    venue_time_ns     INTEGER,
    cl_ord_id         TEXT    NOT NULL,
    account           TEXT    NOT NULL,
    strategy          TEXT    NOT NULL,
    venue             TEXT    NOT NULL,
    instrument        TEXT    NOT NULL,
    side              TEXT    NOT NULL,
    price             TEXT    NOT NULL,
    qty               TEXT    NOT NULL,
    tif               TEXT    NOT NULL,
    is_post_only      INTEGER NOT NULL,
    deadline_ns       INTEGER NOT NULL,
    epoch             INTEGER NOT NULL,
    gate_session      TEXT    NOT NULL,
    approval_sequence INTEGER NOT NULL,
    expires_at_ns     INTEGER NOT NULL,
    signature         TEXT    NOT NULL,
    PRIMARY KEY (producer, session, sequence)
) STRICT;
CREATE INDEX order_approvals_by_account_cl_ord_id ON order_approvals (account, cl_ord_id);

-- The gate's no: which control, which limit, which value.
CREATE TABLE order_refusals (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        INTEGER NOT NULL,
    cause           TEXT,
    publish_time_ns INTEGER NOT NULL,
    receive_time_ns INTEGER,
    venue_time_ns   INTEGER,
    cl_ord_id       TEXT    NOT NULL,
    account         TEXT    NOT NULL,
    venue           TEXT    NOT NULL,
    instrument      TEXT    NOT NULL,
    control         TEXT    NOT NULL,
    reason          TEXT    NOT NULL,
    limit_text      TEXT    NOT NULL,
    value_text      TEXT    NOT NULL,
    PRIMARY KEY (producer, session, sequence)
) STRICT;
CREATE INDEX order_refusals_by_account_cl_ord_id ON order_refusals (account, cl_ord_id);

-- Orders taken back.
CREATE TABLE order_cancels (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        INTEGER NOT NULL,
    cause           TEXT,
    publish_time_ns INTEGER NOT NULL,
    receive_time_ns INTEGER,
    venue_time_ns   INTEGER,
    cl_ord_id       TEXT    NOT NULL,
    account         TEXT    NOT NULL,
    venue           TEXT    NOT NULL,
    instrument      TEXT    NOT NULL,
    reason          TEXT    NOT NULL,
    PRIMARY KEY (producer, session, sequence)
) STRICT;
CREATE INDEX order_cancels_by_account_cl_ord_id ON order_cancels (account, cl_ord_id);

-- Everything the routers said about orders, from the intention to send to the end.
CREATE TABLE order_events (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        INTEGER NOT NULL,
    cause           TEXT,
    publish_time_ns INTEGER NOT NULL,
    receive_time_ns INTEGER,
    venue_time_ns   INTEGER,
    cl_ord_id       TEXT    NOT NULL,
    order_id        TEXT,
    account         TEXT    NOT NULL,
    venue           TEXT    NOT NULL,
    instrument      TEXT    NOT NULL,
    side            TEXT    NOT NULL,
    price           TEXT    NOT NULL,
    order_qty       TEXT    NOT NULL,
    exec_type       TEXT    NOT NULL,
    ord_status      TEXT    NOT NULL,
    cum_qty         TEXT    NOT NULL,
    leaves_qty      TEXT    NOT NULL,
    reason          TEXT    NOT NULL,
    exec_id         TEXT,
    exec_time_ns    INTEGER,
    PRIMARY KEY (producer, session, sequence)
) STRICT;
CREATE INDEX order_events_by_account_cl_ord_id ON order_events (account, cl_ord_id);

-- Our executions, once an execution id; each is also an order event.
CREATE TABLE fills (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        INTEGER NOT NULL,
    cause           TEXT,
    publish_time_ns INTEGER NOT NULL,
    receive_time_ns INTEGER,
    venue_time_ns   INTEGER,
    cl_ord_id       TEXT    NOT NULL,
    order_id        TEXT,
    account         TEXT    NOT NULL,
    venue           TEXT    NOT NULL,
    instrument      TEXT    NOT NULL,
    side            TEXT    NOT NULL,
    exec_id         TEXT    NOT NULL,
    last_px         TEXT    NOT NULL,
    last_qty        TEXT    NOT NULL,
    liquidity       TEXT    NOT NULL,
    fee_asset       TEXT    NOT NULL,
    fee_amount      TEXT    NOT NULL,
    cum_qty         TEXT    NOT NULL,
    exec_time_ns    INTEGER,
    PRIMARY KEY (producer, session, sequence),
    UNIQUE (account, venue, exec_id)
) STRICT;
CREATE INDEX fills_by_account_cl_ord_id ON fills (account, cl_ord_id);
CREATE INDEX fills_by_venue_instrument_publish_time ON fills (venue, instrument, publish_time_ns);
