//! What pages of research share: head, tables, heat maps, line plots. Self-contained: no script, no font, no request.

use anyhow::{Context, Result};
use plotters::prelude::*;
use std::fmt::Write as _;
use std::ops::Range;

const WIDTH: u32 = 1_040;
/// With more columns than this the fields of a heat map hold no text.
pub(crate) const WIDE: usize = 24;
const STYLE: &str = concat!(include_str!("../report.css"), include_str!("page.css"));

pub(crate) const BLUE: RGBColor = RGBColor(20, 90, 160);
pub(crate) const ORANGE: RGBColor = RGBColor(190, 110, 20);
pub(crate) const GREY: RGBColor = RGBColor(150, 150, 150);

/// Is a page that grows from top to bottom.
pub(crate) struct Page {
    text: String,
}

impl Page {
    pub(crate) fn new(title: &str) -> Self {
        let title = escape(title);
        Self {
            text: format!(
                "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
                 <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
                 <style>{STYLE}</style></head><body><h1>{title}</h1>"
            ),
        }
    }

    pub(crate) fn heading(&mut self, text: &str) {
        self.push(&format!("<h2>{}</h2>", escape(text)));
    }

    pub(crate) fn note(&mut self, text: &str) {
        self.push(&format!("<p class=\"note\">{}</p>", escape(text)));
    }

    pub(crate) fn warn(&mut self, text: &str) {
        self.push(&format!("<p class=\"warn\">{}</p>", escape(text)));
    }

    pub(crate) fn table(&mut self, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        let cells = |cells: &[String], tag: &str| {
            let all: Vec<String> =
                cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect();
            format!("<tr>{}</tr>", all.concat())
        };
        // A last column of words reads from the left.
        let is_told = header.last().is_some_and(|name| ["why", "result"].contains(name));
        let class = if is_told { " class=\"told\"" } else { "" };
        let header: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
        let rows: Vec<String> = rows.into_iter().map(|row| cells(&row, "td")).collect();
        self.push(&format!(
            "<div class=\"wide\"><table{class}>{}{}</table></div>",
            cells(&header, "th"),
            rows.concat()
        ));
    }

    /// Adds markup made here.
    pub(crate) fn push(&mut self, markup: &str) {
        self.text.push_str(markup);
    }

    pub(crate) fn finish(mut self) -> String {
        self.push("</body></html>\n");
        self.text
    }
}

/// Is one line of a heat map.
pub(crate) struct HeatRow {
    pub(crate) label: String,
    pub(crate) note: String,
    /// Whether what it shows may be used; else it is drawn pale.
    pub(crate) is_strong: bool,
    pub(crate) cells: Vec<Option<HeatCell>>,
}

/// Is one field: how far it is from the middle (−1 to 1, held there), what stands in it and what a pointer shows.
pub(crate) struct HeatCell {
    pub(crate) shade: f64,
    pub(crate) text: String,
    pub(crate) title: String,
    /// Whether it stands out by itself; drawn bold.
    pub(crate) is_bold: bool,
}

/// Draws rows of fields, blue below the middle and orange above it.
pub(crate) fn heat_map(columns: &[String], rows: &[HeatRow]) -> String {
    let class = if columns.len() > WIDE { "heat fine" } else { "heat" };
    let mut text = format!("<div class=\"wide\"><table class=\"{class}\"><tr><th></th>");
    for column in columns {
        text.push_str(&format!("<th>{}</th>", escape(column)));
    }
    text.push_str("<th></th></tr>");
    for row in rows {
        let class = if row.is_strong { "" } else { " class=\"pale\"" };
        text.push_str(&format!("<tr{class}><td>{}</td>", escape(&row.label)));
        for cell in &row.cells {
            match cell {
                Some(cell) => {
                    let (open, close) = if cell.is_bold { ("<b>", "</b>") } else { ("", "") };
                    text.push_str(&format!(
                        "<td style=\"background:{}\" title=\"{}\">{open}{}{close}</td>",
                        color(cell.shade),
                        escape(&cell.title),
                        escape(&cell.text)
                    ));
                }
                None => text.push_str("<td class=\"none\"></td>"),
            }
        }
        text.push_str(&format!("<td>{}</td></tr>", escape(&row.note)));
    }
    text.push_str("</table></div>");
    text
}

/// Mixes white with blue (below zero) or orange (above).
fn color(shade: f64) -> String {
    let strength = shade.abs().min(1.0);
    let end = if shade < 0.0 { (40.0, 110.0, 180.0) } else { (235.0, 130.0, 30.0) };
    let mix = |to: f64| 255.0 + (to - 255.0) * strength;
    format!("rgb({:.0},{:.0},{:.0})", mix(end.0), mix(end.1), mix(end.2))
}

