//! Do pairs with a high score earn more? On the simulated exchange, whose crowd decides who pays what and knows nothing of scores.
//!
//! For each seed an exchange lists pairs that differ in truth: spread, volatility, share and foresight of informed takers, volume. Scores come
//! from what everybody may see of the first minutes. Then a plain maker quotes every pair for as long again; what a pair earned is the
//! cash, fees and coins of its executions as the exchange booked them. The score and the exchange share no code.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it measured"
)]

mod earned;
mod market;

use earned::Maker;
use market::{CAPITAL, Market};
use remora_research::pairs::{CardSettings, PairFacts, cards};
use statrs::distribution::{ContinuousCDF, StudentsT};

const SEEDS: u64 = 24;
const PAIRS: u32 = 20;
const OBSERVED_S: i64 = 600;
const TRADED_S: i64 = 600;
/// A decile of the pairs of a seed.
const DECILE: usize = 2;
const DECILE_EST: f64 = 2.0;

/// Is a pair as it was scored and as it turned out.
struct Outcome {
    score_bps: f64,
    earned_usd: f64,
}

/// Says what a maker would commit; the fee is the one the exchange takes.
fn settings(participation: f64, turnover_max: f64) -> CardSettings {
    CardSettings {
        currency: "USD".to_owned(),
        capital: CAPITAL,
        maker_fee_bps: market::MAKER_FEE_BPS,
        next_maker_fee_bps: None,
        participation,
        turnover_max,
        inventory_share: 0.5,
        risk_aversion: 0.1,
        error_multiple: 1.0,
    }
}

/// Is what one seed tells: what could be seen, and what was earned, by pair.
struct Run {
    facts: Vec<PairFacts>,
    earned_usd: Vec<(String, f64)>,
}

fn run(seed: u64) -> Run {
    let mut market = Market::open(seed, PAIRS);
    let facts = market.observe(OBSERVED_S);
    let mut maker = Maker::new(&market);
    maker.trade(&mut market, TRADED_S);
    Run { facts, earned_usd: maker.earned_usd(&market) }
}

/// Scores a seed's pairs, best first.
fn outcomes(run: &Run, settings: &CardSettings) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = cards(run.facts.clone(), settings)
        .into_iter()
        .map(|card| {
            let earned = run.earned_usd.iter().find(|(pair, _)| *pair == card.facts.pair).unwrap();
            Outcome { score_bps: card.score_bps, earned_usd: earned.1 }
        })
        .collect();
    outcomes.sort_by(|a, b| b.score_bps.total_cmp(&a.score_bps));
    outcomes
}

/// Gives what the first decile earned more than the last one, a pair.
fn top_less_bottom(ranked: &[Outcome]) -> f64 {
    let mean = |part: &[Outcome]| part.iter().map(|o| o.earned_usd).sum::<f64>() / DECILE_EST;
    mean(&ranked[..DECILE]) - mean(&ranked[ranked.len() - DECILE..])
}

/// Gives the mean over seeds and its two-sided interval at 95 % (Student's t).
fn interval(differences: &[f64]) -> (f64, f64, f64) {
    let n = f64::from(u32::try_from(differences.len()).unwrap());
    let mean = differences.iter().sum::<f64>() / n;
    let squares: f64 = differences.iter().map(|d| (d - mean) * (d - mean)).sum();
    let se = (squares / (n - 1.0) / n).sqrt();
    let half = StudentsT::new(0.0, 1.0, n - 1.0).unwrap().inverse_cdf(0.975) * se;
    (mean - half, mean, mean + half)
}

#[test]
fn pairs_with_a_high_score_earn_more_than_pairs_with_a_low_one_on_a_market_that_knows_no_scores() {
    let runs: Vec<Run> = (1..=SEEDS).map(run).collect();
    let scored: usize = runs.iter().map(|run| run.facts.len()).sum();
    assert!(runs.iter().all(|run| run.facts.len() >= 2 * DECILE), "{scored} scored");
    // The maker as it trades here, and the cautious assumptions that `remora pairs` has by itself.
    for (name, assumed) in
        [("as it trades", settings(0.2, 1e4)), ("cautious", settings(0.01, 20.0))]
    {
        let differences: Vec<f64> =
            runs.iter().map(|run| top_less_bottom(&outcomes(run, &assumed))).collect();
        let (low, mean, high) = interval(&differences);
        println!("{name}: top less bottom decile {mean:.2} USD a pair, 95 % {low:.2} to {high:.2}");
        assert!(low > 0.0, "{name}: {low:.2} to {high:.2} USD, {differences:.0?}");
    }
    // An order that says nothing of the market must not pass: by name.
    let by_name = |run: &Run| {
        let mut ranked = outcomes(run, &settings(0.2, 1e4));
        let names = |o: &Outcome| run.earned_usd.iter().position(|(_, e)| *e == o.earned_usd);
        ranked.sort_by_key(names);
        top_less_bottom(&ranked)
    };
    let (low, _, high) = interval(&runs.iter().map(by_name).collect::<Vec<_>>());
    assert!(low < 0.0 && high > 0.0, "names rank pairs: {low:.2} to {high:.2} USD");
    // Not because all earn alike: some pairs lose, as they should where takers know more than the spread pays for.
    let losing = runs.iter().flat_map(|run| &run.earned_usd).filter(|(_, usd)| *usd < 0.0).count();
    assert!(losing > 0 && losing < scored, "{losing} of {scored} lose");
}
