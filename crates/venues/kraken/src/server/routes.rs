//! Keeps the tables of `README.md` true: what it says is served is served, and nothing else.

use crate::server::rest::routes;
use crate::server::ws::names;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Is a row of a table: its state, and the scenarios that use it.
struct Row {
    state: String,
    scenarios: Vec<String>,
}

/// Gives the text between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Reads the rows of the table whose first column has this title.
fn table(title: &str) -> BTreeMap<String, Row> {
    let readme = include_str!("../../README.md");
    let head = format!("| {title} | State | Client |");
    let rows = readme.lines().skip_while(|line| *line != head).skip(2);
    let mut found = BTreeMap::new();
    for line in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, state, scenarios] = cells.as_slice() else { panic!("{line}") };
        let name = quoted(name).next().unwrap().to_owned();
        let row = Row {
            state: (*state).to_owned(),
            scenarios: quoted(scenarios).map(str::to_owned).collect(),
        };
        assert!(!row.scenarios.is_empty() || *scenarios == "own", "{line}");
        assert!(found.insert(name, row).is_none(), "twice: {line}");
    }
    assert!(!found.is_empty(), "no table of {title}");
    found
}

/// Gives the names whose state says that they are served.
fn served(table: &BTreeMap<String, Row>) -> BTreeSet<&str> {
    let is_served = |row: &Row| match row.state.split(':').next() {
        Some("yes") => true,
        Some("no") => false,
        _ => panic!("state {:?}", row.state),
    };
    table.iter().filter(|(_, row)| is_served(row)).map(|(name, _)| name.as_str()).collect()
}

#[test]
fn the_readme_lists_every_rest_route_and_no_other() {
    let table = table("Route");
    let real: BTreeSet<String> = routes()
        .map(|(path, name)| {
            let verb = if path == "/0/public/" { "GET" } else { "POST" };
            format!("{verb} {path}{name}")
        })
        .collect();
    assert_eq!(served(&table), real.iter().map(String::as_str).collect());
    let refused = table.values().filter(|row| row.state.starts_with("no"));
    for row in refused {
        assert_eq!(quoted(&row.state).next(), Some("EGeneral:Unknown method"), "{}", row.state);
    }
}

#[test]
fn the_readme_lists_every_channel_and_method_and_no_other() {
    let (channels, methods) = names();
    for (title, real) in [("Channel", channels), ("Method", methods)] {
        assert_eq!(served(&table(title)), real.into_iter().collect(), "{title}");
    }
}

#[test]
fn every_scenario_that_the_readme_names_is_written() {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../services/venue-sim/shell/tests/clients/python");
    for title in ["Route", "Channel", "Method"] {
        for (name, row) in table(title) {
            for scenario in row.scenarios {
                let (module, function) = scenario.split_once('.').unwrap();
                let source = clients.join(module).with_extension("py");
                let text = std::fs::read_to_string(source).unwrap();
                let wanted = format!("def {function}(exchange):");
                assert!(text.contains(&wanted), "{name}: no {scenario}");
            }
        }
    }
}
