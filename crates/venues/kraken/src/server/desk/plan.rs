//! A new order as asked for, checked in every way that needs no book and no balance, to what the exchange takes.

use super::api::{
    AddOrder, Contingent, OrderKind, PriceSpec, Stp, Tif, TimeSpec, TriggerReference,
};
use super::clordid::{self, ClOrdKey};
use super::quote::{self, Towards};
use super::record::{Close, Record};
use super::{Desk, DeskResult, words};
use crate::server::catalogue::PairDef;
use crate::server::error::KrakenError;
use remora_domain::{DurationNs, Lots, Side, Ticks, Timestamp};
use remora_matching::{
    Condition, Lifetime, NewOrder, Pricing, Reference, SelfTrade, Size, TraderIx, Trigger,
};
use rust_decimal::Decimal;

/// The shortest and longest life of an order with an end.
const LIFE_MIN_S: i64 = 5;
const LIFE_MAX_S: i64 = 31 * 24 * 3_600;

/// The furthest deadline.
const DEADLINE_MAX_S: i64 = 60;

/// An iceberg shows at least one part in so many.
const DISPLAY_PARTS: i64 = 15;

/// Is an order that may go to the exchange.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) asked: NewOrder,
    pub(crate) record: Record,
    /// `descr.order` and `descr.close`.
    pub(crate) descr: String,
    pub(crate) close: String,
}

/// Is what the type of an order makes of its prices.
struct Shape {
    pricing: Pricing,
    trigger: Option<Trigger>,
    /// The price its smallest cost is checked at.
    worst: Option<Ticks>,
}

impl Desk {
    /// Checks an order.
    pub(crate) fn plan(
        &self,
        now: Timestamp,
        trader: TraderIx,
        order: &AddOrder,
    ) -> DeskResult<Plan> {
        let pair = self.catalogue.find_pair(&order.pair).ok_or(KrakenError::UnknownPair)?;
        check_margin(order)?;
        check_deadline(now, order.deadline)?;
        let cl_ord_id = self.client_id(trader, order)?;
        let shape = self.shape(pair, order)?;
        let size = size(pair, order, shape.worst)?;
        let display = display(pair, order, size)?;
        let starts = start(now, order.start)?;
        let lifetime = lifetime(starts.unwrap_or(now), now, order)?;
        check_post_only(order, lifetime)?;
        let contingent = order.contingent.as_ref();
        if let Some(close) = contingent {
            check_close(pair, close)?;
        }
        let asked = NewOrder {
            trader,
            market: pair.market,
            side: order.side,
            pricing: shape.pricing,
            size,
            lifetime,
            is_post_only: order.is_post_only,
            self_trade: self_trade(order.stp),
            display,
            trigger: shape.trigger,
            // The fee currency is a preference: a seller receives quote and pays in it.
            is_fee_in_base: order.is_fee_in_base == Some(true) && order.side == Side::Buy,
        };
        let record = Record {
            id: 0,
            trader,
            market: pair.market,
            kind: order.kind,
            tif: if matches!(lifetime, Lifetime::Gtd(_)) { Tif::Gtd } else { order.tif },
            stp: order.stp,
            cl_ord_id,
            userref: order.userref,
            parent: None,
            limit_written: order.limit,
            trigger: order.trigger.map(|written| (order.trigger_reference, written)),
            starts,
            contingent: contingent
                .map(|close| Box::new(Close { asked: close.clone(), placed: Lots::ZERO })),
            is_told_pending: false,
            is_told_new: false,
            is_triggered: false,
            is_amended: false,
            amends: Vec::new(),
            executions: Vec::new(),
            ended: None,
            own_view: None,
        };
        let prices = words::Prices { limit: order.limit, trigger: order.trigger };
        let descr = words::order(pair, order.side, order.qty, order.kind, prices);
        let close = contingent.map(|close| words::close(pair, close)).unwrap_or_default();
        Ok(Plan { asked, record, descr, close })
    }

