//! Market data, universe and decision records.

use crate::WireError;
use crate::amounts::{
    amount, dec, enum_map, finite, finite_opt, id, key_from, key_to, need, ns, side_from, side_to,
    text, time, word,
};
use crate::generated::{decisions, md, pairs};
use crate::insight::{insight_from, insight_to};
use remora_domain::{
    Bar, BookState, BookTop, ContractKind, ContractTicker, DecisionReason, DecisionRecord,
    FeedCounters, FeedStatus, Funding, Instrument, InstrumentStatus, InvalidBook, Level,
    MarketStatus, MarketTrade, PairReason, PairScore, QuoteTarget, SystemStatus, Ticker, Timestamp,
    Universe,
};

enum_map!(system_to, system_from, SystemStatus, md::SystemStatus, {
    Online = Online, PostOnly = PostOnly, CancelOnly = CancelOnly, Maintenance = Maintenance,
    Disconnected = Disconnected,
});
enum_map!(kind_to, kind_from, ContractKind, md::ContractKind, {
    Spot = Spot, LinearPerpetual = LinearPerpetual, InversePerpetual = InversePerpetual,
    LinearFuture = LinearFuture, InverseFuture = InverseFuture,
});
enum_map!(status_to, status_from, InstrumentStatus, md::InstrumentStatus, {
    Online = Online, CancelOnly = CancelOnly, PostOnly = PostOnly, LimitOnly = LimitOnly,
    ReduceOnly = ReduceOnly, Closed = Closed,
});

fn state_to(state: BookState) -> i32 {
    match state {
        BookState::Live => md::BookState::Live,
        BookState::Invalid(InvalidBook::Checksum) => md::BookState::InvalidChecksum,
        BookState::Invalid(InvalidBook::SequenceGap) => md::BookState::InvalidSequenceGap,
        BookState::Invalid(InvalidBook::Crossed) => md::BookState::InvalidCrossed,
        BookState::Invalid(InvalidBook::Malformed) => md::BookState::InvalidMalformed,
        BookState::Invalid(InvalidBook::Disconnected) => md::BookState::InvalidDisconnected,
        BookState::Invalid(InvalidBook::Silent) => md::BookState::InvalidSilent,
    }
    .into()
}

fn state_from(field: &'static str, value: i32) -> Result<BookState, WireError> {
    Ok(match md::BookState::try_from(value) {
        Ok(md::BookState::Live) => BookState::Live,
        Ok(md::BookState::InvalidChecksum) => BookState::Invalid(InvalidBook::Checksum),
        Ok(md::BookState::InvalidSequenceGap) => BookState::Invalid(InvalidBook::SequenceGap),
        Ok(md::BookState::InvalidCrossed) => BookState::Invalid(InvalidBook::Crossed),
        Ok(md::BookState::InvalidMalformed) => BookState::Invalid(InvalidBook::Malformed),
        Ok(md::BookState::InvalidDisconnected) => BookState::Invalid(InvalidBook::Disconnected),
        Ok(md::BookState::InvalidSilent) => BookState::Invalid(InvalidBook::Silent),
        Ok(md::BookState::Unspecified) | Err(_) => return Err(WireError::Enum { field, value }),
    })
}

fn levels_to(levels: &[Level]) -> Vec<md::Level> {
    levels.iter().map(|l| md::Level { price: dec(l.price), qty: dec(l.qty) }).collect()
}

fn levels_from(field: &'static str, levels: Vec<md::Level>) -> Result<Vec<Level>, WireError> {
    let level =
        |l: md::Level| Ok(Level { price: amount(field, l.price)?, qty: amount(field, l.qty)? });
    levels.into_iter().map(level).collect()
}

pub(crate) fn book_to(m: &BookTop) -> md::BookTop {
    md::BookTop {
        instrument: key_to(&m.instrument),
        book_sequence: m.book_sequence,
        state: state_to(m.state),
        bids: levels_to(&m.bids),
        asks: levels_to(&m.asks),
    }
}

