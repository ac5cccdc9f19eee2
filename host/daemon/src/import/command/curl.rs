//! `curl`: the module `http`.

use std::time::Duration;

use toml::{Table, Value};

use super::super::values::{duration, seconds, strings};
use super::Module;

/// The module, when it knows every option that is given.
pub(super) fn recognise(args: &[&str]) -> Option<Module> {
    let mut request = Request::default();
    let mut args = args.iter().copied();
    while let Some(arg) = args.next() {
        if let Some(long) = arg.strip_prefix("--") {
            let (name, value) = long
                .split_once('=')
                .map_or((long, None), |(name, value)| (name, Some(value)));
            let short = SHORT.iter().find(|(_, long)| *long == name)?.0;
            if takes_value(short) {
                request.set(short, value.or_else(|| args.next())?)?;
            } else {
                value.is_none().then_some(())?;
                request.switch(short)?;
            }
        } else if let Some(flags) = arg.strip_prefix('-').filter(|flags| !flags.is_empty()) {
            for (at, flag) in flags.char_indices() {
                if !takes_value(flag) {
                    request.switch(flag)?;
                    continue;
                }
                let rest = &arg[1 + at + flag.len_utf8()..];
                let value = if rest.is_empty() { args.next()? } else { rest };
                request.set(flag, value)?;
                break;
            }
        } else {
            request.url.replace(arg).is_none().then_some(())?;
        }
    }
    request.module()
}

/// Stand for options that have no letter.
const CONNECT_TIMEOUT: char = '\u{e000}';
const CACERT: char = '\u{e001}';

/// Letters of options, and their long forms.
const SHORT: [(char, &str); 13] = [
    ('f', "fail"),
    ('s', "silent"),
    ('S', "show-error"),
    ('k', "insecure"),
    ('L', "location"),
    ('I', "head"),
    ('o', "output"),
    ('m', "max-time"),
    ('X', "request"),
    ('H', "header"),
    ('A', "user-agent"),
    (CONNECT_TIMEOUT, "connect-timeout"),
    (CACERT, "cacert"),
];

fn takes_value(flag: char) -> bool {
    matches!(flag, 'o' | 'm' | 'X' | 'H' | 'A' | CONNECT_TIMEOUT | CACERT)
}

#[derive(Default)]
struct Request<'a> {
    url: Option<&'a str>,
    fails: bool,
    is_insecure: bool,
    authorities: Option<&'a str>,
    follows: bool,
    method: Option<&'a str>,
    timeout: Option<Duration>,
    headers: Table,
}

impl<'a> Request<'a> {
    fn switch(&mut self, flag: char) -> Option<()> {
        match flag {
            'f' => self.fails = true,
            'k' => self.is_insecure = true,
            'L' => self.follows = true,
            'I' => self.method = Some("HEAD"),
            's' | 'S' | '4' | '6' => {}
            _ => return None,
        }
        Some(())
    }

    fn set(&mut self, flag: char, value: &'a str) -> Option<()> {
        match flag {
            'o' if value == "/dev/null" => {}
            'm' => self.timeout = Some(positive(value)?),
            CONNECT_TIMEOUT => drop(positive(value)?),
            CACERT => self.authorities = Some(value),
            'X' if matches!(value, "GET" | "HEAD" | "OPTIONS" | "POST") => {
                self.method = Some(value)
            }
            'H' => {
                let (name, value) = value.split_once(':')?;
                self.headers
                    .insert(name.trim().to_owned(), value.trim().into());
            }
            'A' => {
                self.headers.insert("User-Agent".to_owned(), value.into());
            }
            _ => return None,
        }
        Some(())
    }

    fn module(self) -> Option<Module> {
        let url = self.url?;
        let url = match url.split_once("://") {
            Some(("http" | "https", _)) => url.to_owned(),
            Some(_) => return None,
            None => format!("http://{url}"),
        };
        let is_usable =
            !url.contains(|c: char| c.is_whitespace() || c.is_control() || "{}[]".contains(c));
        is_usable.then_some(())?;
        let is_tls = url.starts_with("https://");
        let mut module = Module::new("http", [("url", url.into())]);
        let mut set = |key: &str, value: Value| {
            module.config.insert(key.to_owned(), value);
        };
        let passing: &[&str] = match (self.fails, self.follows) {
            (true, true) => &["2xx"],
            (true, false) => &["2xx", "3xx"],
            // Without --fail any answer is a good one.
            (false, _) => &["2xx", "3xx", "4xx", "5xx"],
        };
        set("expect-status", strings(passing));
        if self.follows {
            set("follow-redirects", Value::from(10_i64));
        }
        if let Some(method) = self.method.filter(|method| *method != "GET") {
            set("method", method.into());
        }
        if let Some(timeout) = self.timeout {
            set("timeout", duration(timeout));
        }
        if !self.headers.is_empty() {
            set("headers", Value::Table(self.headers));
        }
        let mut tls = Table::new();
        if is_tls && self.is_insecure {
            tls.insert("verify".to_owned(), Value::from(false));
        }
        if let Some(authorities) = self.authorities.filter(|_| is_tls) {
            tls.insert("ca-file".to_owned(), authorities.into());
        }
        if !tls.is_empty() {
            set("tls", Value::Table(tls));
        }
        Some(if self.fails {
            module
        } else {
            module.remark(
                "curl without --fail takes any answer for a good one; write the statuses that are",
            )
        })
    }
}

fn positive(text: &str) -> Option<Duration> {
    seconds(text).filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::super::split;
    use super::*;

    fn found(text: &str) -> Option<String> {
        let words = split(text);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        recognise(&words).map(|module| Value::Table(module.config).to_string())
    }

    #[test]
    fn requests_are_the_same() {
        let cases = [
            (
                "-sf http://127.0.0.1/health",
                r#"{ expect-status = ["2xx", "3xx"], url = "http://127.0.0.1/health" }"#,
            ),
            (
                "--silent --max-time 2 --insecure https://localhost:6443/healthz -o /dev/null",
                r#"{ expect-status = ["2xx", "3xx", "4xx", "5xx"], timeout = "2s", tls = { verify = false }, url = "https://localhost:6443/healthz" }"#,
            ),
            (
                "-fsSLm0.5 -H 'Host: app' localhost:8080",
                r#"{ expect-status = ["2xx"], follow-redirects = 10, headers = { Host = "app" }, timeout = "500ms", url = "http://localhost:8080" }"#,
            ),
            (
                "-f -I --cacert=/etc/ca.pem https://a/",
                r#"{ expect-status = ["2xx", "3xx"], method = "HEAD", tls = { ca-file = "/etc/ca.pem" }, url = "https://a/" }"#,
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn options_that_the_module_does_not_have_keep_the_command() {
        for text in [
            "",
            "-sf",
            "--unix-socket /run/x http://a/",
            "-d body http://a/",
            "http://a/ http://b/",
            "-X DELETE http://a/",
            "ftp://a/",
            "-m x http://a/",
            "-o /tmp/x http://a/",
            "--fail=1 http://a/",
            "http://a/{x,y}",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
