-- Purpose: the life of every order: requests, approvals, refusals, cancels, events, fills.
-- Lock impact: none, the tables are new.
-- Backfill: none.
--
-- Every row is keyed by the message that brought it (producer, session, sequence; item where a message makes
-- several rows), so writing a message again changes nothing. Money is NUMERIC, times are nanoseconds UTC.

-- What decision asked the risk gate for.
CREATE TABLE order_requests (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        BIGINT  NOT NULL,
    cause           TEXT,
    publish_time_ns BIGINT  NOT NULL,
    receive_time_ns BIGINT,
    venue_time_ns   BIGINT,
    cl_ord_id       TEXT    NOT NULL,
    account         TEXT    NOT NULL,
    strategy        TEXT    NOT NULL,
    venue           TEXT    NOT NULL,
    instrument      TEXT    NOT NULL,
    side            TEXT    NOT NULL,
    price           NUMERIC NOT NULL,
    qty             NUMERIC NOT NULL,
    tif             TEXT    NOT NULL,
    is_post_only    BOOLEAN NOT NULL,
    deadline_ns     BIGINT  NOT NULL,
    PRIMARY KEY (producer, session, sequence)
);
CREATE INDEX order_requests_by_account_cl_ord_id ON order_requests (account, cl_ord_id);
CREATE INDEX order_requests_by_time ON order_requests USING brin (publish_time_ns);

-- The gate's signed yes, with everything that was signed; the signature in hex.
CREATE TABLE order_approvals (
    producer          TEXT    NOT NULL,
    session           TEXT    NOT NULL,
    sequence          BIGINT  NOT NULL,
    cause             TEXT,
    publish_time_ns   BIGINT  NOT NULL,
    receive_time_ns   BIGINT,
    venue_time_ns     BIGINT,
    cl_ord_id         TEXT    NOT NULL,
    account           TEXT    NOT NULL,
    strategy          TEXT    NOT NULL,
    venue             TEXT    NOT NULL,
    instrument        TEXT    NOT NULL,
    side              TEXT    NOT NULL,
    price             NUMERIC NOT NULL,
    qty               NUMERIC NOT NULL,
    tif               TEXT    NOT NULL,
    is_post_only      BOOLEAN NOT NULL,
    deadline_ns       BIGINT  NOT NULL,
    epoch             BIGINT  NOT NULL,
    gate_session      TEXT    NOT NULL,
    approval_sequence BIGINT  NOT NULL,
    expires_at_ns     BIGINT  NOT NULL,
    signature         TEXT    NOT NULL,
    PRIMARY KEY (producer, session, sequence)
);
CREATE INDEX order_approvals_by_account_cl_ord_id ON order_approvals (account, cl_ord_id);
CREATE INDEX order_approvals_by_time ON order_approvals USING brin (publish_time_ns);

-- The gate's no: which control, which limit, which value.
CREATE TABLE order_refusals (
    producer        TEXT   NOT NULL,
    session         TEXT   NOT NULL,
    sequence        BIGINT NOT NULL,
    cause           TEXT,
    publish_time_ns BIGINT NOT NULL,
    receive_time_ns BIGINT,
    venue_time_ns   BIGINT,
    cl_ord_id       TEXT   NOT NULL,
    account         TEXT   NOT NULL,
    venue           TEXT   NOT NULL,
    instrument      TEXT   NOT NULL,
    control         TEXT   NOT NULL,
    reason          TEXT   NOT NULL,
    limit_text      TEXT   NOT NULL,
    value_text      TEXT   NOT NULL,
    PRIMARY KEY (producer, session, sequence)
);
CREATE INDEX order_refusals_by_account_cl_ord_id ON order_refusals (account, cl_ord_id);
CREATE INDEX order_refusals_by_time ON order_refusals USING brin (publish_time_ns);

-- Orders taken back.
CREATE TABLE order_cancels (
    producer        TEXT   NOT NULL,
    session         TEXT   NOT NULL,
    sequence        BIGINT NOT NULL,
    cause           TEXT,
    publish_time_ns BIGINT NOT NULL,
    receive_time_ns BIGINT,
    venue_time_ns   BIGINT,
    cl_ord_id       TEXT   NOT NULL,
    account         TEXT   NOT NULL,
    venue           TEXT   NOT NULL,
    instrument      TEXT   NOT NULL,
    reason          TEXT   NOT NULL,
    PRIMARY KEY (producer, session, sequence)
);
CREATE INDEX order_cancels_by_account_cl_ord_id ON order_cancels (account, cl_ord_id);
CREATE INDEX order_cancels_by_time ON order_cancels USING brin (publish_time_ns);

-- Everything the routers said about orders, from the intention to send to the end.
CREATE TABLE order_events (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        BIGINT  NOT NULL,
    cause           TEXT,
    publish_time_ns BIGINT  NOT NULL,
    receive_time_ns BIGINT,
    venue_time_ns   BIGINT,
    cl_ord_id       TEXT    NOT NULL,
    order_id        TEXT,
    account         TEXT    NOT NULL,
    venue           TEXT    NOT NULL,
    instrument      TEXT    NOT NULL,
    side            TEXT    NOT NULL,
    price           NUMERIC NOT NULL,
    order_qty       NUMERIC NOT NULL,
    exec_type       TEXT    NOT NULL,
    ord_status      TEXT    NOT NULL,
    cum_qty         NUMERIC NOT NULL,
    leaves_qty      NUMERIC NOT NULL,
    reason          TEXT    NOT NULL,
    exec_id         TEXT,
    exec_time_ns    BIGINT,
    PRIMARY KEY (producer, session, sequence)
);
CREATE INDEX order_events_by_account_cl_ord_id ON order_events (account, cl_ord_id);
CREATE INDEX order_events_by_time ON order_events USING brin (publish_time_ns);

-- Our executions, once an execution id; each is also an order event.
CREATE TABLE fills (
    producer        TEXT    NOT NULL,
    session         TEXT    NOT NULL,
    sequence        BIGINT  NOT NULL,
    cause           TEXT,
    publish_time_ns BIGINT  NOT NULL,
    receive_time_ns BIGINT,
    venue_time_ns   BIGINT,
    cl_ord_id       TEXT    NOT NULL,
    order_id        TEXT,
    account         TEXT    NOT NULL,
    venue           TEXT    NOT NULL,
    instrument      TEXT    NOT NULL,
    side            TEXT    NOT NULL,
    exec_id         TEXT    NOT NULL,
    last_px         NUMERIC NOT NULL,
    last_qty        NUMERIC NOT NULL,
    liquidity       TEXT    NOT NULL,
    fee_asset       TEXT    NOT NULL,
    fee_amount      NUMERIC NOT NULL,
    cum_qty         NUMERIC NOT NULL,
    exec_time_ns    BIGINT,
    PRIMARY KEY (producer, session, sequence),
    UNIQUE (account, venue, exec_id)
);
CREATE INDEX fills_by_account_cl_ord_id ON fills (account, cl_ord_id);
CREATE INDEX fills_by_venue_instrument_publish_time ON fills (venue, instrument, publish_time_ns);
CREATE INDEX fills_by_time ON fills USING brin (publish_time_ns);
