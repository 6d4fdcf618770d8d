//! Tests of balances, holds, fees and their tiers.

use super::*;
use crate::server::settings::Amount;

#[test]
fn fees_fall_with_the_volume_of_thirty_days_and_rise_again_after_it() {
    let mut venue = Venue::new();
    let fees = |venue: &Venue| {
        let facts = venue.desk.trade_volume(venue.now, venue.maker, &[MarketIx::new(0)]);
        let pair = &facts.fees[0];
        (facts.volume.normalize().to_string(), pair.maker.fee, pair.taker.fee)
    };
    assert_eq!(fees(&venue), ("0".into(), dec("0.25"), dec("0.40")));
    // 12,000 dollars at the first step, then 1,200 at the second.
    venue.add(&limit(Side::Sell, "60000", "0.2"));
    venue.add_of(venue.taker, &limit(Side::Buy, "60000", "0.2"));
    assert_eq!(fees(&venue), ("12000".into(), dec("0.20"), dec("0.35")));
    let sell = venue.add(&limit(Side::Sell, "60000", "0.02"));
    venue.add_of(venue.taker, &limit(Side::Buy, "60000", "0.02"));
    assert_eq!(venue.facts(&sell).fee.to_string(), "2.40000");
    venue.pass_ms(30 * 24 * 3_600_000);
    assert_eq!(fees(&venue), ("0".into(), dec("0.25"), dec("0.40")));
    let sell = venue.add(&limit(Side::Sell, "60000", "0.02"));
    venue.add_of(venue.taker, &limit(Side::Buy, "60000", "0.02"));
    assert_eq!(venue.facts(&sell).fee.to_string(), "3.00000");
}

#[test]
fn the_fee_rows_say_where_the_next_step_is() {
    let venue = Venue::with(|settings| settings.accounts[0].volume_usd = dec("125000.5"));
    let usdt = venue.desk.catalogue().find_pair("USDTUSD").unwrap().market;
    let facts = venue.desk.trade_volume(venue.now, venue.maker, &[MarketIx::new(0), usdt]);
    assert_eq!(facts.volume, dec("125000.5"));
    let FeeRow { fee, min, max, next, next_volume, tier_volume } = facts.fees[0].taker;
    assert_eq!(
        (fee, min, max, tier_volume),
        (dec("0.22"), dec("0.10"), dec("0.40"), dec("100000"))
    );
    assert_eq!((next, next_volume), (Some(dec("0.20")), Some(dec("250000"))));
    let flat = facts.fees[1].maker;
    assert_eq!((flat.fee, flat.next, flat.next_volume), (dec("0.20"), None, None));
    let last = Venue::with(|settings| settings.accounts[0].volume_usd = dec("10000000"));
    let facts = last.desk.trade_volume(last.now, last.maker, &[MarketIx::new(0)]);
    assert_eq!((facts.fees[0].maker.fee, facts.fees[0].maker.next), (dec("0"), None));
}

#[test]
fn stablecoins_count_no_volume() {
    let mut venue = Venue::new();
    let on = |side| AddOrder { pair: "USDT/USD".into(), ..limit(side, "1", "100000") };
    let sell = venue.add(&on(Side::Sell));
    venue.add_of(venue.taker, &on(Side::Buy));
    assert_eq!(venue.facts(&sell).fee.to_string(), "200.00000");
    let facts = venue.desk.trade_volume(venue.now, venue.maker, &[]);
    assert_eq!((facts.volume, facts.fees.len()), (dec("0"), 0));
}

#[test]
fn a_rebate_is_paid_to_the_maker() {
    let mut venue = Venue::with(|settings| {
        settings.fee_schedules[0].tiers[0].maker_percent = dec("-0.01");
    });
    let sell = venue.add(&limit(Side::Sell, "60000", "0.1"));
    venue.add_of(venue.taker, &limit(Side::Buy, "60000", "0.1"));
    assert_eq!(venue.facts(&sell).fee.to_string(), "-0.60000");
    assert_eq!(venue.balance(venue.maker, "ZUSD").0, "1006000.6000");
}