pub(crate) fn book_from(m: md::BookTop) -> Result<BookTop, WireError> {
    Ok(BookTop {
        instrument: key_from("book.instrument", m.instrument)?,
        book_sequence: m.book_sequence,
        state: state_from("book.state", m.state)?,
        bids: levels_from("book.bids", m.bids)?,
        asks: levels_from("book.asks", m.asks)?,
    })
}

pub(crate) fn trade_to(m: &MarketTrade) -> md::MarketTrade {
    md::MarketTrade {
        instrument: key_to(&m.instrument),
        trade_id: m.trade_id,
        taker_side: side_to(m.taker_side),
        price: dec(m.price),
        qty: dec(m.qty),
    }
}

pub(crate) fn trade_from(m: md::MarketTrade) -> Result<MarketTrade, WireError> {
    Ok(MarketTrade {
        instrument: key_from("trade.instrument", m.instrument)?,
        trade_id: m.trade_id,
        taker_side: side_from("trade.taker_side", m.taker_side)?,
        price: amount("trade.price", m.price)?,
        qty: amount("trade.qty", m.qty)?,
    })
}

pub(crate) fn ticker_to(m: &Ticker) -> md::Ticker {
    md::Ticker {
        instrument: key_to(&m.instrument),
        bid: dec(m.bid),
        ask: dec(m.ask),
        last: dec(m.last),
        volume_24h: dec(m.volume_24h),
        vwap_24h: m.vwap_24h.and_then(dec),
        low_24h: dec(m.low_24h),
        high_24h: dec(m.high_24h),
        contract: m.contract.as_deref().map(contract_to),
    }
}

pub(crate) fn ticker_from(m: md::Ticker) -> Result<Ticker, WireError> {
    Ok(Ticker {
        instrument: key_from("ticker.instrument", m.instrument)?,
        bid: amount("ticker.bid", m.bid)?,
        ask: amount("ticker.ask", m.ask)?,
        last: amount("ticker.last", m.last)?,
        volume_24h: amount("ticker.volume_24h", m.volume_24h)?,
        vwap_24h: m.vwap_24h.map(|px| amount("ticker.vwap_24h", Some(px))).transpose()?,
        low_24h: amount("ticker.low_24h", m.low_24h)?,
        high_24h: amount("ticker.high_24h", m.high_24h)?,
        contract: m.contract.map(contract_from).transpose()?.map(Box::new),
    })
}

fn contract_to(m: &ContractTicker) -> md::ContractTicker {
    md::ContractTicker {
        mark: dec(m.mark),
        index: dec(m.index),
        open_interest: dec(m.open_interest),
        funding: m.funding.map(|funding| md::Funding {
            rate: dec(funding.rate_frac),
            next_rate: dec(funding.next_rate_frac),
            next_time_ns: funding.next_time.map(Timestamp::as_ns),
        }),
    }
}

fn contract_from(m: md::ContractTicker) -> Result<ContractTicker, WireError> {
    let funding = |m: md::Funding| {
        Ok::<_, WireError>(Funding {
            rate_frac: amount("ticker.funding.rate", m.rate)?,
            next_rate_frac: amount("ticker.funding.next_rate", m.next_rate)?,
            next_time: m.next_time_ns.map(Timestamp::from_ns),
        })
    };
    Ok(ContractTicker {
        mark: amount("ticker.mark", m.mark)?,
        index: amount("ticker.index", m.index)?,
        open_interest: amount("ticker.open_interest", m.open_interest)?,
        funding: m.funding.map(funding).transpose()?,
    })
}

pub(crate) fn market_status_to(m: &MarketStatus) -> md::MarketStatus {
    md::MarketStatus { venue: m.venue.to_string(), status: system_to(m.status) }
}

pub(crate) fn market_status_from(m: &md::MarketStatus) -> Result<MarketStatus, WireError> {
    Ok(MarketStatus {
        venue: id("market_status.venue", &m.venue)?,
        status: system_from("market_status.status", m.status)?,
    })
}

