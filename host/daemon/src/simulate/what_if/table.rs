//! The table of `--what-if`, and its verdict.

use std::fmt::Write as _;

use super::{Effect, WhatIf};

impl WhatIf {
    /// A table, and the verdict as its last line.
    pub(crate) fn text(&self) -> String {
        let heading = [
            "what fails",
            "instance",
            "goes from -> to",
            "after ms",
            "without ms",
            "with two ms",
            "when that ends",
        ];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        for failure in &self.failures {
            if failure.instances.is_empty() {
                rows.push(vec![
                    failure.what.clone(),
                    "-".to_owned(),
                    "nothing moves".to_owned(),
                ]);
            }
            rows.extend(
                failure
                    .instances
                    .iter()
                    .map(|effect| effect.row(&failure.what)),
            );
        }
        let mut text = table(&rows);
        let _ = write!(text, "\n{}\n", self.verdict());
        text
    }

    fn verdict(&self) -> String {
        let beyond: Vec<_> = self.beyond_bounds().collect();
        let (failures, plural) = (self.failures.len(), plural(self.failures.len()));
        if beyond.is_empty() {
            let longest = self.effects().reduce(|one, other| {
                // The first of several is shown.
                if other.1.longest_without() > one.1.longest_without() {
                    other
                } else {
                    one
                }
            });
            let longest = longest.filter(|(_, effect)| effect.longest_without() > 0.0);
            let longest = longest.map_or_else(
                || "none is ever without an owner".to_owned(),
                |(failure, effect)| {
                    format!(
                        "the longest without an owner is {:.1} ms ({}, {})",
                        effect.longest_without(),
                        failure.what,
                        effect.instance
                    )
                },
            );
            return format!(
                "verdict: {failures} failure{plural} tried, every address is taken over in the protocol's time; {longest}"
            );
        }
        let mut text = format!(
            "verdict: {failures} failure{plural} tried, and an address is without an owner for longer than the protocol needs after:"
        );
        for (failure, effect) in beyond {
            let _ = write!(text, "\n  {}: {} ", failure.what, effect.instance);
            let _ = if effect.after.is_none() {
                write!(text, "is taken over by nobody")
            } else {
                write!(
                    text,
                    "for {:.1} ms, {:.1} ms are allowed for",
                    effect.longest_without(),
                    effect.bound_ms
                )
            };
        }
        text
    }
}

impl Effect {
    fn row(&self, what: &str) -> Vec<String> {
        let nobody = || "nobody".to_owned();
        let after = self.after.clone().unwrap_or_else(nobody);
        let moves = if after == self.before {
            format!("stays on {}", self.before)
        } else {
            format!("{} -> {after}", self.before)
        };
        let number = |number: f64| format!("{number:.1}");
        let without = match self.after {
            Some(_) => number(self.without_owner_ms),
            // How long that was is only how long it was tried.
            None => "for good".to_owned(),
        };
        vec![
            what.to_owned(),
            self.instance.clone(),
            moves,
            self.taken_over_after_ms
                .map_or_else(|| "-".to_owned(), number),
            without,
            number(self.with_two_ms),
            self.when_it_ends(&after),
        ]
    }

    fn when_it_ends(&self, after: &str) -> String {
        let finally = self.finally.as_deref().unwrap_or("nobody");
        let mut text = match self.back_after_ms {
            _ if finally == after => format!("stays on {finally}"),
            Some(time) if finally == self.before => format!("back after {time:.1}"),
            Some(time) => format!("goes to {finally} after {time:.1}"),
            None => format!("goes to {finally}"),
        };
        for (what, time) in [
            ("without", self.back_without_owner_ms),
            ("with two", self.back_with_two_ms),
        ] {
            if time > 0.0 {
                let _ = write!(text, ", {what} {time:.1}");
            }
        }
        text
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// Columns as wide as their widest cell. A row may end early.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}