/// Is a curve: a name, points, a color, a width in pixels.
pub(crate) struct Curve<'a> {
    pub(crate) name: &'a str,
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) color: RGBColor,
    pub(crate) width: u32,
}

/// Is what surrounds the curves of a plot.
pub(crate) struct Axes<'a> {
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    pub(crate) height: u32,
    /// Lower and upper edge, as (x, low, high): drawn as a grey area behind.
    pub(crate) band: Vec<(f64, f64, f64)>,
    /// Horizontal and vertical lines at zero, where zero is in range.
    pub(crate) has_zero_lines: bool,
}

/// Draws curves into one SVG.
pub(crate) fn line_plot(axes: &Axes<'_>, curves: &[Curve<'_>]) -> Result<String> {
    let edges = axes.band.iter().flat_map(|(x, low, high)| [(*x, *low), (*x, *high)]);
    let points = curves.iter().flat_map(|curve| curve.points.iter().copied());
    let Some((x, y)) = ranges(points.chain(edges)) else {
        return Ok("<p class=\"note\">Nothing to draw.</p>".to_owned());
    };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, axes.height)).into_drawing_area();
        area.fill(&WHITE).context("draw plot")?;
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .margin_right(28)
            .x_label_area_size(40)
            .y_label_area_size(72)
            .build_cartesian_2d(x.clone(), y.clone())
            .context("draw axes")?;
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(WHITE).bold_line_style(RGBColor(228, 228, 228));
        mesh.x_label_formatter(&|x| tick(*x));
        mesh.x_desc(axes.x).y_desc(axes.y).draw().context("draw mesh")?;
        if !axes.band.is_empty() {
            let upper = axes.band.iter().map(|(x, _, high)| (*x, *high));
            let lower = axes.band.iter().rev().map(|(x, low, _)| (*x, *low));
            let shape = Polygon::new(upper.chain(lower).collect::<Vec<_>>(), GREY.mix(0.25));
            chart.draw_series([shape]).context("draw band")?;
        }
        if axes.has_zero_lines {
            let across = LineSeries::new([(x.start, 0.0), (x.end, 0.0)], BLACK.mix(0.35));
            let upright = LineSeries::new([(0.0, y.start), (0.0, y.end)], BLACK.mix(0.35));
            if y.contains(&0.0) {
                chart.draw_series(across).context("draw zero")?;
            }
            if x.contains(&0.0) {
                chart.draw_series(upright).context("draw zero")?;
            }
        }
        for curve in curves {
            let color = curve.color;
            let line =
                LineSeries::new(curve.points.iter().copied(), color.stroke_width(curve.width));
            let drawn = chart.draw_series(line).context("draw line")?;
            if !curve.name.is_empty() {
                let mark =
                    move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2));
                drawn.label(curve.name).legend(mark);
            }
        }
        if curves.iter().filter(|curve| !curve.name.is_empty()).count() > 1 {
            let mut labels = chart.configure_series_labels();
            labels.background_style(WHITE.mix(0.8)).border_style(RGBColor(200, 200, 200));
            labels.position(SeriesLabelPosition::UpperRight).draw().context("draw legend")?;
        }
        area.present().context("finish plot")?;
    }
    Ok(svg)
}

/// Shows whole numbers without a decimal point.
fn tick(x: f64) -> String {
    if x == x.trunc() { format!("{x:.0}") } else { format!("{x:.1}") }
}

type Ranges = (Range<f64>, Range<f64>);

/// Gives the ranges that hold all points with a little room; `None` when there is none.
fn ranges(points: impl Iterator<Item = (f64, f64)>) -> Option<Ranges> {
    let empty = (f64::INFINITY, f64::NEG_INFINITY);
    let grow = |(low, high): (f64, f64), v: f64| (low.min(v), high.max(v));
    let ((x0, x1), (y0, y1)) =
        points.fold((empty, empty), |(xs, ys), (x, y)| (grow(xs, x), grow(ys, y)));
    let is_finite = [x0, x1, y0, y1].iter().all(|edge| edge.is_finite());
    let room = if y1 > y0 { (y1 - y0) * 0.06 } else { y0.abs().max(1.0) * 0.001 };
    is_finite.then(|| (x0..x1.max(x0 + 1e-9), y0 - room..y1 + room))
}

pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        let _infallible = match letter {
            '&' => write!(safe, "&amp;"),
            '<' => write!(safe, "&lt;"),
            '>' => write!(safe, "&gt;"),
            '"' => write!(safe, "&quot;"),
            other => write!(safe, "{other}"),
        };
    }
    safe
}
