//! Values as keepalived writes them, and as cluster.toml does.

use std::time::Duration;

use toml::Value;

/// Seconds with decimals, to the millisecond; zero when it is less.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| (0.0..1e9).contains(seconds))?;
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    let milliseconds = u64::try_from((duration + Duration::from_micros(500)).as_millis()).ok()?;
    Some(Duration::from_millis(milliseconds))
}

/// `on`, `off` and their like; a keyword alone is `on`.
pub(super) fn boolean(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "" | "on" | "true" | "yes" => Some(true),
        "off" | "false" | "no" => Some(false),
        _ => None,
    }
}

/// As cluster.toml has it: `2s`, `1m 30s`.
pub(super) fn duration(duration: Duration) -> Value {
    Value::from(humantime::format_duration(duration).to_string())
}

/// As a list of strings.
pub(super) fn strings<S: AsRef<str>>(words: &[S]) -> Value {
    let words = words.iter().map(|word| Value::from(word.as_ref()));
    Value::Array(words.collect())
}

/// A name as the names of our own examples are: `chk_http_port` is `http-port`.
pub(super) fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            kebab.push(c.to_ascii_lowercase());
        } else if !kebab.is_empty() && !kebab.ends_with('-') {
            kebab.push('-');
        }
    }
    kebab.truncate(40);
    let kebab = kebab.trim_end_matches('-');
    if kebab.is_empty() { "unnamed" } else { kebab }.to_owned()
}

/// The name of an instance or a group as cluster.toml takes it; `None` when there is none.
pub(super) fn name_of(text: &str) -> Option<String> {
    let is_bad = |c: char| c.is_whitespace() || c.is_control();
    let name: String = text.trim().replace(is_bad, "-").chars().take(64).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_decimals() {
        let milliseconds = |text| seconds(text).map(|duration| duration.as_millis());
        assert_eq!(milliseconds("2"), Some(2000));
        assert_eq!(milliseconds("0.25"), Some(250));
        assert_eq!(milliseconds("0.0004"), Some(0));
        for text in ["", "x", "-1", "inf", "NaN", "1e300"] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_in_kebab_case() {
        for (name, expected) in [
            ("node_exporter", "node-exporter"),
            ("NGINX.service", "nginx-service"),
            ("__", "unnamed"),
            ("é", "unnamed"),
        ] {
            assert_eq!(kebab(name), expected);
        }
    }
}
