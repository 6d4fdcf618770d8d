//! Books: when each might be used, and the last mid of each.

use super::findings::{Findings, Promise};
use remora_domain::{
    BookState, BookTop, Instrument, InstrumentKey, OrderEvent, OrderRequest, Price, Timestamp,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The last mid of each pair. Shared, because every request keeps the ones it was judged by.
pub(super) type Marks = Arc<BTreeMap<InstrumentKey, Price>>;

#[derive(Default)]
pub(super) struct Markets {
    instruments: BTreeMap<InstrumentKey, Instrument>,
    books: BTreeMap<InstrumentKey, Validity>,
    marks: Marks,
}

/// Says when a book might not be used. A book that was never told is unusable since ever.
struct Validity {
    invalid_since: Option<Timestamp>,
    gaps: Vec<(Timestamp, Timestamp)>,
}

impl Markets {
    pub(super) fn define(&mut self, instrument: &Instrument) {
        self.instruments.insert(instrument.key.clone(), instrument.clone());
    }

    pub(super) fn instrument(&self, key: &InstrumentKey) -> Option<&Instrument> {
        self.instruments.get(key)
    }

    pub(super) fn marks(&self) -> Marks {
        Arc::clone(&self.marks)
    }

    pub(super) fn book(&mut self, now: Timestamp, top: &BookTop, findings: &mut Findings) {
        let fresh = || Validity { invalid_since: Some(Timestamp::EPOCH), gaps: Vec::new() };
        let book = self.books.entry(top.instrument.clone()).or_insert_with(fresh);
        match top.state {
            BookState::Invalid(_) => {
                book.invalid_since = book.invalid_since.or(Some(now));
                return;
            }
            BookState::Live => {
                let ended = book.invalid_since.take().map(|since| (since, now));
                book.gaps.extend(ended);
            }
        }
        let (Some(bid), Some(ask)) = (top.best_bid(), top.best_ask()) else { return };
        if bid.price >= ask.price {
            let detail = format!("{}: bid {} ask {}", top.instrument, bid.price, ask.price);
            findings.add(Promise::LiveBooksAreUncrossed, detail);
            return;
        }
        if let Some(mid) = findings.exact(bid.price.checked_mid(ask.price))
            && self.marks.get(&top.instrument) != Some(&mid)
        {
            Arc::make_mut(&mut self.marks).insert(top.instrument.clone(), mid);
        }
    }

    pub(super) fn check_quotable(&self, request: &OrderRequest, findings: &mut Findings) {
        let book = self.books.get(&request.instrument);
        if book.is_none_or(|book| book.invalid_since.is_some()) {
            let detail = format!("{} on {}", request.cl_ord_id, request.instrument);
            findings.add(Promise::NoQuoteOnAnInvalidBook, detail);
        }
    }

    /// Looks at when the venue says the fill was: news of it may arrive after its book has failed. What happens at the
    /// very instant of a change may have come before it.
    pub(super) fn check_fillable(&self, event: &OrderEvent, findings: &mut Findings) {
        let is_good = event.venue_time.is_some_and(|at| {
            self.books.get(&event.instrument).is_some_and(|book| {
                let is_in_gap = book.gaps.iter().any(|(from, to)| *from < at && at < *to);
                !is_in_gap && book.invalid_since.is_none_or(|since| at <= since)
            })
        });
        if !is_good {
            let detail = format!("{} filled at {:?}", event.cl_ord_id, event.venue_time);
            findings.add(Promise::NoFillOnAnInvalidBook, detail);
        }
    }
}
