-- Purpose: what a trade moved in the quote asset by the venue's own reckoning: venues round it.
-- Lock impact: short, the column is new and may be unknown.
-- Backfill: none, earlier fills were booked at price times quantity, and still are.

ALTER TABLE fills ADD COLUMN cost TEXT;
