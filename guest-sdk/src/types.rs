//! Conveniences on the vocabulary of the contract.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::systemd::Action;
use crate::{Fact, Observation, Plan, RunContext, Trigger, Verdict, VrrpState};

/// Time that a run keeps back of its deadline, to report what it saw.
const REPORT_MARGIN: Duration = Duration::from_millis(20);

/// What a module will touch, in the words of an `allow` line of cluster.toml.
///
/// A function of the host is linked and allowed only where a need or grant covers it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Need(String);

impl Need {
    /// To look for processes of this name.
    pub fn process(name: &str) -> Self {
        Self(format!("process:{name}"))
    }

    /// To read the state of this systemd unit.
    pub fn unit(name: &str) -> Self {
        Self(format!("unit:{name}"))
    }

    /// To change this systemd unit.
    pub fn control(unit: &str, actions: &[Action]) -> Self {
        let actions: Vec<&str> = actions.iter().copied().map(Action::as_str).collect();
        Self(format!("unit:{unit}:{}", actions.join(",")))
    }

    /// To ask about this name.
    pub fn dns(name: &str) -> Self {
        Self(format!("dns:{name}"))
    }

    /// To send echo requests to this address.
    pub fn icmp(address: IpAddr) -> Self {
        Self(format!("icmp:{address}"))
    }

    /// To send requests of this method to URLs that start with this one's scheme, host, port and
    /// path.
    pub fn http(method: &str, url: &str) -> Self {
        let prefix = url.split(['?', '#']).next().unwrap_or(url);
        Self(format!("http:{method} {prefix}"))
    }

    /// To connect to this `host:port`.
    pub fn tcp(address: &str) -> Self {
        Self(format!("tcp:{address}"))
    }

    /// To exchange datagrams with this `host:port`.
    pub fn udp(address: &str) -> Self {
        Self(format!("udp:{address}"))
    }

    /// To connect to the Unix socket of this path.
    pub fn unix_socket(path: &str) -> Self {
        Self(format!("unix:{path}"))
    }

    /// To read this file, or what is below this folder.
    pub fn read(path: &str) -> Self {
        Self(format!("read:{path}"))
    }

    /// To run this command.
    pub fn exec(command: &str) -> Self {
        Self(format!("exec:{command}"))
    }

    /// To see the state of this network interface.
    pub fn link(name: &str) -> Self {
        Self(format!("link:{name}"))
    }

