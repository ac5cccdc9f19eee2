//! `~SEQ(...)` and `~LST(...)`: a line for each of several values.

use super::expand::{Definitions, Line};
use super::source::Fault;

/// More virtual routers than any host has.
const ROUNDS_MAX: usize = 70_000;

/// A line that is repeated.
#[derive(Debug)]
pub(super) struct Loop {
    /// What is defined in each round.
    pub(super) names: Vec<String>,
    /// The values of each round.
    pub(super) rounds: Vec<Vec<String>>,
    /// What is repeated.
    pub(super) body: String,
}

/// Reads a line that begins with `~`.
pub(super) fn read_loop(line: &Line, definitions: &mut Definitions) -> Result<Loop, Fault> {
    let fault = || {
        Fault::new(
            line.place,
            "this is not a loop",
            "write `~SEQ(NAME, FIRST, STEP, LAST) TEXT` or `~LST(NAME, VALUE, ...) TEXT`",
        )
    };
    let (head, rest) = line.text.split_once('(').ok_or_else(fault)?;
    let (arguments, body) = rest.split_once(')').ok_or_else(fault)?;
    let arguments = definitions.expand(&Line {
        place: line.place,
        text: arguments.to_owned(),
    })?;
    let [arguments] = &arguments[..] else {
        return Err(fault());
    };
    let arguments = split(&arguments.text);
    let (names, values) = arguments.split_first().ok_or_else(fault)?;
    let body = body.trim().to_owned();
    let (names, rounds) = match head {
        "~SEQ" | "~SEQx" => {
            let numbers: Option<Vec<i64>> = values.iter().map(|it| number(it)).collect();
            let rounds = numbers.and_then(|it| sequence(&it)).ok_or_else(fault)?;
            let show = |number: i64| match head {
                "~SEQx" => format!("{number:x}"),
                _ => number.to_string(),
            };
            let rounds: Vec<_> = rounds
                .into_iter()
                .map(|number| vec![show(number)])
                .collect();
            (vec![names.clone()], rounds)
        }
        "~LST" => {
            let rounds = values.iter().map(|value| members(value)).collect();
            (members(names), rounds)
        }
        _ => return Err(fault()),
    };
    if rounds.iter().any(|round| round.len() != names.len()) {
        return Err(fault());
    }
    Ok(Loop {
        names,
        rounds,
        body,
    })
}

fn number(text: &str) -> Option<i64> {
    text.parse::<i32>().ok().map(i64::from)
}

/// FIRST, STEP, LAST; the step is one when left out, and so is the first.
fn sequence(numbers: &[i64]) -> Option<Vec<i64>> {
    let (first, step, last) = match *numbers {
        [last] => (1, 1, last),
        [first, last] => (first, if last < first { -1 } else { 1 }, last),
        [first, step, last] => (first, step, last),
        _ => return None,
    };
    let rounds = (last - first).checked_div(step)?;
    let rounds = usize::try_from(rounds).ok().filter(|it| *it < ROUNDS_MAX)?;
    let numbers = std::iter::successors(Some(first), |number| Some(number + step));
    Some(numbers.take(rounds + 1).collect())
}

/// At the commas that are in no braces.
fn split(text: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let mut parts = vec![String::new()];
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

/// `{a, b}`, or one alone.
fn members(text: &str) -> Vec<String> {
    let inner = text.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
    match inner {
        Some(inner) => split(inner),
        None => vec![text.to_owned()],
    }
}
