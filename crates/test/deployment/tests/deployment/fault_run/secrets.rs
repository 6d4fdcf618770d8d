//! Credentials are shown nowhere: everything that a run leaves behind is searched for every one that was used in it.

use super::exchange::Exchange;
use super::wiretap::Wiretap;
use crate::common::Watcher;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use remora_bus::{Bus as _, ReadFrom, Stream};
use remora_deployment::Deployment;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

/// How many bytes of a secret are looked at first, and how many are looked up.
const GLANCE: usize = 3;
const PREFIX: usize = 16;

/// Gives everything that must be shown nowhere, with what it is: the key, its secret as given and in other spellings, and
/// every signature and token that passed on the wire.
pub(crate) fn hidden(exchange: &Exchange, wiretap: &Wiretap) -> BTreeMap<String, &'static str> {
    let [key, secret] = exchange.credentials();
    let bytes = STANDARD.decode(&secret).unwrap();
    let hexadecimal = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let listed = format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
    let mut hidden = BTreeMap::from([
        (STANDARD.encode(&secret), "the secret in base64"),
        (STANDARD.encode(&key), "the key in base64"),
        (hexadecimal, "the secret in hexadecimal"),
        (listed, "the secret's bytes"),
        (key, "the key"),
        (secret, "the secret"),
    ]);
    let passed = wiretap.secrets();
    assert!(passed.len() > 10, "the wiretap heard {} signatures and tokens only", passed.len());
    hidden.extend(passed.into_iter().map(|secret| (secret, "a signature or a token")));
    assert!(hidden.keys().all(|secret| secret.len() > PREFIX));
    hidden
}

/// Finds any of many texts in bytes.
struct Searcher<'a> {
    /// One for each beginning of three bytes.
    glances: Vec<bool>,
    by_prefix: BTreeMap<&'a [u8], Vec<(&'a [u8], &'static str)>>,
}

impl<'a> Searcher<'a> {
    fn new(hidden: &'a BTreeMap<String, &'static str>) -> Self {
        let mut searcher = Self { glances: vec![false; 1 << 24], by_prefix: BTreeMap::new() };
        for (secret, what) in hidden {
            let bytes = secret.as_bytes();
            searcher.glances[glance(bytes)] = true;
            searcher.by_prefix.entry(&bytes[..PREFIX]).or_default().push((bytes, what));
        }
        searcher
    }

    fn find(&self, text: &[u8]) -> Option<&'static str> {
        let places = text.windows(PREFIX).enumerate();
        let mut likely = places.filter(|(_, window)| self.glances[glance(window)]);
        likely.find_map(|(at, window)| {
            let of_prefix = self.by_prefix.get(window)?;
            of_prefix.iter().find(|(it, _)| text[at..].starts_with(it)).map(|(_, what)| *what)
        })
    }
}

fn glance(bytes: &[u8]) -> usize {
    bytes.iter().take(GLANCE).fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

/// Searches every log, recording, profile and file of the run, the durable log, history and the run's own report; gives
/// what was searched, for people.
pub(crate) fn search(
    deployment: &Deployment,
    watcher: &Watcher,
    folder: &Path,
    report: &str,
    hidden: &BTreeMap<String, &'static str>,
) -> String {
    let searcher = Searcher::new(hidden);
    let want_none = |place: &str, text: &[u8]| {
        assert_eq!(searcher.find(text), None, "shown in {place}");
        text.len()
    };
    // It finds what is there.
    for secret in hidden.keys() {
        assert!(searcher.find(format!("a {secret} b").as_bytes()).is_some(), "cannot be found");
    }
    want_none("the report", report.as_bytes());
    let (mut files, mut bytes) = (0, 0);
    walk(folder, &mut |path, text| {
        files += 1;
        bytes += want_none(&path.display().to_string(), text);
    });
    assert!(files > 10, "{files} files only");
    let (mut messages, mut rows) = (0, 0);
    for stream in Stream::ALL {
        for payload in payloads(watcher, stream) {
            messages += 1;
            bytes += want_none(&format!("the stream {stream:?}"), &payload);
        }
    }
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'";
    for table in deployment.query(tables).unwrap().lines() {
        let text = deployment.query(&format!("SELECT t::text FROM \"{table}\" t")).unwrap();
        rows += text.lines().count();
        bytes += want_none(&format!("the table {table}"), text.as_bytes());
    }
    assert!(messages > 100 && rows > 100, "{messages} messages, {rows} rows");
    format!("{files} files, {messages} messages, {rows} rows: {bytes} bytes")
}

/// Reads every file below a folder, recordings unpacked; the exchange's own key files are not a leak.
fn walk(folder: &Path, look: &mut impl FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap();
        if path.is_dir() {
            if name != "keys" {
                walk(&path, look);
            }
            continue;
        }
        let mut text = fs::read(&path).unwrap();
        if name.ends_with(".gz") {
            let mut unpacked = Vec::new();
            // What a killed process left behind breaks off; everything up to there was read.
            let _ = MultiGzDecoder::new(&*text).read_to_end(&mut unpacked);
            assert!(!unpacked.is_empty(), "{}", path.display());
            text = unpacked;
        }
        look(&path, name.as_bytes());
        look(&path, &text);
    }
}

fn payloads(watcher: &Watcher, stream: Stream) -> Vec<Vec<u8>> {
    watcher.runtime.block_on(async {
        let mut log = watcher.bus.read_log(stream, &[], ReadFrom::Start).await.unwrap();
        let mut read = Vec::new();
        while !log.is_caught_up() {
            read.push(log.recv().await.unwrap().message.payload.to_vec());
        }
        read
    })
}
