//! Text that comes from a module ends in log lines, status output and metrics:
//! it must fit there, and must not look like something the daemon wrote.

/// `text` on one line, without control characters, in at most `max` bytes.
pub(crate) fn clean(text: &str, max: usize) -> String {
    const ELLIPSIS: char = '…';
    let mut line = String::with_capacity(text.len().min(max));
    for c in text.chars().map(harmless) {
        if line.len() + c.len_utf8() > max {
            while line.len() + ELLIPSIS.len_utf8() > max && line.pop().is_some() {}
            line.push(ELLIPSIS);
            break;
        }
        line.push(c);
    }
    line
}

/// Control characters break lines and move cursors; bidirectional overrides reorder what a reader sees.
fn harmless(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, max: usize, expect: &str) {
        assert_eq!(clean(text, max), expect);
    }

    #[test]
    fn a_module_cannot_write_a_second_line() {
        check("ok\nERROR fake", 64, "ok ERROR fake");
        check(
            "\x1b[2Jgone\r\u{202e}txt",
            64,
            "\u{fffd}[2Jgone \u{fffd}txt",
        );
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        check("abcdef", 6, "abcdef");
        check("abcdefg", 6, "abc…");
        check("äöüäöü", 8, "äö…");
        check("äöü", 0, "…");
    }
}
