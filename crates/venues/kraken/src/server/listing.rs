//! What is listed on an exchange that nobody wrote settings for: the pairs of a recording, or any number of invented
//! ones. Spellings follow the venue's rules as far as it has rules: old assets carry an `X` or `Z`, `BTC` is
//! `XBT` and `DOGE` is `XDG` on REST, and a pair of two old assets has both ids as its id. Fees and throw-away accounts
//! are those of [`super::synthetic`]; balances and invented prices are nobody's.

use super::catalogue::{AssetStatus, PairStatus};
use super::recorded::RecordedPair;
use super::settings::{AssetSetting, DeskSettings, PairSetting};
use super::synthetic::{self, STABLE_FEES, STANDARD_FEES};
use remora_machine::SplitMix64;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// The assets whose REST ids carry a letter: v2 name, id, other REST name, decimals of balances.
const OLD: [(&str, &str, &str, u32); 17] = [
    ("BTC", "XXBT", "XBT", 10),
    ("ETH", "XETH", "ETH", 10),
    ("XRP", "XXRP", "XRP", 8),
    ("LTC", "XLTC", "LTC", 10),
    ("DOGE", "XXDG", "XDG", 8),
    ("XMR", "XXMR", "XMR", 10),
    ("ZEC", "XZEC", "ZEC", 10),
    ("ETC", "XETC", "ETC", 10),
    ("MLN", "XMLN", "MLN", 10),
    ("REP", "XREP", "REP", 10),
    ("XLM", "XXLM", "XLM", 8),
    ("USD", "ZUSD", "USD", 4),
    ("EUR", "ZEUR", "EUR", 4),
    ("GBP", "ZGBP", "GBP", 4),
    ("CAD", "ZCAD", "CAD", 4),
    ("JPY", "ZJPY", "JPY", 2),
    ("AUD", "ZAUD", "AUD", 4),
];
/// Decimals of the balances of every other asset.
const DECIMALS: u32 = 10;
/// Currencies and what stands for them: they have a fee schedule of their own.
const MONEY: [&str; 11] =
    ["USD", "EUR", "GBP", "CAD", "JPY", "AUD", "CHF", "USDT", "USDC", "DAI", "PYUSD"];
/// Pairs that may be invented.
const INVENTED_MAX: u32 = 9_999;

/// Gives the settings of an exchange that lists the pairs of a recording.
#[must_use]
pub fn recorded(seed: u64, pairs: &[RecordedPair]) -> DeskSettings {
    let mut assets: BTreeMap<&str, AssetSetting> = BTreeMap::new();
    for pair in pairs {
        // Balances hold every quantity and cost of every pair.
        for (name, decimals) in [(&pair.base, pair.qty_decimals), (&pair.quote, 0)] {
            let listed = assets.entry(name).or_insert_with(|| asset(name, None));
            listed.decimals = listed.decimals.max(decimals);
        }
    }
    if let Some(usd) = assets.get_mut("USD") {
        usd.usd_rate = Some(Decimal::ONE);
    }
    let listed = |pair: &RecordedPair| -> Option<PairSetting> {
        let (base, quote) = (assets.get(&*pair.base)?, assets.get(&*pair.quote)?);
        let mut setting = listing(base, quote);
        setting.price_decimals = pair.price_decimals;
        setting.qty_decimals = pair.qty_decimals;
        setting.tick_size = pair.tick;
        setting.qty_increment = pair.lot;
        setting.qty_min = pair.qty_min.max(pair.lot);
        // Where the recording does not say, nothing is too small.
        setting.cost_min = pair.cost_min.unwrap_or(Decimal::ZERO);
        setting.has_index = pair.has_index;
        Some(setting)
    };
    let pairs = pairs.iter().filter_map(listed).collect();
    let assets: Vec<AssetSetting> = assets.into_values().collect();
    let accounts = synthetic::accounts(seed, &assets);
    DeskSettings { assets, pairs, accounts, ..synthetic::settings(seed) }
}

/// Lists so many invented assets more, each against US dollars, at prices drawn from the seed.
#[must_use]
pub fn invented(mut settings: DeskSettings, count: u32) -> DeskSettings {
    let Some(usd) = settings.assets.iter().find(|asset| asset.v2 == "USD").cloned() else {
        return settings;
    };
    let mut random = SplitMix64::new(settings.seed ^ 0x5EED);
    for number in 1..=count.min(INVENTED_MAX) {
        // Three digits and a power of ten: 0.00100 to 9,990.
        let digits = i64::try_from(100 + random.next_below(900)).unwrap_or(100);
        let power = u32::try_from(random.next_below(7)).unwrap_or(3);
        let price = Decimal::new(digits, 5_u32.saturating_sub(power.min(5)))
            * Decimal::from(10_u32.pow(power.saturating_sub(5)));
        let made = asset(&format!("SIM{number:04}"), Some(price));
        let mut pair = listing(&made, &usd);
        pair.price_decimals = 8_u32.saturating_sub(power);
        pair.tick_size = Decimal::new(1, pair.price_decimals);
        pair.qty_decimals = 8;
        pair.qty_increment = Decimal::new(1, 8);
        // About a dollar's worth.
        pair.qty_min = (Decimal::ONE / price).round_dp(4).max(Decimal::new(1, 4));
        pair.cost_min = Decimal::new(5, 1);
        settings.pairs.push(pair);
        settings.assets.push(made);
    }
    settings.accounts = synthetic::accounts(settings.seed, &settings.assets);
    settings
}

