//! What happened and what was expected of it.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use super::play::Evidence;
use super::{State, VIRTUAL_ADDRESS, expectations};
use crate::{Frame, JournalEntry, JournalEvent};

/// The play, told.
#[derive(Debug, Clone)]
pub struct Report {
    /// The host names.
    pub nodes: [String; 2],
    /// When the first thing happened after systemd was asked to stop the exporter: what the times of the timeline count
    /// from. When the daemons were started, if it did not come to that.
    pub stopped_at: SystemTime,
    /// Everything worth telling, from the stop on, oldest first.
    pub events: Vec<Event>,
    pub expectations: Vec<Expectation>,
    /// What the daemons logged, to find out why an expectation is not met.
    pub journals: [Vec<JournalEntry>; 2],
}

/// Something that happened on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// How long after the stop.
    pub after: Duration,
    /// Which of [`Report::nodes`].
    pub node: usize,
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Somebody, or a hook, asked systemd to stop the exporter.
    ExporterStopping,
    ExporterStopped,
    ExporterStarted,
    /// An advertisement with priority 0 was on the wire.
    PriorityZero,
    /// A host's first advertisement with this priority, after another of its own or the other's, was on the wire.
    FirstAdvertisement {
        priority: u8,
    },
    /// The first gratuitous ARP of a new holder was on the wire.
    GratuitousArp,
    Transition {
        before: Option<State>,
        after: State,
        reason: Option<String>,
    },
    AddressAdded,
    AddressRemoved,
}

/// Something that had to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    pub text: String,
    /// How well it went, or what was seen instead.
    pub outcome: Result<String, String>,
}

impl Report {
    pub(super) fn new(mut evidence: Evidence) -> Self {
        // What systemctl takes to reach systemd is no part of the story.
        if evidence.before.is_ok()
            && let Some(first) = events(&evidence).first()
        {
            evidence.stopped_at += first.after;
        }
        Self {
            events: events(&evidence),
            expectations: expectations::judge(&evidence),
            stopped_at: evidence.stopped_at,
            nodes: evidence.nodes,
            journals: evidence.journals,
        }
    }

    /// Whether everything happened that had to.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.expectations
            .iter()
            .all(|expectation| expectation.outcome.is_ok())
    }

    /// When a host first did this, if it did.
    #[must_use]
    pub fn first(&self, node: usize, what: impl Fn(&What) -> bool) -> Option<Duration> {
        self.events
            .iter()
            .find(|event| event.node == node && what(&event.what))
            .map(|event| event.after)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Event { after, node, what } in &self.events {
            writeln!(
                f,
                "{:>9.1} ms  {:<8} {what}",
                after.as_secs_f64() * 1e3,
                self.nodes[*node]
            )?;
        }
        for Expectation { text, outcome } in &self.expectations {
            match outcome {
                Ok(detail) => writeln!(f, "ok      {text}: {detail}")?,
                Err(detail) => writeln!(f, "NOT MET {text}: {detail}")?,
            }
        }
        if !self.is_met() {
            for (name, journal) in self.nodes.iter().zip(&self.journals) {
                writeln!(f, "--- what {name}'s daemon logged")?;
                journal
                    .iter()
                    .try_for_each(|entry| writeln!(f, "{entry}"))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExporterStopping => f.write_str("systemd stops the exporter"),
            Self::ExporterStopped => f.write_str("the exporter has ended"),
            Self::ExporterStarted => f.write_str("the exporter runs"),
            Self::PriorityZero => f.write_str("advertises priority 0"),
            Self::FirstAdvertisement { priority } => write!(f, "advertises priority {priority}"),
            Self::GratuitousArp => f.write_str("announces the address (gratuitous ARP)"),
            Self::Transition {
                before: Some(before),
                after,
                ..
            } => write!(f, "{before} -> {after}"),
            Self::Transition {
                before: None,
                after,
                ..
            } => write!(f, "-> {after}"),
            Self::AddressAdded => write!(f, "{VIRTUAL_ADDRESS} added"),
            Self::AddressRemoved => write!(f, "{VIRTUAL_ADDRESS} removed"),
        }
    }
}

/// The story from the stop on.
fn events(evidence: &Evidence) -> Vec<Event> {
    let mut events = wire_events(evidence);
    for node in [0, 1] {
        let states = evidence.transitions[node].iter().map(|transition| {
            let (before, after, reason) = (
                transition.before,
                transition.after,
                transition.reason.clone(),
            );
            (
                transition.at,
                What::Transition {
                    before,
                    after,
                    reason,
                },
            )
        });
        let moves = evidence.moves[node].iter().map(|change| {
            (
                change.at,
                if change.added {
                    What::AddressAdded
                } else {
                    What::AddressRemoved
                },
            )
        });
        let exporter = evidence.exporters[node].iter().filter_map(|entry| {
            let what = match entry.event? {
                JournalEvent::Stopping => What::ExporterStopping,
                JournalEvent::Deactivated => What::ExporterStopped,
                JournalEvent::Started => What::ExporterStarted,
                JournalEvent::Starting | JournalEvent::Stopped | JournalEvent::Failed => {
                    return None;
                }
            };
            Some((entry.at, what))
        });
        events.extend(
            states
                .chain(moves)
                .chain(exporter)
                .map(|(at, what)| (at, node, what)),
        );
    }
    let mut events: Vec<Event> = events
        .into_iter()
        .filter_map(|(at, node, what)| {
            Some(Event {
                after: at.duration_since(evidence.stopped_at).ok()?,
                node,
                what,
            })
        })
        .collect();
    events.sort_by_key(|event| event.after);
    events
}

/// What is worth telling of the frames: the first of each kind since the other host was last heard.
fn wire_events(evidence: &Evidence) -> Vec<(SystemTime, usize, What)> {
    let mut events = Vec::new();
    let mut advertiser = None;
    let mut announcer = None;
    // ARP does not say which host it is from, but whoever announces an address has advertised it just before.
    let mut hosts: HashMap<&str, usize> = HashMap::new();
    for frame in &evidence.frames {
        if let (Some(node), Some(advertisement)) = (sender(frame), frame.advertisement()) {
            hosts.insert(&frame.source, node);
            let what = match advertisement.priority {
                0 => What::PriorityZero,
                priority => What::FirstAdvertisement { priority },
            };
            if advertiser.as_ref() != Some(&(node, what.clone())) {
                advertiser = Some((node, what.clone()));
                events.push((frame.at, node, what));
            }
        }
        if frame
            .gratuitous_arp()
            .is_some_and(|arp| arp.sender == VIRTUAL_ADDRESS)
        {
            let node = hosts.get(frame.source.as_str()).copied();
            if announcer != node {
                announcer = node;
                events.extend(node.map(|node| (frame.at, node, What::GratuitousArp)));
            }
        }
    }
    events
}

/// Which host sent a packet.
fn sender(frame: &Frame) -> Option<usize> {
    super::ADDRESSES
        .iter()
        .position(|address| frame.sender() == Some(*address))
}
