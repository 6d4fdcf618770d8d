//! The exchange without sockets: orders matched, executions written and read.

use crate::report::per_second;
use crate::sign::Key;
use crate::{Plan, Report};
use anyhow::{Context as _, Result, bail};
use remora_domain::{DurationNs, Timestamp};
use remora_machine::Machine;
use remora_venue_registry::kraken_spot::faults::FaultSettings;
use remora_venue_registry::kraken_spot::io::{
    CallId, HttpCall, PeerId, ServerInput, ServerOutput, WsHost,
};
use remora_venue_registry::kraken_spot::settings::{AccountSetting, Tier};
use remora_venue_registry::kraken_spot::{Server, ServerSettings, WsSettings, synthetic};
use serde::de::IgnoredAny;
use std::sync::Arc;
use std::time::{Duration, Instant};

const START: Timestamp = Timestamp::from_ns(1_771_234_567_000_000_000);
const MAKER: PeerId = PeerId(1);
pub(crate) const TAKER: PeerId = PeerId(2);
const TOKEN_PATH: &str = "/0/private/GetWebSocketsToken";
/// Executions kept to be read again.
pub(crate) const KEPT_MAX: usize = 100_000;

/// Is an exchange with a maker and a taker who hear of their executions.
pub(crate) struct Venue {
    server: Server,
    pub(crate) now: Timestamp,
    pub(crate) out: Vec<ServerOutput>,
}

impl Venue {
    /// Lets a millisecond pass.
    pub(crate) fn pass(&mut self) {
        self.now = self.now.saturating_add(DurationNs::from_ms(1));
        if self.server.next_deadline().is_some_and(|due| due <= self.now) {
            self.server.tick(self.now, &mut self.out);
        }
    }

    pub(crate) fn input(&mut self, input: ServerInput) {
        self.now = self.now.saturating_add(DurationNs::from_ms(1));
        self.server.handle(self.now, input, &mut self.out);
    }

    /// Opens a private connection of an account and gives its token.
    fn open(&mut self, peer: PeerId, account: &AccountSetting) -> Result<String> {
        let key = account.keys.first().context("an account has no key")?;
        let signed = Key::new(&key.key, key.secret.reveal())?.sign(TOKEN_PATH, peer.0, "");
        self.input(ServerInput::Http {
            call: CallId(peer.0),
            request: HttpCall {
                method: "POST".to_owned(),
                path: TOKEN_PATH.to_owned(),
                query: String::new(),
                content_type: None,
                api_key: Some(key.key.clone()),
                api_sign: Some(signed.sign),
                body: signed.body.into_bytes(),
                address: "127.0.0.1".to_owned(),
            },
        });
        let token = self.out.drain(..).find_map(|output| match output {
            ServerOutput::HttpReply { body, .. } => between(&body, "\"token\":\"", "\""),
            ServerOutput::HttpDrop { .. }
            | ServerOutput::WsSend { .. }
            | ServerOutput::WsClose { .. }
            | ServerOutput::WsStall { .. } => None,
        });
        let token = token.context("the exchange gave no token")?;
        let host = WsHost::Private;
        self.input(ServerInput::WsOpened { peer, host, address: "127.0.0.1".to_owned() });
        let text = format!(
            r#"{{"method":"subscribe","params":{{"channel":"executions","token":"{token}"}}}}"#
        );
        self.input(ServerInput::WsFrame { peer, text });
        self.out.clear();
        Ok(token)
    }
}

/// Gives what stands between two texts.
pub(crate) fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(found, _)| found.to_owned())
}

/// Measures matching and executions.
pub(crate) fn measure(report: &Report<'_>, plan: &Plan) -> Result<()> {
    report.part(
        "simulated exchange without sockets, one core",
        "add_order frames in pairs, a resting limit order and one of another account that takes all of it: read, \
         authorised, admitted, matched, booked, answered, and told to both accounts on `executions`. Floor: the \
         answers and executions checked as JSON, nothing kept",
    );
    let mut settings = synthetic::settings(7);
    settings.accounts.iter_mut().for_each(|account| account.tier = Tier::Unlimited);
    let all = ServerSettings {
        desk: settings.clone(),
        ws: WsSettings { message_rate: None },
        faults: FaultSettings::default(),
    };
    let server = Server::new(&all, START).ok().context("the settings are impossible")?;
    let mut venue = Venue { server, now: START, out: Vec::new() };
    let [maker, taker] = settings.accounts.as_slice() else { bail!("want two accounts") };
    let tokens = [venue.open(MAKER, maker)?, venue.open(TAKER, taker)?];
    let [first, second] = &tokens;
    // What is bought is sold again: nobody runs out of anything.
    let frames = [
        (MAKER, frame("buy", first)),
        (TAKER, frame("sell", second)),
        (MAKER, frame("sell", first)),
        (TAKER, frame("buy", second)),
    ];
    let (mut orders, mut kept) = (0_u64, Vec::new());
    let (mut busy, started) = (Duration::ZERO, Instant::now());
    while started.elapsed() < plan.duration {
        for _ in 0..250 {
            for (peer, text) in &frames {
                let (peer, text) = (*peer, text.clone());
                let before = Instant::now();
                venue.input(ServerInput::WsFrame { peer, text });
                busy += before.elapsed();
                orders += 1;
            }
            keep(&mut venue.out, &mut kept)?;
        }
    }
    let texts: Vec<&str> = kept.iter().map(|text| &**text).collect();
    let floor = check(&texts, plan.duration)?;
    let kept_orders = texts.iter().filter(|text| text.contains("add_order")).count();
    let floor_orders = per_second(u64::try_from(kept_orders)?, floor);
    report.row("orders matched", per_second(orders, busy.as_secs_f64()), Some(floor_orders));
    crate::executions::measure(report, plan, &mut venue, maker, second)
}

/// Gives an order for a thousandth at one price.
pub(crate) fn frame(side: &str, token: &str) -> String {
    format!(
        r#"{{"method":"add_order","req_id":1,"params":{{"order_type":"limit","side":"{side}","symbol":"BTC/USD","order_qty":0.001,"limit_price":60000.0,"token":"{token}"}}}}"#
    )
}

fn keep(out: &mut Vec<ServerOutput>, kept: &mut Vec<Arc<str>>) -> Result<()> {
    for output in out.drain(..) {
        if let ServerOutput::WsSend { text, .. } = output {
            if text.contains("\"success\":false") {
                bail!("an order was refused: {text}");
            }
            if kept.len() < KEPT_MAX {
                kept.push(text);
            }
        }
    }
    Ok(())
}

/// Gives the seconds of the fastest pass that only checks texts as JSON.
pub(crate) fn check(texts: &[&str], duration: Duration) -> Result<f64> {
    let (started, mut best) = (Instant::now(), f64::INFINITY);
    while best.is_infinite() || started.elapsed() < duration {
        let before = Instant::now();
        for text in texts {
            let _: IgnoredAny = serde_json::from_str(text).context("check a frame as JSON")?;
        }
        best = best.min(before.elapsed().as_secs_f64());
    }
    Ok(best)
}
