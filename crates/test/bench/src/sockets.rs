//! Round trips over loopback: REST and WebSocket, with 1, 10 and 100 clients, beside a bare echo.

use crate::engine::between;
use crate::program::Program;
use crate::report::{Measured, per_second};
use crate::rest::Rest;
use crate::sign::Key;
use crate::websocket::{Socket, placed};
use crate::{Plan, Report};
use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const CLIENTS: [usize; 3] = [1, 10, 100];
/// Order round trips a second that are wanted over WebSocket.
const TARGET: Measured = Measured { value: 20_000.0, unit: "/s" };
const QUESTION: &str = "/0/public/Time";

/// Measures all round trips.
pub(crate) async fn measure(report: &Report<'_>, plan: &Plan) -> Result<()> {
    report.part(
        "round trips on loopback, clients and server on the same cores",
        "each client asks, waits for the answer, asks again. Exchange: a process of its own, declared tier \
         `unlimited`, the crowd stands still. Floor: a bare echo of the same stack (axum), a process of its own",
    );
    let echo = Program::echo(&plan.program).await?;
    let mut floors = Vec::new();
    let mut best_floor = Measured { value: 0.0, unit: "/s" };
    for count in CLIENTS {
        let rest = try_join_all((0..count).map(|_| Rest::open(echo.rest))).await?;
        let rest = questions(rest, plan.duration).await?;
        let sockets = try_join_all((0..count).map(|_| Socket::open(echo.websocket))).await?;
        let socket = echoes(sockets, plan.duration).await?;
        best_floor = if socket.value > best_floor.value { socket } else { best_floor };
        floors.push((rest, socket));
    }
    drop(echo);
    let exchange = Program::exchange(&plan.program, 0).await?;
    let admin = exchange.admin.context("the exchange has no operators' door")?;
    Rest::open(admin).await?.post("/sim/flow", r#"{"is_running":false}"#).await?;
    let key = exchange.key.as_ref().context("the exchange has no key")?;
    let mut best = Measured { value: 0.0, unit: "/s" };
    let mut nonce = 1;
    for (count, (rest_floor, socket_floor)) in CLIENTS.into_iter().zip(floors) {
        let rest = try_join_all((0..count).map(|_| Rest::open(exchange.rest))).await?;
        let rate = questions(rest, plan.duration).await?;
        report.row(&format!("REST round trips (Time), {count} clients"), rate, Some(rest_floor));
        let mut clients = Vec::new();
        for _ in 0..count {
            nonce += 1;
            clients.push((
                Socket::open(exchange.websocket).await?,
                token(&exchange, key, nonce).await?,
            ));
        }
        let rate = orders(clients, plan.duration).await?;
        let what = format!("WebSocket order round trips (add, cancel), {count} clients");
        report.row(&what, rate, Some(socket_floor));
        best = if rate.value > best.value { rate } else { best };
    }
    let rate = signed(exchange.rest, key, nonce + 1, plan.duration).await?;
    report.row("REST signed order round trips (AddOrder, CancelOrder), 1 client", rate, None);
    let cause = format!(
        "clients and server share {} cores; a bare echo of the same stack reaches {}",
        std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        best_floor.text()
    );
    report.target(
        "order round trips over WebSocket, best of the above",
        best,
        TARGET,
        false,
        &cause,
    );
    Ok(())
}

async fn token(exchange: &Program, key: &Key, nonce: u64) -> Result<String> {
    let mut rest = Rest::open(exchange.rest).await?;
    let answer = rest.call(key, "GetWebSocketsToken", nonce, "").await?;
    between(&answer, "\"token\":\"", "\"").context("no token")
}

/// Runs clients at once until the time is over; each gives how many round trips it made.
async fn all<C: Send + 'static, F>(
    clients: Vec<C>,
    duration: Duration,
    run: impl Fn(C, Instant) -> F,
) -> Result<Measured>
where
    F: Future<Output = Result<u64>> + Send + 'static,
{
    let started = Instant::now();
    let until = started + duration;
    let tasks: Vec<_> =
        clients.into_iter().map(|client| tokio::spawn(run(client, until))).collect();
    let mut count = 0_u64;
    for task in tasks {
        count = count.saturating_add(task.await.context("run a client")??);
    }
    Ok(per_second(count, started.elapsed().as_secs_f64()))
}

async fn questions(clients: Vec<Rest>, duration: Duration) -> Result<Measured> {
    all(clients, duration, |mut client, until| async move {
        let mut count = 0;
        while Instant::now() < until {
            client.get(QUESTION).await?;
            count += 1;
        }
        Ok(count)
    })
    .await
}

async fn echoes(clients: Vec<Socket>, duration: Duration) -> Result<Measured> {
    all(clients, duration, |mut client, until| async move {
        let mut count = 0;
        while Instant::now() < until {
            client.ask(placed("a token of about the usual length, forty-three")).await?;
            count += 1;
        }
        Ok(count)
    })
    .await
}

async fn orders(clients: Vec<(Socket, String)>, duration: Duration) -> Result<Measured> {
    all(clients, duration, |(mut client, token), until| async move {
        let mut count = 0;
        while Instant::now() < until {
            client.order(&token).await?;
            count += 2;
        }
        Ok(count)
    })
    .await
}

/// Orders over REST. One client: a key's nonces must rise, so clients need keys of their own.
async fn signed(
    address: SocketAddr,
    key: &Key,
    first: u64,
    duration: Duration,
) -> Result<Measured> {
    let order = "pair=XBTUSD&type=buy&ordertype=limit&price=30000&volume=0.01";
    let mut rest = Rest::open(address).await?;
    let (started, mut nonce) = (Instant::now(), first);
    while started.elapsed() < duration {
        let answer = rest.call(key, "AddOrder", nonce, order).await?;
        let id = between(&answer, "\"txid\":[\"", "\"").context("no order")?;
        rest.call(key, "CancelOrder", nonce + 1, &format!("txid={id}")).await?;
        nonce += 2;
    }
    Ok(per_second(nonce - first, started.elapsed().as_secs_f64()))
}
