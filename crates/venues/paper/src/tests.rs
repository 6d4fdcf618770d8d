//! What the tests of the venue share: a venue of known latencies and everything it said.

mod account;
mod amend;
mod fills;
mod oracle;
mod property;

use crate::{PaperConfig, PaperVenue, QueueModel};
use remora_approval::{ApprovedOrder, Verifier};
use remora_domain::{
    Amount, Balances, BookTop, ClOrdId, DurationNs, FeeSchedule, Fill, Instrument, MarketTrade,
    OpenOrder, OrderEventReason, OrderRequest, Qty, SessionId, Side, TimeInForce, Timestamp,
    VenueReport,
};
use remora_testkit::{
    Driver, account, amount, approval, asset, at_ms, book_of, bps, cl_ord_id, instrument, key, px,
    qty, request, signer, venue,
};
use remora_venue_api::{VenueCommand, VenueInput, VenueOutput};

/// Entry takes 10 ms, cancels 8 ms, answers 5 ms.
pub(crate) fn config() -> PaperConfig {
    PaperConfig {
        account: account(),
        venue: venue(),
        run: SessionId::new(7),
        balances: [(asset("BTC"), amount("100")), (asset("USD"), amount("100000"))].into(),
        fees: FeeSchedule { maker_bps: bps("2"), taker_bps: bps("5") },
        order_latency: DurationNs::from_ms(10),
        cancel_latency: DurationNs::from_ms(8),
        response_latency: DurationNs::from_ms(5),
        latency_jitter: DurationNs::ZERO,
        queue_model: QueueModel::TradeOnly,
        orders_per_second_max: None,
        book_age_max: DurationNs::from_s(60),
        fee_decimals: 8,
    }
}

/// An approved order; the venue takes nothing else.
pub(crate) fn approved(request: OrderRequest) -> ApprovedOrder {
    let mut verifier = Verifier::new(signer().verifying_key());
    verifier.verify(Timestamp::EPOCH, &approval(request, 1, 1, Timestamp::MAX)).unwrap()
}

pub(crate) fn order(id: &str, side: Side, price: &str, size: &str) -> OrderRequest {
    OrderRequest { side, price: px(price), qty: qty(size), ..request(id) }
}

pub(crate) fn buy(id: &str, price: &str, size: &str) -> OrderRequest {
    order(id, Side::Buy, price, size)
}

pub(crate) fn sell(id: &str, price: &str, size: &str) -> OrderRequest {
    order(id, Side::Sell, price, size)
}

/// The same order, but it takes what it can at once and leaves nothing.
pub(crate) fn ioc(request: OrderRequest) -> OrderRequest {
    OrderRequest { tif: TimeInForce::Ioc, is_post_only: false, ..request }
}

/// A venue and its clock. Times are milliseconds.
pub(crate) struct Rig {
    pub(crate) driver: Driver<PaperVenue>,
    pub(crate) heard: Vec<(i64, VenueReport)>,
    trades: u64,
}

impl Rig {
    pub(crate) fn new(config: PaperConfig) -> Self {
        Self::of(config, instrument("BTC", "USD"))
    }

    /// Trades in one instrument, with 100 × 5, 99.9 × 9 bid and 100.1 × 4, 100.2 × 8 asked.
    pub(crate) fn of(config: PaperConfig, instrument: Instrument) -> Self {
        let driver = Driver::new(PaperVenue::new(config, 1));
        let mut rig = Self { driver, heard: Vec::new(), trades: 0 };
        rig.input(0, VenueInput::Start);
        rig.input(0, VenueInput::Instrument(instrument));
        rig.book(0, &[("100", "5"), ("99.9", "9")], &[("100.1", "4"), ("100.2", "8")]);
        rig
    }

    pub(crate) fn usual() -> Self {
        Self::new(config())
    }

    pub(crate) fn input(&mut self, ms: i64, input: VenueInput) {
        self.run(ms);
        let out = self.driver.feed(at_ms(ms), input);
        self.hear(ms, out);
    }

    /// Lets time pass, noting when each report is heard.
    pub(crate) fn run(&mut self, ms: i64) {
        while let Some(due) = next_ms(&self.driver).filter(|due| *due <= ms) {
            let out = self.driver.advance(at_ms(due));
            self.hear(due, out);
        }
        let out = self.driver.advance(at_ms(ms));
        self.hear(ms, out);
    }

    fn hear(&mut self, ms: i64, out: Vec<VenueOutput>) {
        for said in out {
            let VenueOutput::Report(report) = said else {
                panic!("the paper venue needs nobody: {said:?}");
            };
            self.heard.push((ms, report));
        }
    }

