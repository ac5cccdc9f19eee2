//! For how long nobody has the address, or two have it, when the host that has it goes in each way.

use std::time::{Duration, SystemTime};

use e2e::checked::Checked;
use e2e::contender::Make;
use e2e::daemon::{LIMIT, kill};
use e2e::inside::WebServer;
use e2e::wire::{Sent, advertisements, announced, changed, longest_overlap, milliseconds};
use fastrand::Rng;
use lab::scenario::State;
use lab::{AddressChange, Frame, Signal, wait_until};

use super::checks::PORT;
use super::hosts::{Hosts, SHARED, address};
use super::plan::{Check, PRIORITIES, Plan, Theirs};
use super::report::{Bar, Report, Row, Table};
use super::service::Service;
use super::{Bench, MAKES};

/// Interval of the advertisements, and how often everything is done, in full and with `--quick`.
const INTERVALS: [(Duration, usize, usize); 3] = [
    (Duration::from_secs(1), 5, 1),
    (Duration::from_millis(100), 10, 2),
    (Duration::from_millis(10), 10, 2),
];
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How often the checked process ends more, for figures that one in a hundred is above.
const MORE_EXITS: (usize, usize) = (100, 5);
/// How long everything is left alone before the next event, at least, beside an interval in which an advertisement is seen.
const CALM: Duration = Duration::from_millis(300);

/// How the MASTER goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Its cable is cut, and all its processes are killed.
    Crash,
    /// The process that speaks VRRP is killed, and started again by its parent.
    Router,
    /// It is told to stop.
    Stop,
    /// The process that it checks ends.
    Process,
    /// The web server that it checks goes away.
    Http,
}

impl Ending {
    const ALL: [Self; 5] = [
        Self::Crash,
        Self::Router,
        Self::Stop,
        Self::Process,
        Self::Http,
    ];

    fn what(self) -> &'static str {
        match self {
            Self::Crash => "crash and cable cut",
            Self::Router => "router `kill -9`",
            Self::Stop => "stop",
            Self::Process => "checked process ends",
            Self::Http => "web server goes away",
        }
    }
}

/// One ending, and what came after it until everything was as before.
#[derive(Debug, Clone, Copy)]
struct Event {
    ending: Ending,
    at: SystemTime,
    restored: SystemTime,
}

/// What was measured of an event, milliseconds. `None`: it did not happen, or means nothing.
#[derive(Debug, Clone, Copy)]
struct Figures {
    /// Until the new owner told its neighbours.
    announced: Option<f64>,
    /// How much later than the formula the other host took over.
    over_formula: Option<f64>,
    /// For how long both had the address.
    overlap: Option<f64>,
    /// Until the first host had the address no more.
    removed: Option<f64>,
    /// Until the first host's priority 0 was on the wire.
    priority_0: Option<f64>,
}

/// The rows of all tables.
struct Rows {
    announced: Vec<Row>,
    over_formula: Vec<Row>,
    overlap: Vec<Row>,
    router: [Row; 2],
    exit: Row,
}

pub(super) fn measure(bench: Bench<'_>) -> anyhow::Result<Report> {
    let mut rows = Rows {
        announced: Vec::new(),
        over_formula: Vec::new(),
        overlap: Vec::new(),
        router: ["address removed", "priority 0 on the wire"]
            .map(|what| Row::new(what).with_bar(Bar::Median(20.0))),
        exit: Row::new("priority 0 on the wire").with_bar(Bar::MedianAndP99(2.0, 10.0)),
    };
    for (interval, full, quick) in INTERVALS {
        let new = || Ending::ALL.map(|ending| Row::new(format!("{}, {interval:?}", ending.what())));
        let (mut until_announced, mut over, mut overlap) = (new(), new(), new());
        let times = bench.times(full, quick);
        for round in 1..=times {
            println!("every {interval:?}: round {round} of {times}");
            for make in MAKES {
                for (ending, figures) in play(bench, make, interval, &Ending::ALL)? {
                    let index = ending as usize;
                    for (rows, figure) in [
                        (&mut until_announced, figures.announced),
                        (&mut over, figures.over_formula),
                        (&mut overlap, figures.overlap),
                    ] {
                        figure.into_iter().for_each(|it| rows[index].push(make, it));
                    }
                    rows.push_details(make, ending, figures);
                }
            }
        }
        rows.announced.extend(until_announced);
        let measured = |row: &Row| !row.vrrp_host.is_empty() || !row.keepalived.is_empty();
        let over = over.map(|row| row.with_bar(Bar::MedianAndP99(0.5, 2.0)));
        rows.over_formula.extend(over.into_iter().filter(measured));
        rows.overlap.extend(overlap.into_iter().filter(measured));
    }
    let exits = vec![Ending::Process; bench.times(MORE_EXITS.0, MORE_EXITS.1)];
    println!("{} more exits", exits.len());
    for make in MAKES {
        for (ending, figures) in play(bench, make, Duration::from_millis(100), &exits)? {
            rows.push_details(make, ending, figures);
        }
    }
    Ok(rows.report())
}

