//! What has to happen in the scenario.

use std::time::{Duration, SystemTime};

use super::Transition;
use super::play::Evidence;
use super::{ADDRESSES, Expectation, State, VIRTUAL_ADDRESS, VIRTUAL_ROUTER_ID};
use crate::{Frame, JournalEvent};

type Outcome = Result<String, String>;

/// Judges what was seen. The hosts are called by their names, so that the list reads as a story.
pub(super) fn judge(evidence: &Evidence) -> Vec<Expectation> {
    let [first, second] = &evidence.nodes;
    let mut expectations = vec![expect(
        format!(
            "{first} is MASTER with {VIRTUAL_ADDRESS} and the exporter, {second} is BACKUP with neither"
        ),
        state_of_affairs(&evidence.before),
    )];
    if evidence.before.is_ok() {
        expectations.extend([
            expect(
                format!("{first} goes to FAULT when its exporter ends"),
                reached(evidence, 0, State::Fault),
            ),
            expect(
                format!("{first} gives the address away: priority 0 on the wire"),
                priority_zero(evidence),
            ),
            expect(
                format!("{second} takes over"),
                reached(evidence, 1, State::Master),
            ),
            expect(
                format!("{second}'s hook starts an exporter there"),
                started(evidence, 1),
            ),
            expect(
                format!("{first}'s hook starts its exporter again"),
                started(evidence, 0),
            ),
            expect(
                format!("{first} takes the address back"),
                reached(evidence, 0, State::Master),
            ),
            expect(
                format!("{second}'s hook stops its exporter"),
                stopped(evidence, 1),
            ),
            expect(
                format!("each new holder announces {VIRTUAL_ADDRESS}"),
                announced(evidence),
            ),
            expect(
                format!(
                    "in the end {first} alone is MASTER, holds the address and runs the exporter"
                ),
                state_of_affairs(&evidence.after),
            ),
        ]);
    }
    expectations.push(expect(
        "every frame is well-formed, with good checksums".to_owned(),
        good_frames(evidence),
    ));
    expectations
}

fn expect(text: String, outcome: Outcome) -> Expectation {
    Expectation { text, outcome }
}

fn state_of_affairs(seen: &crate::Result<()>) -> Outcome {
    match seen {
        Ok(()) => Ok("so it is".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn reached(evidence: &Evidence, node: usize, state: State) -> Outcome {
    let transitions = &evidence.transitions[node];
    let reached = |transition: &&Transition| {
        transition.after == state && transition.at >= evidence.stopped_at
    };
    match transitions.iter().find(reached) {
        Some(transition) => Ok(after(evidence, transition.at)),
        None => Err(format!(
            "no transition to {state} in its journal since the stop"
        )),
    }
}

fn started(evidence: &Evidence, node: usize) -> Outcome {
    exporter(evidence, node, JournalEvent::Started)
}

fn stopped(evidence: &Evidence, node: usize) -> Outcome {
    exporter(evidence, node, JournalEvent::Stopped)
}

fn exporter(evidence: &Evidence, node: usize, event: JournalEvent) -> Outcome {
    let entries = evidence.exporters[node]
        .iter()
        .filter(|entry| entry.at >= evidence.stopped_at);
    match entries.into_iter().find(|entry| entry.event == Some(event)) {
        Some(entry) => Ok(after(evidence, entry.at)),
        None => Err(format!("not {event:?} by systemd since the stop")),
    }
}

fn priority_zero(evidence: &Evidence) -> Outcome {
    let given_away = |frame: &&Frame| {
        frame.at >= evidence.stopped_at
            && frame.sender() == Some(ADDRESSES[0])
            && frame
                .advertisement()
                .is_some_and(|advertisement| advertisement.priority == 0)
    };
    match evidence.frames.iter().find(given_away) {
        Some(frame) => Ok(after(evidence, frame.at)),
        None => Err("none was captured".to_owned()),
    }
}

/// Two hosts with the address, one after the other, are two Ethernet addresses that announce it. Before them, the first
/// may have repeated what it announced at its start.
fn announced(evidence: &Evidence) -> Outcome {
    let mut announcers: Vec<&str> = evidence
        .frames
        .iter()
        .filter(|frame| frame.at >= evidence.stopped_at)
        .filter_map(Frame::gratuitous_arp)
        .filter(|arp| arp.sender == VIRTUAL_ADDRESS)
        .map(|arp| arp.sender_mac.as_str())
        .collect();
    announcers.dedup();
    match announcers[..] {
        [.., second, first] if first != second => Ok("by gratuitous ARP".to_owned()),
        _ => Err(format!("gratuitous ARP came from {announcers:?}")),
    }
}

fn good_frames(evidence: &Evidence) -> Outcome {
    if let Some(bad) = evidence.frames.iter().find(|frame| !frame.is_good()) {
        return Err(format!("{bad:?}"));
    }
    let ours = |frame: &&Frame| {
        frame.advertisement().is_some_and(|advertisement| {
            advertisement.version == evidence.version
                && advertisement.virtual_router_id == VIRTUAL_ROUTER_ID
                && advertisement.addresses == [VIRTUAL_ADDRESS]
                && frame.ip.as_ref().is_some_and(|ip| ip.ttl == 255)
        })
    };
    let all = evidence
        .frames
        .iter()
        .filter(|frame| frame.advertisement().is_some());
    if let Some(other) = all.clone().find(|frame| !ours(frame)) {
        return Err(format!("not of this cluster: {other:?}"));
    }
    match (all.count(), evidence.frames.len()) {
        (0, _) => Err("no advertisement was captured".to_owned()),
        (count, frames) => Ok(format!("{count} advertisements among {frames} frames")),
    }
}

fn after(evidence: &Evidence, at: SystemTime) -> String {
    let after = at
        .duration_since(evidence.stopped_at)
        .unwrap_or(Duration::ZERO);
    format!("after {:.1} ms", after.as_secs_f64() * 1e3)
}