    pub(crate) fn submit(&mut self, ms: i64, request: OrderRequest) {
        self.input(ms, VenueInput::Command(VenueCommand::Submit(approved(request))));
    }

    pub(crate) fn cancel(&mut self, ms: i64, id: &str) {
        let command = VenueCommand::Cancel { cl_ord_id: cl_ord_id(id), order_id: None };
        self.input(ms, VenueInput::Command(command));
    }

    pub(crate) fn book(&mut self, ms: i64, bids: &[(&str, &str)], asks: &[(&str, &str)]) {
        self.top(ms, book_of("BTC-USD", bids, asks));
    }

    pub(crate) fn top(&mut self, ms: i64, top: BookTop) {
        self.input(ms, VenueInput::Book { top, venue_time: Some(at_ms(ms)) });
    }

    pub(crate) fn trade(&mut self, ms: i64, taker_side: Side, price: &str, size: &str) {
        self.trade_stamped(ms, ms, taker_side, price, size);
    }

    /// A trade that the venue stamped earlier than we heard of it.
    pub(crate) fn trade_stamped(
        &mut self,
        ms: i64,
        venue_ms: i64,
        taker_side: Side,
        price: &str,
        size: &str,
    ) {
        self.trades += 1;
        let trade = MarketTrade {
            instrument: key("BTC-USD"),
            trade_id: self.trades,
            taker_side,
            price: px(price),
            qty: qty(size),
        };
        self.input(ms, VenueInput::Trade { trade, venue_time: Some(at_ms(venue_ms)) });
    }

    /// What was filled so far: (heard at, order, price, quantity).
    pub(crate) fn fills(&self) -> Vec<(i64, ClOrdId, Fill)> {
        let fill = |(ms, report): &(i64, VenueReport)| {
            if let VenueReport::Filled { cl_ord_id, fill, .. } = report {
                Some((*ms, cl_ord_id.clone(), fill.clone()))
            } else {
                None
            }
        };
        self.heard.iter().filter_map(fill).collect()
    }

    /// What was filled, as text: `r-1 0.5@100`.
    pub(crate) fn filled(&self) -> Vec<String> {
        let text = |(_, id, fill): &(i64, ClOrdId, Fill)| {
            let (size, price) = (fill.last_qty.to_decimal(), fill.last_px.to_decimal());
            format!("{id} {}@{}", size.normalize(), price.normalize())
        };
        self.fills().iter().map(text).collect()
    }

    pub(crate) fn rejections(&self) -> Vec<(ClOrdId, OrderEventReason)> {
        let rejection = |(_, report): &(i64, VenueReport)| {
            if let VenueReport::Rejected { cl_ord_id, reason, .. } = report {
                Some((cl_ord_id.clone(), *reason))
            } else {
                None
            }
        };
        self.heard.iter().filter_map(rejection).collect()
    }

    pub(crate) fn front(&self, id: &str) -> Option<Qty> {
        self.driver.machine.front(&cl_ord_id(id)).unwrap()
    }

    /// Asks and gives the answer.
    pub(crate) fn balances(&mut self, ms: i64) -> Balances {
        self.input(ms, VenueInput::Command(VenueCommand::QueryAccount));
        self.run(ms + 1_000);
        let last = |(_, report): &(i64, VenueReport)| {
            if let VenueReport::Balances(balances) = report { Some(balances.clone()) } else { None }
        };
        self.heard.iter().rev().find_map(last).unwrap()
    }

    /// Asks and gives (total, held) of an asset.
    pub(crate) fn balance(&mut self, ms: i64, name: &str) -> (Amount, Amount) {
        let balances = self.balances(ms);
        let entry = balances.entries.into_iter().find(|entry| entry.asset == asset(name)).unwrap();
        (entry.total, entry.held)
    }

    /// Asks and gives the answer.
    pub(crate) fn open_orders(&mut self, ms: i64) -> Vec<OpenOrder> {
        let asked_at = at_ms(ms);
        self.input(ms, VenueInput::Command(VenueCommand::QueryOpenOrders { asked_at }));
        self.run(ms + 1_000);
        let last = |(_, report): &(i64, VenueReport)| {
            if let VenueReport::OpenOrders { orders, .. } = report {
                Some(orders.clone())
            } else {
                None
            }
        };
        self.heard.iter().rev().find_map(last).unwrap()
    }
}

/// The next deadline, rounded up to whole milliseconds.
fn next_ms(driver: &Driver<PaperVenue>) -> Option<i64> {
    use remora_machine::Machine as _;
    let ns = driver.machine.next_deadline()?.as_ns();
    Some(ns.div_euclid(1_000_000) + i64::from(ns.rem_euclid(1_000_000) > 0))
}
