//! What insights change, and that nothing else does: each on both sides of significance.

use crate::fixture::{Scene, needs, settings, universe};
use crate::{DecisionCore, InsightUse};
use remora_domain::{
    Body, DurationNs, HourPattern, Lead, OrderRequest, PairInsight, PatternTarget, ProducerId,
    Sequencer, SessionId, Side, Universe,
};
use remora_testkit::{Driver, account, at_ms, book, instrument, key, published, usd};

const LAG_MS: i64 = 200;

/// Is a scene that quotes BTC-USD while BTC-EUR can be seen, under a universe with these insights.
fn quoting(used: Option<InsightUse>, insights: Vec<PairInsight>) -> Scene {
    let mut scene = Scene::new();
    let config = crate::DecisionSettings { insights: used, ..settings() };
    let config = config.validate(&account(), &usd(&[])).unwrap();
    let producer = ProducerId::new("decision-0").unwrap();
    let core = DecisionCore::new(config, Sequencer::new(producer, SessionId::new(1)));
    scene.driver = Driver::new(core);
    let now = scene.now();
    scene.said = published(scene.driver.caught_up(now));
    for body in needs() {
        scene.tell(body);
    }
    scene.market(Body::Instrument(instrument("BTC", "EUR")));
    let told = Universe { version: 2, insights, ..universe(at_ms(3_600_000), true) };
    scene.tell(Body::Universe(told));
    for _ in 0..10 {
        scene.pass(100);
        leader(&mut scene, "89.95", "90.05");
        scene.book("99.95", "100.05");
    }
    scene
}

fn leader(scene: &mut Scene, bid: &str, ask: &str) {
    scene.top(book("BTC-EUR", bid, ask));
}

const fn used() -> InsightUse {
    InsightUse { lead_shift_bps_max: 10.0, factor_max: 2.0 }
}

fn insight(patterns: Vec<HourPattern>, leads: Vec<Lead>) -> Vec<PairInsight> {
    vec![PairInsight { instrument: key("BTC-USD"), patterns, leads }]
}

fn lead(is_significant: bool) -> Lead {
    Lead {
        leader: key("BTC-EUR"),
        is_significant,
        lag: DurationNs::from_ms(LAG_MS),
        share_est: 0.5,
        p_value_est: 0.001,
        parts: 16,
    }
}

fn pattern(target: PatternTarget, factor: f64, is_pattern: bool) -> HourPattern {
    let factors_est = if is_pattern { vec![factor; 24] } else { Vec::new() };
    HourPattern { target, p_value_est: 0.001, factors_est }
}

/// Gives the fair value of a pair's last decision.
fn fair(scene: &mut Scene) -> f64 {
    let now = scene.now();
    scene.driver.machine.quotes(now, &key("BTC-USD")).unwrap().fair_est
}

fn first(scene: &Scene, side: Side) -> OrderRequest {
    scene.asked.iter().find(|request| request.side == side).unwrap().clone()
}

#[test]
fn fair_value_follows_a_significant_lead_for_its_lag_and_up_to_its_cap() {
    let mut scene = quoting(Some(used()), insight(Vec::new(), vec![lead(true)]));
    let before = fair(&mut scene);
    // The leader rises 11.1 bps: half of it is still to come here.
    leader(&mut scene, "90.05", "90.15");
    let moved = fair(&mut scene) / before - 1.0;
    assert!((moved * 1e4 - 5.55).abs() < 0.1, "{moved}");
    // A lag later it is over, and the pair was looked at again without any message.
    scene.pass(LAG_MS - 1);
    assert!((fair(&mut scene) / before - 1.0 - moved).abs() < 1e-9);
    scene.pass(2);
    assert!((fair(&mut scene) / before - 1.0).abs() < 1e-9);
    // A jump of 10 % moves it by 10 bps.
    leader(&mut scene, "99.05", "99.15");
    assert!((fair(&mut scene) / before - 1.0 - 10e-4).abs() < 1e-5);
}

#[test]
fn fair_value_stays_where_a_lead_is_not_significant_not_wanted_or_not_to_be_seen() {
    let moved = |used: Option<InsightUse>, lead: Lead| {
        let mut scene = quoting(used, insight(Vec::new(), vec![lead]));
        let before = fair(&mut scene);
        leader(&mut scene, "90.05", "90.15");
        fair(&mut scene) / before - 1.0
    };
    assert!(moved(Some(used()), lead(true)) > 1e-4);
    assert_eq!(moved(Some(used()), lead(false)), 0.0);
    assert_eq!(moved(None, lead(true)), 0.0);
    let never = InsightUse { lead_shift_bps_max: 0.0, ..used() };
    assert_eq!(moved(Some(never), lead(true)), 0.0);
    let unknown = Lead { leader: key("BTC-GBP"), ..lead(true) };
    assert_eq!(moved(Some(used()), unknown), 0.0);
    // A leader that was withdrawn says nothing, nor does the jump to where it comes back.
    let mut scene = quoting(Some(used()), insight(Vec::new(), vec![lead(true)]));
    let before = fair(&mut scene);
    leader(&mut scene, "90.05", "90.05");
    leader(&mut scene, "90.05", "90.15");
    assert_eq!(fair(&mut scene), before);
    // A universe that ran out takes its insights along.
    let mut scene = quoting(Some(used()), insight(Vec::new(), vec![lead(true)]));
    leader(&mut scene, "90.05", "90.15");
    let late = at_ms(3_600_001);
    assert_eq!(scene.driver.machine.adjustment(late, &key("BTC-USD")).fair, 1.0);
}

#[test]
fn a_pattern_widens_shrinks_and_slows_quotes_only_where_there_is_one() {
    let plain = quoting(Some(used()), Vec::new());
    let distance = |scene: &Scene| {
        first(scene, Side::Sell).price.to_est() - first(scene, Side::Buy).price.to_est()
    };
    let size = |scene: &Scene| first(scene, Side::Buy).qty.to_est();
    let with = |target, factor, is_pattern, used| {
        quoting(Some(used), insight(vec![pattern(target, factor, is_pattern)], Vec::new()))
    };
    for target in [PatternTarget::Spread, PatternTarget::Volatility] {
        let wide = with(target, 2.0, true, used());
        assert!(distance(&wide) > 1.3 * distance(&plain), "{target:?}");
        assert_eq!(size(&wide), size(&plain));
        assert_eq!(distance(&with(target, 2.0, false, used())), distance(&plain));
    }
    let small = with(PatternTarget::Volume, 0.5, true, used());
    assert!((size(&small) / size(&plain) - 0.5).abs() < 0.01);
    // At most the largest order, which is twice the wanted one; and no further than the settings let it.
    let large = with(PatternTarget::Volume, 2.0, true, used());
    assert!((size(&large) / size(&plain) - 2.0).abs() < 0.01);
    let held = with(PatternTarget::Volume, 2.0, true, InsightUse { factor_max: 1.2, ..used() });
    assert!((size(&held) / size(&plain) - 1.2).abs() < 0.01);
    assert_eq!(size(&with(PatternTarget::Volume, 0.5, false, used())), size(&plain));
    let interval = |scene: &mut Scene| {
        let now = scene.now();
        let adjustment = scene.driver.machine.adjustment(now, &key("BTC-USD"));
        adjustment.interval(DurationNs::from_ms(200))
    };
    let mut scenes = [small, large, plain];
    let got = scenes.each_mut().map(interval);
    assert_eq!(got, [400, 200, 200].map(DurationNs::from_ms));
}
