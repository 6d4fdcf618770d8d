//! Keepers at a register in memory, in virtual time.

use super::*;
use remora_bus::{InMemoryBus, in_memory};

const SUBJECT: &str = "remora.v1.lease.risk-gate.paper";

/// Is one run: its keeper, and what its core hears.
struct One {
    terms: Terms,
    hold: LeaseHold,
    told: mpsc::Receiver<LocalEvent<TermInput>>,
    health: Health,
}

fn start(bus: &InMemoryBus, session: u64) -> One {
    let clock = Clock::new();
    let health = Health::new("risk-gate", "risk-gate", "0.1.0", clock.clone());
    let keeper = LeaseKeeper {
        subject: SUBJECT.to_owned(),
        session: SessionId::new(session),
        times: LeaseTimes::PROCESS,
        bus: Arc::new(bus.clone()),
        clock,
        health: health.clone(),
        shutdown: Shutdown::new(),
    };
    let (inputs, told) = mpsc::channel(TERMS_WAITING_MAX);
    let (terms, hold) = keeper.start(inputs);
    One { terms, hold, told, health }
}

impl One {
    fn claim(&self, epoch: u64) {
        self.terms.perform(TermOutput::Claim { epoch }).unwrap();
    }

    async fn hears(&mut self) -> TermInput {
        self.told.recv().await.unwrap().input
    }

    async fn leads(&mut self) -> u64 {
        match self.hears().await {
            TermInput::Leads { epoch, .. } => epoch,
            TermInput::Deposed => panic!("deposed"),
        }
    }
}

async fn held(bus: &InMemoryBus) -> (u64, String) {
    let value = bus.read_register(SUBJECT).await.unwrap().unwrap();
    (value.revision, String::from_utf8(value.payload.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_run_asks_for_the_lease_only_once_its_core_can_lead() {
    let bus = in_memory();
    let mut one = start(&bus, 1);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(one.told.try_recv().is_err());
    assert!(bus.read_register(SUBJECT).await.unwrap().is_none());
    one.claim(1);
    assert_eq!(one.leads().await, 1);
    assert_eq!(held(&bus).await.1, format!("v1 epoch=1 holder={}", SessionId::new(1)));
    assert_eq!(one.leads().await, 1, "renewed");
    let status = one.health.status();
    let lease = status.dependencies.iter().find(|it| it.name == "lease").unwrap();
    assert!(lease.is_up && lease.detail == "leads under epoch 1", "{lease:?}");
}

#[tokio::test(start_paused = true)]
async fn a_core_that_needs_a_higher_epoch_gets_it_from_the_register() {
    let bus = in_memory();
    let mut one = start(&bus, 1);
    one.claim(1);
    assert_eq!(one.leads().await, 1);
    one.claim(8);
    assert_eq!(one.leads().await, 8);
    assert!(held(&bus).await.1.starts_with("v1 epoch=8 "));
}

#[tokio::test(start_paused = true)]
async fn a_standby_leads_under_the_next_epoch_when_the_leader_is_gone() {
    let bus = in_memory();
    let (mut one, mut two) = (start(&bus, 1), start(&bus, 2));
    one.claim(1);
    assert_eq!(one.leads().await, 1);
    two.claim(1);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(two.told.try_recv().is_err(), "one leads");
    drop((one.terms, one.hold));
    let gone = Instant::now();
    assert_eq!(two.leads().await, 2);
    assert!(gone.elapsed() <= Duration::from_millis(3_400), "{:?}", gone.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_given_back_need_not_run_out() {
    let bus = in_memory();
    let (mut one, mut two) = (start(&bus, 1), start(&bus, 2));
    one.claim(1);
    assert_eq!(one.leads().await, 1);
    two.claim(1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    one.hold.release().await;
    let given = Instant::now();
    assert_eq!(two.leads().await, 2);
    assert!(given.elapsed() <= Duration::from_millis(400), "{:?}", given.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_was_replaced_is_told_so_and_asks_no_more() {
    let bus = in_memory();
    let mut one = start(&bus, 1);
    one.claim(1);
    assert_eq!(one.leads().await, 1);
    let (revision, _) = held(&bus).await;
    let other = LeaseRecord { holder: Some(SessionId::new(2)), epoch: 2 };
    bus.write_register(SUBJECT, Bytes::from(other.to_string()), revision).await.unwrap().unwrap();
    assert_eq!(one.hears().await, TermInput::Deposed);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(held(&bus).await.1, other.to_string());
}

#[tokio::test(start_paused = true)]
async fn whoever_cannot_read_the_register_does_not_lead() {
    let bus = in_memory();
    bus.write_register(SUBJECT, Bytes::from_static(b"v9 epoch=1"), 0).await.unwrap().unwrap();
    let mut one = start(&bus, 1);
    one.claim(1);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(one.told.try_recv().is_err());
}

#[tokio::test]
async fn without_a_lease_a_core_gets_the_epoch_it_claims_without_end() {
    let (inputs, mut told) = mpsc::channel(1);
    Terms::Endless(inputs).perform(TermOutput::Claim { epoch: 4 }).unwrap();
    let leads = TermInput::Leads { epoch: 4, until: Timestamp::MAX };
    assert_eq!(told.recv().await.unwrap().input, leads);
}
