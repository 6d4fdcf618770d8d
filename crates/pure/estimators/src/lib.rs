//! Statistics of markets on floats: streamed per event where the method allows it, in batches where it does not.
//!
//! In: events with their receive time, as floats (the only home of floats, with `quoting`).
//! Out: an [`Estimate`] {value, se, n_eff, as_of, half_life} or a report of its own, or a [`NotReady`] with its cause.
//! Invariants: streamed estimators take O(1) time (amortised where said) and bounded memory per event; time never runs
//! back inside an estimator (an older event is ignored); after a gap of more than [`FORGET_HALF_LIVES`] half-lives a
//! decayed estimator starts anew, because what it remembers no longer matters; equal inputs and seeds give equal answers.
//! Must never happen: NaN or infinity as a value, a default in place of a missing number, a clock, unseeded randomness.
//! Formulas: `quant-methods.md`, sections 0 to 4, 8 to 17, 19 and 20; each module repeats its own with a worked
//! number that a test repeats. Test alone: `cargo test -p remora-estimators` (the oracle tests read `REMORA_SHARED`, by
//! default `../shared` beside the workspace, and say so when it is absent).
#![deny(missing_docs)]

mod basis;
mod bucket_test;
mod candles;
mod catch_up;
mod clusters;
mod covariance;
mod decay;
mod depth;
mod discovery_rate;
mod estimate;
mod event_study;
mod exact_permutation;
mod expected_value;
mod fee_tier;
mod flow;
mod fourier;
mod impact;
mod inference;
mod intensity;
mod intensity_fit;
mod kelly;
mod lead_lag;
mod lead_lag_stream;
mod lead_lag_test;
mod markout;
mod mean;
mod micro_price;
mod moments;
mod numeric;
mod one_off;
mod order_flow;
mod pattern;
mod performance;
mod price_discovery;
mod queue_position;
mod queue_race;
mod ranking;
mod realised;
mod regression;
mod resample;
mod season;
mod season_test;
mod touch;
mod toxicity;
mod volatility;

pub use basis::{
    Carry, CarryReturn, CashAndCarry, LegCosts, NetBasis, basis_bps, expected_funding,
    funding_cash, funding_per_year, implied_carry,
};
pub use bucket_test::{BucketTest, draw_p_value};
pub use candles::{
    Candle, YangZhang, close_to_close, garman_klass, parkinson, rogers_satchell, yang_zhang,
};
pub use catch_up::{CatchUp, CatchUpSettings};
pub use clusters::{RobustCorrelation, robust_correlation};
pub use covariance::{
    EwmaCovariance, ShrunkCovariance, correlation_of, guard_condition, repair_correlation,
    shrink_to_constant_correlation, shrink_to_identity,
};
pub use decay::{FORGET_HALF_LIVES, NO_DECAY};
pub use depth::{BookLiquidity, Coverage, depth_within};
pub use discovery_rate::{Dependence, adjusted_p_values, combined_p_value};
pub use estimate::{Estimate, NotReady};
pub use event_study::{
    EventRule, EventStudy, FollowerTouch, LeadEvent, break_even_latency, event_study,
};
pub use exact_permutation::{ExactPermutation, exact_permutation};
pub use expected_value::{EdgeCriteria, EdgeValidation, EdgeVerdict, ExpectedValue, validate_edge};
pub use fee_tier::{
    FeeSchedule, FeeTier, PlanCost, TIER_DAYS, TierPush, TrailingVolume, push_value,
};
pub use flow::{FlowEstimate, TradeFlow};
pub use fourier::{FourierFit, fourier_fit};
pub use impact::{
    BookWalk, ImpactCost, ImpactModel, Shortfall, WorkedOrder, square_root_impact, walk_book,
};
pub use inference::{BlockBootstrap, MeanInference, block_bootstrap, mean_inference};
pub use intensity::{FillIntensity, IntensityEstimate, IntensityPrior};
pub use intensity_fit::{
    DistanceBin, IntensityFit, OwnFillRate, PointWeight, binned_intensity, hit_rate,
    log_count_intensity,
};
pub use kelly::{
    EdgePrior, ShrunkEdge, fractional_kelly, kelly, kelly_binary, kelly_joint, lower_bound_kelly,
    shrunk_kelly,
};
pub use lead_lag::{LagGrid, LagPoint, LeadLag, TickSeries, covariation, lead_lag};
pub use lead_lag_stream::{LeadLagSettings, LeadLagStream};
pub use lead_lag_test::{
    LeadCriteria, LeadDoubt, LeadVerdict, NullTest, Surrogate, judge_lead, null_test,
};
pub use markout::{MARKOUT_HORIZONS, Markout, MarkoutSettings, Markouts};
pub use mean::TimeWeightedMean;
pub use micro_price::{ChainSolution, MicroPrice, MicroPriceShape, MicroPriceTable, solve_chain};
pub use numeric::{SIGMA_PER_MAD, mad_sigma, median, pearson, spearman};
pub use one_off::OneOff;
pub use order_flow::{FlowWindow, FlowWindows, OrderFlow, flow_increment};
pub use pattern::{
    BucketFactor, PatternCriteria, PatternDoubt, PatternFinding, PatternVerdict, examine_pattern,
    judge_pattern, judge_patterns,
};
pub use performance::{
    SharpeRatio, autocorrelations, drawdowns, sharpe_horizon, sortino, tail_losses,
};
pub use price_discovery::{PriceDiscovery, lags_by_bic, price_discovery};
pub use queue_position::{CancelModel, QueuePosition};
pub use queue_race::{
    QueueRace, QueueRates, both_filled, fill_first, filled_by_markets, up_first_balanced,
};
pub use ranking::{
    Measured, ModelScore, PairModel, Shrunk, ShrunkGroup, der_simonian_laird, is_swap_worth,
    model_score, order_by_lower_bound, paule_mandel, queue_correction, realised_score, shrink,
};
pub use realised::{
    JumpTest, TwoScale, bipower_variance, jump_test, median_realised_variance, realised_variance,
    smoothed_variance, sparse_variance, subsampled_variance, two_scale_variance,
};
pub use regression::{Line, StreamedLine, newey_west_line};
pub use season::{BucketFamily, Scale, SeasonBuilder, SeasonTable};
pub use season_test::{KruskalWallis, PermutationTest, Persistence, kruskal_wallis};
pub use touch::{BPS, TouchState, depth_imbalance, touch_state};
pub use toxicity::{Cusum, Vpin, bulk_buy_volume};
pub use volatility::{EwmaVariance, TwoSpeedVolatility};
