//! Scripts that ask what a module of ours asks.

use toml::Value;

use super::{Module, curl, program, split};

/// What the kernel keeps of the name of a process, bytes.
const COMM_MAX: usize = 15;

/// The module that does what the command of a script does; `None` when only the command itself can.
pub(in crate::import) fn recognise(words: &[String]) -> Option<Module> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (first, args) = words.split_first()?;
    if let Some(path) = first.strip_prefix("</") {
        return args.is_empty().then(|| redirected(path))?;
    }
    match program(first) {
        "pidof" => pidof(args),
        "killall" => killall(args),
        "pgrep" => pgrep(args),
        "nc" | "ncat" | "netcat" => netcat(args),
        "systemctl" => is_active(args),
        "curl" => curl::recognise(args),
        "ping" => ping(args),
        "test" => file_test(args),
        "[" => file_test(args.strip_suffix(&["]"])?),
        "sh" | "bash" | "dash" => shell(args),
        _ => None,
    }
}

/// A shell that is given one plain command.
fn shell(args: &[&str]) -> Option<Module> {
    let [flag, script] = args else { return None };
    let is_plain = !script.contains(|c: char| "|&;<>()$`*?~#\n".contains(c));
    (*flag == "-c" && is_plain).then(|| recognise(&split(script)))?
}

/// `</dev/tcp/HOST/PORT` connects; any other file is opened.
fn redirected(path: &str) -> Option<Module> {
    let Some(rest) = path.strip_prefix("dev/tcp/") else {
        return Some(Module::new("file", [("path", format!("/{path}").into())]));
    };
    let (host, port) = rest.split_once('/')?;
    tcp(host, port)
}

fn pidof(args: &[&str]) -> Option<Module> {
    match args {
        ["-s" | "-q" | "-x", name] | [name] if !name.starts_with('-') => process(name),
        _ => None,
    }
}

/// Only signal 0 asks.
fn killall(args: &[&str]) -> Option<Module> {
    let args: Vec<&str> = args
        .iter()
        .copied()
        .filter(|arg| !matches!(*arg, "-q" | "--quiet" | "-e" | "--exact"))
        .collect();
    match args[..] {
        ["-0" | "-SIG0", name] | ["-s" | "--signal", "0", name] => process(name),
        _ => None,
    }
}

fn pgrep(args: &[&str]) -> Option<Module> {
    let mut is_exact = false;
    let mut name = None;
    for arg in args {
        match *arg {
            "-x" | "--exact" => is_exact = true,
            other if other.starts_with('-') || name.is_some() => return None,
            other => name = Some(other),
        }
    }
    let module = process(name?)?;
    Some(if is_exact {
        module
    } else {
        module.remark(
            "pgrep without -x also finds longer names with this in them; this check does not",
        )
    })
}

fn process(name: &str) -> Option<Module> {
    let name = program(name);
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-.@+:".contains(&byte));
    if name.is_empty() || !is_name {
        return None;
    }
    let module = Module::new("process", [("name", name.into())]);
    Some(if name.len() == COMM_MAX {
        module.remark("the kernel cuts names to 15 bytes; where this one is cut, write the whole name of the executable")
    } else {
        module
    })
}

fn netcat(args: &[&str]) -> Option<Module> {
    let mut asks_only = false;
    let mut places = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match *arg {
            "-w" => drop(args.next()?.parse::<u32>().ok()?),
            flags if flags.starts_with('-') => {
                let known = flags.len() > 1 && flags[1..].chars().all(|c| "znv46".contains(c));
                known.then_some(())?;
                asks_only |= flags.contains('z');
            }
            place => places.push(place),
        }
    }
    match places[..] {
        [host, port] if asks_only => tcp(host, port),
        _ => None,
    }
}

fn tcp(host: &str, port: &str) -> Option<Module> {
    let port: u16 = port.parse().ok()?;
    let fits = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte));
    fits.then_some(())?;
    let address = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    Some(Module::new("tcp", [("address", address.into())]))
}

