-- Purpose: the order whose place an order takes at the venue (an amend), and what that one was known to have filled.
-- Lock impact: short, the columns are new and may be unknown.
-- Backfill: none, no earlier order took the place of another.

ALTER TABLE order_requests ADD COLUMN orig_cl_ord_id TEXT;
ALTER TABLE order_approvals ADD COLUMN orig_cl_ord_id TEXT;
ALTER TABLE order_events ADD COLUMN orig_cl_ord_id TEXT;
ALTER TABLE order_requests ADD COLUMN orig_cum_qty NUMERIC;
ALTER TABLE order_approvals ADD COLUMN orig_cum_qty NUMERIC;
