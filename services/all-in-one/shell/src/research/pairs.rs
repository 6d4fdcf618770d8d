//! `remora pairs analyze`, `select` and `explain`.

use super::args::{ExplainArguments, OutArguments, PairsArguments, PairsCommand, SelectArguments};
use super::pairs_rows::{record_cell, record_line, row};
use super::{filters, futures, pairs_data, pairs_page, past, write};
use crate::output;
use anyhow::{Context, Result, bail};
use comfy_table::{CellAlignment, Table, presets};
use remora_research::pairs::{
    Card, CardSettings, Evidence, Membership, SelectSettings, Universe, cards, select,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Is the file of results.
#[derive(Serialize)]
struct Results<'a> {
    format: u32,
    settings: &'a CardSettings,
    #[serde(skip_serializing_if = "Option::is_none")]
    select: Option<&'a SelectSettings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    universe: Option<&'a Universe>,
    cards: &'a [Card],
    refused: &'a BTreeMap<String, String>,
}

/// Is what of an earlier file of results is read again.
#[derive(Deserialize)]
struct Before {
    universe: Universe,
}

/// Runs the command.
pub(crate) async fn run(command: PairsCommand) -> Result<()> {
    match command {
        PairsCommand::Analyze(arguments) => analyze(&arguments).await,
        PairsCommand::Select(arguments) => choose(&arguments).await,
        PairsCommand::Explain(arguments) => explain(&arguments).await,
    }
}

/// Holds the cards, best first, with how they were made.
struct Scored {
    settings: CardSettings,
    cards: Vec<Card>,
    refused: BTreeMap<String, String>,
}

async fn score(arguments: &PairsArguments) -> Result<Scored> {
    write::check(&arguments.out)?;
    let settings = CardSettings {
        currency: arguments.currency.clone(),
        capital: arguments.capital,
        maker_fee_bps: arguments.maker_fee_bps,
        next_maker_fee_bps: arguments.next_maker_fee_bps,
        participation: arguments.participation,
        turnover_max: arguments.turnover_max,
        inventory_share: arguments.inventory_share,
        risk_aversion: arguments.risk_aversion,
        error_multiple: arguments.error_multiple,
    };
    let past = past::read(arguments).await?;
    let (mut facts, refused) = pairs_data::read(arguments).await?;
    if let Some(listed) = futures::listed(&arguments.futures).await? {
        futures::add(&mut facts, &listed);
    }
    if let Some(past) = &past {
        past::add(&mut facts, past, arguments)?;
    }
    for (name, why) in &refused {
        output::note(&format!("refused {name}: {why}"));
    }
    if facts.is_empty() {
        bail!("no pair could be scored");
    }
    let mut cards = cards(facts, &settings);
    cards.sort_by(|a, b| b.score_bps.total_cmp(&a.score_bps));
    if cards.iter().any(|card| card.facts.evidence == Evidence::Candles) {
        output::note(
            "candles show no book: what is kept of the spread, and with it every score, is an upper bound",
        );
    }
    Ok(Scored { settings, cards, refused })
}

impl Scored {
    fn write(
        &self,
        out: &OutArguments,
        chosen: Option<(&SelectSettings, &Universe)>,
    ) -> Result<()> {
        let results = Results {
            format: 1,
            settings: &self.settings,
            select: chosen.map(|(select, _)| select),
            universe: chosen.map(|(_, universe)| universe),
            cards: &self.cards,
            refused: &self.refused,
        };
        let universe = chosen.map(|(_, universe)| universe);
        let rows = self.cards.iter().map(|card| row(card, universe));
        let page = || pairs_page::html(&self.settings, &self.cards, universe, &self.refused);
        write::all(out, &results, rows, page)
    }
}

async fn analyze(arguments: &PairsArguments) -> Result<()> {
    let scored = score(arguments).await?;
    output::line(&card_table(&scored.cards).to_string());
    output::line(&closing(&scored.settings));
    scored.write(&arguments.out, None)
}

