//! What every control says now: rule, limit, value, what is left, when it last refused. Reads, never changes.
//!
//! Controls of the account and of pairs are read as they stand; of pairs, the one with the least left is told. Controls
//! of orders are read as if the last order were asked for again.

use crate::ask::Ask;
use crate::catalogue::{Control, Level};
use crate::controls::{self, RULES};
use crate::core::RiskGateCore;
use crate::denial::{Denial, Reading};
use crate::status::Trigger;
use remora_domain::{DurationNs, OrderRequest, RefusalReason, Timestamp};

/// Is what one control says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlLine {
    /// Which control.
    pub control: Control,
    /// About what: `account`, a pair, or an order.
    pub subject: String,
    /// The limit in force, with its unit.
    pub limit: String,
    /// The value it is held against, with its unit, or what is not known.
    pub value: String,
    /// What is left up to the limit, in the unit of both; `None` for conditions and while the control refuses.
    pub headroom: Option<String>,
    /// The reason for which it refuses now; `None` while it does not.
    pub refuses: Option<RefusalReason>,
    /// How often it refused an order in this run.
    pub denials: u64,
    /// Its last refusal of this run.
    pub last: Option<Trigger>,
}

/// Is what the gate would answer to an order, and what every control says to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// The refusal; `None` for an approval.
    pub denial: Option<Denial>,
    /// What each control says, by number.
    pub lines: Vec<ControlLine>,
}

/// Is the last order that was asked for, and how old what it was decided on was then.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) order: OrderRequest,
    pub(crate) signal_age: DurationNs,
}

impl RiskGateCore {
    /// Tells what every control says at `now`, by number. Cost: proportional to the pairs ever traded.
    #[must_use]
    pub fn explain(&self, now: Timestamp) -> Vec<ControlLine> {
        let account = vec![Ask::of_values(&self.facts, now, None)];
        let keys = self.facts.traded.keys();
        let pairs: Vec<Ask<'_>> =
            keys.map(|key| Ask::of_values(&self.facts, now, Some(key))).collect();
        let order: Vec<Ask<'_>> = self.asked.iter().map(|asked| self.again(now, asked)).collect();
        let line = |control: &Control| match control.level() {
            Level::Pair if !pairs.is_empty() => self.line(*control, &pairs),
            Level::Account | Level::Pair => self.line(*control, &account),
            Level::Order => self.line(*control, &order),
        };
        Control::ALL.iter().map(line).collect()
    }

    /// Tells what the gate would answer to an order at `now`: the first refusal, `None` for an approval. Nothing is
    /// reserved, counted or signed.
    #[must_use]
    pub fn verdict(&self, now: Timestamp, order: &OrderRequest) -> Option<Denial> {
        controls::check(&Ask::of_order(&self.facts, now, order, now)).err()
    }

    /// Tells what the gate would answer to an order at `now`, and what every control says to it.
    #[must_use]
    pub fn consider(&self, now: Timestamp, order: &OrderRequest) -> Considered {
        let asks = vec![Ask::of_order(&self.facts, now, order, now)];
        let denial = self.verdict(now, order);
        let line = |control: &Control| self.line(*control, &asks);
        Considered { denial, lines: Control::ALL.iter().map(line).collect() }
    }

    fn again<'a>(&'a self, now: Timestamp, asked: &'a Asked) -> Ask<'a> {
        let signal_at = now.saturating_sub(asked.signal_age);
        Ask::of_order(&self.facts, now, &asked.order, signal_at)
    }

    /// Of everything a control says about several subjects, tells what is nearest to a refusal.
    fn line(&self, control: Control, asks: &[Ask<'_>]) -> ControlLine {
        let mut nearest: Option<(&Ask<'_>, Result<Reading<'_>, Denial>)> = None;
        for ask in asks {
            for (_, rule) in RULES.iter().filter(|(of, _)| *of == control) {
                let said = rule(ask);
                if nearest.as_ref().is_none_or(|(_, other)| is_nearer(&said, other)) {
                    nearest = Some((ask, said));
                }
            }
        }
        match nearest {
            Some((ask, said)) => self.told(control, subject(ask), said),
            None => self.unread(control, "no order was asked for yet"),
        }
    }

    fn told(
        &self,
        control: Control,
        subject: String,
        said: Result<Reading<'_>, Denial>,
    ) -> ControlLine {
        let blank = ControlLine { subject, ..self.unread(control, "") };
        match said {
            Ok(reading) => {
                let (limit, value) = reading.texts();
                let headroom = reading.headroom().map(|left| {
                    let unit = reading.unit().map(|unit| format!(" {unit}")).unwrap_or_default();
                    format!("{}{unit}", left.normalize())
                });
                ControlLine { limit, value, headroom, ..blank }
            }
            Err(denial) => ControlLine {
                limit: denial.limit,
                value: denial.value,
                refuses: Some(denial.reason),
                ..blank
            },
        }
    }

    fn unread(&self, control: Control, value: &str) -> ControlLine {
        let counts = control.reasons().filter_map(|reason| self.refusals.get(&reason));
        ControlLine {
            control,
            subject: "account".to_owned(),
            limit: String::new(),
            value: value.to_owned(),
            headroom: None,
            refuses: None,
            denials: counts.fold(0, |sum, count| sum.saturating_add(*count)),
            last: self.triggers.get(&control).cloned(),
        }
    }
}

fn subject(ask: &Ask<'_>) -> String {
    match (ask.order(), ask.key()) {
        (Ok(order), _) => format!("order {}", order.cl_ord_id),
        (Err(_), Ok(key)) => key.to_string(),
        (Err(_), Err(_)) => "account".to_owned(),
    }
}

/// Tells whether the first of two answers is nearer to a refusal.
fn is_nearer(one: &Result<Reading<'_>, Denial>, other: &Result<Reading<'_>, Denial>) -> bool {
    match (one, other) {
        (_, Err(_)) => false,
        (Err(_), Ok(_)) => true,
        (Ok(one), Ok(other)) => match (one.headroom(), other.headroom()) {
            (Some(one), Some(other)) => one < other,
            (Some(_), None) => true,
            (None, _) => false,
        },
    }
}
