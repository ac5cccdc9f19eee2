//! A table as bars: the medians of both daemons, and how far their figures spread.

use std::path::Path;

use anyhow::anyhow;
use e2e::contender::Make;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::report::{Row, Spread, Table};

const WIDTH: u32 = 900;
const ROW_HEIGHT: u32 = 44;
/// Caption and axis.
const AROUND: u32 = 110;
/// For what the rows are called.
const NAMES: u32 = 330;
const FONT: &str = "sans-serif";
/// A bar is this much of the height of a row.
const BAR: f64 = 0.36;

/// Draws it into an SVG file. The scale is logarithmic: what matters are ratios.
pub(super) fn draw(table: &Table, file: &Path) -> anyhow::Result<()> {
    let error = |error: DrawingAreaErrorKind<std::io::Error>| {
        anyhow!("cannot draw {}: {error}", file.display())
    };
    let count = u32::try_from(table.rows.len())?;
    let area = SVGBackend::new(file, (WIDTH, AROUND + ROW_HEIGHT * count)).into_drawing_area();
    area.fill(&WHITE).map_err(error)?;
    let (low, high) = decades(&table.rows);
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("{} ({})", table.title, table.unit), (FONT, 18))
        .margin(12)
        .margin_right(36)
        .x_label_area_size(36)
        .y_label_area_size(NAMES)
        .build_cartesian_2d((low..high).log_scale(), 0.0..f64::from(count))
        .map_err(error)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(0)
        .x_desc(table.unit.as_str())
        .x_label_style((FONT, 13))
        .draw()
        .map_err(error)?;
    for (number, row) in (1..).zip(&table.rows) {
        let middle = f64::from(count) - f64::from(number) + 0.5;
        let at = chart.backend_coord(&(low, middle));
        let style = TextStyle::from((FONT, 13)).pos(Pos::new(HPos::Right, VPos::Center));
        let name = row.what.replace('`', "");
        area.draw(&Text::new(name, (at.0 - 8, at.1), style))
            .map_err(error)?;
    }
    for make in [Make::VrrpHost, Make::Keepalived] {
        let (figures, colour, below): (fn(&Row) -> &[f64], _, _) = match make {
            Make::VrrpHost => (|row| &row.vrrp_host, RGBColor(0x1f, 0x77, 0xb4), 0.0),
            Make::Keepalived => (|row| &row.keepalived, RGBColor(0xb0, 0xb0, 0xb0), BAR),
        };
        let spreads: Vec<_> = (1..)
            .zip(&table.rows)
            .filter_map(|(number, row)| {
                let top = f64::from(count) - f64::from(number) + 0.5 + BAR - below;
                Some((top, Spread::of(figures(row))?))
            })
            .collect();
        chart
            .draw_series(spreads.iter().map(|(top, spread)| {
                let corner = (spread.median.max(low), top - BAR);
                Rectangle::new([(low, *top), corner], colour.filled())
            }))
            .map_err(error)?
            .label(make.to_string())
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled()));
        chart
            .draw_series(spreads.iter().map(|(top, spread)| {
                let middle = top - BAR / 2.0;
                let ends = [spread.low, spread.high].map(|end| (end.max(low), middle));
                PathElement::new(ends, BLACK)
            }))
            .map_err(error)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 13))
        .draw()
        .map_err(error)?;
    area.present().map_err(error)
}

/// The powers of ten around all figures that are more than nothing.
fn decades(rows: &[Row]) -> (f64, f64) {
    let figures = rows
        .iter()
        .flat_map(|row| row.vrrp_host.iter().chain(&row.keepalived))
        .copied()
        .filter(|figure| *figure > 0.0);
    let (low, high) = figures.fold((f64::INFINITY, 0.0_f64), |(low, high), figure| {
        (low.min(figure), high.max(figure))
    });
    if low > high {
        return (1.0, 10.0);
    }
    // A bar has a length also where all figures are one power of ten.
    let low = 10.0_f64.powf((low.log10() - 0.01).floor());
    (low, 10.0_f64.powf((high.log10() + 0.01).ceil()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_can_be_drawn_and_names_its_rows() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plot.svg");
        let row = |what: &str, vrrp_host: &[f64], keepalived: &[f64]| Row {
            vrrp_host: vrrp_host.to_vec(),
            keepalived: keepalived.to_vec(),
            ..Row::new(what)
        };
        for rows in [
            vec![],
            vec![row("nothing", &[0.0, -0.1], &[])],
            vec![row("`one`", &[1.0], &[]), row("other", &[1.0, 2.0], &[1e6])],
        ] {
            let names: Vec<_> = rows.iter().map(|row| row.what.replace('`', "")).collect();
            draw(&Table::new("Title", "ms", rows), &file).unwrap();
            let drawn = std::fs::read_to_string(&file).unwrap();
            for name in names.iter().map(String::as_str).chain(["Title (ms)"]) {
                assert!(drawn.contains(name), "{name} is not in {drawn}");
            }
        }
    }
}
