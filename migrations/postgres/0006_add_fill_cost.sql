-- Purpose: what a trade moved in the quote asset by the venue's own reckoning: venues round it.
-- Lock impact: short, the column is new and may be unknown; the view is replaced.
-- Backfill: none, earlier fills were booked at price times quantity, and still are.

ALTER TABLE fills ADD COLUMN cost NUMERIC;

-- Cash flow of all fills of a pair. P&L at a mark price is
-- sold_notional - bought_notional + (bought_qty - sold_qty) * mark - fees, when fees are in the quote asset.
CREATE OR REPLACE VIEW fills_by_pair AS
SELECT
    account,
    venue,
    instrument,
    fee_asset,
    count(*) AS fills,
    coalesce(sum(last_qty) FILTER (WHERE side = 'buy'), 0) AS bought_qty,
    coalesce(sum(coalesce(cost, last_px * last_qty)) FILTER (WHERE side = 'buy'), 0) AS bought_notional,
    coalesce(sum(last_qty) FILTER (WHERE side = 'sell'), 0) AS sold_qty,
    coalesce(sum(coalesce(cost, last_px * last_qty)) FILTER (WHERE side = 'sell'), 0) AS sold_notional,
    sum(fee_amount) AS fees
FROM fills
GROUP BY account, venue, instrument, fee_asset;
