//! Colours, where somebody sees them.

use std::fmt;
use std::io::{self, IsTerminal};
use std::sync::LazyLock;

/// An ANSI "select graphic rendition" sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
}

impl Style {
    /// The text in this style, or as it is when standard output is no terminal or `NO_COLOR` is set.
    pub(crate) fn paint<T: fmt::Display>(self, text: T) -> Painted<T> {
        static COLOURS: LazyLock<bool> =
            LazyLock::new(|| io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none());
        Painted {
            style: if *COLOURS { self } else { Self::Plain },
            text,
        }
    }

    fn code(self) -> Option<u8> {
        Some(match self {
            Self::Plain => return None,
            Self::Bold => 1,
            Self::Dim => 2,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Blue => 34,
            Self::Magenta => 35,
            Self::Cyan => 36,
        })
    }
}

/// A text with its style.
#[derive(Debug)]
pub(crate) struct Painted<T> {
    style: Style,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.style.code() {
            Some(code) => write!(f, "\x1b[{code}m{}\x1b[0m", self.text),
            None => self.text.fmt(f),
        }
    }
}
