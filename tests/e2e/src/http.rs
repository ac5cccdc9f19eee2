//! Looking at what a daemon serves over HTTP, as a program does: with curl, from a host.

use lab::Netns;

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The lines of the head, without the first one, in lower case.
    pub headers: Vec<String>,
    pub body: String,
}

impl Answer {
    /// Whether the head has this line, written in lower case.
    #[must_use]
    pub fn has_header(&self, line: &str) -> bool {
        self.headers.iter().any(|header| header == line)
    }
}

/// Asks for `url` from a host, with more arguments for curl.
///
/// # Errors
///
/// Says what curl says when there is no answer.
///
/// # Panics
///
/// When curl cannot be run, or what it prints is no answer.
pub fn get(host: &Netns, url: &str, arguments: &[&str]) -> Result<Answer, String> {
    let command = [
        "curl",
        "--silent",
        "--show-error",
        "--include",
        "--max-time",
        "20",
        url,
    ];
    let output = host
        .output(&[&command, arguments].concat())
        .expect("curl can be run");
    if !output.status.success() {
        return Err(output.stderr);
    }
    let (head, body) = output
        .stdout
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no head in {:?}", output.stdout));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    Ok(Answer {
        status: status
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("no status in {head:?}")),
        headers: lines.map(str::to_lowercase).collect(),
        body: body.to_owned(),
    })
}

/// The value of a series in the text of a scrape; the series is written as it stands there, with its labels.
#[must_use]
pub fn value(metrics: &str, series: &str) -> Option<f64> {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.parse().ok()
}
