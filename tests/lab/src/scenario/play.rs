//! The play, step by step. What is seen on the way is kept, and judged at the end.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::{
    ADDRESSES, Cluster, EXPORTER, Node, Options, Report, State, Transition, VIRTUAL_ADDRESS,
    Version,
};
use crate::{AddressChange, Capture, Frame, JournalEntry, Result, UnitState, wait_until};

/// More than three of keepalived's script intervals and two elections at one second each.
const LIMIT: Duration = Duration::from_secs(20);

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Boot,
    Start,
    StopExporter,
    Failback,
    Collect,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boot => "booting two systemd hosts on one segment",
            Self::Start => "starting the exporter on the first host, and the daemon on both",
            Self::StopExporter => {
                "stopping the exporter on the first host; nothing is touched from here on"
            }
            Self::Failback => "the second host has taken over; waiting for the first to come back",
            Self::Collect => "reading journals and captured frames",
        })
    }
}

/// How the cluster is at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    states: [Option<State>; 2],
    holds_address: [bool; 2],
    exporters: [UnitState; 2],
}

impl Snapshot {
    /// As it is to be while all is well.
    const HEALTHY: Self = Self {
        states: [Some(State::Master), Some(State::Backup)],
        holds_address: [true, false],
        exporters: [UnitState::Active, UnitState::Inactive],
    };

    fn take([first, second]: &[Node; 2]) -> Result<Self> {
        Ok(Self {
            states: [first.state()?, second.state()?],
            holds_address: [first.holds_address()?, second.holds_address()?],
            exporters: [first.exporter()?, second.exporter()?],
        })
    }
}

/// Everything seen, for [`super::expectations`] to judge. Of a pair, the first is the first host's.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) nodes: [String; 2],
    pub(super) version: u8,
    /// When systemctl was asked to stop the exporter; when the daemons were started, when it did not come to that.
    pub(super) stopped_at: SystemTime,
    pub(super) before: Result<()>,
    pub(super) after: Result<()>,
    pub(super) transitions: [Vec<Transition>; 2],
    pub(super) moves: [Vec<AddressChange>; 2],
    pub(super) exporters: [Vec<JournalEntry>; 2],
    pub(super) frames: Vec<Frame>,
    pub(super) journals: [Vec<JournalEntry>; 2],
}

/// Plays the scenario and tells what happened. `on_step` is called before each step.
///
/// # Errors
///
/// Fails when the laboratory does. That a daemon does not do its part is no error but an expectation of the report that
/// is not met.
pub fn play(options: &Options, mut on_step: impl FnMut(Step)) -> Result<Report> {
    on_step(Step::Boot);
    let cluster = Cluster::boot(options)?;
    play_on(&cluster, options.version, on_step)
}

/// As [`play`], on hosts that have just been booted with this version, for those who want to look around on them.
///
/// # Errors
///
/// As [`play`].
pub fn play_on(
    cluster: &Cluster,
    version: Version,
    mut on_step: impl FnMut(Step),
) -> Result<Report> {
    let mut capture = cluster.segment.capture()?;

    on_step(Step::Start);
    let mut stopped_at = SystemTime::now();
    let before = start(&cluster.nodes);

    let after = if before.is_ok() {
        on_step(Step::StopExporter);
        stopped_at = stop_exporter(&cluster.nodes[0])?;
        wait_for_failover(&cluster.nodes[1], stopped_at).and_then(|()| {
            on_step(Step::Failback);
            wait_until_healthy(&cluster.nodes)?;
            wait_for_announcement(&mut capture, &cluster.nodes[0])
        })
    } else {
        Ok(())
    };

    on_step(Step::Collect);
    let [first, second] = &cluster.nodes;
    Ok(Report::new(Evidence {
        nodes: [first.name().to_owned(), second.name().to_owned()],
        version: version.number(),
        stopped_at,
        before,
        after,
        transitions: [first.transitions()?, second.transitions()?],
        moves: [first.moves(), second.moves()],
        exporters: [
            first.host.journal(EXPORTER, None)?,
            second.host.journal(EXPORTER, None)?,
        ],
        journals: [first.journal()?, second.journal()?],
        frames: capture.stop()?,
    }))
}

fn start(nodes: &[Node; 2]) -> Result<()> {
    nodes[0].host.systemctl(&["start", EXPORTER])?;
    nodes[0].start()?;
    nodes[1].start()?;
    wait_until_healthy(nodes)
}

fn wait_until_healthy(nodes: &[Node; 2]) -> Result<()> {
    let what = "the first host alone to be MASTER, to hold the address and to run the exporter";
    wait_until(LIMIT, what, || match Snapshot::take(nodes) {
        Ok(Snapshot::HEALTHY) => Ok(()),
        Ok(seen) => Err(format!("{seen:?}")),
        Err(error) => Err(error.to_string()),
    })
}

/// Returns when it was asked for. The journal's line would be too late: systemd writes it after the signal, and a quick
/// daemon may have given the address away before.
fn stop_exporter(node: &Node) -> Result<SystemTime> {
    let asked_at = SystemTime::now();
    node.host.systemctl(&["stop", EXPORTER])?;
    Ok(asked_at)
}

fn wait_for_failover(second: &Node, since: SystemTime) -> Result<()> {
    wait_until(
        LIMIT,
        &format!("{} to become MASTER", second.name()),
        || {
            let transitions = second.transitions().map_err(|error| error.to_string())?;
            let took_over = |transition: &&Transition| {
                transition.at >= since && transition.after == State::Master
            };
            transitions
                .iter()
                .find(took_over)
                .map(drop)
                .ok_or_else(|| format!("{transitions:?}"))
        },
    )
}

/// The announcement follows the change of state, so it may be on its way still. It is the first host's when it comes after
/// all that the second has said.
fn wait_for_announcement(capture: &mut Capture, node: &Node) -> Result<()> {
    let what = format!("{} to announce the address", node.name());
    wait_until(LIMIT, &what, || {
        let frames = capture.frames().map_err(|error| error.to_string())?;
        let mut since = frames
            .iter()
            .rev()
            .take_while(|frame| frame.sender() != Some(ADDRESSES[1]));
        let announced = since.any(|frame| {
            frame
                .gratuitous_arp()
                .is_some_and(|arp| arp.sender == VIRTUAL_ADDRESS)
        });
        if announced {
            Ok(())
        } else {
            Err(format!("{} frames", frames.len()))
        }
    })
}
