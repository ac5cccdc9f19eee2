//! What the two hosts are kept busy with.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::checked::Checked;
use e2e::daemon::{Daemon, LIMIT, Pids};
use e2e::inside::WebServer;
use e2e::metronome::{Punctuality, Stalls};
use e2e::stage::{FIRST, INTERFACE, Stage};
use e2e::wire::{Sent, assert_good};
use lab::{Frame, Signal};
use tempfile::TempDir;

pub(super) const INSTANCES: u8 = 250;
pub(super) const CHECKS: usize = 100;
/// Between two advertisements of an instance.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// Each is run as often.
const CHECK_INTERVAL: &str = "1s";
/// Of the second host.
const LOWER: u8 = 100;
/// Minutes from a reload to the next one.
const RELOADED_EVERY: u64 = 10;
/// Lines of a log that are shown when something went wrong.
const LAST_LINES: usize = 30;
const PORT: u16 = 8080;

/// Two daemons, the first of which is MASTER of everything, and what both check.
pub(super) struct Load<'a> {
    stage: &'a Stage,
    daemons: [Daemon; 2],
    checked: Checked,
    _web_server: WebServer,
    _state: [TempDir; 2],
}

impl<'a> Load<'a> {
    /// Returns when the first host has every address.
    pub(super) fn start(stage: &'a Stage) -> anyhow::Result<Self> {
        let checked = Checked::start(&stage.first);
        let web_server = WebServer::start(&stage.first, PORT);
        let state = [
            TempDir::with_prefix("soak-")?,
            TempDir::with_prefix("soak-")?,
        ];
        let file = file(&checked, 200);
        let start =
            |host, node, state: &TempDir| Daemon::start_with_state(host, node, &file, state.path());
        let load = Self {
            stage,
            daemons: [
                start(&stage.first, "first", &state[0]),
                start(&stage.second, "second", &state[1]),
            ],
            checked,
            _web_server: web_server,
            _state: state,
        };
        for (daemon, state) in load.daemons.iter().zip(["MASTER", "BACKUP"]) {
            daemon.wait_for(&format!("every instance to be {state}"), |status| {
                let instances = status["instances"].as_object();
                instances.is_some_and(|all| {
                    all.len() == usize::from(INSTANCES)
                        && all.values().all(|it| it["state"] == state)
                })
            });
        }
        Ok(load)
    }

    /// The processes of both daemons.
    pub(super) fn pids(&self) -> [Pids; 2] {
        self.daemons.each_ref().map(Daemon::pids)
    }

    /// What happens on a real host: a service fails and comes back, somebody asks, and now and then the file is loaded again.
    pub(super) fn disturb(&mut self, minute: u64) -> anyhow::Result<()> {
        self.checked.process.signal(Signal::KILL)?;
        self.checked.process.wait(LIMIT)?;
        self.wait_for_process_checks("failing");
        self.checked.start_again(&self.stage.first);
        self.wait_for_process_checks("passing");

        if minute % RELOADED_EVERY != 1 {
            return Ok(());
        }
        let highest = 200 + u8::try_from(minute / RELOADED_EVERY % 2)?;
        let first = &self.daemons[0];
        first.rewrite(&file(&self.checked, highest));
        let output = first.ask(&["reload"]);
        ensure!(
            output.status.success(),
            "no reload: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        first.wait_for("the priority of the new file", |status| {
            status["instances"]["I1"]["priority"]["base"] == highest
        });
        Ok(())
    }

    fn wait_for_process_checks(&self, verdict: &str) {
        self.daemons[0].wait_for(&format!("the process checks to be {verdict}"), |status| {
            checks()
                .filter(|(_, kind)| *kind == Kind::Process)
                .all(|(name, _)| status["checks"][name]["verdict"] == verdict)
        });
    }
}

/// How punctual the first host was, the least of all instances.
pub(super) fn punctuality(frames: &[Frame], stalls: &Stalls) -> anyhow::Result<Punctuality> {
    assert_good(frames);
    let mut sent: BTreeMap<u8, Vec<Sent>> = BTreeMap::new();
    for frame in frames.iter().filter(|frame| frame.sender() == Some(FIRST)) {
        if let Some(advertisement) = frame.advertisement() {
            sent.entry(advertisement.virtual_router_id)
                .or_default()
                .push(Sent {
                    at: frame.at,
                    priority: advertisement.priority,
                });
        }
    }
    ensure!(
        sent.len() == usize::from(INSTANCES),
        "only {} instances have advertised",
        sent.len()
    );
    let each = sent.values().map(|sent| stalls.punctuality(sent, INTERVAL));
    each.reduce(|one, other| Punctuality {
        longest_gap: one.longest_gap.max(other.longest_gap),
        late: one.late.max(other.late),
    })
    .context("nothing was sent")
}

/// What a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Process,
    Http,
    Tcp,
    File,
    Interface,
}

/// Name and kind of each check.
fn checks() -> impl Iterator<Item = (String, Kind)> {
    let kinds = [
        Kind::Process,
        Kind::Http,
        Kind::Tcp,
        Kind::File,
        Kind::Interface,
    ];
    (0..CHECKS).map(move |number| (format!("c{number}"), kinds[number % kinds.len()]))
}

/// cluster.toml of both hosts. Each check belongs to an instance and adds to its priority, so that no failure moves an address.
fn file(checked: &Checked, highest: u8) -> String {
    let mut file = "[nodes.first]\n[nodes.second]\n".to_owned();
    let mut line = |text: fmt::Arguments<'_>| {
        // A string takes whatever is written.
        _ = file.write_fmt(text);
        file.push('\n');
    };
    for (name, kind) in checks() {
        let (module, config) = match kind {
            Kind::Process => ("process", format!("name = \"{}\"", checked.name)),
            Kind::Http => ("http", format!("url = \"http://127.0.0.1:{PORT}/\"")),
            Kind::Tcp => ("tcp", format!("address = \"127.0.0.1:{PORT}\"")),
            Kind::File => ("file", "path = \"/etc/passwd\"".to_owned()),
            Kind::Interface => ("interface", format!("name = \"{INTERFACE}\"")),
        };
        line(format_args!(
            "[checks.{name}]\nmodule = \"{module}\"\ninterval = \"{CHECK_INTERVAL}\"\nconfig = {{ {config} }}"
        ));
    }
    for id in 1..=INSTANCES {
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 3, id));
        line(format_args!(
            "[instances.I{id}]\n\
             interface = \"{INTERFACE}\"\n\
             virtual-router-id = {id}\n\
             virtual-addresses = [\"{address}/32\"]\n\
             advertisement-interval = \"{}ms\"\n\
             priority = {{ first = {highest}, second = {LOWER} }}",
            INTERVAL.as_millis()
        ));
        if let Some((check, _)) = checks().nth(usize::from(id - 1)) {
            line(format_args!(
                "track = [{{ check = \"{check}\", nodes = [\"first\"], on-fail = {{ weight = -10 }} }}]"
            ));
        }
    }
    file
}

impl fmt::Display for Load<'_> {
    /// The last of what both daemons have logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for daemon in &self.daemons {
            let log = daemon.process.log();
            let lines: Vec<_> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
            writeln!(f, "---\n{}", last.join("\n"))?;
        }
        Ok(())
    }
}