pub(crate) fn feed_status_to(m: &FeedStatus) -> md::FeedStatus {
    let FeedCounters { frames, checksums_passed, checksums_failed, trades, resyncs, malformed } =
        m.counters;
    md::FeedStatus {
        instrument: key_to(&m.instrument),
        frames,
        checksums_passed,
        checksums_failed,
        trades,
        resyncs,
        malformed,
        state: state_to(m.state),
        last_frame_time_ns: ns(m.last_frame_time),
    }
}

pub(crate) fn feed_status_from(m: md::FeedStatus) -> Result<FeedStatus, WireError> {
    let counters = FeedCounters {
        frames: m.frames,
        checksums_passed: m.checksums_passed,
        checksums_failed: m.checksums_failed,
        trades: m.trades,
        resyncs: m.resyncs,
        malformed: m.malformed,
    };
    Ok(FeedStatus {
        instrument: key_from("feed_status.instrument", m.instrument)?,
        counters,
        state: state_from("feed_status.state", m.state)?,
        last_frame_time: time(m.last_frame_time_ns),
    })
}

pub(crate) fn instrument_to(m: &Instrument) -> md::Instrument {
    md::Instrument {
        key: key_to(&m.key),
        symbol: m.symbol.clone(),
        base: m.base.to_string(),
        quote: m.quote.to_string(),
        kind: kind_to(m.kind),
        status: status_to(m.status),
        tick: dec(m.tick),
        price_decimals: m.price_decimals,
        lot: dec(m.lot),
        qty_decimals: m.qty_decimals,
        qty_min: dec(m.qty_min),
        cost_min: m.cost_min.and_then(dec),
        multiplier: dec(m.multiplier),
        version: m.version,
        receive_time_ns: m.receive_time.as_ns(),
        is_synthetic: m.is_synthetic,
    }
}

pub(crate) fn instrument_from(m: md::Instrument) -> Result<Instrument, WireError> {
    let cost_min = m.cost_min.map(|c| amount("instrument.cost_min", Some(c))).transpose()?;
    Ok(Instrument {
        key: key_from("instrument.key", m.key)?,
        symbol: text("instrument.symbol", m.symbol)?,
        base: id("instrument.base", &m.base)?,
        quote: id("instrument.quote", &m.quote)?,
        kind: kind_from("instrument.kind", m.kind)?,
        status: status_from("instrument.status", m.status)?,
        tick: amount("instrument.tick", m.tick)?,
        price_decimals: m.price_decimals,
        lot: amount("instrument.lot", m.lot)?,
        qty_decimals: m.qty_decimals,
        qty_min: amount("instrument.qty_min", m.qty_min)?,
        cost_min,
        multiplier: amount("instrument.multiplier", m.multiplier)?,
        version: m.version,
        receive_time: Timestamp::from_ns(m.receive_time_ns),
        is_synthetic: m.is_synthetic,
    })
}

pub(crate) fn bar_to(m: &Bar) -> md::Bar {
    md::Bar {
        instrument: key_to(&m.instrument),
        open_time_ns: m.open_time.as_ns(),
        open: dec(m.open),
        high: dec(m.high),
        low: dec(m.low),
        close: dec(m.close),
        volume: dec(m.volume),
        turnover: dec(m.turnover),
        trades: m.trades,
        spread_bps_est: m.spread_bps_est,
        touch_qty_est: m.touch_qty_est,
    }
}

pub(crate) fn bar_from(m: md::Bar) -> Result<Bar, WireError> {
    Ok(Bar {
        instrument: key_from("bar.instrument", m.instrument)?,
        open_time: Timestamp::from_ns(m.open_time_ns),
        open: amount("bar.open", m.open)?,
        high: amount("bar.high", m.high)?,
        low: amount("bar.low", m.low)?,
        close: amount("bar.close", m.close)?,
        volume: amount("bar.volume", m.volume)?,
        turnover: amount("bar.turnover", m.turnover)?,
        trades: m.trades,
        spread_bps_est: finite("bar.spread_bps_est", m.spread_bps_est)?,
        touch_qty_est: finite("bar.touch_qty_est", m.touch_qty_est)?,
    })
}

