//! From lines to statements: words, quotes and braces.

use super::expand::Line;
use super::source::{Fault, Place};

/// Blocks within blocks; keepalived itself has four.
const DEPTH_MAX: usize = 64;

/// A keyword with its words, and what stands in braces behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) place: Place,
    pub(super) words: Vec<Word>,
    pub(super) block: Option<Vec<Self>>,
}

/// A word, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) is_quoted: bool,
}

impl Statement {
    /// The first word.
    pub(super) fn keyword(&self) -> &str {
        self.word(0)
    }

    /// The word at an index; nothing when there is none.
    pub(super) fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", |word| &word.text)
    }

    /// The words from an index on.
    pub(super) fn rest(&self, from: usize) -> Vec<&str> {
        let words = self.words.iter().skip(from);
        words.map(|word| word.text.as_str()).collect()
    }

    /// What stands in its braces.
    pub(super) fn statements(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }

    /// As it is written, in one line and without what is in its braces.
    pub(super) fn show(&self) -> String {
        let words = self.words.iter().map(|word| {
            if word.is_quoted {
                format!("\"{}\"", word.text.replace('"', "\\\""))
            } else {
                word.text.clone()
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Reads all lines.
pub(super) fn parse(lines: &[Line]) -> Result<Vec<Statement>, Fault> {
    let mut open: Vec<Statement> = Vec::new();
    let mut top = Vec::new();
    for line in lines {
        let mut words = Vec::new();
        for token in tokens(line)? {
            match token {
                Token::Word(word) => words.push(word),
                Token::Open => {
                    let block =
                        opening(line.place, std::mem::take(&mut words), &mut open, &mut top)?;
                    if open.len() == DEPTH_MAX {
                        return Err(Fault::new(
                            line.place,
                            format!("blocks are more than {DEPTH_MAX} deep"),
                            "close what is open with `}`",
                        ));
                    }
                    open.push(block);
                }
                Token::Close => {
                    finish(line.place, std::mem::take(&mut words), &mut open, &mut top);
                    let Some(block) = open.pop() else {
                        return Err(Fault::new(
                            line.place,
                            "this `}` closes nothing",
                            "leave it out, or open the block that it belongs to with `{`",
                        ));
                    };
                    current(&mut open, &mut top).push(block);
                }
            }
        }
        finish(line.place, words, &mut open, &mut top);
    }
    match open.pop() {
        Some(block) => Err(Fault::new(
            block.place,
            format!("the block `{}` is not closed", block.keyword()),
            "write `}` at its end",
        )),
        None => Ok(top),
    }
}

fn current<'a>(open: &'a mut [Statement], top: &'a mut Vec<Statement>) -> &'a mut Vec<Statement> {
    match open.last_mut() {
        Some(block) => block.block.get_or_insert_default(),
        None => top,
    }
}

/// Ends a statement without a block.
fn finish(place: Place, words: Vec<Word>, open: &mut [Statement], top: &mut Vec<Statement>) {
    if !words.is_empty() {
        current(open, top).push(Statement {
            place,
            words,
            block: None,
        });
    }
}

/// The statement whose block begins; a brace on a line of its own belongs to the line before.
fn opening(
    place: Place,
    words: Vec<Word>,
    open: &mut [Statement],
    top: &mut Vec<Statement>,
) -> Result<Statement, Fault> {
    let block = Some(Vec::new());
    if !words.is_empty() {
        return Ok(Statement {
            place,
            words,
            block,
        });
    }
    let before = current(open, top);
    match before.pop() {
        Some(statement) if statement.block.is_none() => Ok(Statement { block, ..statement }),
        Some(_) | None => Err(Fault::new(
            place,
            "this `{` belongs to no keyword",
            "write, for example, `vrrp_instance VI_1 {`",
        )),
    }
}

enum Token {
    Word(Word),
    Open,
    Close,
}

fn tokens(line: &Line) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::new();
    let mut rest = line.text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '{' | '}' => {
                tokens.push(if first == '{' {
                    Token::Open
                } else {
                    Token::Close
                });
                1
            }
            '"' => {
                let (text, length) = quoted(rest).ok_or_else(|| {
                    Fault::new(
                        line.place,
                        "this text has no end",
                        "write `\"` at its end, on the same line",
                    )
                })?;
                tokens.push(Token::Word(Word {
                    text,
                    is_quoted: true,
                }));
                length
            }
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || c == '"');
                let word = &rest[..end.unwrap_or(rest.len())];
                push_bare(word, &mut tokens);
                word.len()
            }
        };
        rest = rest[end..].trim_start();
    }
    Ok(tokens)
}

/// A word may have its brace without a space between them: `virtual_ipaddress{`, `10.0.0.1}`.
fn push_bare(word: &str, tokens: &mut Vec<Token>) {
    let (text, brace) = match (word.strip_suffix('{'), word.strip_suffix('}')) {
        (Some(text), _) if !text.ends_with('$') => (text, Some(Token::Open)),
        (_, Some(text)) if !text.contains('{') => (text, Some(Token::Close)),
        _ => (word, None),
    };
    tokens.push(Token::Word(Word {
        text: text.to_owned(),
        is_quoted: false,
    }));
    tokens.extend(brace);
}

/// The text in quotes that `rest` begins with, and its length with them; `None` when it has no end.
fn quoted(rest: &str) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((text, at + 1)),
            '\\' => {
                let (_, escaped) = characters.next()?;
                match escaped {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    '"' | '\\' => text.push(escaped),
                    // For the command that it belongs to.
                    other => text.extend(['\\', other]),
                }
            }
            _ => text.push(c),
        }
    }
    None
}
