//! The worked example of the checksum: 4 price decimals, 8 quantity decimals, ten levels a side, best first.
//! Source: Kraken WebSocket v2, "Book checksum" guide (checked June 2026); the numbers are composed.

/// Bids as (ticks, lots).
pub(crate) const BIDS: [(i64, i64); 10] = [
    (5020, 100_000_000_000),
    (5019, 3_330_000_000),
    (5018, 25_000_000),
    (5015, 7_700_000_001),
    (5010, 512_050_000_000),
    (5008, 1_200_000_000),
    (5005, 64_006_400_000),
    (5001, 314_159_265),
    (5000, 9_999_990_000_000),
    (4990, 100_000),
];

/// Asks as (ticks, lots).
pub(crate) const ASKS: [(i64, i64); 10] = [
    (5021, 12_000_000_000),
    (5022, 5_000_000),
    (5023, 710_000_000),
    (5025, 250_075_000_000),
    (5026, 3_333_333_333),
    (5030, 41_012_340_000),
    (5031, 900_000_000),
    (5040, 1_800_000_000_000),
    (5050, 10_000),
    (5100, 6_450_000_000),
];

/// What the two give.
pub(crate) const CRC32: u32 = 430_052_079;
