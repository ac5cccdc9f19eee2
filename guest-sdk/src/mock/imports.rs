//! The imports of the contract, answered from the [`World`](super::World) of the running test.
//! Each function has the signature of the one that is generated for WebAssembly.

pub(crate) use super::server::{stream, udp};

pub(crate) mod log {
    use crate::log::Level;
    use crate::mock::{LogLine, current};

    pub(crate) fn write(level: Level, message: &str, facts: &[(String, String)]) {
        let line = LogLine {
            level,
            message: message.to_owned(),
            facts: facts.to_vec(),
        };
        current(|world| world.log.push(line));
    }
}

pub(crate) mod clock {
    use crate::mock::current;

    pub(crate) fn unix_ms() -> u64 {
        saturated(current(|world| world.unix_time).as_millis())
    }

    pub(crate) fn monotonic_ns() -> u64 {
        saturated(current(|world| world.monotonic).as_nanos())
    }

    fn saturated(count: u128) -> u64 {
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

pub(crate) mod process {
    use crate::Need;
    use crate::bindings::imports::vrrp_host::plugin::process::{Error, Info};
    use crate::mock::current;

    pub(crate) fn find(name: &str) -> Result<Vec<Info>, Error> {
        current(|world| {
            if world.denies(&Need::process(name)) {
                return Err(Error::Denied);
            }
            Ok(world
                .processes
                .iter()
                .filter(|process| process.comm == name)
                .cloned()
                .collect())
        })
    }
}

pub(crate) mod systemd {
    use crate::Need;
    use crate::bindings::imports::vrrp_host::plugin::systemd::{Error, Unit};
    use crate::mock::current;

    pub(crate) fn get(name: &str) -> Result<Unit, Error> {
        current(|world| {
            if world.denies(&Need::unit(name)) {
                return Err(Error::Denied);
            }
            world
                .units
                .iter()
                .find(|unit| unit.name == name)
                .cloned()
                .ok_or(Error::NotFound)
        })
    }
}

pub(crate) mod systemd_control {
    use crate::Need;
    use crate::bindings::imports::vrrp_host::plugin::systemd::Error;
    use crate::mock::current;
    use crate::systemd::Action;

    pub(crate) fn run(name: &str, action: Action, _timeout_ms: u32) -> Result<(), Error> {
        current(|world| {
            world.jobs.push((name.to_owned(), action));
            if world.denies(&Need::control(name, &[action])) {
                return Err(Error::Denied);
            }
            if let Some(error) = world.failing_jobs.get(&(name.to_owned(), action.as_str())) {
                return Err(error.clone());
            }
            let is_known = world.units.iter().any(|unit| unit.name == name);
            is_known.then_some(()).ok_or(Error::NotFound)
        })
    }
}

pub(crate) mod files {
    use crate::Need;
    use crate::bindings::imports::vrrp_host::plugin::files::Error;
    use crate::mock::{File, current};

    pub(crate) fn read(path: &str, max: u32) -> Result<Vec<u8>, Error> {
        let content = find(path)?.content;
        if u32::try_from(content.len()).is_ok_and(|length| length <= max) {
            Ok(content)
        } else {
            Err(Error::TooLarge)
        }
    }

    pub(crate) fn modified_unix_ms(path: &str) -> Result<u64, Error> {
        find(path).map(|file| file.modified_unix_ms)
    }

    fn find(path: &str) -> Result<File, Error> {
        current(|world| {
            if world.denies(&Need::read(path)) {
                return Err(Error::Denied);
            }
            let known = world.files.get(path).cloned();
            known.unwrap_or(Err(Error::NotFound))
        })
    }
}

pub(crate) mod exec {
    use crate::Need;
    use crate::bindings::imports::vrrp_host::plugin::exec::{Error, Output};
    use crate::mock::current;

    pub(crate) fn run(command: &str, args: &[String], _timeout_ms: u32) -> Result<Output, Error> {
        current(|world| {
            let words = std::iter::once(command).chain(args.iter().map(String::as_str));
            world.runs.push(words.map(str::to_owned).collect());
            if world.denies(&Need::exec(command)) {
                return Err(Error::Denied);
            }
            let known = world.commands.get(command).cloned();
            known.unwrap_or(Err(Error::NotFound))
        })
    }
}

pub(crate) mod http {
    use crate::Need;
    use crate::bindings::imports::vrrp_host::plugin::http::{Request, Response};
    use crate::bindings::imports::vrrp_host::plugin::net::Error;
    use crate::mock::current;

    pub(crate) fn send(request: &Request) -> Result<Response, Error> {
        current(|world| {
            world.requests.push(request.clone());
            if world.denies(&Need::http(&request.method, &request.url))
                || world.denies_file_of(&request.tls)
            {
                return Err(Error::Denied);
            }
            let mut response = world
                .answers
                .get(&request.url)
                .cloned()
                .unwrap_or(Err(Error::Refused))?;
            let limit = usize::try_from(request.max_body).unwrap_or(usize::MAX);
            response.truncated = response.body.len() > limit;
            response.body.truncate(limit);
            Ok(response)
        })
    }
}

pub(crate) mod dns {
    use std::time::Duration;

    use crate::bindings::imports::vrrp_host::plugin::net::Error;
    use crate::dns::{Query, RecordType};
    use crate::mock::current;

    pub(crate) fn query(
        name: &str,
        record_type: RecordType,
        server: Option<&str>,
        timeout_ms: u32,
    ) -> Result<Vec<String>, Error> {
        let query = Query::new(name, record_type).timeout(Duration::from_millis(timeout_ms.into()));
        let query = match server.map(str::parse).transpose() {
            Ok(None) => query,
            Ok(Some(server)) => query.server(server),
            Err(_) => return Err(Error::Io("not an address and port".to_owned())),
        };
        current(|world| {
            let denied = query.needs().iter().any(|need| world.denies(need));
            world.queries.push(query);
            if denied {
                return Err(Error::Denied);
            }
            let known = world.names.get(&(name.to_owned(), record_type.as_str()));
            known.cloned().unwrap_or(Err(Error::NameNotFound))
        })
    }
}

pub(crate) mod icmp {
    use std::time::Duration;

    use crate::Need;
    use crate::bindings::imports::vrrp_host::plugin::net::Error;
    use crate::mock::{Ping, current};

    pub(crate) fn ping(
        address: &str,
        count: u8,
        interval_ms: u32,
        timeout_ms: u32,
    ) -> Result<Vec<Option<u64>>, Error> {
        current(|world| {
            world.pings.push(Ping {
                address: address.to_owned(),
                count,
                interval: Duration::from_millis(interval_ms.into()),
                timeout: Duration::from_millis(timeout_ms.into()),
            });
            if world.denies(&Need::from_words(format!("icmp:{address}"))) {
                return Err(Error::Denied);
            }
            let known = world.echoes.get(address).cloned();
            let mut trips = known.unwrap_or(Ok(Vec::new()))?;
            trips.resize(count.into(), None);
            Ok(trips)
        })
    }
}

pub(crate) mod link {
    use crate::Need;
    use crate::bindings::imports::vrrp_host::plugin::link::{Error, Info};
    use crate::mock::current;

    pub(crate) fn get(name: &str) -> Result<Info, Error> {
        current(|world| {
            if world.denies(&Need::link(name)) {
                return Err(Error::Denied);
            }
            world
                .links
                .iter()
                .find(|link| link.name == name)
                .cloned()
                .ok_or(Error::NotFound)
        })
    }
}

pub(crate) mod state {
    use crate::mock::current;

    pub(crate) fn get(key: &str) -> Option<Vec<u8>> {
        current(|world| world.state.get(key).cloned())
    }

    pub(crate) fn put(key: &str, value: &[u8]) -> Result<(), String> {
        current(|world| world.state.insert(key.to_owned(), value.to_vec()));
        Ok(())
    }
}

pub(crate) mod metrics {
    use crate::mock::current;

    pub(crate) fn gauge(name: &str, labels: &[(String, String)], value: f64) {
        current(|world| world.metrics.insert(series(name, labels), value));
    }

    pub(crate) fn counter_add(name: &str, labels: &[(String, String)], value: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a test counts in small numbers")]
        current(|world| *world.metrics.entry(series(name, labels)).or_default() += value as f64);
    }

    fn series(name: &str, labels: &[(String, String)]) -> String {
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        if labels.is_empty() {
            name.to_owned()
        } else {
            format!("{name}{{{}}}", labels.join(","))
        }
    }
}
