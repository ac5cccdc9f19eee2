//! What both daemons are told to do, as each of them writes it.

use std::fmt::{self, Write as _};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use e2e::path::utf8;

use super::hosts::{NAMES, interface, virtual_address};

/// VRIDs 1 to this one are used on each interface.
pub(super) const PER_INTERFACE: u8 = 250;
/// Of the first host and of the second.
pub(super) const PRIORITIES: [u8; 2] = [200, 100];

/// The instances and checks of both hosts.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) instances: u16,
    pub(super) advertisement_interval: Duration,
    /// Tracked by the first instance on the first host, which is in FAULT while one of them fails.
    pub(super) checks: Vec<Check>,
    pub(super) check_interval: Duration,
}

/// The same check in both worlds.
#[derive(Debug, Clone)]
pub(super) struct Check {
    /// Our module.
    pub(super) module: &'static str,
    /// Its config.
    pub(super) config: String,
    /// What people have instead.
    pub(super) theirs: Theirs,
}

/// What keepalived looks at.
#[derive(Debug, Clone)]
pub(super) enum Theirs {
    /// The exit status of a program, with its arguments.
    Program(String),
    /// The exit status of a script of one line.
    Script(String),
    /// Whether a process of this name runs, by the kernel's process events.
    Process(String),
}

/// An instance, by its interface and VRID.
#[derive(Debug, Clone, Copy)]
struct Instance {
    interface: u8,
    virtual_router_id: u8,
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "I{}-{}", self.interface, self.virtual_router_id)
    }
}

impl Check {
    /// A process of this name runs.
    pub(super) fn process(name: &str, theirs: Theirs) -> Self {
        Self {
            module: "process",
            config: format!("{{ name = \"{name}\" }}"),
            theirs,
        }
    }

    /// The web server at this port of 127.0.0.1 answers with 200.
    pub(super) fn http(port: u16) -> Self {
        let url = format!("http://127.0.0.1:{port}/");
        Self {
            module: "http",
            config: format!("{{ url = \"{url}\" }}"),
            theirs: Theirs::Program(format!(
                "/usr/bin/curl --silent --fail --output /dev/null {url}"
            )),
        }
    }

    /// Something accepts connections at this port of 127.0.0.1.
    pub(super) fn tcp(port: u16) -> Self {
        Self {
            module: "tcp",
            config: format!("{{ address = \"127.0.0.1:{port}\" }}"),
            theirs: Theirs::Program(format!("/usr/bin/nc -z -w 1 127.0.0.1 {port}")),
        }
    }
}

impl Theirs {
    /// The command that keepalived runs; a script is written into `folder`. `None` for what is no command.
    pub(super) fn command(&self, folder: &Path) -> anyhow::Result<Option<String>> {
        match self {
            Self::Program(command) => Ok(Some(command.clone())),
            Self::Script(line) => {
                let path = folder.join("check.sh");
                fs::write(&path, format!("#!/bin/sh\n{line}\n"))?;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
                Ok(Some(utf8(&path).to_owned()))
            }
            Self::Process(_) => Ok(None),
        }
    }
}

impl Plan {
    /// One instance that advertises every second, with these checks.
    pub(super) fn with_checks(checks: Vec<Check>, check_interval: Duration) -> Self {
        Self {
            instances: 1,
            advertisement_interval: Duration::from_secs(1),
            checks,
            check_interval,
        }
    }

    /// Instances without checks.
    pub(super) fn with_instances(instances: u16, advertisement_interval: Duration) -> Self {
        Self {
            instances,
            advertisement_interval,
            checks: Vec::new(),
            check_interval: Duration::from_secs(1),
        }
    }

    fn instances(&self) -> impl Iterator<Item = Instance> {
        (0..=u8::MAX)
            .flat_map(|interface| {
                (1..=PER_INTERFACE).map(move |virtual_router_id| Instance {
                    interface,
                    virtual_router_id,
                })
            })
            .take(self.instances.into())
    }

    /// cluster.toml of both hosts.
    pub(super) fn cluster_toml(&self) -> anyhow::Result<String> {
        let mut file = format!("[nodes.{}]\n[nodes.{}]\n", NAMES[0], NAMES[1]);
        for (number, check) in self.checks.iter().enumerate() {
            write!(
                file,
                "[checks.c{number}]\n\
                 module = \"{}\"\n\
                 interval = \"{}ms\"\n\
                 config = {}\n",
                check.module,
                self.check_interval.as_millis(),
                check.config
            )?;
        }
        let tracks: Vec<_> = (0..self.checks.len())
            .map(|number| format!("{{ check = \"c{number}\", nodes = [\"{}\"] }}", NAMES[0]))
            .collect();
        let mut track = match tracks.as_slice() {
            [] => String::new(),
            some => format!("track = [{}]\n", some.join(", ")),
        };
        for instance in self.instances() {
            let Instance {
                interface: number,
                virtual_router_id,
            } = instance;
            write!(
                file,
                "[instances.{instance}]\n\
                 interface = \"{}\"\n\
                 virtual-router-id = {virtual_router_id}\n\
                 virtual-addresses = [\"{}\"]\n\
                 advertisement-interval = \"{}ms\"\n\
                 priority = {{ {} = {}, {} = {} }}\n{}",
                interface(number),
                virtual_address(number, virtual_router_id),
                self.advertisement_interval.as_millis(),
                NAMES[0],
                PRIORITIES[0],
                NAMES[1],
                PRIORITIES[1],
                std::mem::take(&mut track)
            )?;
        }
        Ok(file)
    }

    /// keepalived.conf of a host (0 or 1), with scripts in `folder`. `global` are more lines of `global_defs`.
    pub(super) fn keepalived_conf(
        &self,
        host: usize,
        folder: &Path,
        global: &str,
    ) -> anyhow::Result<String> {
        let mut file =
            format!("{global}\nglobal_defs {{\n    script_user root\n    vrrp_version 3\n}}\n");
        let (mut scripts, mut processes) = (String::new(), String::new());
        let checks = if host == 0 {
            self.checks.as_slice()
        } else {
            &[]
        };
        for (number, check) in checks.iter().enumerate() {
            if let Theirs::Process(name) = &check.theirs {
                write!(
                    file,
                    "vrrp_track_process c{number} {{\n    process {name}\n}}\n"
                )?;
                writeln!(processes, " c{number}")?;
            }
            if let Some(command) = check.theirs.command(folder)? {
                write!(
                    file,
                    "vrrp_script c{number} {{\n    script \"{command}\"\n    interval {}\n    timeout 60\n}}\n",
                    self.check_interval.as_secs_f64()
                )?;
                writeln!(scripts, " c{number}")?;
            }
        }
        let mut tracks = String::new();
        for (keyword, names) in [("track_script", scripts), ("track_process", processes)] {
            if !names.is_empty() {
                write!(tracks, "    {keyword} {{\n{names}    }}\n")?;
            }
        }
        for instance in self.instances() {
            let Instance {
                interface: number,
                virtual_router_id,
            } = instance;
            write!(
                file,
                "vrrp_instance {instance} {{\n    interface {}\n    virtual_router_id {virtual_router_id}\n    \
                 priority {}\n    advert_int {}\n    virtual_ipaddress {{\n        {}\n    }}\n{}}}\n",
                interface(number),
                PRIORITIES[host],
                self.advertisement_interval.as_secs_f64(),
                virtual_address(number, virtual_router_id),
                std::mem::take(&mut tracks)
            )?;
        }
        Ok(file)
    }
}
