//! What the guests in `examples/` have in common.

/// `name value` from a config such as `{"do":"find","with":"named"}`, without a JSON parser.
pub fn text<'a>(config: &'a str, key: &str) -> &'a str {
    let start = format!("\"{key}\":\"");
    let Some(at) = config.find(&start) else {
        return "";
    };
    let rest = &config[at + start.len()..];
    &rest[..rest.find('"').unwrap_or(rest.len())]
}

/// The strings in `"key":["a","b"]`.
pub fn texts(config: &str, key: &str) -> Vec<String> {
    let start = format!("\"{key}\":[");
    let Some(at) = config.find(&start) else {
        return Vec::new();
    };
    let rest = &config[at + start.len()..];
    let list = &rest[..rest.find(']').unwrap_or(rest.len())];
    list.split(',')
        .map(|text| text.trim_matches('"').to_owned())
        .filter(|text| !text.is_empty())
        .collect()
}
