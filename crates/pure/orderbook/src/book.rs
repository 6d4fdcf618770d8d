//! The book of one instrument: both sides, what verifies them, and the rule that nothing unverified is kept.

use crate::ladder::Ladder;
use crate::{BookError, BookLevel, Checksum};
use remora_domain::{InstrumentKey, Lots, Side, Ticks};

/// Is one level change: the new quantity at a price, zero to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelChange {
    /// Of which side of the book.
    pub side: Side,
    /// At which price.
    pub ticks: Ticks,
    /// The new quantity.
    pub lots: Lots,
}

/// Says how a book is verified after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// By order alone: the venue sends no checksum.
    Order,
    /// By order and by the CRC-32 of the best `levels` of each side.
    Crc32 {
        /// What the venue sent.
        expected: u32,
        /// How many levels a side it covers.
        levels: usize,
    },
}

/// Says how the best prices stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// At least one side is empty.
    OneSided,
    /// Bid below ask.
    Apart,
    /// Bid equal to ask.
    Locked,
    /// Bid above ask.
    Crossed,
}

/// Is the level-2 book of one instrument. See the crate's invariants.
#[derive(Clone, Debug)]
pub struct OrderBook {
    instrument: InstrumentKey,
    depth: usize,
    is_live: bool,
    bids: Ladder,
    asks: Ladder,
    checksum: Checksum,
}

impl OrderBook {
    /// Makes an empty book that waits for a snapshot; `depth` is the number of levels kept a side, at least 1.
    #[must_use]
    pub fn new(instrument: InstrumentKey, depth: usize) -> Self {
        Self {
            instrument,
            depth: depth.max(1),
            is_live: false,
            bids: Ladder::new(Side::Buy),
            asks: Ladder::new(Side::Sell),
            checksum: Checksum::new(),
        }
    }

    /// Gives whose book it is.
    #[must_use]
    pub const fn instrument(&self) -> &InstrumentKey {
        &self.instrument
    }

    /// Gives the number of levels kept a side.
    #[must_use]
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// Tells whether a snapshot was taken and every message since was good.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.is_live
    }

    /// Empties the book; it waits for a snapshot.
    pub fn clear(&mut self) {
        self.is_live = false;
        self.bids.clear();
        self.asks.clear();
    }

    /// Replaces the book by a snapshot of `depth` levels a side (at least 1).
    ///
    /// # Errors
    /// Refuses impossible levels, a checksum that does not fit, a locked or crossed book. The book is then empty.
    pub fn apply_snapshot(
        &mut self,
        depth: usize,
        levels: impl IntoIterator<Item = LevelChange>,
        verify: Verify,
    ) -> Result<(), BookError> {
        self.clear();
        self.depth = depth.max(1);
        let placed = self.place(levels, Ladder::push);
        self.bids.settle();
        self.asks.settle();
        self.finish(placed, verify)
    }

    /// Applies changes in order, cuts to the depth, then verifies.
    ///
    /// # Errors
    /// Refuses a change before the snapshot, impossible levels, a checksum that does not fit, a locked or
    /// crossed book. The book is then empty and waits for a snapshot.
    pub fn apply_update(
        &mut self,
        changes: impl IntoIterator<Item = LevelChange>,
        verify: Verify,
    ) -> Result<(), BookError> {
        if !self.is_live {
            return Err(BookError::NoSnapshot { instrument: self.instrument.clone() });
        }
        // Before the work, so that no early return can leave an unverified book readable.
        self.is_live = false;
        let placed = self.place(changes, Ladder::set);
        self.finish(placed, verify)
    }

    /// Gives the best bid.
    #[must_use]
    pub fn best_bid(&self) -> Option<BookLevel> {
        self.bids.best()
    }

    /// Gives the best ask.
    #[must_use]
    pub fn best_ask(&self) -> Option<BookLevel> {
        self.asks.best()
    }

    /// Gives the bids, highest first; take as many as needed.
    #[must_use = "an iterator does nothing by itself"]
    pub fn bids(&self) -> impl ExactSizeIterator<Item = BookLevel> + '_ {
        self.bids.iter()
    }

    /// Gives the asks, lowest first; take as many as needed.
    #[must_use = "an iterator does nothing by itself"]
    pub fn asks(&self) -> impl ExactSizeIterator<Item = BookLevel> + '_ {
        self.asks.iter()
    }

    /// Says how the best prices stand to each other; between messages never locked or crossed.
    #[must_use]
    pub fn touch(&self) -> Touch {
        match (self.bids.best(), self.asks.best()) {
            (Some(bid), Some(ask)) => match bid.ticks.cmp(&ask.ticks) {
                std::cmp::Ordering::Less => Touch::Apart,
                std::cmp::Ordering::Equal => Touch::Locked,
                std::cmp::Ordering::Greater => Touch::Crossed,
            },
            (Some(_), None) | (None, Some(_)) | (None, None) => Touch::OneSided,
        }
    }

    /// Computes the CRC-32 of the best `levels` of each side.
    pub fn crc32(&mut self, levels: usize) -> u32 {
        self.checksum.of_digits(self.asks.digits(levels), self.bids.digits(levels))
    }

    fn place(
        &mut self,
        changes: impl IntoIterator<Item = LevelChange>,
        put: fn(&mut Ladder, BookLevel),
    ) -> Result<(), BookError> {
        for LevelChange { side, ticks, lots } in changes {
            if ticks <= Ticks::ZERO || lots < Lots::ZERO {
                let instrument = self.instrument.clone();
                return Err(BookError::Level { instrument, side, ticks, lots });
            }
            match side {
                Side::Buy => put(&mut self.bids, BookLevel { ticks, lots }),
                Side::Sell => put(&mut self.asks, BookLevel { ticks, lots }),
            }
        }
        Ok(())
    }

    fn finish(&mut self, placed: Result<(), BookError>, verify: Verify) -> Result<(), BookError> {
        let applied = placed.and_then(|()| {
            self.bids.cut(self.depth);
            self.asks.cut(self.depth);
            self.verify(verify)
        });
        match applied {
            Ok(()) => self.is_live = true,
            Err(_) => self.clear(),
        }
        applied
    }

    /// The checksum goes first: where both fail, the difference from the venue is the cause.
    fn verify(&mut self, verify: Verify) -> Result<(), BookError> {
        match verify {
            Verify::Order => {}
            Verify::Crc32 { expected, levels } => {
                let got = self.crc32(levels);
                if got != expected {
                    let instrument = self.instrument.clone();
                    return Err(BookError::Checksum { instrument, expected, got });
                }
            }
        }
        match (self.touch(), self.best_bid(), self.best_ask()) {
            (Touch::Crossed, Some(bid), Some(ask)) => Err(BookError::Crossed {
                instrument: self.instrument.clone(),
                bid: bid.ticks,
                ask: ask.ticks,
            }),
            (Touch::Locked, Some(bid), Some(_)) => {
                Err(BookError::Locked { instrument: self.instrument.clone(), at: bid.ticks })
            }
            (Touch::OneSided | Touch::Apart | Touch::Locked | Touch::Crossed, _, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
