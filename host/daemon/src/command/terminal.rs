//! What stdout can show: how wide, and in colours or not.

use std::io::{self, IsTerminal};

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use crossterm::style::Stylize as _;

/// Stdout, as far as it matters to a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terminal {
    /// Columns; `None` where lines may be as long as they are.
    pub(super) width: Option<u16>,
    pub(super) colours: bool,
}

/// How a word is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    /// As it should be.
    Good,
    /// To be looked at.
    Warning,
    /// What somebody was woken for.
    Bad,
    /// A heading.
    Heading,
    /// For whoever looks for it.
    Quiet,
}

impl Terminal {
    /// A file or a pipe.
    #[cfg(test)]
    pub(super) const PLAIN: Self = Self {
        width: None,
        colours: false,
    };

    /// Colours are for a terminal, unless NO_COLOR says otherwise (<https://no-color.org>).
    pub(super) fn of_stdout() -> Self {
        if !io::stdout().is_terminal() {
            return Self {
                width: None,
                colours: false,
            };
        }
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            width: crossterm::terminal::size().ok().map(|(columns, _)| columns),
            colours: !unwanted,
        }
    }

    /// A text that is meant so.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        match tone {
            Tone::Plain => text.to_owned(),
            Tone::Good => text.green().to_string(),
            Tone::Warning => text.yellow().to_string(),
            Tone::Bad => text.red().bold().to_string(),
            Tone::Heading => text.bold().to_string(),
            Tone::Quiet => text.dim().to_string(),
        }
    }

    /// An empty table without lines, that is not wider than the terminal: what does not fit is wrapped within its column.
    pub(super) fn table(self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        match self.width {
            Some(width) => {
                table.set_content_arrangement(ContentArrangement::Dynamic);
                table.set_width(width);
            }
            None => {
                table.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        if self.colours {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table
    }

    /// A table as text, without the spaces at the ends of its lines.
    pub(super) fn text(self, table: &mut Table) -> String {
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let mut text = String::new();
        for line in table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// A cell that is meant so.
pub(super) fn cell(tone: Tone, text: impl ToString) -> Cell {
    let cell = Cell::new(text.to_string());
    match tone {
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::DarkGreen),
        Tone::Warning => cell.fg(Color::DarkYellow),
        Tone::Bad => cell.fg(Color::DarkRed).add_attribute(Attribute::Bold),
        Tone::Heading => cell.add_attribute(Attribute::Bold),
        Tone::Quiet => cell.add_attribute(Attribute::Dim),
    }
}
