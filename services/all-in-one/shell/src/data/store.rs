//! The local store of fetched trades: one file a pair, rows appended page by page, and the cursor beside it.
//!
//! `VENUE/trades/BASE_QUOTE.csv`: `trade_id,time_ns,side,price,qty`. `BASE_QUOTE.cursor` beside it: where the next page begins and how many bytes of
//! the file are whole; written after the rows, through a file of its own, so that a kill at any instant costs one page and leaves none twice.
//! `VENUE/candles_60s/BASE_QUOTE.csv`: candles of all of it, made anew each time.

use anyhow::{Context, Result, bail};
use remora_domain::{Price, Qty, Side};
use remora_venue_registry::history::{PastTrade, TradePage};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Where trades are, below the folder of a venue.
const TRADES: &str = "trades";
const HEADER: &str = "trade_id,time_ns,side,price,qty\n";

/// Is the file of one pair, open for more.
pub(crate) struct PairStore {
    file: File,
    cursor_path: PathBuf,
    /// Where the next page begins; `None` before the first.
    pub(crate) next: Option<i64>,
    bytes: u64,
    pub(crate) last_id: Option<u64>,
}

impl PairStore {
    /// Opens or begins it; what a kill left behind the last whole page is cut off.
    pub(crate) fn open(folder: &Path, symbol: &str) -> Result<Self> {
        let folder = made(folder.join(TRADES))?;
        let stem = stem(symbol);
        let path = folder.join(format!("{stem}.csv"));
        let cursor_path = folder.join(format!("{stem}.cursor"));
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        let (next, bytes, last_id) = match std::fs::read_to_string(&cursor_path) {
            Ok(text) => {
                let known = cursor(&text);
                let (next, bytes, id) = known.with_context(|| {
                    format!("{}: not a cursor: {text:?}", cursor_path.display())
                })?;
                (Some(next), bytes, id)
            }
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => (None, 0, None),
            Err(cause) => {
                return Err(cause).with_context(|| format!("read {}", cursor_path.display()));
            }
        };
        if file.metadata()?.len() < bytes {
            bail!("{} is shorter than its cursor says; move both away", path.display());
        }
        file.set_len(bytes)?;
        file.seek(SeekFrom::End(0))?;
        let mut store = Self { file, cursor_path, next, bytes, last_id };
        if bytes == 0 {
            store.append(HEADER)?;
        }
        Ok(store)
    }

    /// Adds a page and remembers where the next begins.
    pub(crate) fn add(&mut self, page: &TradePage) -> Result<()> {
        let mut rows = String::new();
        for trade in &page.trades {
            let PastTrade { trade_id, time, taker_side, price, qty } = trade;
            let side = match taker_side {
                Side::Buy => "buy",
                Side::Sell => "sell",
            };
            // Writing to a string cannot fail.
            let _ = writeln!(rows, "{trade_id},{},{side},{price},{qty}", time.as_ns());
            self.last_id = Some(*trade_id);
        }
        self.append(&rows)?;
        self.file.sync_data().context("store a page")?;
        let id = self.last_id.map_or_else(String::new, |id| id.to_string());
        let text = format!("{} {} {id}\n", page.next, self.bytes);
        let fresh = self.cursor_path.with_extension("cursor.new");
        std::fs::write(&fresh, text).with_context(|| format!("write {}", fresh.display()))?;
        std::fs::rename(&fresh, &self.cursor_path).context("keep the cursor")?;
        self.next = Some(page.next);
        Ok(())
    }

    fn append(&mut self, text: &str) -> Result<()> {
        self.file.write_all(text.as_bytes()).context("store rows")?;
        self.bytes = self.bytes.saturating_add(u64::try_from(text.len())?);
        Ok(())
    }
}

fn stem(symbol: &str) -> String {
    symbol.replace('/', "_")
}

fn made(folder: PathBuf) -> Result<PathBuf> {
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}

/// Reads a cursor file.
fn cursor(text: &str) -> Option<(i64, u64, Option<u64>)> {
    let mut words = text.split_whitespace();
    let (next, bytes) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let id = words.next().map(str::parse).transpose().ok()?;
    words.next().is_none().then_some((next, bytes, id))
}

/// Makes candles of `bar_s` seconds of everything stored of a pair; gives where they are and how many. Bars without a trade are left out.
pub(crate) fn candles(folder: &Path, symbol: &str, bar_s: i64) -> Result<(PathBuf, u64)> {
    let name = format!("{}.csv", stem(symbol));
    let mut rows =
        csv::Reader::from_path(folder.join(TRADES).join(&name)).context("read what was stored")?;
    let path = made(folder.join(format!("candles_{bar_s}s")))?.join(name);
    let mut out = csv::Writer::from_path(&path).context("write candles")?;
    out.write_record(["t", "o", "h", "l", "c", "v"])?;
    let (mut bar, mut count): (Option<Candle>, u64) = (None, 0);
    for row in rows.deserialize::<(u64, i64, String, String, String)>() {
        let (id, time_ns, _, price, qty) = row.context("read a stored trade")?;
        let trouble = || format!("stored trade {id}");
        let (price, qty) =
            (Price::parse(&price).with_context(trouble)?, Qty::parse(&qty).with_context(trouble)?);
        let open_s = time_ns.div_euclid(1_000_000_000).div_euclid(bar_s) * bar_s;
        match &mut bar {
            Some(bar) if bar.open_s == open_s => bar.add(price, qty).with_context(trouble)?,
            _ => {
                let fresh = Candle::new(open_s, price, qty);
                if let Some(whole) = bar.replace(fresh) {
                    out.write_record(whole.cells())?;
                    count += 1;
                }
            }
        }
    }
    // The last bar may go on in the next page: it is left out until another one begins.
    out.flush().context("write candles")?;
    Ok((path, count))
}

struct Candle {
    open_s: i64,
    prices: [Price; 4],
    volume: Qty,
}

impl Candle {
    const fn new(open_s: i64, price: Price, volume: Qty) -> Self {
        Self { open_s, prices: [price; 4], volume }
    }

    fn add(&mut self, price: Price, qty: Qty) -> Result<()> {
        let [_, high, low, close] = &mut self.prices;
        *high = (*high).max(price);
        *low = (*low).min(price);
        *close = price;
        self.volume = self.volume.checked_add(qty)?;
        Ok(())
    }

    fn cells(&self) -> [String; 6] {
        let [open, high, low, close] = self.prices.map(|price| price.to_string());
        [self.open_s.to_string(), open, high, low, close, self.volume.to_string()]
    }
}
