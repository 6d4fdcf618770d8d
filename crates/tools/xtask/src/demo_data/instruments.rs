//! How the market of each instrument behaves. What is traded, and how much, is `remora_flow::PRESETS`.

use remora_flow::{PRESETS, Preset};

/// Is one instrument and how its market behaves.
pub(crate) struct Spec {
    pub(crate) traded: &'static Preset,
    /// Share of the common factor, in thousandths.
    pub(crate) beta_milli: i64,
    /// Deviation of the own factor in 10 ms, in 1e-9 of the price.
    pub(crate) own_nano: i64,
    /// How much of the distance to the target traders close in 10 ms, as a divisor: 30 is a lag of 300 ms.
    pub(crate) lag: i64,
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

/// All instruments, in the order of the presets.
pub(crate) const SPECS: [Spec; 7] = [
    Spec {
        traded: &PRESETS[0],
        beta_milli: 1_000,
        own_nano: 1_500,
        lag: 30,
        qty_step: 1_000,
        weight: 22,
        volume_24h: 2_140,
    },
    Spec {
        traded: &PRESETS[1],
        beta_milli: 1_150,
        own_nano: 6_000,
        lag: 30,
        qty_step: 10_000,
        weight: 18,
        volume_24h: 31_700,
    },
    Spec {
        traded: &PRESETS[2],
        beta_milli: 1_250,
        own_nano: 13_000,
        lag: 30,
        qty_step: 100_000,
        weight: 13,
        volume_24h: 402_000,
    },
    Spec {
        traded: &PRESETS[3],
        beta_milli: 1_100,
        own_nano: 12_000,
        lag: 30,
        qty_step: 10_000_000,
        weight: 12,
        volume_24h: 18_300_000,
    },
    Spec {
        traded: &PRESETS[4],
        beta_milli: 0,
        own_nano: 2_500,
        lag: 30,
        qty_step: 10_000,
        weight: 8,
        volume_24h: 2_950,
    },
    Spec {
        traded: &PRESETS[5],
        beta_milli: 1_200,
        own_nano: 18_000,
        lag: 35,
        qty_step: 10_000_000,
        weight: 7,
        volume_24h: 3_870_000,
    },
    Spec {
        traded: &PRESETS[6],
        beta_milli: 1_000,
        own_nano: 1_500,
        lag: 1,
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