    /// Checks the client's own names of the order.
    fn client_id(
        &self,
        trader: TraderIx,
        order: &AddOrder,
    ) -> DeskResult<Option<(ClOrdKey, Box<str>)>> {
        let Some(text) = order.cl_ord_id.as_deref() else { return Ok(None) };
        let key = clordid::key(text).ok_or(KrakenError::InvalidArguments)?;
        if order.userref.is_some() {
            return Err(KrakenError::InvalidArguments);
        }
        let account = self.accounts.get(&trader).ok_or(KrakenError::InvalidArguments)?;
        if account.by_cl_ord_id.contains_key(&key) {
            return Err(KrakenError::InvalidArgument("cl_ord_id"));
        }
        Ok(Some((key, Box::from(text))))
    }

    fn shape(&self, pair: &PairDef, order: &AddOrder) -> DeskResult<Shape> {
        let needs = |has: bool, field| match has {
            true => Ok(()),
            false => Err(KrakenError::InvalidArgument(field)),
        };
        let (has_limit, has_trigger) = (order.limit.is_some(), order.trigger.is_some());
        let (wants_limit, wants_trigger) = prices_of(order.kind);
        needs(has_limit == wants_limit, if wants_trigger { "price2" } else { "price" })?;
        needs(has_trigger == wants_trigger, "price")?;
        let last = self.exchange.last_price(pair.market);
        if order.kind.is_trailing() {
            return self.trailing(pair, order);
        }
        let limit = order.limit.map(|spec| {
            // `#` of a plain limit is the better side of the last trade, of a woken one the worse.
            let is_up = (order.side == Side::Sell) != wants_trigger;
            quote::relative(pair, spec, last, is_up, Towards::Passive(order.side))
        });
        let limit = limit.transpose()?;
        let trigger = order.trigger.map(|spec| self.trigger(pair, order, spec)).transpose()?;
        let fires_at = trigger.map(|(_, price)| price);
        Ok(Shape {
            pricing: limit.map_or(Pricing::Market, Pricing::Limit),
            trigger: trigger.map(|(trigger, _)| trigger),
            worst: limit.or(fires_at),
        })
    }

    fn trigger(
        &self,
        pair: &PairDef,
        order: &AddOrder,
        spec: PriceSpec,
    ) -> DeskResult<(Trigger, Ticks)> {
        let (reference, from) = self.reference(pair, order.trigger_reference)?;
        let is_take_profit =
            matches!(order.kind, OrderKind::TakeProfit | OrderKind::TakeProfitLimit);
        let is_up = (order.side == Side::Buy) != is_take_profit;
        let price = quote::relative(pair, spec, from, is_up, Towards::Nearest)?;
        let condition = match is_take_profit {
            true => Condition::TakeProfit(price),
            false => Condition::StopLoss(price),
        };
        Ok((Trigger { condition, reference, limit_offset: None }, price))
    }

    /// Trailing orders: the trigger is a distance with `+`, the limit a distance from the trigger.
    fn trailing(&self, pair: &PairDef, order: &AddOrder) -> DeskResult<Shape> {
        let (reference, from) = self.reference(pair, order.trigger_reference)?;
        let trigger = order.trigger.ok_or(KrakenError::InvalidArgument("price"))?;
        let distance = quote::distance(pair, trigger, from, true)?;
        if distance <= Decimal::ZERO {
            return Err(KrakenError::InvalidPrice);
        }
        let distance = quote::on_step(pair, distance, Towards::Nearest)?;
        let peak = from.ok_or(KrakenError::InvalidPrice)?;
        let is_buy = order.side == Side::Buy;
        let at = worse(is_buy, peak, distance)?;
        let offset = order.limit.map(|spec| {
            // Towards a worse price is up for a buy, down for a sell; `#` means worse.
            let away = quote::distance(pair, spec, Some(at), is_buy)?;
            let worse = if is_buy { away } else { -away };
            let lots = quote::on_step(pair, worse.abs(), Towards::Nearest);
            let steps = if worse.is_zero() { Ok(Ticks::ZERO) } else { lots };
            steps.map(|steps| if worse < Decimal::ZERO { Ticks::new(-steps.get()) } else { steps })
        });
        let offset = offset.transpose()?;
        let limit = offset.map(|offset| worse(is_buy, at, offset)).transpose()?;
        let condition = Condition::Trailing(distance);
        Ok(Shape {
            pricing: limit.map_or(Pricing::Market, Pricing::Limit),
            trigger: Some(Trigger { condition, reference, limit_offset: offset }),
            worst: limit.or(Some(at)),
        })
    }

