//! A small market that can be made up anywhere: six spot pairs and one linear perpetual. Prices and sizes are of the
//! order of early 2026's and otherwise invented; steps and smallest orders are those of the real pairs as far as they
//! are documented.

/// Is one instrument and how large its market is. Quantities count steps of `10^-qty_decimals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// v2 symbol.
    pub symbol: &'static str,
    /// What is traded.
    pub base: &'static str,
    /// What it is paid in.
    pub quote: &'static str,
    /// Decimals of prices; one unit of the last is the tick.
    pub price_decimals: u32,
    /// Decimals of quantities.
    pub qty_decimals: u32,
    /// Smallest order, as the definition states it.
    pub qty_min: &'static str,
    /// Smallest cost, as the definition states it.
    pub cost_min: &'static str,
    /// First price in ticks of `10^-price_decimals`.
    pub start_ticks: i64,
    /// Distance of the best quotes from what traders see, in 1e-7 of the price (0.001 bps).
    pub half_spread: i64,
    /// Mean quantity of one quote.
    pub quote_mean: i64,
    /// Mean quantity of one taker.
    pub taker_mean: i64,
}

/// All instruments; the perpetual is last.
pub const PRESETS: [Preset; 7] = [
    Preset {
        symbol: "BTC/USD",
        base: "BTC",
        quote: "USD",
        price_decimals: 1,
        qty_decimals: 8,
        qty_min: "0.00005000",
        cost_min: "0.50",
        start_ticks: 684_215,
        half_spread: 1_800,
        quote_mean: 9_000_000,
        taker_mean: 3_000_000,
    },
    Preset {
        symbol: "ETH/USD",
        base: "ETH",
        quote: "USD",
        price_decimals: 2,
        qty_decimals: 8,
        qty_min: "0.00200000",
        cost_min: "0.50",
        start_ticks: 312_480,
        half_spread: 3_200,
        quote_mean: 190_000_000,
        taker_mean: 60_000_000,
    },
    Preset {
        symbol: "SOL/USD",
        base: "SOL",
        quote: "USD",
        price_decimals: 2,
        qty_decimals: 8,
        qty_min: "0.02000000",
        cost_min: "0.50",
        start_ticks: 14_862,
        half_spread: 6_500,
        quote_mean: 3_600_000_000,
        taker_mean: 1_100_000_000,
    },
    Preset {
        symbol: "XRP/USD",
        base: "XRP",
        quote: "USD",
        price_decimals: 5,
        qty_decimals: 8,
        qty_min: "2.00000000",
        cost_min: "0.50",
        start_ticks: 214_360,
        half_spread: 6_000,
        quote_mean: 240_000_000_000,
        taker_mean: 70_000_000_000,
    },
    Preset {
        symbol: "ETH/BTC",
        base: "ETH",
        quote: "BTC",
        price_decimals: 6,
        qty_decimals: 8,
        qty_min: "0.00200000",
        cost_min: "0.00002",
        start_ticks: 45_670,
        half_spread: 4_500,
        quote_mean: 150_000_000,
        taker_mean: 45_000_000,
    },
    Preset {
        symbol: "ADA/EUR",
        base: "ADA",
        quote: "EUR",
        price_decimals: 6,
        qty_decimals: 8,
        qty_min: "5.00000000",
        cost_min: "0.45",
        start_ticks: 612_450,
        half_spread: 13_000,
        quote_mean: 420_000_000_000,
        taker_mean: 110_000_000_000,
    },
    Preset {
        symbol: "BTC/USD:USD",
        base: "BTC",
        quote: "USD",
        price_decimals: 1,
        qty_decimals: 4,
        qty_min: "0.0001",
        cost_min: "0.50",
        start_ticks: 684_420,
        half_spread: 900,
        quote_mean: 3_000,
        taker_mean: 900,
    },
];