async fn choose(arguments: &SelectArguments) -> Result<()> {
    let (wishes, cluster) = (filters::wishes(arguments)?, filters::cluster(arguments)?);
    let before = match &arguments.before {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("--before {}", path.display()))?;
            let before: Before = serde_json::from_str(&text).with_context(|| {
                format!("--before {}: no result of `pairs select --json`", path.display())
            })?;
            Some(before.universe)
        }
    };
    let scored = score(&arguments.pairs).await?;
    let settings = SelectSettings {
        pairs_max: arguments.pairs_max,
        slack: arguments.slack,
        correlation_weight: arguments.correlation_weight,
        filters: wishes.filters(arguments, &scored.cards),
        cluster,
    };
    let capital = scored.settings.capital;
    let universe = select(&scored.cards, &settings, capital, before.as_ref());
    let mut table = plain(&["pair", "", "rank", "score", "why"]);
    for place in &universe.places {
        table.add_row(vec![
            place.pair.clone(),
            membership(place.membership).to_owned(),
            place.rank.map_or_else(String::new, |rank| rank.to_string()),
            format!("{:+.1}", place.score_bps),
            place.reasons.join("; "),
        ]);
    }
    output::line(&table.to_string());
    let count = universe.places.iter().filter(|p| p.membership == Membership::In).count();
    output::line(&format!(
        "Universe {}: {count} of {} pairs. {}",
        universe.version,
        universe.places.len(),
        closing(&scored.settings)
    ));
    if let Some(before) = &before {
        output::line(&format!("{:.0} % of them are new.", 100.0 * universe.turnover(before)));
    }
    scored.write(&arguments.pairs.out, Some((&settings, &universe)))
}

async fn explain(arguments: &ExplainArguments) -> Result<()> {
    let mut scored = score(&arguments.pairs).await?;
    let is_it = |card: &&Card| card.facts.pair.eq_ignore_ascii_case(&arguments.pair);
    let Some(card) = scored.cards.iter().find(is_it).cloned() else {
        if let Some(why) = scored.refused.get(&arguments.pair) {
            bail!("{} has no score: {why}", arguments.pair);
        }
        let known: Vec<&str> = scored.cards.iter().map(|c| c.facts.pair.as_str()).collect();
        bail!("no pair {:?} in the data; there are {}", arguments.pair, known.join(", "));
    };
    let currency = &scored.settings.currency;
    let mut table = plain(&["part", currency, "bps of capital"]);
    let capital = scored.settings.capital;
    let mut total = 0.0;
    for part in &card.parts {
        total += part.value;
        let bps = part.value / capital * 1e4;
        table.add_row(vec![
            part.name.to_owned(),
            format!("{:+.4}", part.value),
            format!("{bps:+.2}"),
        ]);
    }
    let bps = total / capital * 1e4;
    table.add_row(vec!["score a day".to_owned(), format!("{total:+.4}"), format!("{bps:+.2}")]);
    right(&mut table, 1);
    output::line(&format!("{}, a day, with {capital} {currency} committed:", card.facts.pair));
    output::line(&table.to_string());
    for line in facts_lines(&card, &scored.settings) {
        output::line(&line);
    }
    scored.cards = vec![card];
    scored.write(&arguments.pairs.out, None)
}