    /// Gives what a trigger watches and where that is now.
    fn reference(
        &self,
        pair: &PairDef,
        reference: TriggerReference,
    ) -> DeskResult<(Reference, Option<Ticks>)> {
        match reference {
            TriggerReference::Last => Ok((Reference::Last, self.exchange.last_price(pair.market))),
            TriggerReference::Index => {
                let index = self.exchange.index_price(pair.market).filter(|_| pair.has_index);
                index
                    .map(|index| (Reference::Index, Some(index)))
                    .ok_or(KrakenError::IndexUnavailable)
            }
        }
    }
}

/// Moves a price towards what costs the side more; it stays above zero.
fn worse(is_buy: bool, price: Ticks, by: Ticks) -> DeskResult<Ticks> {
    let moved = match is_buy {
        true => price.get().checked_add(by.get()),
        false => price.get().checked_sub(by.get()),
    };
    moved.filter(|&moved| moved > 0).map(Ticks::new).ok_or(KrakenError::InvalidPrice)
}

/// Tells whether a type has a limit and whether it has a trigger.
const fn prices_of(kind: OrderKind) -> (bool, bool) {
    match kind {
        OrderKind::Market | OrderKind::SettlePosition => (false, false),
        OrderKind::Limit | OrderKind::Iceberg => (true, false),
        OrderKind::StopLoss | OrderKind::TakeProfit | OrderKind::TrailingStop => (false, true),
        OrderKind::StopLossLimit | OrderKind::TakeProfitLimit | OrderKind::TrailingStopLimit => {
            (true, true)
        }
    }
}

/// There is no margin here.
const fn check_margin(order: &AddOrder) -> DeskResult<()> {
    if matches!(order.kind, OrderKind::SettlePosition) {
        Err(KrakenError::UnknownPosition)
    } else if order.is_reduce_only {
        Err(KrakenError::NoPosition)
    } else if order.is_margin {
        Err(KrakenError::CannotOpenPosition)
    } else {
        Ok(())
    }
}

/// A deadline lies ahead, and at most a minute.
pub(crate) fn check_deadline(now: Timestamp, deadline: Option<Timestamp>) -> DeskResult<()> {
    match deadline {
        Some(deadline) if deadline < now => Err(KrakenError::DeadlineElapsed),
        Some(deadline) if deadline.since(now) > DurationNs::from_s(DEADLINE_MAX_S) => {
            Err(KrakenError::InvalidArgument("deadline"))
        }
        Some(_) | None => Ok(()),
    }
}

fn size(pair: &PairDef, order: &AddOrder, price: Option<Ticks>) -> DeskResult<Size> {
    if order.is_qty_in_quote {
        if (order.kind, order.side) != (OrderKind::Market, Side::Buy) {
            return Err(KrakenError::InvalidArgument("viqc"));
        }
        let amount = quote::money(pair, order.qty, "volume")?;
        let is_enough = order.qty >= pair.cost_min;
        return if is_enough { Ok(Size::Quote(amount)) } else { Err(KrakenError::CostMinimum) };
    }
    let qty = quote::qty(pair, order.qty, "volume")?;
    quote::minimums(pair, qty, price)?;
    Ok(Size::Base(qty))
}

fn display(pair: &PairDef, order: &AddOrder, size: Size) -> DeskResult<Option<Lots>> {
    let wrong = Err(KrakenError::InvalidArgument("displayvol"));
    match (order.kind == OrderKind::Iceberg, order.display_qty, size) {
        (false, None, _) => Ok(None),
        (true, Some(display), Size::Base(qty)) => check_display(pair, display, qty).map(Some),
        (true, _, _) | (false, Some(_), _) => wrong,
    }
}

/// Checks the shown part of an iceberg.
pub(crate) fn check_display(pair: &PairDef, display: Decimal, qty: Lots) -> DeskResult<Lots> {
    let display = quote::qty(pair, display, "displayvol")?;
    let is_enough = display.get().saturating_mul(DISPLAY_PARTS) >= qty.get();
    if is_enough && display > Lots::ZERO && display <= qty {
        Ok(display)
    } else {
        Err(KrakenError::InvalidArgument("displayvol"))
    }
}

