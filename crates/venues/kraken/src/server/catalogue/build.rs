//! Settings to catalogue and exchange; everything wrong with them is collected.

use super::{AssetDef, Catalogue, FeeSchedule, FeeTier, PairDef, PairStatus, units};
use crate::server::settings::{AssetSetting, DeskSettings, FeeScheduleSetting, PairSetting};
use remora_domain::{Lots, SettingCheck, Ticks};
use remora_matching::{AssetIx, AssetSpec, Exchange, MarketIx, MarketMode, MarketSpec};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The most decimals the exchange counts with.
const DECIMALS_MAX: u32 = 18;

/// The fees the exchange counts in: percent with this many decimals are whole millionths of the value.
const PERCENT_DECIMALS: u32 = 4;

/// Builds the catalogue and adds its assets and markets to the exchange.
pub(crate) fn build(
    settings: &DeskSettings,
    exchange: &mut Exchange,
    check: &mut SettingCheck,
) -> Catalogue {
    let mut catalogue = Catalogue::default();
    for setting in &settings.fee_schedules {
        add_schedule(&mut catalogue, setting, check);
    }
    let qty_decimals = qty_decimals(&settings.pairs);
    for setting in &settings.assets {
        let least = qty_decimals.get(setting.id.as_str()).copied().unwrap_or(0);
        add_asset(&mut catalogue, exchange, setting, least, check);
    }
    for setting in &settings.pairs {
        add_pair(&mut catalogue, exchange, setting, check);
    }
    add_aliases(&mut catalogue);
    catalogue
}

/// Gives the most decimals of quantities by base asset: balances must be able to hold them.
fn qty_decimals(pairs: &[PairSetting]) -> BTreeMap<&str, u32> {
    let mut decimals: BTreeMap<&str, u32> = BTreeMap::new();
    for pair in pairs {
        let most = decimals.entry(&pair.base).or_default();
        *most = pair.qty_decimals.max(*most);
    }
    decimals
}

fn add_schedule(catalogue: &mut Catalogue, setting: &FeeScheduleSetting, check: &mut SettingCheck) {
    let key = format!("fee_schedules.{}", setting.name);
    let tiers = &setting.tiers;
    let starts_at_0 = tiers.first().is_some_and(|tier| tier.volume_usd.is_zero());
    let rises = tiers.iter().zip(tiers.iter().skip(1)).all(|(a, b)| a.volume_usd < b.volume_usd);
    if !starts_at_0 || !rises {
        check.problem(&key, tiers.len(), "steps of rising volume, the first at 0");
    }
    let hundred = Decimal::ONE_HUNDRED;
    for percent in tiers.iter().flat_map(|tier| [tier.maker_percent, tier.taker_percent]) {
        if units(percent, PERCENT_DECIMALS).is_none() || percent.abs() > hundred {
            check.problem(&key, percent, "percent between -100 and 100 with at most 4 decimals");
        }
    }
    if catalogue.schedules.iter().any(|known| known.name == setting.name) {
        check.problem(&key, &setting.name, "a name no other schedule has");
    }
    let tiers = tiers.iter().map(|tier| FeeTier {
        volume_usd: tier.volume_usd,
        maker_percent: tier.maker_percent,
        taker_percent: tier.taker_percent,
    });
    catalogue.schedules.push(FeeSchedule {
        name: setting.name.clone(),
        tiers: tiers.collect(),
        counts_as_volume: setting.counts_as_volume,
    });
}

fn add_asset(
    catalogue: &mut Catalogue,
    exchange: &mut Exchange,
    setting: &AssetSetting,
    decimals_least: u32,
    check: &mut SettingCheck,
) {
    let key = format!("assets.{}", setting.id);
    let decimals = setting.decimals.max(decimals_least);
    check.range(&format!("{key}.decimals"), decimals, 0, DECIMALS_MAX);
    if setting.usd_rate.is_some_and(|rate| rate <= Decimal::ZERO) {
        check.problem(&format!("{key}.usd_rate"), "", "a rate above 0, or none");
    }
    let spec = AssetSpec { name: setting.id.clone(), decimals: decimals.min(DECIMALS_MAX) };
    let asset = AssetDef {
        ix: exchange.add_asset(spec),
        id: Arc::from(setting.id.as_str()),
        altname: Arc::from(setting.altname.as_str()),
        v2: Arc::from(setting.v2.as_str()),
        decimals: decimals.min(DECIMALS_MAX),
        display_decimals: setting.display_decimals,
        status: setting.status,
        usd_rate: setting.usd_rate,
    };
    for name in [&asset.id, &asset.altname, &asset.v2] {
        let taken = catalogue.asset_names.insert(Arc::clone(name), asset.ix);
        if name.is_empty() || taken.is_some_and(|other| other != asset.ix) {
            check.problem(&key, name, "names no other asset has");
        }
    }
    catalogue.assets.push(asset);
}