    /// Any other need, in the words of an `allow` line.
    pub fn from_words(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For what takes more than one: `dns:www.example.com and udp:192.0.2.53:53`.
    pub(crate) fn words(needs: &[Self]) -> String {
        let words: Vec<_> = needs.iter().map(Self::as_str).collect();
        words.join(" and ")
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Plan {
    /// Nothing touched, no trigger: the module runs at its interval.
    pub fn new() -> Self {
        Self {
            triggers: Vec::new(),
            needs: Vec::new(),
        }
    }

    /// Adds something that the module will touch.
    #[must_use]
    pub fn needs(mut self, need: Need) -> Self {
        self.needs.push(need.0);
        self
    }

    /// Adds an event that makes the host call `run` within milliseconds, beside the interval. The methods
    /// below add one each. To be told of a thing takes the need to see it.
    #[must_use]
    pub fn trigger(mut self, trigger: Trigger) -> Self {
        self.triggers.push(trigger);
        self
    }

    /// Runs when a process of this name has started.
    #[must_use]
    pub fn on_process_started(self, name: &str) -> Self {
        self.trigger(Trigger::ProcessStarted(name.to_owned()))
    }

    /// Runs when a process of this name has exited.
    #[must_use]
    pub fn on_process_exited(self, name: &str) -> Self {
        self.trigger(Trigger::ProcessExited(name.to_owned()))
    }

    /// Runs when the state of this systemd unit has changed.
    #[must_use]
    pub fn on_unit_changed(self, unit: &str) -> Self {
        self.trigger(Trigger::UnitChanged(unit.to_owned()))
    }

    /// Runs when what is at this absolute path was written, replaced, made or removed; for a folder,
    /// what is directly in it. It takes the need `read:PATH`.
    #[must_use]
    pub fn on_path_changed(self, path: &str) -> Self {
        self.trigger(Trigger::PathChanged(path.to_owned()))
    }

    /// Runs when this network interface came, went, or changed its state, carrier or MTU.
    #[must_use]
    pub fn on_link_changed(self, name: &str) -> Self {
        self.trigger(Trigger::LinkChanged(name.to_owned()))
    }

    /// Runs when an address of this network interface was added, removed or changed.
    #[must_use]
    pub fn on_address_changed(self, name: &str) -> Self {
        self.trigger(Trigger::AddressChanged(name.to_owned()))
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::new()
    }
}

impl Observation {
    /// The service works.
    pub fn passing(summary: impl Into<String>) -> Self {
        Self::new(Verdict::Passing, summary)
    }

    /// The service works, and somebody should look at it. Counts as passing.
    pub fn warning(summary: impl Into<String>) -> Self {
        Self::new(Verdict::Warning, summary)
    }

    /// The service does not work.
    pub fn failing(summary: impl Into<String>) -> Self {
        Self::new(Verdict::Failing, summary)
    }

    /// `summary` is one line for the log and `vrrp-host status`.
    pub fn new(verdict: Verdict, summary: impl Into<String>) -> Self {
        Self {
            verdict,
            summary: summary.into(),
            weight: None,
            facts: Vec::new(),
        }
    }

    /// Adjusts the priority of the instances that track this check, within the bounds that
    /// cluster.toml grants.
    #[must_use]
    pub fn weight(mut self, weight: i16) -> Self {
        self.weight = Some(weight);
        self
    }

    /// Adds a measured value, for `vrrp-host status`.
    #[must_use]
    pub fn fact(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.facts.push(Fact {
            name: name.into(),
            value: value.to_string(),
        });
        self
    }
}

impl RunContext {
    /// Time left for this run; when it is over the run ends in an error, not in a verdict.
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms.into())
    }

    /// The longest that one call to the outside may take: `wanted`, but so much less than the
    /// deadline that its outcome can still be reported as a verdict.
    pub fn within_deadline(&self, wanted: Duration) -> Duration {
        let margin = REPORT_MARGIN.min(self.deadline() / 4);
        wanted.min(self.deadline() - margin)
    }

    /// The state of an instance that tracks this check.
    pub fn state(&self, instance: &str) -> Option<VrrpState> {
        let found = self.states.iter().find(|(name, _)| name == instance);
        found.map(|(_, state)| *state)
    }
}

/// The state in the words that users see: INIT, BACKUP, MASTER, FAULT.
impl fmt::Display for VrrpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Initialize => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_the_words_of_a_grant() {
        let actions = [Action::Start, Action::TryRestart];
        let needs = [
            (Need::process("nginx"), "process:nginx"),
            (Need::unit("nginx.service"), "unit:nginx.service"),
            (
                Need::control("nginx.service", &actions),
                "unit:nginx.service:start,try-restart",
            ),
            (
                Need::http("GET", "https://[::1]:8443/health?full=1"),
                "http:GET https://[::1]:8443/health",
            ),
            (Need::dns("www.example.com"), "dns:www.example.com"),
            (Need::icmp([192, 0, 2, 1].into()), "icmp:192.0.2.1"),
            (Need::tcp("db.lan:5432"), "tcp:db.lan:5432"),
            (Need::udp("[::1]:53"), "udp:[::1]:53"),
            (Need::unix_socket("/run/a.sock"), "unix:/run/a.sock"),
            (Need::read("/etc/own.pem"), "read:/etc/own.pem"),
            (Need::exec("/usr/bin/true"), "exec:/usr/bin/true"),
            (Need::link("eth0"), "link:eth0"),
            (Need::from_words("process:nginx"), "process:nginx"),
        ];
        for (need, words) in needs {
            assert_eq!(need.as_str(), words);
        }
    }

    #[test]
    fn a_call_leaves_time_to_report() {
        let context = |deadline_ms| RunContext {
            deadline_ms,
            ..crate::mock::run_context()
        };
        let within = |deadline, wanted| {
            context(deadline)
                .within_deadline(Duration::from_millis(wanted))
                .as_millis()
        };
        assert_eq!(within(1000, 800), 800);
        assert_eq!(within(1000, 5000), 980);
        assert_eq!(within(8, 800), 6);
        assert_eq!(within(0, 800), 0);
    }
}
