//! From a plan to a simulated Kraken Futures and the crowd that moves it.
//!
//! The crowd is of the kind of spot's, on the same assets from the same starting values: makers of contracts see what the index
//! sees, while those of spot see it 0.3 s later. It walks by itself: two exchanges are two markets.

use crate::exchange::Exchange;
use crate::feed::Feed;
use crate::settings::{SimSettings, Source};
use crate::world::{World, refused};
use anyhow::{Context, Result, bail};
use remora_domain::{Lots, Timestamp};
use remora_flow::{FlowPair, FlowSettings, Generator};
use remora_venue_registry::kraken_futures::{
    CROWD_BASE_DECIMALS, Product, Server, ServerSettings, listing,
};
use remora_venue_registry::kraken_spot::synthetic;
use std::collections::BTreeMap;

/// What contracts are quoted in.
const QUOTE: &str = "USD";
/// Spreads of contracts are a fraction of those of spot.
const SPREAD_FRACTION: f64 = 0.5;

/// Builds everything; the market is made from a seed.
pub(crate) fn build(settings: &SimSettings, source: &Source, now: Timestamp) -> Result<World> {
    let Source::Seed { seed, invented: 0 } = *source else {
        bail!(
            "a simulated Kraken Futures makes its market from --seed: neither --data nor --pairs"
        );
    };
    let products = listing::listed(now);
    let symbols = products.iter().map(|product| product.symbol.to_string()).collect();
    let pairs: Vec<FlowPair> = products.iter().map(pair).collect();
    let flow = settings.flow.clone().unwrap_or_else(|| crowd(seed, &products, &pairs));
    let plan = flow.validate(&pairs).map_err(refused)?;
    let server = Server::new(ServerSettings { products }, now).context("open the exchange")?;
    let (server, feed) =
        (Exchange::Futures(Box::new(server)), Feed::generated(Generator::new(plan, seed, now)));
    Ok(World { server, feed, keys: Vec::new(), symbols, is_synthetic: true })
}

/// Gives what contracts usually do, at the values that the simulated spot exchange of the same seed has.
fn crowd(seed: u64, products: &[Product], pairs: &[FlowPair]) -> FlowSettings {
    let known = |name: &str| name == QUOTE || products.iter().any(|product| product.base == name);
    let assets = synthetic::settings(seed).assets.into_iter().filter(|asset| known(&asset.v2));
    let value = |rate: &str| rate.parse::<f64>().ok();
    let values: BTreeMap<String, f64> = assets
        .filter_map(|asset| Some((asset.v2.clone(), value(&asset.usd_rate?.to_string())?)))
        .collect();
    let mut flow = FlowSettings::usual(&values, pairs);
    for behaviour in flow.pairs.values_mut() {
        behaviour.index_lead_ms = 0;
        behaviour.half_spread_bps *= SPREAD_FRACTION;
        behaviour.quote_mean_usd *= 4.0;
        behaviour.taker_mean_usd *= 4.0;
    }
    flow
}

fn pair(product: &Product) -> FlowPair {
    // The crowd counts in base; the exchange turns that into dollars of an inverse contract.
    let (qty_decimals, lot) = if product.is_inverse {
        (CROWD_BASE_DECIMALS, Lots::new(1))
    } else {
        (product.qty_decimals(), product.lot())
    };
    FlowPair {
        symbol: product.symbol.clone(),
        base: product.base.to_owned(),
        quote: QUOTE.to_owned(),
        price_decimals: product.price_decimals,
        qty_decimals,
        tick: product.tick,
        lot,
        qty_min: lot,
    }
}