fn asset(v2: &str, usd_rate: Option<Decimal>) -> AssetSetting {
    let old = OLD.iter().find(|(name, _, _, _)| *name == v2);
    let (id, altname, decimals) =
        old.map_or((v2, v2, DECIMALS), |&(_, id, altname, decimals)| (id, altname, decimals));
    AssetSetting {
        id: id.to_owned(),
        altname: altname.to_owned(),
        v2: v2.to_owned(),
        decimals,
        display_decimals: decimals.min(5),
        status: AssetStatus::Enabled,
        usd_rate,
    }
}

/// Lists a pair without its steps and minimums.
fn listing(base: &AssetSetting, quote: &AssetSetting) -> PairSetting {
    let is_old = |asset: &AssetSetting| asset.id != asset.altname;
    let altname = format!("{}{}", base.altname, quote.altname);
    // `XDGUSD` is the one pair of two old assets without their ids.
    let has_both_ids = is_old(base) && is_old(quote) && base.v2 != "DOGE";
    let is_money = |asset: &AssetSetting| MONEY.contains(&&*asset.v2);
    let fee_schedule = if is_money(base) && is_money(quote) { STABLE_FEES } else { STANDARD_FEES };
    PairSetting {
        id: if has_both_ids { format!("{}{}", base.id, quote.id) } else { altname.clone() },
        altname,
        wsname: format!("{}/{}", base.altname, quote.altname),
        symbol: format!("{}/{}", base.v2, quote.v2),
        base: base.id.clone(),
        quote: quote.id.clone(),
        price_decimals: 0,
        qty_decimals: 0,
        cost_decimals: if is_money(quote) { 5 } else { 10 },
        tick_size: Decimal::ONE,
        qty_increment: Decimal::ONE,
        qty_min: Decimal::ONE,
        cost_min: Decimal::ONE,
        status: PairStatus::Online,
        has_index: true,
        fee_schedule: fee_schedule.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::desk::Desk;
    use remora_domain::Timestamp;

    fn pair(base: &str, quote: &str) -> RecordedPair {
        RecordedPair {
            symbol: format!("{base}/{quote}").into(),
            base: base.to_owned(),
            quote: quote.to_owned(),
            price_decimals: 2,
            qty_decimals: 8,
            tick: Decimal::new(1, 2),
            lot: Decimal::new(1, 8),
            qty_min: Decimal::new(1, 3),
            cost_min: None,
            has_index: false,
        }
    }

    #[test]
    fn recorded_pairs_have_the_venues_spellings() {
        let pairs = [
            pair("BTC", "USD"),
            pair("ETH", "BTC"),
            pair("ADA", "EUR"),
            pair("DOGE", "USD"),
            pair("USDT", "USD"),
        ];
        let settings = recorded(1, &pairs);
        let got: Vec<[&str; 3]> =
            settings.pairs.iter().map(|it| [&*it.id, &*it.altname, &*it.wsname]).collect();
        let want = [
            ["XXBTZUSD", "XBTUSD", "XBT/USD"],
            ["XETHXXBT", "ETHXBT", "ETH/XBT"],
            ["ADAEUR", "ADAEUR", "ADA/EUR"],
            ["XDGUSD", "XDGUSD", "XDG/USD"],
            ["USDTUSD", "USDTUSD", "USDT/USD"],
        ];
        assert_eq!(got, want);
        assert_eq!(settings.pairs[4].fee_schedule, STABLE_FEES);
        Desk::new(&settings, Timestamp::EPOCH).unwrap();
    }

    #[test]
    fn a_thousand_invented_pairs_are_a_possible_exchange() {
        let settings = invented(synthetic::settings(3), 1_000);
        assert_eq!(settings.pairs.len(), 1_013);
        let desk = Desk::new(&settings, Timestamp::EPOCH).unwrap();
        assert!(desk.catalogue().find_pair("SIM1000/USD").is_some());
        for pair in &settings.pairs {
            let base = settings.assets.iter().find(|asset| asset.id == pair.base).unwrap();
            let ticks = base.usd_rate.unwrap() / pair.tick_size;
            assert!(pair.quote != "ZUSD" || ticks >= Decimal::from(1_000), "{}", pair.symbol);
        }
    }
}
