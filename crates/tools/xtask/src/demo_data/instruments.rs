//! What is traded: six spot pairs and one linear perpetual. Prices and sizes are of the order of early 2026's and
//! otherwise invented; steps and smallest orders are those of the real pairs as far as they are documented.

/// Is one instrument and how its market behaves. Quantities count steps of `10^-qty_decimals`.
pub(crate) struct Spec {
    pub(crate) symbol: &'static str,
    pub(crate) base: &'static str,
    pub(crate) quote: &'static str,
    pub(crate) price_decimals: u32,
    pub(crate) qty_decimals: u32,
    /// Smallest order, as the definition states it.
    pub(crate) qty_min: &'static str,
    pub(crate) cost_min: &'static str,
    /// First price in ticks of `10^-price_decimals`.
    pub(crate) start_ticks: i64,
    /// Share of the common factor, in thousandths.
    pub(crate) beta_milli: i64,
    /// Deviation of the own factor in 10 ms, in 1e-9 of the price.
    pub(crate) own_nano: i64,
    /// How much of the distance to the target traders close in 10 ms, as a divisor: 30 is a lag of 300 ms.
    pub(crate) lag: i64,
    /// Distance of the best quotes from what traders see, in 1e-7 of the price (0.001 bps).
    pub(crate) half_spread: i64,
    /// Mean quantity of one quote.
    pub(crate) quote_mean: i64,
    /// Mean quantity of one taker.
    pub(crate) taker_mean: i64,
    /// Quantities are multiples of this.
    pub(crate) qty_step: i64,
    /// Share of the market's events.
    pub(crate) weight: i64,
    /// 24-hour volume at the start, in whole units of base.
    pub(crate) volume_24h: i64,
}

pub(crate) const BTC: usize = 0;
pub(crate) const ETH: usize = 1;
pub(crate) const ETH_BTC: usize = 4;
pub(crate) const PERPETUAL: usize = 6;

/// All instruments; the perpetual is last.
pub(crate) const SPECS: [Spec; 7] = [
    Spec {
        symbol: "BTC/USD",
        base: "BTC",
        quote: "USD",
        price_decimals: 1,
        qty_decimals: 8,
        qty_min: "0.00005000",
        cost_min: "0.50",
        start_ticks: 684_215,
        beta_milli: 1_000,
        own_nano: 1_500,
        lag: 30,
        half_spread: 1_800,
        quote_mean: 9_000_000,
        taker_mean: 3_000_000,
        qty_step: 1_000,
        weight: 22,
        volume_24h: 2_140,
    },
    Spec {
        symbol: "ETH/USD",
        base: "ETH",
        quote: "USD",
        price_decimals: 2,
        qty_decimals: 8,
        qty_min: "0.00200000",
        cost_min: "0.50",
        start_ticks: 312_480,
        beta_milli: 1_150,
        own_nano: 6_000,
        lag: 30,
        half_spread: 3_200,
        quote_mean: 190_000_000,
        taker_mean: 60_000_000,
        qty_step: 10_000,
        weight: 18,
        volume_24h: 31_700,
    },
    Spec {
        symbol: "SOL/USD",
        base: "SOL",
        quote: "USD",
        price_decimals: 2,
        qty_decimals: 8,
        qty_min: "0.02000000",
        cost_min: "0.50",
        start_ticks: 14_862,
        beta_milli: 1_250,
        own_nano: 13_000,
        lag: 30,
        half_spread: 6_500,
        quote_mean: 3_600_000_000,
        taker_mean: 1_100_000_000,
        qty_step: 100_000,
        weight: 13,
        volume_24h: 402_000,
    },
    Spec {
        symbol: "XRP/USD",
        base: "XRP",
        quote: "USD",
        price_decimals: 5,
        qty_decimals: 8,
        qty_min: "2.00000000",
        cost_min: "0.50",
        start_ticks: 214_360,
        beta_milli: 1_100,
        own_nano: 12_000,
        lag: 30,
        half_spread: 6_000,
        quote_mean: 240_000_000_000,
        taker_mean: 70_000_000_000,
        qty_step: 10_000_000,
        weight: 12,
        volume_24h: 18_300_000,
    },
    Spec {
        symbol: "ETH/BTC",
        base: "ETH",
        quote: "BTC",
        price_decimals: 6,
        qty_decimals: 8,
        qty_min: "0.00200000",
        cost_min: "0.00002",
        start_ticks: 45_670,
        beta_milli: 0,
        own_nano: 2_500,
        lag: 30,
        half_spread: 4_500,
        quote_mean: 150_000_000,
        taker_mean: 45_000_000,
        qty_step: 10_000,
        weight: 8,
        volume_24h: 2_950,
    },
    Spec {
        symbol: "ADA/EUR",
        base: "ADA",
        quote: "EUR",
        price_decimals: 6,
        qty_decimals: 8,
        qty_min: "5.00000000",
        cost_min: "0.45",
        start_ticks: 612_450,
        beta_milli: 1_200,
        own_nano: 18_000,
        lag: 35,
        half_spread: 13_000,
        quote_mean: 420_000_000_000,
        taker_mean: 110_000_000_000,
        qty_step: 10_000_000,
        weight: 7,
        volume_24h: 3_870_000,
    },
    Spec {
        symbol: "BTC/USD:USD",
        base: "BTC",
        quote: "USD",
        price_decimals: 1,
        qty_decimals: 4,
        qty_min: "0.0001",
        cost_min: "0.50",
        start_ticks: 684_420,
        beta_milli: 1_000,
        own_nano: 1_500,
        lag: 1,
        half_spread: 900,
        quote_mean: 3_000,
        taker_mean: 900,
        qty_step: 1,
        weight: 20,
        volume_24h: 9_800,
    },
];

/// The sum of all weights.
pub(crate) const WEIGHT_SUM: i64 = 100;

/// Finds the instrument whose share of [0, `WEIGHT_SUM`) holds a number.
pub(crate) fn by_weight(mut number: i64) -> usize {
    for (index, spec) in SPECS.iter().enumerate() {
        if number < spec.weight {
            return index;
        }
        number -= spec.weight;
    }
    0
}
