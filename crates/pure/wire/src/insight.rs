//! What a universe says beyond scores.

use crate::WireError;
use crate::amounts::{finite, key_from, key_to, word};
use crate::generated::pairs;
use remora_domain::{DurationNs, HOURS, HourPattern, Lead, PairInsight, PatternTarget};

pub(crate) fn insight_to(m: &PairInsight) -> pairs::PairInsight {
    let pattern = |p: &HourPattern| pairs::HourPattern {
        target: p.target.as_str().to_owned(),
        p_value_est: p.p_value_est,
        factors_est: p.factors_est.clone(),
    };
    let lead = |l: &Lead| pairs::Lead {
        leader: key_to(&l.leader),
        is_significant: l.is_significant,
        lag_ns: l.lag.as_ns(),
        share_est: l.share_est,
        p_value_est: l.p_value_est,
        parts: l.parts,
    };
    pairs::PairInsight {
        instrument: key_to(&m.instrument),
        patterns: m.patterns.iter().map(pattern).collect(),
        leads: m.leads.iter().map(lead).collect(),
    }
}

pub(crate) fn insight_from(m: pairs::PairInsight) -> Result<PairInsight, WireError> {
    Ok(PairInsight {
        instrument: key_from("universe.insight.instrument", m.instrument)?,
        patterns: m.patterns.into_iter().map(pattern_from).collect::<Result<_, _>>()?,
        leads: m.leads.into_iter().map(lead_from).collect::<Result<_, _>>()?,
    })
}

fn pattern_from(m: pairs::HourPattern) -> Result<HourPattern, WireError> {
    let field = "universe.insight.pattern.factors_est";
    // A factor that multiplies sizes is above zero, and there is one for each hour or none at all.
    let is_whole = m.factors_est.is_empty() || m.factors_est.len() == HOURS;
    if !is_whole || !m.factors_est.iter().all(|factor| factor.is_finite() && *factor > 0.0) {
        return Err(WireError::Range { field });
    }
    let target = word(
        "universe.insight.pattern.target",
        PatternTarget::ALL,
        PatternTarget::as_str,
        &m.target,
    )?;
    let p_value_est = share("universe.insight.pattern.p_value_est", m.p_value_est)?;
    Ok(HourPattern { target, p_value_est, factors_est: m.factors_est })
}

fn lead_from(m: pairs::Lead) -> Result<Lead, WireError> {
    if m.lag_ns < 0 {
        return Err(WireError::Negative { field: "universe.insight.lead.lag_ns" });
    }
    Ok(Lead {
        leader: key_from("universe.insight.lead.leader", m.leader)?,
        is_significant: m.is_significant,
        lag: DurationNs::from_ns(m.lag_ns),
        share_est: share("universe.insight.lead.share_est", m.share_est)?,
        p_value_est: share("universe.insight.lead.p_value_est", m.p_value_est)?,
        parts: m.parts,
    })
}

/// Reads a number from 0 to 1.
fn share(field: &'static str, value: f64) -> Result<f64, WireError> {
    let value = finite(field, value)?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(WireError::Range { field }) }
}