pub(crate) fn universe_to(m: &Universe) -> pairs::Universe {
    let pair = |p: &PairScore| pairs::PairScore {
        instrument: key_to(&p.instrument),
        is_selected: p.is_selected,
        rank: p.rank,
        reason: p.reason.as_str().to_owned(),
        spread_bps_est: p.spread_bps_est,
        volume_day_est: p.volume_day_est,
        volatility_bps_est: p.volatility_bps_est,
        edge_bps_est: p.edge_bps_est,
        score_est: p.score_est,
        known_since_ns: p.known_since.map(Timestamp::as_ns),
    };
    pairs::Universe {
        version: m.version,
        valid_until_ns: m.valid_until.as_ns(),
        pairs: m.pairs.iter().map(pair).collect(),
        insights: m.insights.iter().map(insight_to).collect(),
    }
}

pub(crate) fn universe_from(m: pairs::Universe) -> Result<Universe, WireError> {
    let pair = |p: pairs::PairScore| {
        Ok(PairScore {
            instrument: key_from("universe.pair.instrument", p.instrument)?,
            is_selected: p.is_selected,
            rank: p.rank,
            reason: word("universe.pair.reason", PairReason::ALL, PairReason::as_str, &p.reason)?,
            spread_bps_est: finite_opt("universe.pair.spread_bps_est", p.spread_bps_est)?,
            volume_day_est: finite_opt("universe.pair.volume_day_est", p.volume_day_est)?,
            volatility_bps_est: finite_opt("universe.pair.volatility", p.volatility_bps_est)?,
            edge_bps_est: finite_opt("universe.pair.edge_bps_est", p.edge_bps_est)?,
            score_est: finite_opt("universe.pair.score_est", p.score_est)?,
            known_since: p.known_since_ns.map(Timestamp::from_ns),
        })
    };
    Ok(Universe {
        version: m.version,
        valid_until: Timestamp::from_ns(m.valid_until_ns),
        pairs: m.pairs.into_iter().map(pair).collect::<Result<_, _>>()?,
        insights: m.insights.into_iter().map(insight_from).collect::<Result<_, _>>()?,
    })
}

fn target_to(t: QuoteTarget) -> decisions::QuoteTarget {
    decisions::QuoteTarget { price: dec(t.price), qty: dec(t.qty) }
}

fn target_from(t: decisions::QuoteTarget) -> Result<QuoteTarget, WireError> {
    Ok(QuoteTarget {
        price: amount("decision.target.price", t.price)?,
        qty: amount("decision.target.qty", t.qty)?,
    })
}

pub(crate) fn decision_to(m: &DecisionRecord) -> decisions::DecisionRecord {
    decisions::DecisionRecord {
        instrument: key_to(&m.instrument),
        reason: m.reason.as_str().to_owned(),
        bid: m.bid.map(target_to),
        ask: m.ask.map(target_to),
        position: dec(m.position),
        fair_value_est: m.fair_value_est,
        volatility_est: m.volatility_est,
        bid_offset_est: m.bid_offset_est,
        ask_offset_est: m.ask_offset_est,
    }
}

pub(crate) fn decision_from(m: decisions::DecisionRecord) -> Result<DecisionRecord, WireError> {
    let reason = need("decision.reason", Some(m.reason))?;
    Ok(DecisionRecord {
        instrument: key_from("decision.instrument", m.instrument)?,
        reason: word("decision.reason", DecisionReason::ALL, DecisionReason::as_str, &reason)?,
        bid: m.bid.map(target_from).transpose()?,
        ask: m.ask.map(target_from).transpose()?,
        position: amount("decision.position", m.position)?,
        fair_value_est: finite_opt("decision.fair_value_est", m.fair_value_est)?,
        volatility_est: finite_opt("decision.volatility_est", m.volatility_est)?,
        bid_offset_est: finite_opt("decision.bid_offset_est", m.bid_offset_est)?,
        ask_offset_est: finite_opt("decision.ask_offset_est", m.ask_offset_est)?,
    })
}