#[test]
fn the_volume_of_other_quotes_is_converted() {
    let mut venue = Venue::new();
    let on = |side| AddOrder { pair: "ETH/BTC".into(), ..limit(side, "0.05", "2") };
    let sell = venue.add(&on(Side::Sell));
    venue.add_of(venue.taker, &on(Side::Buy));
    // 0.1 bitcoin at the configured 60,000 dollars, of which 0.25 % are the fee.
    let facts = venue.desk.trade_volume(venue.now, venue.maker, &[]);
    assert_eq!(facts.volume, dec("6000"));
    assert_eq!(venue.facts(&sell).fee.to_string(), "0.0002500000");
    assert_eq!(venue.facts(&sell).fee_usd, Some(dec("15")));
}

#[test]
fn every_change_of_a_balance_is_a_ledger_entry() {
    let mut venue = Venue::new();
    venue.add(&limit(Side::Sell, "60000", "0.1"));
    let buy = venue.add_of(venue.taker, &limit(Side::Buy, "60000", "0.1"));
    let fill = Arc::clone(&venue.facts(&buy).trades[0]);
    let page = venue
        .desk
        .ledger(venue.taker, &LedgerQuery { kind: Some("trade".into()), ..LedgerQuery::default() });
    let mut rows: Vec<_> = page
        .rows
        .iter()
        .map(|row| {
            assert_eq!(row.ref_id, fill.exec_id);
            (
                &*row.asset,
                &*row.asset_v2,
                row.amount.to_string(),
                row.fee.to_string(),
                row.balance.to_string(),
            )
        })
        .collect();
    rows.sort_unstable();
    let want = [
        ("XXBT", "BTC", "0.1000000000", "0.0000000000", "1000000.1000000000"),
        ("ZUSD", "USD", "-6000.0000", "24.0000", "993976.0000"),
    ];
    let want = want.map(|(a, b, c, d, e)| (a, b, c.to_owned(), d.to_owned(), e.to_owned()));
    assert_eq!(rows, want);
    let told = venue.told.iter().filter(|event| matches!(event.what, AccountFact::Ledger(_)));
    assert_eq!(told.filter(|event| event.trader == venue.taker).count(), 2);
}

#[test]
fn deposits_and_withdrawals_are_booked_and_never_touch_what_is_held() {
    let mut venue = Venue::new();
    venue.add(&limit(Side::Buy, "60000", "16"));
    let mut move_money = |asset: &str, amount: &str| {
        let done = venue.desk.deposit(venue.now, venue.maker, asset, dec(amount));
        done.map_err(|error| error.to_string())
    };
    let id = move_money("USD", "10.5").unwrap();
    assert!(id.starts_with('L'));
    for (asset, amount, text) in [
        ("ZUSD", "-100000", "EOrder:Insufficient funds"),
        ("ZUSD", "0", "EGeneral:Invalid arguments:amount"),
        ("ZUSD", "0.00001", "EGeneral:Invalid arguments:amount"),
        ("NOPE", "1", "EQuery:Unknown asset"),
    ] {
        assert_eq!(move_money(asset, amount), Err(text.to_owned()));
    }
    move_money("ZUSD", "-30000").unwrap();
    let entry = venue.desk.ledger_entry(venue.maker, &id).unwrap();
    assert_eq!((entry.kind, entry.balance), ("deposit", dec("1000010.5")));
    assert_eq!(venue.balance(venue.maker, "ZUSD").0, "970010.5000");
}

#[test]
fn impossible_accounts_are_refused_when_the_desk_opens() {
    let mut settings = synthetic::settings(1);
    let maker = &mut settings.accounts[0];
    maker.balances.insert("NOPE".into(), Amount(dec("1")));
    maker.balances.insert("ZUSD".into(), Amount(dec("-1")));
    maker.volume_usd = dec("-1");
    let again = maker.keys[0].clone();
    settings.accounts[1].keys.push(again);
    settings.accounts[1].name = "maker".to_owned();
    let Err(problems) = Desk::new(&settings, Timestamp::EPOCH) else { panic!("it opened") };
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    for key in [
        "desk.accounts.maker.balances.NOPE",
        "desk.accounts.maker.balances.ZUSD",
        "desk.accounts.maker.volume_usd",
        "desk.accounts.maker.keys",
        "desk.accounts.maker",
    ] {
        assert!(keys.contains(&key), "{key} in {keys:?}");
    }
    assert!(problems.iter().all(|problem| !problem.to_string().contains("secret: ")));
}
