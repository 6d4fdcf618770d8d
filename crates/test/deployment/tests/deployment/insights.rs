//! Patterns and leads through every process: a planted market over NATS, the shipped profile with shorter parts. What is found stands in
//! universes and in PostgreSQL, also after a kill, and decision changes its quotes by it, from then on and nowhere else.

mod planted;

use crate::common::Watcher;
use planted::{JUMP_BPS, LAG_MS, STEP_MS, bars, fair_values, key, recording};
use remora_bus::{Bus as _, Credentials, NatsBus, NatsSettings, OutMessage, PasswordSource};
use remora_bus::{Stream, connect_nats};
use remora_deployment::{Deployment, Options, wait_for};
use remora_domain::{
    Bar, Body, DecisionRecord, DurationNs, PairInsight, PatternTarget, QuoteTarget, Subject,
    Timestamp,
};
use remora_testkit::Producer;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Is a bound for a machine that hangs: the market is over after four minutes.
const WITHIN: Duration = Duration::from_secs(200);
const FEED: &str = "ingestor-kraken-spot";
/// `decision.order_notional_usd` of the profile.
const ORDER_USD: f64 = 250.0;
/// `decision.insights.factor_max` of the profile.
const FACTOR_MAX: f64 = 1.5;
/// `decision.insights.lead_shift_bps_max` of the profile.
const SHIFT_BPS_MAX: f64 = 2.0;
const SIX_HOURS: DurationNs = DurationNs::from_s(6 * 3_600);
/// What arithmetic may lose, basis points.
const EXACT_BPS: f64 = 1e-6;

/// Gives the shipped profile, with what would take hours made short.
fn profile() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let mut text = std::fs::read_to_string(root.join("profiles/paper.toml")).unwrap();
    let symbols = text.lines().find(|line| line.starts_with("symbols = ")).unwrap().to_owned();
    for (long, short) in [
        (&*symbols, "symbols = [\"BTC/EUR\", \"BTC/USD\", \"ETH/USD\"]"),
        ("observation_ms_min = 30000", "observation_ms_min = 2000"),
        ("assess_interval_ms = 1000", "assess_interval_ms = 100"),
        ("publish_interval_ms = 10000", "publish_interval_ms = 1000"),
        ("lead_part_ms = 600000", "lead_part_ms = 2000"),
        // Five of five parts have a chance of 1/32, below the share of false ones that ships.
        ("lead_parts = 16", "lead_parts = 10"),
        ("lead_reach_ms = 2000", "lead_reach_ms = 100"),
        ("lead_step_ms = 20", "lead_step_ms = 5"),
        ("record_interval_ms = 1000", "record_interval_ms = 50"),
    ] {
        assert_eq!(text.matches(long).count(), 1, "{long}");
        text = text.replace(long, short);
    }
    for shipped in ["order_notional_usd = \"250\"", "factor_max = 1.5", "lead_shift_bps_max = 2.0"]
    {
        assert!(text.contains(shipped), "{shipped}");
    }
    text
}

/// Puts bars into the log as the ingestor would have, over weeks.
async fn publish(bus: &NatsBus, bars: Vec<Bar>) {
    let mut feed = Producer::new(&format!("{FEED}-0"), 1);
    let envelopes: Vec<_> =
        bars.into_iter().map(|bar| feed.wrap(bar.open_time, Body::Bar(bar))).collect();
    for batch in envelopes.chunks(1_000) {
        let sent = batch.iter().map(|envelope| {
            bus.publish_durable(OutMessage {
                subject: Subject::of(envelope).to_string(),
                message_id: envelope.header.message_id().to_string(),
                headers: [].into(),
                payload: remora_wire::encode(envelope),
            })
        });
        for stored in futures::future::join_all(sent).await {
            stored.unwrap();
        }
    }
}