impl Rows {
    fn push_details(&mut self, make: Make, ending: Ending, figures: Figures) {
        let Figures {
            removed,
            priority_0,
            ..
        } = figures;
        let rows: &mut [(&mut Row, Option<f64>)] = match ending {
            Ending::Router => {
                let [address, zero] = &mut self.router;
                &mut [(address, removed), (zero, priority_0)]
            }
            Ending::Process => &mut [(&mut self.exit, priority_0)],
            Ending::Crash | Ending::Stop | Ending::Http => &mut [],
        };
        for (row, figure) in rows {
            figure.iter().for_each(|it| row.push(make, *it));
        }
    }

    fn report(self) -> Report {
        let [first, second] = PRIORITIES;
        Report {
            title: "Takeover".to_owned(),
            method: format!(
                "Two hosts run the same daemon, with priorities {first} and {second}; the first goes in each way, at a random moment \
                 between two advertisements (for the web server, between two runs of the check), and comes back. The process is checked by vrrp-host's `process` and by keepalived's \
                 `track_process`, the web server by `http` and by a script with `curl`, every second, one failure being enough; \
                 either way the instance is in FAULT. The frames have the kernel's time stamps, taken on the bridge between the \
                 hosts, and the addresses are those that the hosts' kernels tell of. The formula is that of RFC 9568 §6.1: three \
                 intervals and the skew time after the last advertisement, or the skew time alone after one with priority 0. A \
                 killed router of vrrp-host is replaced by its supervisor, and so is that of keepalived by its parent; who tells \
                 the neighbours first counts, whichever host it is."
            ),
            tables: vec![
                Table::new(
                    "Until a new owner has told its neighbours",
                    "ms",
                    self.announced,
                ),
                Table::new(
                    "Takeover, later than by the formula",
                    "ms",
                    self.over_formula,
                ),
                Table::new(
                    "Both hosts have the address, on the way and back",
                    "ms",
                    self.overlap,
                ),
                Table::new("After `kill -9` of the router", "ms", self.router.to_vec()),
                Table::new(
                    "After the end of the checked process",
                    "ms",
                    vec![self.exit],
                ),
            ],
        }
    }
}

/// Two hosts with the same daemon, the first of which is MASTER.
struct Pair {
    first: Service,
    second: Service,
    checked: Checked,
    server: Option<WebServer>,
    hosts: Hosts,
}

/// Has the MASTER of a pair go in each way, and tells what was measured.
fn play(
    bench: Bench<'_>,
    make: Make,
    interval: Duration,
    endings: &[Ending],
) -> anyhow::Result<Vec<(Ending, Figures)>> {
    let mut random = Rng::new();
    let mut pair = Pair::start(bench, make, interval)?;
    let [first, second] = &pair.hosts.hosts;
    let watches = [first.watch_addresses()?, second.watch_addresses()?];
    let capture = pair.hosts.segments[0].capture()?;
    let mut events = Vec::new();
    for ending in endings {
        // At any moment between two advertisements, and between two runs of a check that runs on its interval.
        let period = match ending {
            Ending::Http => interval.max(CHECK_INTERVAL),
            Ending::Crash | Ending::Router | Ending::Stop | Ending::Process => interval,
        };
        std::thread::sleep(CALM + interval + period.mul_f64(random.f64()));
        events.push(pair.end(*ending)?);
    }
    let frames = capture.stop()?;
    let changes = watches.map(|watch| watch.changes());
    let figures = |event: Event| (event.ending, judge(event, interval, &frames, &changes));
    Ok(events.into_iter().map(figures).collect())
}

