//! Settings of interfaces under `/proc/sys/net`, and what they have to be for a virtual MAC.

use std::fmt;
use std::io;
use std::path::PathBuf;

use vrrp::Family;

/// A setting of an interface, in the network namespace of the calling thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Setting {
    folder: &'static str,
    name: &'static str,
}

impl Setting {
    fn path(self, interface: &str) -> PathBuf {
        let Self { folder, name } = self;
        PathBuf::from(format!("/proc/sys/net/{folder}/conf/{interface}/{name}"))
    }

    fn read(self, interface: &str) -> io::Result<i32> {
        let text = std::fs::read_to_string(self.path(interface))?;
        let number = text.trim().parse();
        number.map_err(|_| io::Error::other(format!("{} is no number", self.name)))
    }

    /// What the kernel was built without is not there, and need not be set.
    fn write(self, interface: &str, value: i32) -> io::Result<()> {
        match std::fs::write(self.path(interface), value.to_string()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

const fn v4(name: &'static str) -> Setting {
    let folder = "ipv4";
    Setting { folder, name }
}

const fn v6(name: &'static str) -> Setting {
    let folder = "ipv6";
    Setting { folder, name }
}

/// A setting of the parent that an IPv4 macvlan needs.
#[derive(Debug)]
struct OfParent {
    setting: Setting,
    /// Values that are as good.
    accepted: &'static [i32],
    value: i32,
}

/// IPv4 addresses are the host's and not an interface's: without these the parent, too, would answer for those of the macvlan, with its own MAC,
/// and would ask for neighbours in their name, from which the neighbours learn.
///
/// IPv6 addresses are the interface's, so that its parent needs nothing.
const PARENT: [OfParent; 2] = [
    OfParent {
        setting: v4("arp_ignore"),
        accepted: &[1, 2, 8],
        value: 1,
    },
    OfParent {
        setting: v4("arp_announce"),
        accepted: &[2],
        value: 2,
    },
];

/// As the parent's. Replies to what arrives at the macvlan leave through the parent, which a strict `rp_filter` takes for a forged source;
/// the loose one (2) is as good where `all` asks for the strict one, because the higher value counts. IPv6 stays off, so that no
/// router's advertisement makes an address of the virtual MAC (RFC 9568 §7.4).
const MACVLAN_V4: [(Setting, i32); 4] = [
    (v4("arp_ignore"), 1),
    (v4("arp_announce"), 2),
    (v4("rp_filter"), 2),
    (v6("disable_ipv6"), 1),
];

/// It answers for no IPv4 address (8), and makes no IPv6 address of its own. `forwarding` has the kernel set the Router flag in its
/// answers (RFC 9568 §6.4.3); whether the host forwards is decided by `all`. VRRP decides who has an address, not duplicate address detection.
const MACVLAN_V6: [(Setting, i32); 6] = [
    (v4("arp_ignore"), 8),
    (v6("disable_ipv6"), 0),
    (v6("forwarding"), 1),
    (v6("accept_ra"), 0),
    (v6("accept_redirects"), 0),
    (v6("accept_dad"), 0),
];

/// Prepares a macvlan that is down.
pub(super) fn prepare_macvlan(name: &str, family: Family) -> io::Result<()> {
    let settings: &[_] = match family {
        Family::V4 => &MACVLAN_V4,
        Family::V6 => &MACVLAN_V6,
    };
    settings
        .iter()
        .try_for_each(|(setting, value)| setting.write(name, *value))
}

/// What was changed on a parent and what was there before. The macvlans carry it as their alias, so that whoever removes the last one can
/// put it back, also after a power cut of the daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    parent: String,
    /// Name and value of each setting that was not as it has to be.
    before: Vec<(&'static str, i32)>,
}

impl Changed {
    /// Nothing, yet.
    pub(super) fn nothing(parent: &str) -> Self {
        let parent = parent.to_owned();
        let before = Vec::new();
        Self { parent, before }
    }

    /// What [`apply`](Self::apply) is going to change on a parent of IPv4 macvlans.
    pub(super) fn plan(parent: &str) -> io::Result<Self> {
        let mut plan = Self::nothing(parent);
        for OfParent {
            setting, accepted, ..
        } in &PARENT
        {
            let value = setting.read(parent)?;
            if !accepted.contains(&value) {
                plan.before.push((setting.name, value));
            }
        }
        Ok(plan)
    }

    pub(super) fn apply(&self) -> io::Result<()> {
        self.each(|of_parent, _| of_parent.setting.write(&self.parent, of_parent.value))
    }

    /// Puts back what was there, unless somebody else has changed it since, or the parent is gone.
    pub(super) fn restore(&self) -> io::Result<()> {
        self.each(
            |OfParent { setting, value, .. }, before| match setting.read(&self.parent) {
                Ok(now) if now == *value => setting.write(&self.parent, before),
                Ok(_) => Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            },
        )
    }

    fn each(&self, act: impl Fn(&OfParent, i32) -> io::Result<()>) -> io::Result<()> {
        for of_parent in &PARENT {
            let mut changed = self.before.iter();
            if let Some((_, before)) = changed.find(|(name, _)| *name == of_parent.setting.name) {
                act(of_parent, *before)?;
            }
        }
        Ok(())
    }

    /// Reads an alias; `None` when it is none of ours.
    pub(super) fn parse(alias: &str) -> Option<Self> {
        let (parent, values) = alias.strip_prefix(PREFIX)?.split_once(':')?;
        let mut changed = Self::nothing(parent);
        for entry in values.split_whitespace() {
            let (name, before) = entry.split_once('=')?;
            let known = PARENT.iter().find(|known| known.setting.name == name)?;
            changed
                .before
                .push((known.setting.name, before.parse().ok()?));
        }
        Some(changed)
    }
}

const PREFIX: &str = "vrrp-host on ";

/// The alias.
impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}:", self.parent)?;
        self.before
            .iter()
            .try_for_each(|(name, before)| write!(f, " {name}={before}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_read_as_it_was_written() {
        let changed = Changed {
            parent: "eth0".to_owned(),
            before: vec![("arp_ignore", 0), ("arp_announce", 1)],
        };
        let alias = changed.to_string();
        assert_eq!(alias, "vrrp-host on eth0: arp_ignore=0 arp_announce=1");
        assert_eq!(Changed::parse(&alias), Some(changed));
        let nothing = Changed::nothing("eth0");
        assert_eq!(nothing.to_string(), "vrrp-host on eth0:");
        assert_eq!(Changed::parse("vrrp-host on eth0:"), Some(nothing));
    }

    #[test]
    fn an_alias_of_somebody_else_is_none() {
        for alias in [
            "",
            "uplink",
            "vrrp-host on eth0",
            "vrrp-host on eth0: arp_ignore",
            "vrrp-host on eth0: arp_ignore=x",
            "vrrp-host on eth0: forwarding=0",
        ] {
            assert_eq!(Changed::parse(alias), None, "{alias}");
        }
    }
}