/// Gives what each universe told of a pair, and when.
fn told(watcher: &Watcher, name: &str) -> Vec<(Timestamp, PairInsight)> {
    let universes = watcher.log(Stream::Pairs).into_iter();
    let insight = universes.filter_map(|envelope| {
        let Body::Universe(universe) = envelope.body else { panic!("no universe: {envelope:?}") };
        let insight = universe.insights.into_iter().find(|it| it.instrument == key(name))?;
        Some((envelope.header.publish_time, insight))
    });
    insight.collect()
}

/// Gives the records of decision on a pair where it quoted.
fn records(watcher: &Watcher, name: &str) -> Vec<(Timestamp, DecisionRecord)> {
    let records = watcher.log(Stream::Decisions).into_iter().filter_map(|envelope| {
        let Body::DecisionRecord(record) = envelope.body else { return None };
        let is_quote = record.fair_value_est.is_some() && record.instrument == key(name);
        is_quote.then_some((envelope.header.publish_time, record))
    });
    records.collect()
}

/// Gives how far the fair value of a record is from what the pair's own book says, basis points.
fn shift_bps(name: &str, record: &DecisionRecord) -> f64 {
    let fair = record.fair_value_est.unwrap();
    let off = fair_values(name).map(|own| (fair / own).ln().abs() * 1e4);
    off[0].min(off[1])
}

/// Gives the largest order that decision wanted of a pair, US dollars at its fair value: orders are sized by that, and a
/// price may lie a percent off while volatility is high.
fn largest_usd(records: &[(Timestamp, DecisionRecord)], rate: f64) -> f64 {
    let values = records.iter().flat_map(|(_, record)| {
        let fair = record.fair_value_est.unwrap();
        [record.bid, record.ask].map(|target| target.map(|it: QuoteTarget| fair * it.qty.to_est()))
    });
    values.flatten().fold(0.0, f64::max) * rate
}

/// Waits for the planted lead and the planted hours of BTC-USD; gives when the lead was told first.
fn wait_found(watcher: &Watcher, hour: Timestamp) -> Timestamp {
    let mut seen = None;
    let found = wait_for("pattern and lead are told", WITHIN, || {
        let all = told(watcher, "BTC-USD");
        seen = all.last().cloned();
        let first = all.iter().find(|(_, insight)| insight.lead().is_some());
        Ok(first.map(|(at, _)| *at).zip(seen.clone()))
    });
    let (at, (_, insight)) = found.unwrap_or_else(|error| panic!("{error:#}: {seen:#?}"));
    let lead = insight.lead().unwrap();
    let off_ms = (lead.lag.as_ms() - LAG_MS).abs();
    assert!(lead.leader == key("BTC-EUR") && off_ms <= STEP_MS, "{lead:?}");
    assert!(lead.share_est > 0.9 && lead.p_value_est <= 0.05, "{lead:?}");
    let factor = |at: Timestamp| insight.factor_est(PatternTarget::Volume, at).unwrap_or(f64::NAN);
    let (busy, calm) = (factor(hour), factor(hour.saturating_sub(SIX_HOURS)));
    assert!(busy > FACTOR_MAX && (calm - 1.0).abs() < 0.1, "{busy} and {calm}: {insight:?}");
    // Of the other pair the same was asked, and there is none.
    let (_, noise) = told(watcher, "ETH-USD").pop().unwrap();
    assert_eq!(noise.patterns.len(), 3, "{noise:?}");
    assert!(noise.patterns.iter().all(|pattern| pattern.factors_est.is_empty()), "{noise:?}");
    assert!(noise.leads.is_empty(), "{noise:?}");
    at
}

