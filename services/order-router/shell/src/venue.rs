//! The venue beside the router: one task that owns its session, its market data and its deadlines.

use crate::effects::Traced;
use remora_bus::{Bus, BusError, InMessage, LogReader, ReadFrom, Stream, Subscription};
use remora_domain::{
    AccountId, Body, ClOrdId, Envelope, Kind, Qty, SessionId, VenueId, VenueReport,
};
use remora_order_router_core::RouterInput;
use remora_service_kit::drive::{LocalEvent, read_message};
use remora_service_kit::{Health, Shutdown, TraceContext};
use remora_venue_api::{Problem, VenueCommand, VenueInput};
use remora_venue_link::{DriverError, OrderEntryDriver, Said};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Unread market data kept; a second of a busy venue. The oldest are dropped first.
const MARKET_DATA_WAITING_MAX: usize = 8_192;
/// Pause between two tries to read from the bus.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Orders whose trace is remembered; the oldest are forgotten when there are more.
const TRACES_MAX: usize = 4_096;
/// The name of the venue in health.
const VENUE: &str = "venue";

/// How long the session may take to end in order.
const END_MAX: Duration = Duration::from_secs(5);

/// Is what the worker needs.
pub(crate) struct VenueWorker {
    pub(crate) driver: OrderEntryDriver,
    /// What the venue is, for people.
    pub(crate) description: String,
    pub(crate) account: AccountId,
    pub(crate) venue_id: VenueId,
    /// The market data of this venue, for one that is simulated.
    pub(crate) patterns: Option<Vec<String>>,
    pub(crate) session: SessionId,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) health: Health,
    pub(crate) shutdown: Shutdown,
}

/// Is what the venue reads from the bus: definitions, and market data where it is simulated.
struct Market {
    definitions: LogReader,
    news: Option<Subscription>,
}

/// Is what the worker hears.
enum Heard {
    Command(Option<Traced>),
    Said(Result<Said, DriverError>),
    Definition(Result<InMessage, BusError>),
    News(Option<InMessage>),
}

