//! Shows that table, configuration file and design agree.

use super::*;
use crate::pattern::{check_patterns, is_within, matches};
use std::path::Path;

fn users() -> Vec<BusUser> {
    let ids = |has_order_entry| remora_venue_registry::ids(has_order_entry).unwrap();
    BusUser::of_venues(&ids(true), &ids(false))
}

fn may_publish(user: &BusUser, subject: &str) -> bool {
    let has = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, subject));
    let permissions = allowed(user);
    has(&permissions.publish) && !has(&permissions.publish_denied)
}

fn publishers(subject: &str) -> Vec<String> {
    users().iter().filter(|user| may_publish(user, subject)).map(BusUser::name).collect()
}

/// Compares who may publish with a list written by hand.
fn check(subject: &str, expected: &[&str]) {
    assert_eq!(publishers(subject), expected, "{subject}");
}

#[test]
fn the_configuration_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../deploy/nats/nats.conf");
    let wanted = render_config(&users());
    if std::env::var_os("REMORA_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(
        found == wanted,
        "deploy/nats/nats.conf is out of date; its header says how to renew it"
    );
}

#[test]
fn only_those_publish_whom_the_design_names() {
    let ingestor = ["ingestor-kraken-spot"];
    for kind in ["book", "trade", "ticker", "status", "instrument", "bar"] {
        check(&format!("remora.v1.md.{kind}.kraken-spot.BTC-USD"), &ingestor);
    }
    check("remora.v1.md.status.kraken-spot", &ingestor);
    check("remora.v1.pairs.universe.pair-discovery", &["pair-discovery"]);
    let order = |kind: &str| format!("remora.v1.order.{kind}.paper.kraken-spot.BTC-USD");
    check(&order("request"), &["decision"]);
    check(&order("cancel"), &["decision"]);
    check(&order("approval"), &["risk-gate"]);
    check(&order("refusal"), &["risk-gate"]);
    check(&order("event"), &["order-router-kraken-spot"]);
    check("remora.v1.account.balance.paper.kraken-spot", &["order-router-kraken-spot"]);
    check("remora.v1.account.fee.paper.kraken-spot", &["order-router-kraken-spot"]);
    // Nobody yet: ARCHITECTURE.md says where positions are.
    check("remora.v1.account.position.paper.kraken-spot.BTC-USD", &[]);
    check("remora.v1.decision.record.kraken-spot.BTC-USD", &["decision"]);
    check("remora.v1.dead.decision", &["decision"]);
}

#[test]
fn nobody_speaks_in_the_name_of_another_producer() {
    let router = "order-router-kraken-spot";
    check("remora.v1.control.command.console", &["console"]);
    check("remora.v1.control.command.risk-gate-shell", &["risk-gate"]);
    check("remora.v1.control.command.order-router-kraken-spot-shell", &[router]);
    check("remora.v1.control.command.anybody", &[]);
    check("remora.v1.control.state.risk-gate", &["risk-gate"]);
    check("remora.v1.control.state.order-router-kraken-spot", &[router]);
    check("remora.v1.control.state.order-router-kraken-futures", &[]);
    for user in users().iter().filter(|user| **user != BusUser::Admin) {
        let name = user.name();
        let shard = if name.starts_with("ingestor") { "-0" } else { "" };
        check(&format!("remora.v1.svc.heartbeat.{name}{shard}"), &[&*name]);
    }
    check("remora.v1.svc.heartbeat.anybody", &[]);
    check("remora.v1.pairs.universe.decision", &[]);
}

#[test]
fn only_the_gate_takes_part_in_its_lease() {
    check("remora.v1.lease.risk-gate.paper", &["risk-gate"]);
    check("remora.v1.lease.decision.paper", &[]);
    check("$JS.API.STREAM.MSG.GET.LEASES", &["risk-gate", "console"]);
}

#[test]
fn a_venue_user_writes_about_its_own_venue_only() {
    let futures = ["ingestor-kraken-futures"];
    check("remora.v1.md.book.kraken-futures.BTC-USD-PERP", &futures);
    check("remora.v1.md.status.kraken-futures", &futures);
    // Nothing is ordered at a venue that is only read, and of a venue nobody knows nothing is told.
    check("remora.v1.order.event.paper.kraken-futures.BTC-USD-PERP", &[]);
    check("remora.v1.account.balance.paper.kraken-futures", &[]);
    check("remora.v1.md.book.elsewhere.BTC-USD", &[]);
}

#[test]
fn only_admin_declares_streams_and_nobody_deletes_or_purges() {
    for stream in Stream::ALL {
        check(&format!("$JS.API.STREAM.CREATE.{stream}"), &["admin"]);
        check(&format!("$JS.API.STREAM.UPDATE.{stream}"), &["admin"]);
        for verb in ["STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.DELETE", "STREAM.RESTORE"] {
            check(&format!("$JS.API.{verb}.{stream}"), &[]);
        }
        check(&format!("$JS.API.CONSUMER.DELETE.{stream}.persister"), &[]);
    }
}

#[test]
fn only_the_persister_touches_its_durable_consumers() {
    for stream in Stream::HISTORY {
        let persister = ["persister"];
        check(&format!("$JS.API.CONSUMER.CREATE.{stream}.persister"), &persister);
        check(&format!("$JS.API.CONSUMER.CREATE.{stream}.persister.a.>"), &persister);
        check(&format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.persister"), &persister);
        check(&format!("$JS.ACK.{stream}.persister.1.2.3.4.5"), &persister);
    }
}

#[test]
fn reply_subjects_are_private() {
    for owner in users() {
        for user in users() {
            let inbox = format!("{}.abc", owner.inbox_prefix());
            let hears = allowed(&user).subscribe.iter().any(|pattern| matches(pattern, &inbox));
            assert_eq!(hears, user == owner, "{} hears {inbox}", user.name());
        }
    }
}

#[test]
fn each_service_may_read_what_it_reads_and_write_what_it_writes() {
    for user in users() {
        let (BusUser::Service(service) | BusUser::AtVenue(service, _)) = &user else { continue };
        let permissions = allowed(&user);
        for kind in service.reads() {
            let pattern = kind.pattern();
            assert!(permissions.subscribe.iter().any(|p| is_within(&pattern, p)), "{pattern}");
        }
        for kind in Kind::ALL {
            let start = format!("remora.v1.{}.", kind.as_str());
            let is_granted = permissions.publish.iter().any(|p| p.starts_with(&start));
            let is_listed = service.writes().contains(kind);
            assert_eq!(is_granted, is_listed, "{} {}", user.name(), kind.as_str());
        }
    }
}

#[test]
fn every_pattern_is_well_formed() {
    for user in users() {
        let Permissions { publish, publish_denied, subscribe } = allowed(&user);
        for pattern in [publish, publish_denied, subscribe].concat() {
            check_patterns(std::slice::from_ref(&pattern)).unwrap();
        }
    }
}