/// Gives when the order starts, if that is later.
fn start(now: Timestamp, start: Option<TimeSpec>) -> DeskResult<Option<Timestamp>> {
    let Some(start) = start else { return Ok(None) };
    let at = instant(now, start, "starttm")?;
    if at.since(now) > DurationNs::from_s(LIFE_MAX_S) {
        return Err(KrakenError::InvalidArgument("starttm"));
    }
    Ok((at > now).then_some(at))
}

fn instant(now: Timestamp, time: TimeSpec, field: &'static str) -> DeskResult<Timestamp> {
    match time {
        TimeSpec::At(at) => Ok(at),
        TimeSpec::InSeconds(seconds) if seconds < 0 => Err(KrakenError::InvalidArgument(field)),
        TimeSpec::InSeconds(seconds) => Ok(now.saturating_add(DurationNs::from_s(seconds))),
    }
}

/// Gives how long the order lives. An end alone makes it good till date, as the older form of the request does.
fn lifetime(starts: Timestamp, now: Timestamp, order: &AddOrder) -> DeskResult<Lifetime> {
    let wrong = Err(KrakenError::InvalidArgument("expiretm"));
    let is_plain = matches!(order.kind, OrderKind::Market | OrderKind::Limit);
    match (order.tif, order.expire) {
        (Tif::Gtc, None) => Ok(Lifetime::Gtc),
        (Tif::Ioc, None) => Ok(Lifetime::Ioc),
        (Tif::Fok, None) if is_plain => Ok(Lifetime::Fok),
        (Tif::Fok, None) => Err(KrakenError::InvalidArgument("timeinforce")),
        (Tif::Ioc | Tif::Fok, Some(_)) | (Tif::Gtd, None) => wrong,
        (Tif::Gtd | Tif::Gtc, Some(expire)) => {
            let at = instant(now, expire, "expiretm")?;
            let is_late = at.since(starts) >= DurationNs::from_s(LIFE_MIN_S);
            let is_soon = at.since(now) <= DurationNs::from_s(LIFE_MAX_S);
            if is_late && is_soon { Ok(Lifetime::Gtd(at)) } else { wrong }
        }
    }
}

/// An order that must rest can neither be a market order nor live only at once.
const fn check_post_only(order: &AddOrder, lifetime: Lifetime) -> DeskResult<()> {
    let is_market = !prices_of(order.kind).0;
    match lifetime {
        _ if !order.is_post_only => Ok(()),
        Lifetime::Ioc | Lifetime::Fok => Err(KrakenError::InvalidArgument("timeinforce")),
        Lifetime::Gtc | Lifetime::Gtd(_) if is_market => {
            Err(KrakenError::InvalidArgument("oflags"))
        }
        Lifetime::Gtc | Lifetime::Gtd(_) => Ok(()),
    }
}

/// A conditional close has the prices its type needs; the relative ones are worked out when it is placed.
fn check_close(pair: &PairDef, close: &Contingent) -> DeskResult<()> {
    let has = |is_there: bool, wants: bool, field| match is_there == wants {
        true => Ok(()),
        false => Err(KrakenError::InvalidArgument(field)),
    };
    let (wants_limit, wants_trigger) = prices_of(close.kind);
    if close.kind == OrderKind::Iceberg || !(wants_limit || wants_trigger) {
        return Err(KrakenError::InvalidArgument("close[ordertype]"));
    }
    has(close.price.is_some(), true, "close[price]")?;
    has(close.price2.is_some(), wants_limit && wants_trigger, "close[price2]")?;
    for spec in [close.price, close.price2].into_iter().flatten() {
        if let PriceSpec::Static(value) = spec {
            quote::price(pair, value)?;
        }
    }
    Ok(())
}

const fn self_trade(stp: Stp) -> SelfTrade {
    match stp {
        Stp::CancelNewest => SelfTrade::CancelNewest,
        Stp::CancelOldest => SelfTrade::CancelOldest,
        Stp::CancelBoth => SelfTrade::CancelBoth,
    }
}
