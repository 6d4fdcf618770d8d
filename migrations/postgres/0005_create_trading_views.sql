-- Purpose: what a person asks first: money in and out per pair, and the life of each order on one line.
-- Lock impact: none, the views are new.
-- Backfill: none.

-- Cash flow of all fills of a pair. P&L at a mark price is
-- sold_notional - bought_notional + (bought_qty - sold_qty) * mark - fees, when fees are in the quote asset.
CREATE VIEW fills_by_pair AS
SELECT
    account,
    venue,
    instrument,
    fee_asset,
    count(*) AS fills,
    coalesce(sum(last_qty) FILTER (WHERE side = 'buy'), 0) AS bought_qty,
    coalesce(sum(last_px * last_qty) FILTER (WHERE side = 'buy'), 0) AS bought_notional,
    coalesce(sum(last_qty) FILTER (WHERE side = 'sell'), 0) AS sold_qty,
    coalesce(sum(last_px * last_qty) FILTER (WHERE side = 'sell'), 0) AS sold_notional,
    sum(fee_amount) AS fees
FROM fills
GROUP BY account, venue, instrument, fee_asset;

-- The answer and the newest event of every request.
CREATE VIEW order_lives AS
SELECT
    request.account,
    request.cl_ord_id,
    request.venue,
    request.instrument,
    request.side,
    request.price,
    request.qty,
    to_timestamp(request.publish_time_ns / 1e9) AS requested_at,
    approval.cl_ord_id IS NOT NULL AS is_approved,
    refusal.reason AS refusal_reason,
    last_event.ord_status,
    last_event.cum_qty
FROM order_requests AS request
LEFT JOIN order_approvals AS approval
    ON approval.account = request.account AND approval.cl_ord_id = request.cl_ord_id
LEFT JOIN order_refusals AS refusal
    ON refusal.account = request.account AND refusal.cl_ord_id = request.cl_ord_id
LEFT JOIN LATERAL (
    SELECT event.ord_status, event.cum_qty
    FROM order_events AS event
    WHERE event.account = request.account AND event.cl_ord_id = request.cl_ord_id
    ORDER BY event.publish_time_ns DESC, event.sequence DESC
    LIMIT 1
) AS last_event ON true;