/// Says what a card rests on, line by line.
pub(crate) fn facts_lines(card: &Card, settings: &CardSettings) -> Vec<String> {
    let (facts, currency) = (&card.facts, &settings.currency);
    let bound = if card.is_bound_by_capital { "the capital" } else { "its volume" };
    let mut lines = vec![
        format!(
            "Kept of the spread {:.3} +-{:.3} bps, less the fee of {} bps: {:+.3}; drawn towards all pairs: {:+.3} +-{:.3} bps.",
            facts.kept_bps.value,
            facts.kept_bps.se,
            settings.maker_fee_bps,
            card.edge_bps,
            card.shrunk_edge_bps,
            card.edge_se_bps
        ),
        format!(
            "Fills {:.0} {currency} a day (bound by {bound}) of {:.0} +-{:.0} traded; volatility {:.2} % a day; {:.2} days of history.",
            card.fills_day,
            facts.volume_day.value,
            facts.volume_day.se,
            100.0 * facts.volatility_day,
            facts.history_days
        ),
    ];
    if let Some((effective, adverse)) = facts.effective_half_spread_bps.zip(facts.adverse_5s_bps) {
        let later = facts.adverse_60s_bps.map_or_else(
            || "unknown, the recording is too short".to_owned(),
            |a| format!("{:.3} +-{:.3}", a.value, a.se),
        );
        lines.push(format!(
            "Takers pay {:.3} bps to the mid; it moves {:.3} +-{:.3} bps against the maker in 5 s, in 60 s {later}.",
            effective.value, adverse.value, adverse.se
        ));
    }
    if let Some((spread, [five, ten, more])) = facts.spread_bps.zip(facts.depth) {
        lines.push(format!(
            "Quoted spread {spread:.3} bps; {five:.0}, {ten:.0}, {more:.0} {currency} within 5, 10, 25 bps on the thinner side."
        ));
    }
    if let Some((status, smallest)) = facts.status.zip(facts.order_min) {
        lines.push(format!(
            "Status {}; its smallest order is {smallest:.2} {currency}; surely listed for {:.1} days.",
            status.as_str(),
            facts.listed_days
        ));
    }
    lines.extend(facts.record.map(|record| record_line(&record, currency)));
    lines.extend(facts.notes.iter().map(|note| format!("Note: {note}.")));
    if let Some(score) = card.next_tier_score_bps {
        lines.push(format!("At the next fee tier the score is {score:+.2} bps a day."));
    }
    lines.push(match card.source_score {
        Some(score) => format!("The source system's rule gives {score:.1} of 100."),
        None => "The source system's rule needs spread, change of 24 hours and futures: not all are in this data.".to_owned(),
    });
    lines
}

fn card_table(cards: &[Card]) -> Table {
    let mut table = plain(&[
        "pair",
        "score",
        "expected",
        "edge, bps",
        "kept, bps",
        "adverse 5 s",
        "spread, bps",
        "volume a day",
        "volatility",
        "days",
        "next tier",
        "source rule",
        "our own a day",
    ]);
    let number = |x: Option<f64>| x.map_or_else(|| "unknown".to_owned(), |x| format!("{x:.2}"));
    for card in cards {
        let facts = &card.facts;
        table.add_row(vec![
            facts.pair.clone(),
            format!("{:+.1}", card.score_bps),
            format!("{:+.3}", card.expected_day),
            format!("{:+.2} +-{:.2}", card.shrunk_edge_bps, card.edge_se_bps),
            format!("{:.2} +-{:.2}", facts.kept_bps.value, facts.kept_bps.se),
            number(facts.adverse_5s_bps.map(|a| a.value)),
            number(facts.spread_bps),
            format!("{:.2} M", facts.volume_day.value / 1e6),
            format!("{:.1} %", 100.0 * facts.volatility_day),
            format!("{:.1}", facts.history_days),
            card.next_tier_score_bps.map_or_else(String::new, |x| format!("{x:+.1}")),
            number(card.source_score),
            facts.record.map_or_else(String::new, |record| record_cell(&record)),
        ]);
    }
    right(&mut table, 1);
    table
}

fn closing(settings: &CardSettings) -> String {
    format!(
        "Score: basis points of {} {} a day at the lower bound, fee {} bps.",
        settings.capital, settings.currency, settings.maker_fee_bps
    )
}

pub(crate) const fn membership(membership: Membership) -> &'static str {
    match membership {
        Membership::In => "in",
        Membership::Entering => "entering",
        Membership::Drain => "drain",
        Membership::Out => "out",
    }
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(header);
    table
}

fn right(table: &mut Table, from: usize) {
    for column in table.column_iter_mut().skip(from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}
