//! The page of `remora pairs`: what each score is made of, and why a pair is in or out.

use super::page::{Page, escape};
use super::pairs::{facts_lines, membership};
use anyhow::Result;
use remora_research::pairs::{Card, CardSettings, Universe};
use std::collections::BTreeMap;

/// Width of the longest bar of a breakdown, pixels.
const BAR: f64 = 220.0;

/// Builds the page.
pub(crate) fn html(
    settings: &CardSettings,
    cards: &[Card],
    universe: Option<&Universe>,
    refused: &BTreeMap<String, String>,
) -> Result<String> {
    let mut page = Page::new("Remora: which pairs are worth quoting?");
    page.note(&format!(
        "Score: what a day should leave at the lower bound, in basis points of {} {} committed, after a maker fee of {} bps. Its parts add \
         up to it: orange adds, blue takes.",
        settings.capital, settings.currency, settings.maker_fee_bps
    ));
    for note in
        cards.iter().flat_map(|card| &card.facts.notes).filter(|n| n.starts_with("candles")).take(1)
    {
        page.warn(&format!("{note}."));
    }
    for (name, why) in refused {
        page.warn(&format!("{name} was refused: {why}"));
    }
    if let Some(universe) = universe {
        page.heading(&format!("Universe {}", universe.version));
        let rows = universe.places.iter().map(|place| {
            vec![
                place.pair.clone(),
                membership(place.membership).to_owned(),
                place.rank.map_or_else(String::new, |rank| rank.to_string()),
                format!("{:+.1}", place.score_bps),
                place.reasons.join("; "),
            ]
        });
        page.table(&["pair", "standing", "rank", "score, bps", "why"], rows);
    }
    page.heading("What each score is made of");
    page.push(&breakdown(settings, cards));
    page.heading("What it rests on");
    for card in cards {
        page.push(&format!("<h3>{}</h3>", escape(&card.facts.pair)));
        page.note(&facts_lines(card, settings).join(" "));
    }
    Ok(page.finish())
}

/// Draws the parts of every score as bars from a common zero.
fn breakdown(settings: &CardSettings, cards: &[Card]) -> String {
    let names: Vec<&str> =
        cards.first().map_or_else(Vec::new, |card| card.parts.iter().map(|p| p.name).collect());
    let bps = |value: f64| value / settings.capital * 1e4;
    let longest = cards
        .iter()
        .flat_map(|card| &card.parts)
        .map(|part| bps(part.value).abs())
        .fold(f64::MIN_POSITIVE, f64::max);
    let mut text =
        String::from("<div class=\"wide\"><table class=\"bars\"><tr><th>pair</th><th>score</th>");
    for name in names {
        text.push_str(&format!("<th>{}</th>", escape(name)));
    }
    text.push_str("</tr>");
    for card in cards {
        text.push_str(&format!(
            "<tr><td>{}</td><td>{:+.1}</td>",
            escape(&card.facts.pair),
            card.score_bps
        ));
        for part in &card.parts {
            let value = bps(part.value);
            let kind = if value < 0.0 { "less" } else { "more" };
            let width = value.abs() / longest * BAR;
            text.push_str(&format!(
                "<td>{value:+.1}<div class=\"{kind}\" style=\"width:{width:.0}px\"></div></td>"
            ));
        }
        text.push_str("</tr>");
    }
    text.push_str("</table></div>");
    text
}
