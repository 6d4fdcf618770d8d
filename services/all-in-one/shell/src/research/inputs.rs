//! Files that research reads: which ones, what they are called, and their rows.

use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;
use remora_research::{CandleReader, CandleSeries};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Is one file and what its series is called.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
}

/// Lists files, those of a folder by name, each once. A name is that of the file without its endings; where two would be the same, the
/// folder stands before it.
pub(crate) fn list(paths: &[PathBuf], endings: &[&str]) -> Result<Vec<Input>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in paths {
        if path.is_dir() {
            let entries =
                std::fs::read_dir(path).with_context(|| format!("read {}", path.display()))?;
            let mut found = Vec::new();
            for entry in entries {
                let path = entry.with_context(|| format!("read {}", path.display()))?.path();
                let name = path.to_string_lossy();
                if endings.iter().any(|ending| name.ends_with(ending)) {
                    found.push(path);
                }
            }
            if found.is_empty() {
                bail!("{}: no file that ends in {}", path.display(), endings.join(" or "));
            }
            found.sort();
            files.extend(found);
        } else if path.is_file() {
            files.push(path.clone());
        } else {
            bail!("{}: no such file or folder", path.display());
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for file in &files {
        *times.entry(stem(file)).or_default() += 1;
    }
    let name = |path: PathBuf| {
        let stem = stem(&path);
        let is_alone = times.get(&stem).is_none_or(|times| *times == 1);
        let folder = path.parent().and_then(Path::file_name).filter(|_| !is_alone);
        let name = folder.map_or(stem.clone(), |f| format!("{}/{stem}", f.to_string_lossy()));
        Input { path, name }
    };
    Ok(files.into_iter().map(name).collect())
}

fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let end = name.find('.').unwrap_or(name.len());
    name.get(..end).unwrap_or_default().to_owned()
}

/// Opens a file, unpacking it where its name ends in `.gz`.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Read>> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let is_packed = path.extension().is_some_and(|ending| ending == "gz");
    Ok(if is_packed {
        Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file)))
    } else {
        Box::new(file)
    })
}

/// Reads candles.
pub(crate) fn candles(path: &Path, coverage_min: f64) -> Result<CandleSeries> {
    let mut rows = csv::ReaderBuilder::new().flexible(true).from_reader(open(path)?);
    let mut reader = CandleReader::new(rows.headers().context("read the header")?.iter())?;
    let mut row = csv::StringRecord::new();
    loop {
        let at = rows.position().line();
        if !rows.read_record(&mut row).with_context(|| format!("after line {at}"))? {
            break;
        }
        let line = row.position().map_or(at, csv::Position::line);
        reader.row(line, row.iter())?;
    }
    Ok(reader.finish(coverage_min)?)
}
