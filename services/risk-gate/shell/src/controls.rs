//! The controls as a person and a dashboard see them: JSON for status, gauges for metrics.

use remora_risk_gate_core::{ControlLine, Trigger};
use serde_json::{Value, json};

/// Writes what every control says, by number.
pub(crate) fn to_json(lines: &[ControlLine]) -> Value {
    lines.iter().map(line_to_json).collect()
}

fn line_to_json(line: &ControlLine) -> Value {
    let control = line.control;
    json!({
        "control": control.to_string(),
        "title": control.title(),
        "group": control.group().as_str(),
        "rule": control.rule(),
        "unit": control.unit(),
        "sources": control.sources(),
        "subject": line.subject,
        "limit": line.limit,
        "value": line.value,
        "headroom": line.headroom,
        "refuses": line.refuses.map(|reason| reason.as_str()),
        "denials": line.denials,
        "last": line.last.as_ref().map(trigger_to_json),
    })
}

fn trigger_to_json(trigger: &Trigger) -> Value {
    json!({
        "at_ns": trigger.at.as_ns(),
        "reason": trigger.denial.reason.as_str(),
        "limit": trigger.denial.limit,
        "value": trigger.denial.value,
    })
}

/// Sets the gauges of every control: denials of this run, and value and headroom where they are numbers.
pub(crate) fn gauge(lines: &[ControlLine]) {
    for line in lines {
        let control = line.control.to_string();
        metrics::counter!("remora_gate_control_denials_total", "control" => control.clone())
            .absolute(line.denials);
        if let Some(value) = number(&line.value).filter(|_| line.headroom.is_some()) {
            metrics::gauge!("remora_gate_control_value", "control" => control.clone()).set(value);
        }
        if let Some(left) = line.headroom.as_deref().and_then(number) {
            metrics::gauge!("remora_gate_control_headroom", "control" => control).set(left);
        }
    }
}

/// Reads the number that a text with a unit begins with.
fn number(text: &str) -> Option<f64> {
    text.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_risk_gate_core::Control;

    #[test]
    fn a_control_is_told_with_rule_limit_value_and_what_is_left() {
        let line = ControlLine {
            control: Control::G15,
            subject: "account".to_owned(),
            limit: "12000 USD".to_owned(),
            value: "1500.5 USD".to_owned(),
            headroom: Some("10499.5 USD".to_owned()),
            refuses: None,
            denials: 3,
            last: None,
        };
        let told = to_json(std::slice::from_ref(&line));
        assert_eq!(told[0]["control"], "G15");
        assert_eq!(told[0]["headroom"], "10499.5 USD");
        assert_eq!(told[0]["denials"], 3);
        assert!(told[0]["refuses"].is_null());
        assert_eq!(number(&line.value), Some(1500.5));
        assert_eq!(number("open"), None);
    }
}
