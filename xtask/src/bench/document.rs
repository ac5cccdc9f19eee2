//! The figures, for people: `benchmarks.md`.

use std::fmt::Write as _;

use super::report::{Bar, Record, Row, Spread, Table};

pub(super) const HEAD: &str = "# Benchmarks\n\n\
    Written by `cargo xtask bench`, which measures vrrp-host and Debian's keepalived by turns on the same hosts: network \
    namespaces on one machine. Each figure is the median, with the lowest and the highest in brackets; the ratio is \
    vrrp-host's median by keepalived's. The raw figures are in `benchmarks/`.\n\n";

/// A section. `name` is that of its files, for the links to its plots.
pub(super) fn section(record: &Record, name: Option<&str>) -> anyhow::Result<String> {
    let Record {
        machine,
        keepalived,
        quick,
        seconds,
        report,
    } = record;
    let mut text = format!(
        "## {}\n\n{}\n\n{machine}; {keepalived}; measured in {seconds} s{}.\n\n",
        report.title,
        report.method,
        if *quick {
            ", **with a few repetitions only**"
        } else {
            ""
        }
    );
    for (index, table) in report.tables.iter().enumerate() {
        text += &show(table)?;
        if let Some(name) = name {
            let plot = plot_file(name, index);
            writeln!(text, "![{}](benchmarks/{plot})\n", table.title)?;
        }
    }
    Ok(text)
}

/// The file of a table's plot.
pub(super) fn plot_file(section: &str, table: usize) -> String {
    format!("{section}-{}.svg", table + 1)
}

fn show(table: &Table) -> anyhow::Result<String> {
    let Table { title, unit, rows } = table;
    let mut text = format!(
        "### {title} ({unit})\n\n\
         | | vrrp-host | keepalived | ratio | bar |\n|---|---|---|---|---|\n"
    );
    for row in rows {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            row.what,
            figures(&row.vrrp_host),
            figures(&row.keepalived),
            row.ratio().map_or_else(String::new, ratio),
            bar(row)
        )?;
    }
    text.push('\n');
    Ok(text)
}

fn figures(figures: &[f64]) -> String {
    match Spread::of(figures) {
        None => "–".to_owned(),
        Some(Spread { median, .. }) if figures.len() == 1 => number(median),
        Some(Spread {
            low, median, high, ..
        }) => format!("{} ({} to {})", number(median), number(low), number(high)),
    }
}

fn ratio(ratio: f64) -> String {
    if ratio < 0.1 {
        format!("1/{:.0}", 1.0 / ratio)
    } else {
        number(ratio)
    }
}

fn bar(row: &Row) -> String {
    let Some(bar) = row.bar else {
        return String::new();
    };
    let wanted = match bar {
        Bar::Ratio(most) => format!("ratio at most {}", ratio(most)),
        Bar::Median(most) => format!("at most {most}"),
        Bar::MedianAndP99(median, p99) => format!("median at most {median}, p99 {p99}"),
    };
    let p99 = match (bar, Spread::of(&row.vrrp_host)) {
        (Bar::MedianAndP99(..), Some(spread)) => {
            format!(" (p99 of {}: {})", row.vrrp_host.len(), number(spread.p99))
        }
        _ => String::new(),
    };
    match row.reaches_bar() {
        None => wanted,
        Some(true) => format!("{wanted}: reached{p99}"),
        Some(false) => format!("{wanted}: **missed**{p99}"),
    }
}

/// With three digits that say something.
fn number(figure: f64) -> String {
    let digits = match figure.abs() {
        0.0 | 100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{figure:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_was_measured_and_whether_that_is_enough() {
        let row = Row {
            vrrp_host: vec![30.0, 41.04, 52.0],
            keepalived: vec![3000.0],
            ..Row::new("`process`").with_bar(Bar::Ratio(0.02))
        };
        let table = Table::new("A run", "µs", vec![row, Row::new("nothing")]);
        assert_eq!(
            show(&table).unwrap(),
            "### A run (µs)\n\n\
             | | vrrp-host | keepalived | ratio | bar |\n\
             |---|---|---|---|---|\n\
             | `process` | 41.0 (30.0 to 52.0) | 3000 | 1/73 | ratio at most 1/50: reached |\n\
             | nothing | – | – |  |  |\n\n"
        );
    }
}