/// Wants quotes changed where something was found, from then on, by no more than the profile lets it, and all others as ever.
fn check_quotes(watcher: &Watcher, found_at: Timestamp) {
    wait_for("a fair value ahead of its own book", WITHIN, || {
        let all = records(watcher, "BTC-USD");
        let ahead = |(_, record): &(Timestamp, DecisionRecord)| shift_bps("BTC-USD", record) > 1.0;
        Ok(all.iter().any(ahead).then_some(()))
    })
    .unwrap();
    let followed = records(watcher, "BTC-USD");
    let mut before = 0;
    for (at, record) in &followed {
        let shift = shift_bps("BTC-USD", record);
        assert!(shift <= SHIFT_BPS_MAX + EXACT_BPS, "{shift} {record:?}");
        if *at < found_at {
            assert!(shift < EXACT_BPS, "{shift} before the lead was told: {record:?}");
            before += 1;
        }
    }
    assert!(before > 10, "{before} of {} records before the lead", followed.len());
    // Less than a whole order is a limit of inventory; more is the pattern.
    let busy = largest_usd(&followed, 1.0);
    assert!((busy / (ORDER_USD * FACTOR_MAX) - 1.0).abs() < 0.001, "{busy}");
    for (name, rate) in [("ETH-USD", 1.0), ("BTC-EUR", 1.08)] {
        let plain = records(watcher, name);
        assert!(plain.len() > 10, "{name}: {} records", plain.len());
        for (_, record) in &plain {
            assert!(shift_bps(name, record) < EXACT_BPS, "{record:?}");
        }
        let size = largest_usd(&plain, rate);
        assert!((size / ORDER_USD - 1.0).abs() < 0.001, "{name}: {size}");
    }
}

fn wait_stored(deployment: &Deployment) {
    let rows = "SELECT count(*) > 0 FROM hour_patterns WHERE instrument = 'BTC-USD' AND target = 'volume' \
                UNION ALL SELECT count(*) = 0 FROM hour_patterns WHERE instrument = 'ETH-USD' \
                UNION ALL SELECT count(*) > 0 FROM pair_leads WHERE instrument = 'BTC-USD' \
                AND leader_instrument = 'BTC-EUR' AND is_significant";
    wait_for("both are in history", WITHIN, || {
        Ok((deployment.query(rows)?.trim() == "t\nt\nt").then_some(()))
    })
    .unwrap();
}

#[test]
fn what_was_planted_is_found_stored_and_used_by_the_processes_and_nothing_else_is() {
    const { assert!(SHIFT_BPS_MAX < JUMP_BPS / 2.0, "a shifted value must be none of its pair's") };
    let folder = tempfile::tempdir().unwrap();
    let (market, paper) = (folder.path().join("market.jsonl"), folder.path().join("paper.toml"));
    std::fs::write(&market, recording()).unwrap();
    std::fs::write(&paper, profile()).unwrap();
    let mut deployment = Deployment::start(Options {
        profile: paper,
        recordings: vec![market],
        pace: "1x".to_owned(),
        starts_ingestors: false,
        ..Options::demo().unwrap()
    })
    .unwrap();
    let watcher = Watcher::new(&mut deployment);
    let password = PasswordSource::Given(deployment.bus_password(FEED).unwrap());
    let credentials = Credentials::Password { user: FEED.to_owned(), password };
    let settings = NatsSettings::new(&deployment.nats().url(), FEED, credentials);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = Timestamp::from_ns(i64::try_from(since.as_nanos()).unwrap());
    watcher.runtime.block_on(async {
        publish(&connect_nats(settings).await.unwrap(), bars(now)).await;
    });
    // What came while it was away, it reads from the log.
    deployment.kill("pair-discovery").unwrap();
    deployment.restart("pair-discovery").unwrap();
    deployment.start_ingestor(0, 1).unwrap();
    let found_at = wait_found(&watcher, now);
    check_quotes(&watcher, found_at);
    wait_stored(&deployment);

    // A killed service tells what it knew before it has looked again: a lead takes ten parts.
    deployment.kill("pair-discovery").unwrap();
    let count = watcher.log(Stream::Pairs).len();
    deployment.restart("pair-discovery").unwrap();
    wait_for("a universe after the kill", WITHIN, || {
        Ok((watcher.log(Stream::Pairs).len() > count).then_some(()))
    })
    .unwrap();
    let (_, after) = told(&watcher, "BTC-USD").pop().unwrap();
    assert!(after.lead().is_some(), "{after:?}");
    deployment.stop().unwrap();
}
