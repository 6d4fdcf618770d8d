//! An exchange of our own making: a dozen pairs with realistic precisions, and accounts with throw-away keys.
//!
//! Nothing here is the venue's: prices, balances and US dollar rates are invented, keys derive from the seed. Pair
//! ids, precisions and minimums follow what `AssetPairs` answered in November 2025; `EXA/USD` is invented, with a price
//! step coarser than its last decimal.

use super::auth::Permission;
use super::catalogue::{AssetStatus, PairStatus};
use super::settings::{
    AccountSetting, Amount, ApiSecret, AssetSetting, DeskSettings, FeeScheduleSetting,
    FeeTierSetting, HistoryBounds, KeySetting, PairSetting, PostOnlyMode, Tier,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use remora_machine::SplitMix64;
use rust_decimal::Decimal;

/// The fee schedule of ordinary pairs.
pub(crate) const STANDARD_FEES: &str = "standard";

/// The fee schedule of stablecoins and currencies.
pub(crate) const STABLE_FEES: &str = "stable";

/// Gives the settings of `--seed N`: the pairs below, and two accounts, `maker` and `taker`.
#[must_use]
pub fn settings(seed: u64) -> DeskSettings {
    let assets: Vec<AssetSetting> = ASSETS.iter().map(asset).collect();
    let accounts = accounts(seed, &assets);
    DeskSettings {
        seed,
        pairs: PAIRS.iter().map(pair).collect(),
        assets,
        fee_schedules: fee_schedules(),
        accounts,
        post_only: PostOnlyMode::LateCancel,
        // About 60 MB an account when all of it is full.
        history: HistoryBounds {
            orders_max: 25_000,
            executions_max: 50_000,
            ledger_max: 100_000,
            amends_per_order_max: 200,
        },
    }
}

/// Gives two accounts that own a million of everything.
pub(crate) fn accounts(seed: u64, assets: &[AssetSetting]) -> Vec<AccountSetting> {
    let mut random = SplitMix64::new(seed);
    [("maker", Tier::Pro), ("taker", Tier::Intermediate)]
        .into_iter()
        .map(|(name, tier)| AccountSetting {
            name: name.to_owned(),
            tier,
            volume_usd: Decimal::ZERO,
            balances: assets
                .iter()
                .map(|asset| (asset.id.clone(), Amount(Decimal::new(1_000_000, 0))))
                .collect(),
            keys: vec![
                key(&mut random, &format!("{name}-trading"), &TRADING),
                key(&mut random, &format!("{name}-reading"), &[Permission::QueryFunds]),
            ],
        })
        .collect()
}

/// What a market maker needs, and nothing that moves money.
const TRADING: [Permission; 7] = [
    Permission::QueryFunds,
    Permission::QueryOpenTrades,
    Permission::QueryClosedTrades,
    Permission::ModifyTrades,
    Permission::CloseTrades,
    Permission::QueryLedger,
    Permission::CreateWsToken,
];

fn key(random: &mut SplitMix64, name: &str, permissions: &[Permission]) -> KeySetting {
    let mut bytes = |count: usize| -> Vec<u8> {
        let words = std::iter::repeat_with(|| random.next_u64().to_be_bytes());
        words.flatten().take(count).collect()
    };
    KeySetting {
        name: name.to_owned(),
        key: STANDARD_NO_PAD.encode(bytes(42)),
        secret: ApiSecret::from(STANDARD.encode(bytes(64))),
        permissions: permissions.to_vec(),
        nonce_window: 0,
        otp: None,
    }
}

/// Gives the venue's standard schedule of November 2025 and a flat one, which it had for stablecoins in 2021.
pub(crate) fn fee_schedules() -> Vec<FeeScheduleSetting> {
    let tier = |&(volume_usd, maker, taker): &(i64, i64, i64)| FeeTierSetting {
        volume_usd: Decimal::new(volume_usd, 0),
        maker_percent: Decimal::new(maker, 2),
        taker_percent: Decimal::new(taker, 2),
    };
    vec![
        FeeScheduleSetting {
            name: STANDARD_FEES.to_owned(),
            tiers: TIERS.iter().map(tier).collect(),
            counts_as_volume: true,
        },
        FeeScheduleSetting {
            name: STABLE_FEES.to_owned(),
            tiers: vec![tier(&(0, 20, 20))],
            counts_as_volume: false,
        },
    ]
}

/// 30-day volume in US dollars, maker and taker fee in hundredths of a percent.
const TIERS: [(i64, i64, i64); 10] = [
    (0, 25, 40),
    (10_000, 20, 35),
    (50_000, 14, 24),
    (100_000, 12, 22),
    (250_000, 10, 20),
    (500_000, 8, 18),
    (1_000_000, 6, 16),
    (2_500_000, 4, 14),
    (5_000_000, 2, 12),
    (10_000_000, 0, 10),
];

/// Id, altname, v2 name, decimals, decimals shown, cents for one (hundredths of a US dollar).
type AssetRow = (&'static str, &'static str, &'static str, u32, u32, i64);

const ASSETS: [AssetRow; 12] = [
    ("XXBT", "XBT", "BTC", 10, 5, 6_000_000),
    ("XETH", "ETH", "ETH", 10, 5, 300_000),
    ("XXDG", "XDG", "DOGE", 8, 2, 15),
    ("XTZ", "XTZ", "XTZ", 8, 5, 75),
    ("SOL", "SOL", "SOL", 10, 5, 15_000),
    ("ADA", "ADA", "ADA", 8, 6, 50),
    ("XXRP", "XRP", "XRP", 8, 5, 200),
    ("EXA", "EXA", "EXA", 8, 5, 5_000),
    ("USDT", "USDT", "USDT", 8, 4, 100),
    ("USDC", "USDC", "USDC", 8, 4, 100),
    ("ZUSD", "USD", "USD", 4, 2, 100),
    ("ZEUR", "EUR", "EUR", 4, 2, 110),
];

fn asset(&(id, altname, v2, decimals, display_decimals, cents): &AssetRow) -> AssetSetting {
    AssetSetting {
        id: id.to_owned(),
        altname: altname.to_owned(),
        v2: v2.to_owned(),
        decimals,
        display_decimals,
        status: AssetStatus::Enabled,
        usd_rate: Some(Decimal::new(cents, 2)),
    }
}

/// Id, base, quote, wsname, symbol, decimals of price, quantity and cost, price step in units of the last price
/// decimal, smallest quantity in units of 1e-8, smallest cost in units of 1e-5, fee schedule.
type PairRow = ([&'static str; 5], [u32; 3], [i64; 3], &'static str);

const PAIRS: [PairRow; 13] = [
    (["XXBTZUSD", "XXBT", "ZUSD", "XBT/USD", "BTC/USD"], [1, 8, 5], [1, 5_000, 50_000], "standard"),
    (["XXBTZEUR", "XXBT", "ZEUR", "XBT/EUR", "BTC/EUR"], [1, 8, 5], [1, 5_000, 45_000], "standard"),
    (
        ["XETHZUSD", "XETH", "ZUSD", "ETH/USD", "ETH/USD"],
        [2, 8, 5],
        [1, 100_000, 50_000],
        "standard",
    ),
    (["XETHXXBT", "XETH", "XXBT", "ETH/XBT", "ETH/BTC"], [5, 8, 10], [1, 100_000, 2], "standard"),
    (
        ["XDGUSD", "XXDG", "ZUSD", "XDG/USD", "DOGE/USD"],
        [7, 8, 8],
        [1, 1_300_000_000, 50_000],
        "standard",
    ),
    (
        ["XTZUSD", "XTZ", "ZUSD", "XTZ/USD", "XTZ/USD"],
        [4, 8, 5],
        [1, 400_000_000, 50_000],
        "standard",
    ),
    (
        ["SOLUSD", "SOL", "ZUSD", "SOL/USD", "SOL/USD"],
        [2, 8, 5],
        [1, 2_000_000, 50_000],
        "standard",
    ),
    (
        ["ADAUSD", "ADA", "ZUSD", "ADA/USD", "ADA/USD"],
        [6, 8, 8],
        [1, 440_000_000, 50_000],
        "standard",
    ),
    (
        ["XXRPZUSD", "XXRP", "ZUSD", "XRP/USD", "XRP/USD"],
        [5, 8, 8],
        [1, 165_000_000, 50_000],
        "standard",
    ),
    (
        ["XBTUSDT", "XXBT", "USDT", "XBT/USDT", "BTC/USDT"],
        [1, 8, 5],
        [1, 5_000, 50_000],
        "standard",
    ),
    (
        ["EXAUSD", "EXA", "ZUSD", "EXA/USD", "EXA/USD"],
        [4, 8, 5],
        [25, 10_000_000, 50_000],
        "standard",
    ),
    (
        ["USDTZUSD", "USDT", "ZUSD", "USDT/USD", "USDT/USD"],
        [5, 8, 5],
        [1, 500_000_000, 50_000],
        "stable",
    ),
    (
        ["USDCUSD", "USDC", "ZUSD", "USDC/USD", "USDC/USD"],
        [4, 8, 5],
        [1, 500_000_000, 50_000],
        "stable",
    ),
];

fn pair(
    &([id, base, quote, wsname, symbol], [price, qty, cost], [tick, min, cost_min], fees): &PairRow,
) -> PairSetting {
    PairSetting {
        id: id.to_owned(),
        altname: wsname.replace('/', ""),
        wsname: wsname.to_owned(),
        symbol: symbol.to_owned(),
        base: base.to_owned(),
        quote: quote.to_owned(),
        price_decimals: price,
        qty_decimals: qty,
        cost_decimals: cost,
        tick_size: Decimal::new(tick, price),
        qty_increment: Decimal::new(1, qty),
        qty_min: Decimal::new(min, 8).normalize(),
        cost_min: Decimal::new(cost_min, 5).normalize(),
        status: PairStatus::Online,
        has_index: base != "EXA",
        fee_schedule: fees.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_keys_and_others_give_others() {
        let keys = |seed| {
            let accounts = settings(seed).accounts;
            let keys = accounts.into_iter().flat_map(|account| account.keys);
            keys.map(|key| (key.key, key.secret.reveal().to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(keys(1), keys(1));
        assert!(keys(1).iter().all(|key| !keys(2).contains(key)));
        assert_eq!((keys(1)[0].0.len(), keys(1)[0].1.len()), (56, 88));
    }

    #[test]
    fn no_key_may_withdraw() {
        let accounts = settings(1).accounts;
        let mut keys = accounts.iter().flat_map(|account| &account.keys);
        assert!(keys.all(|key| !key.permissions.contains(&Permission::WithdrawFunds)));
    }

    #[test]
    fn debug_shows_no_secret() {
        let mut settings = settings(1);
        settings.accounts[0].keys[0].otp = Some(ApiSecret::from("hunter2".to_owned()));
        let shown = format!("{settings:?}");
        for key in settings.accounts.iter().flat_map(|account| &account.keys) {
            assert!(!shown.contains(key.secret.reveal()));
        }
        assert!(!shown.contains("hunter2") && shown.contains("***"));
    }
}