impl Pair {
    fn start(bench: Bench<'_>, make: Make, interval: Duration) -> anyhow::Result<Self> {
        let hosts = Hosts::new(1)?;
        let server = WebServer::start(&hosts.hosts[0], PORT);
        let checked = Checked::start(&hosts.hosts[0]);
        let process = Check::process(&checked.name, Theirs::Process(checked.name.clone()));
        let plan = Plan {
            advertisement_interval: interval,
            ..Plan::with_checks(vec![process, Check::http(PORT)], CHECK_INTERVAL)
        };
        let pair = Self {
            first: Service::start(make, &hosts, 0, &plan, bench.state)?,
            second: Service::start(make, &hosts, 1, &plan, bench.state)?,
            checked,
            server: Some(server),
            hosts,
        };
        pair.wait_until_settled(0)?;
        Ok(pair)
    }

    /// Waits until the first host has become MASTER more often than `before`, and all is as it should be.
    fn wait_until_settled(&self, before: usize) -> anyhow::Result<()> {
        self.first.wait_until_entered(State::Master, before + 1)?;
        wait_until(
            LIMIT,
            "the first host alone to have the address",
            || match self.hosts.first_alone_has_address() {
                Ok(true) if self.second.is_backup() => Ok(()),
                other => Err(format!(
                    "{other:?}\n{}\n{}",
                    self.first.log(),
                    self.second.log()
                )),
            },
        )?;
        Ok(())
    }

    fn end(&mut self, ending: Ending) -> anyhow::Result<Event> {
        let mut was_master = self.first.entered(State::Master);
        let taken = self.second.entered(State::Master) + 1;
        let router = self.first.router()?;
        let at = SystemTime::now();
        match ending {
            Ending::Crash => {
                self.hosts.ports[0][0].unplug()?;
                self.first.cut_power();
            }
            Ending::Router => kill(router, Signal::KILL),
            Ending::Stop => self.first.signal(Signal::TERM)?,
            Ending::Process => self.checked.process.signal(Signal::KILL)?,
            Ending::Http => self.server = None,
        }
        if ending != Ending::Router {
            self.second.wait_until_entered(State::Master, taken)?;
        }
        match ending {
            Ending::Crash | Ending::Stop => {
                self.first.wait()?;
                self.hosts.ports[0][0].plug()?;
                self.first.start_again(&self.hosts, 0);
                was_master = 0;
            }
            Ending::Router => {}
            Ending::Process => {
                self.checked.process.wait(LIMIT)?;
                self.checked.start_again(&self.hosts.hosts[0]);
            }
            Ending::Http => {
                self.server = Some(WebServer::start(&self.hosts.hosts[0], PORT));
            }
        }
        self.wait_until_settled(was_master)?;
        Ok(Event {
            ending,
            at,
            restored: SystemTime::now(),
        })
    }
}

fn judge(
    event: Event,
    interval: Duration,
    frames: &[Frame],
    changes: &[Vec<AddressChange>; 2],
) -> Figures {
    let Event {
        ending,
        at,
        restored,
    } = event;
    let within = |when: SystemTime| (at..=restored).contains(&when);
    let since =
        |when: Option<SystemTime>| when.filter(|it| within(*it)).map(|it| milliseconds(at, it));
    let [of_first, of_second] = [0, 1].map(|host| advertisements(frames, address(0, host)));
    let taken = of_second
        .iter()
        .find(|sent| within(sent.at) && sent.priority > 0);
    let over_formula = taken.and_then(|taken| over_formula(taken, &of_first, interval));
    let zero = of_first
        .iter()
        .find(|sent| within(sent.at) && sent.priority == 0);
    let [first, second] = changes.each_ref().map(|changes| {
        let changes = changes.iter().filter(|change| within(change.at));
        changes.cloned().collect::<Vec<_>>()
    });
    // A host that is not connected does not matter to anybody.
    let overlap = (ending != Ending::Crash)
        .then(|| longest_overlap(&first, &second, SHARED).as_secs_f64() * 1e3);
    Figures {
        announced: since(announced(frames, SHARED, at)),
        over_formula,
        overlap,
        removed: since(changed(&first, SHARED, false, at)),
        priority_0: since(zero.map(|sent| sent.at)),
    }
}

/// How much later than the formula the second host took over, milliseconds. `None` when the first had not fallen silent.
fn over_formula(taken: &Sent, of_first: &[Sent], interval: Duration) -> Option<f64> {
    let last = of_first.iter().rfind(|sent| sent.at < taken.at)?;
    let skew_time = interval * (256 - u32::from(PRIORITIES[1])) / 256;
    let formula = if last.priority == 0 {
        skew_time
    } else {
        3 * interval + skew_time
    };
    Some(milliseconds(last.at + formula, taken.at))
}
