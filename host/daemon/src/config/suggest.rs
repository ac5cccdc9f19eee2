//! Guessing what the author of a file meant.

/// Bytes beyond which a word is nobody's slip; bounds the work on hostile files.
const LONGEST: usize = 100;

/// The candidate that `word` is most likely a misspelling of.
pub(crate) fn closest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = kebab(word);
    let tolerance = (word.chars().count() / 3).max(1);
    candidates
        .iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&word, &kebab(candidate));
            (distance, *candidate)
        })
        .filter(|(distance, candidate)| *distance <= tolerance && *distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// What to say of a name that nothing has: there is no `what` of it, with what there is.
pub(crate) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let there_is = match known {
        [] => format!("there is no {what} at all"),
        known => format!("there is {}", list(known)),
    };
    match closest(name, known) {
        Some(close) => format!("there is no {what} `{name}`; did you mean `{close}`? {there_is}"),
        None => format!("there is no {what} `{name}`; {there_is}"),
    }
}

/// `a, b and c`, each in backquotes.
pub(crate) fn list<S: AsRef<str>>(words: &[S]) -> String {
    let mut quoted: Vec<String> = words
        .iter()
        .map(|word| format!("`{}`", word.as_ref()))
        .collect();
    match quoted.pop() {
        Some(last) if !quoted.is_empty() => format!("{} and {last}", quoted.join(", ")),
        last => last.unwrap_or_default(),
    }
}

/// Habits of other formats are no misspellings: `virtual_router_id`, `VirtualRouterId` stays close.
fn kebab(word: &str) -> String {
    word.to_lowercase().replace(['_', ' '], "-")
}