fn add_pair(
    catalogue: &mut Catalogue,
    exchange: &mut Exchange,
    setting: &PairSetting,
    check: &mut SettingCheck,
) {
    let key = format!("pairs.{}", setting.id);
    let Some(pair) = definition(catalogue, exchange, setting, &key, check) else { return };
    for name in [&pair.id, &pair.altname, &pair.wsname, &pair.symbol] {
        let taken = catalogue.pair_names.insert(Arc::clone(name), pair.market);
        if name.is_empty() || taken.is_some_and(|other| other != pair.market) {
            check.problem(&key, name, "names no other pair has");
        }
    }
    let bare = |name: &str| name.chars().filter(|&letter| letter != '/').collect::<String>();
    if bare(&pair.wsname) == pair.wsname.as_ref() || bare(&pair.symbol) == pair.symbol.as_ref() {
        check.problem(&key, &pair.symbol, "wsname and symbol of the form BASE/QUOTE");
    }
    catalogue.pairs.push(pair);
}

fn definition(
    catalogue: &Catalogue,
    exchange: &mut Exchange,
    setting: &PairSetting,
    key: &str,
    check: &mut SettingCheck,
) -> Option<PairDef> {
    let base = asset(catalogue, &setting.base, &format!("{key}.base"), check);
    let quote = asset(catalogue, &setting.quote, &format!("{key}.quote"), check);
    let schedule = catalogue.schedules.iter().position(|known| known.name == setting.fee_schedule);
    if schedule.is_none() {
        let names: BTreeSet<&str> =
            catalogue.schedules.iter().map(|known| known.name.as_str()).collect();
        check.problem(&format!("{key}.fee_schedule"), &setting.fee_schedule, format!("{names:?}"));
    }
    for (field, decimals) in [
        ("price_decimals", setting.price_decimals),
        ("qty_decimals", setting.qty_decimals),
        ("cost_decimals", setting.cost_decimals),
    ] {
        check.range(&format!("{key}.{field}"), decimals, 0, DECIMALS_MAX);
    }
    let (base, (quote, quote_decimals)) = (base?.0, quote?);
    let cost_unit_decimals = setting.cost_decimals.min(quote_decimals);
    let mut steps = |field: &str, value: Decimal, decimals: u32, least: i64| {
        let steps = units(value, decimals).and_then(|steps| i64::try_from(steps).ok());
        let good = steps.filter(|&steps| steps >= least);
        if good.is_none() {
            let allowed =
                format!("a number with at most {decimals} decimals, {least} steps or more");
            check.problem(&format!("{key}.{field}"), value, allowed);
        }
        good
    };
    let tick = steps("tick_size", setting.tick_size, setting.price_decimals, 1);
    let lot = steps("qty_increment", setting.qty_increment, setting.qty_decimals, 1);
    let qty_min = steps("qty_min", setting.qty_min, setting.qty_decimals, 0);
    let cost_min = steps("cost_min", setting.cost_min, cost_unit_decimals, 0);
    let spec = MarketSpec {
        base,
        quote,
        price_decimals: setting.price_decimals,
        qty_decimals: setting.qty_decimals,
        tick: Ticks::new(tick?),
        lot: Lots::new(lot?),
        qty_min: Lots::new(qty_min?),
        cost_decimals: cost_unit_decimals,
        cost_min: i128::from(cost_min?),
        mode: MarketMode::Open,
    };
    let schedule = schedule?;
    let market = exchange.add_market(spec.clone());
    let market = market.map_err(|refusal| check.problem(key, refusal, "a market")).ok()?;
    Some(pair_def(setting, market, &spec, schedule))
}

fn pair_def(
    setting: &PairSetting,
    market: MarketIx,
    spec: &MarketSpec,
    schedule: usize,
) -> PairDef {
    PairDef {
        market,
        id: Arc::from(setting.id.as_str()),
        altname: Arc::from(setting.altname.as_str()),
        wsname: Arc::from(setting.wsname.as_str()),
        symbol: Arc::from(setting.symbol.as_str()),
        base: spec.base,
        quote: spec.quote,
        price_decimals: setting.price_decimals,
        qty_decimals: setting.qty_decimals,
        cost_decimals: setting.cost_decimals,
        cost_unit_decimals: spec.cost_decimals,
        tick_size: setting.tick_size,
        qty_increment: setting.qty_increment,
        qty_min: setting.qty_min,
        cost_min: setting.cost_min,
        status: setting.status,
        has_index: setting.has_index,
        schedule,
        tick: spec.tick,
        lot: spec.lot,
        lots_min: spec.qty_min,
        product_min: units(
            setting.cost_min,
            setting.price_decimals.saturating_add(setting.qty_decimals),
        ),
    }
}

fn asset(
    catalogue: &Catalogue,
    id: &str,
    key: &str,
    check: &mut SettingCheck,
) -> Option<(AssetIx, u32)> {
    let found = catalogue.find_asset(id).filter(|asset| &*asset.id == id);
    if found.is_none() {
        check.problem(key, id, "the id of an asset");
    }
    found.map(|asset| (asset.ix, asset.decimals))
}

/// Adds what REST also takes: both slashed names without the slash. A pair's own names come first.
fn add_aliases(catalogue: &mut Catalogue) {
    for pair in &catalogue.pairs {
        for name in [&pair.wsname, &pair.symbol] {
            catalogue.pair_names.entry(Arc::from(name.replace('/', ""))).or_insert(pair.market);
        }
    }
}

impl Catalogue {
    /// Changes what a pair allows.
    pub(crate) fn set_status(&mut self, market: MarketIx, status: PairStatus) {
        let pairs = usize::try_from(market.get()).ok();
        if let Some(pair) = pairs.and_then(|index| self.pairs.get_mut(index)) {
            pair.status = status;
        }
    }
}