fn is_active(args: &[&str]) -> Option<Module> {
    let args: Vec<&str> = args
        .iter()
        .copied()
        .filter(|arg| !matches!(*arg, "-q" | "--quiet"))
        .collect();
    match args[..] {
        ["is-active", unit] if !unit.starts_with('-') => {
            Some(Module::new("unit", [("unit", unit.into())]))
        }
        _ => None,
    }
}

/// How long it waits is left to the check: as long as its timeout.
fn ping(args: &[&str]) -> Option<Module> {
    let mut count = None;
    let mut address = None;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match *arg {
            "-c" => count = Some(args.next()?.parse::<u8>().ok().filter(|count| *count > 0)?),
            "-W" | "-w" => drop(args.next()?.parse::<f64>().ok()?),
            "-q" | "-n" | "-4" | "-6" => {}
            other if other.starts_with('-') || address.is_some() => return None,
            other => address = Some(other.parse::<std::net::IpAddr>().ok()?),
        }
    }
    let mut module = Module::new("ping", [("address", address?.to_string().into())]);
    let count = count?;
    module
        .config
        .insert("count".to_owned(), Value::from(i64::from(count)));
    // One answer is enough for ping.
    module
        .config
        .insert("max-loss".to_owned(), Value::from(99_i64));
    Some(module)
}

fn file_test(args: &[&str]) -> Option<Module> {
    let (exists, path) = match args {
        ["-e" | "-f", path] => (true, *path),
        ["!", "-e" | "-f", path] => (false, *path),
        _ => return None,
    };
    path.starts_with('/').then_some(())?;
    let mut module = Module::new("file", [("path", path.into())]);
    if !exists {
        module
            .config
            .insert("exists".to_owned(), Value::from(false));
    }
    Some(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<String> {
        let module = recognise(&split(text))?;
        Some(format!("{} {}", module.name, Value::Table(module.config)))
    }

    #[test]
    fn what_scripts_ask_most_has_a_module() {
        let cases = [
            (
                "/usr/bin/killall -0 haproxy",
                r#"process { name = "haproxy" }"#,
            ),
            ("pidof /usr/sbin/nginx", r#"process { name = "nginx" }"#),
            ("pgrep -x mysqld", r#"process { name = "mysqld" }"#),
            (
                "/bin/sh -c 'killall -0 haproxy'",
                r#"process { name = "haproxy" }"#,
            ),
            (
                "nc -z -w 2 db.lan 5432",
                r#"tcp { address = "db.lan:5432" }"#,
            ),
            ("nc -vz ::1 53", r#"tcp { address = "[::1]:53" }"#),
            (
                "</dev/tcp/127.0.0.1/80",
                r#"tcp { address = "127.0.0.1:80" }"#,
            ),
            ("</run/ok", r#"file { path = "/run/ok" }"#),
            (
                "systemctl is-active --quiet nginx",
                r#"unit { unit = "nginx" }"#,
            ),
            (
                "/usr/bin/test ! -e /run/maintenance",
                r#"file { exists = false, path = "/run/maintenance" }"#,
            ),
            ("[ -f /run/ok ]", r#"file { path = "/run/ok" }"#),
            (
                "ping -c 2 -W 1 192.0.2.254",
                r#"ping { address = "192.0.2.254", count = 2, max-loss = 99 }"#,
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_asks_more_stays_a_command() {
        for text in [
            "",
            "/etc/keepalived/check.sh",
            "killall haproxy",
            "killall -9 haproxy",
            "pgrep -f 'java -jar'",
            "pgrep 'a|b'",
            "nc db.lan 5432",
            "nc -zu 127.0.0.1 53",
            "systemctl restart nginx",
            "/bin/sh -c 'killall -0 a && killall -0 b'",
            "test -d /srv",
            "test 1 -eq 1",
            "[ -f /run/ok",
            "ping 192.0.2.254",
            "ping -c 1 gateway.lan",
            "pidof a b",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_quite_the_same_is_told() {
        let remarks = |text| recognise(&split(text)).unwrap().remarks;
        assert!(remarks("pgrep nginx")[0].contains("longer names"));
        assert!(remarks("pgrep -x prometheus-node")[0].contains("15 bytes"));
        assert_eq!(remarks("pgrep -x nginx"), Vec::<String>::new());
    }
}