impl VenueWorker {
    /// Restores the venue from the log, starts it, then serves commands, market data, the wire and deadlines, until nobody
    /// commands any more.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Traced>,
        reports: mpsc::Sender<LocalEvent<RouterInput>>,
    ) {
        self.health.set_dependency(VENUE, true, false, "reading earlier fills");
        let Some(mut market) = self.prepare().await else { return };
        let mut traces = Traces::default();
        let mut link = Link::new(self.patterns.is_some(), &self.description);
        self.driver.tell(VenueInput::Start);
        link.show(&self.health);
        loop {
            let heard = tokio::select! {
                biased; // what the venue said, so that it never piles up; then what it is told
                said = self.driver.recv() => Heard::Said(said),
                command = commands.recv() => Heard::Command(command),
                entry = market.definitions.recv() => Heard::Definition(entry.map(|it| it.message)),
                message = recv(&mut market.news) => Heard::News(message),
            };
            match heard {
                Heard::Said(Ok(Said::Report(report))) => {
                    link.note_report(&report, &self.health);
                    let context = traces.of(&report);
                    let event = LocalEvent { input: RouterInput::Venue(report), context };
                    if reports.send(event).await.is_err() {
                        return self.end().await;
                    }
                }
                Heard::Said(Ok(Said::Problem(problem))) => {
                    link.note_problem(&problem, &self.health)
                }
                Heard::Said(Ok(Said::Stopped)) => {}
                Heard::Said(Err(error)) => return self.lost(&whole(error)),
                Heard::Command(None) => return self.end().await,
                Heard::Command(Some((command, context))) => {
                    traces.remember(&command, context);
                    self.driver.tell(VenueInput::Command(command));
                }
                Heard::Definition(Ok(message)) | Heard::News(Some(message)) => {
                    if let Some(input) = seen(&message) {
                        self.driver.tell(input);
                    }
                }
                Heard::Definition(Err(error)) => return self.lost(&error.to_string()),
                Heard::News(None) => return self.lost("the bus is closed"),
            }
        }
    }

    /// Ends the session in order when the process does: it disarms what need not stay armed. After a failure nothing is
    /// disarmed: the venue's own timer takes over.
    async fn end(mut self) {
        if !self.shutdown.is_requested() {
            return;
        }
        self.driver.tell(VenueInput::Stop);
        let stopped = async {
            loop {
                match self.driver.recv().await {
                    Ok(Said::Stopped) => return Ok(()),
                    Ok(Said::Report(_) | Said::Problem(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        };
        match tokio::time::timeout(END_MAX, stopped).await {
            Ok(Ok(())) => tracing::info!("order-entry session ended"),
            Ok(Err(error)) => tracing::warn!(error = whole(error), "order-entry session lost"),
            Err(_) => tracing::warn!(description = self.description, "order-entry session cut off"),
        }
    }

    /// A venue without its market data or its wire is no venue: the next command finds the worker gone, and the process
    /// ends.
    fn lost(&self, problem: &str) {
        tracing::error!(problem, "the venue is gone");
        self.health.set_dependency(VENUE, true, false, problem);
    }

    /// Reads what earlier runs filled, and opens market data; `None` when the process is asked to stop.
    async fn prepare(&mut self) -> Option<Market> {
        loop {
            match self.read().await {
                Ok(market) => return Some(market),
                Err(error) => {
                    tracing::warn!(%error, "the venue cannot read the bus yet");
                    self.health.set_dependency(VENUE, true, false, &error.to_string());
                }
            }
            tokio::select! {
                biased;
                () = self.shutdown.requested() => return None,
                () = tokio::time::sleep(RETRY_PAUSE) => {}
            }
        }
    }

    async fn read(&mut self) -> Result<Market, BusError> {
        let mut restored = Vec::new();
        let events = [Kind::OrderEvent.pattern()];
        let mut log = self.bus.read_log(Stream::Orders, &events, ReadFrom::Start).await?;
        while !log.is_caught_up() {
            let entry = log.recv().await?;
            restored.extend(self.earlier(&entry.message));
        }
        let last = ReadFrom::LastPerSubject;
        let definitions = self.bus.read_log(Stream::Instruments, &[], last).await?;
        let news = match &self.patterns {
            Some(patterns) => Some(self.bus.subscribe(patterns, MARKET_DATA_WAITING_MAX).await?),
            None => None,
        };
        for input in restored {
            self.driver.tell(input);
        }
        Ok(Market { definitions, news })
    }

    /// Takes an event of an earlier run of this account at this venue.
    fn earlier(&self, message: &InMessage) -> Option<VenueInput> {
        let Envelope { header, body } = read_message(message).ok()?;
        let Body::OrderEvent(event) = body else { return None };
        let is_ours = event.account == self.account && event.instrument.venue == self.venue_id;
        (is_ours && header.session != self.session).then_some(VenueInput::Restored(event))
    }
}

/// Waits for market data, for ever where none is wanted.
async fn recv(news: &mut Option<Subscription>) -> Option<InMessage> {
    match news {
        Some(news) => news.recv().await,
        None => std::future::pending().await,
    }
}

/// Keeps what health says of the session.
struct Link {
    is_up: bool,
    description: String,
    problem: Option<String>,
}

impl Link {
    /// A simulated venue is up once it has its market data; the real one says when it is.
    fn new(is_up: bool, description: &str) -> Self {
        Self { is_up, description: description.to_owned(), problem: None }
    }

    fn show(&self, health: &Health) {
        let detail = match &self.problem {
            Some(problem) if !self.is_up => format!("{}; last: {problem}", self.description),
            Some(_) | None => self.description.clone(),
        };
        health.set_dependency(VENUE, true, self.is_up, &detail);
    }

    fn note_report(&mut self, report: &VenueReport, health: &Health) {
        if let VenueReport::Session { is_up } = report {
            self.is_up = *is_up;
            self.show(health);
        }
    }

    fn note_problem(&mut self, problem: &Problem, health: &Health) {
        let kind = format!("{:?}", problem.kind);
        tracing::warn!(kind, detail = problem.detail, "order-entry problem");
        metrics::counter!("remora_order_router_problems_total", "kind" => kind).increment(1);
        self.problem = Some(problem.detail.clone());
        if !self.is_up {
            self.show(health);
        }
    }
}

/// Tells an error with everything behind it.
fn whole(error: DriverError) -> String {
    format!("{:#}", anyhow::Error::new(error))
}

/// Gives what the venue sees of a message; what cannot be read is for the gate to report, which reads the same.
fn seen(message: &InMessage) -> Option<VenueInput> {
    VenueInput::of_market(&read_message(message).ok()?)
}

/// Remembers in which trace each order was given to the venue.
#[derive(Default)]
struct Traces {
    open: BTreeMap<ClOrdId, Given>,
    order: VecDeque<ClOrdId>,
}

struct Given {
    context: TraceContext,
    /// What was asked for; unknown where only the cancel was seen.
    qty: Option<Qty>,
}

impl Traces {
    fn remember(&mut self, command: &VenueCommand, context: TraceContext) {
        let (cl_ord_id, qty) = match command {
            VenueCommand::Submit(order) => (&order.request().cl_ord_id, Some(order.request().qty)),
            VenueCommand::Cancel { cl_ord_id, order_id: _ } => (cl_ord_id, None),
            VenueCommand::CancelAccount
            | VenueCommand::ForgetCancelAccount
            | VenueCommand::QueryOpenOrders { .. }
            | VenueCommand::QueryAccount => return,
        };
        if !context.is_some() {
            return;
        }
        match self.open.get_mut(cl_ord_id) {
            Some(given) => given.context = context,
            None => {
                self.open.insert(cl_ord_id.clone(), Given { context, qty });
                self.order.push_back(cl_ord_id.clone());
            }
        }
        if self.open.len() > TRACES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.open.remove(&oldest);
        }
    }

    /// Finds the trace of the command that a report answers; what ends an order ends its trace.
    fn of(&mut self, report: &VenueReport) -> TraceContext {
        if let VenueReport::Replaced { orig_cl_ord_id, .. } = report {
            self.open.remove(orig_cl_ord_id);
            self.order.retain(|open| open != orig_cl_ord_id);
        }
        let (cl_ord_id, is_end) = match report {
            VenueReport::Filled { cl_ord_id, cum_qty, .. } => {
                let given = self.open.get(cl_ord_id);
                (cl_ord_id, given.is_some_and(|given| given.qty == Some(*cum_qty)))
            }
            VenueReport::Accepted { cl_ord_id, .. }
            | VenueReport::Replaced { cl_ord_id, .. }
            | VenueReport::CancelRejected { cl_ord_id, .. }
            | VenueReport::SubmitUnknown { cl_ord_id } => (cl_ord_id, false),
            VenueReport::Rejected { cl_ord_id, .. } | VenueReport::Cancelled { cl_ord_id, .. } => {
                (cl_ord_id, true)
            }
            VenueReport::OpenOrders { .. }
            | VenueReport::Balances(_)
            | VenueReport::Fees(_)
            | VenueReport::Session { .. }
            | VenueReport::Guard { .. } => return TraceContext::none(),
        };
        if !is_end {
            return self.open.get(cl_ord_id).map(|given| given.context.clone()).unwrap_or_default();
        }
        let ended = self.open.remove(cl_ord_id);
        self.order.retain(|open| open != cl_ord_id);
        ended.map(|given| given.context).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::OrderId;
    use remora_testkit::{at_ms, cl_ord_id, fill, qty};
    use std::collections::BTreeMap as Headers;

    fn context(number: u64) -> TraceContext {
        let parent = format!("00-{number:032x}-{number:016x}-01");
        TraceContext::extract(&Headers::from([("traceparent".to_owned(), parent)]))
    }

    fn cancel(id: &str) -> VenueCommand {
        VenueCommand::Cancel { cl_ord_id: cl_ord_id(id), order_id: None }
    }

    fn accepted(id: &str) -> VenueReport {
        let (cl_ord_id, order_id) = (cl_ord_id(id), OrderId::new("v-1").unwrap());
        VenueReport::Accepted { cl_ord_id, order_id, venue_time: at_ms(1) }
    }

    fn filled(id: &str, cum_qty: &str) -> VenueReport {
        VenueReport::Filled {
            cl_ord_id: cl_ord_id(id),
            order_id: OrderId::new("v-1").unwrap(),
            fill: fill("e-1", "100", "1", "0.1"),
            cum_qty: qty(cum_qty),
            venue_time: at_ms(1),
        }
    }

    #[test]
    fn the_trace_of_a_filled_order_is_forgotten_with_its_last_fill() {
        let mut traces = Traces::default();
        let (id, given) = (cl_ord_id("r-1"), Given { context: context(1), qty: Some(qty("3")) });
        traces.open.insert(id.clone(), given);
        traces.order.push_back(id);
        assert!(traces.of(&filled("r-1", "2")).is_some());
        assert!(traces.of(&filled("r-1", "3")).is_some(), "the last fill has its trace");
        assert!(traces.open.is_empty() && traces.order.is_empty());
    }

    #[test]
    fn the_oldest_traces_make_room_for_new_ones() {
        let mut traces = Traces::default();
        for number in 0..=TRACES_MAX {
            traces.remember(
                &cancel(&format!("r-{number}")),
                context(u64::try_from(number).unwrap() + 1),
            );
        }
        assert_eq!((traces.open.len(), traces.order.len()), (TRACES_MAX, TRACES_MAX));
        assert!(!traces.of(&accepted("r-0")).is_some());
        assert!(traces.of(&accepted(&format!("r-{TRACES_MAX}"))).is_some());
    }
}
