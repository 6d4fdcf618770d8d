//! What a ticker says, as the 24-hour summary that all venues share and the facts of contracts.

use crate::frame::TickerItem;
use crate::number;
use remora_domain::{
    Amount, ContractKind, ContractTicker, Funding, Instrument, Price, Qty, Ticker,
};
use remora_venue_api::session::error::FrameError;

/// Reads a ticker; `None` while the market is too quiet to have every price of the summary.
pub(crate) fn ticker(
    instrument: &Instrument,
    item: &TickerItem<'_>,
) -> Result<Option<Ticker>, FrameError> {
    let bid = number::optional("bid", item.bid, Price::parse)?;
    let ask = number::optional("ask", item.ask, Price::parse)?;
    let last = number::optional("last", item.last, Price::parse)?;
    let volume_24h = number::optional("volume", item.volume, Qty::parse)?;
    let low_24h = number::optional("low", item.low, Price::parse)?;
    let high_24h = number::optional("high", item.high, Price::parse)?;
    let contract = contract(instrument, item)?;
    let prices = (bid, ask, last, volume_24h, low_24h, high_24h, contract);
    let (
        Some(bid),
        Some(ask),
        Some(last),
        Some(volume_24h),
        Some(low_24h),
        Some(high_24h),
        Some(contract),
    ) = prices
    else {
        return Ok(None);
    };
    Ok(Some(Ticker {
        instrument: instrument.key.clone(),
        bid,
        ask,
        last,
        volume_24h,
        // The venue's value of the volume is in the quote on some contracts and in the base on others: no average comes of it.
        vwap_24h: None,
        low_24h,
        high_24h,
        contract: Some(Box::new(contract)),
    }))
}

fn contract(
    instrument: &Instrument,
    item: &TickerItem<'_>,
) -> Result<Option<ContractTicker>, FrameError> {
    let mark = number::optional("markPrice", item.mark, Price::parse)?;
    let index = number::optional("index", item.index, Price::parse)?;
    let open_interest = number::optional("openInterest", item.open_interest, Qty::parse)?;
    let funding = funding(instrument.kind, item)?;
    let (Some(mark), Some(index), Some(open_interest)) = (mark, index, open_interest) else {
        return Ok(None);
    };
    Ok(Some(ContractTicker { mark, index, open_interest, funding }))
}

/// Rates that are missing from a perpetual's ticker are zero: the venue leaves those out.
fn funding(kind: ContractKind, item: &TickerItem<'_>) -> Result<Option<Funding>, FrameError> {
    match kind {
        ContractKind::LinearPerpetual | ContractKind::InversePerpetual => {}
        ContractKind::Spot | ContractKind::LinearFuture | ContractKind::InverseFuture => {
            return Ok(None);
        }
    }
    let rate = |field, raw: Option<&serde_json::value::RawValue>| {
        raw.map_or(Ok(Amount::ZERO), |raw| number::rate(field, raw))
    };
    let next_time = item.next_funding_rate_time;
    let next_time =
        next_time.map(|ms| number::instant("next_funding_rate_time", ms)).transpose()?;
    Ok(Some(Funding {
        rate_frac: rate("relative_funding_rate", item.relative_funding_rate)?,
        next_rate_frac: rate(
            "relative_funding_rate_prediction",
            item.relative_funding_rate_prediction,
        )?,
        next_time,
    }))
}
