//! What was seen of a row, held against what must be.

use std::time::{Duration, SystemTime};

use e2e::contender::Make;
use e2e::metronome::Stalls;
use e2e::wire::{
    advertisements, announced, assert_good, changed, elapsed, longest_overlap, milliseconds,
};
use lab::{AddressChange, Frame};

use super::{Cell, Ending, Played, Row};

/// How early an advertisement may seem, because the frame it is counted from passed the bridge before it was received.
const EARLY_MS: f64 = 0.1;
/// How late either daemon may be on a busy machine; keepalived adds some milliseconds on an idle one.
const LATE_MS: f64 = 40.0;
/// For how long at most both may have the addresses while one takes them from the other, on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Holds what was seen of a row against what must be, and prints a line for each cell. Returns how many there are.
pub(super) fn judge(played: Played, stalls: &Stalls) -> usize {
    let Played {
        row,
        cells,
        met,
        recording,
        changes,
        status,
        told,
    } = played;
    let frames = recording.frames().unwrap();
    assert_good(&frames);
    assert_mutual(&row, &frames);
    let instance = &status["instances"][row.protocol.family.instance()];
    for errors in [
        "address-list-errors",
        "authentication-errors",
        "destination-errors",
        "interval-errors",
        "packet-length-errors",
        "source-errors",
    ] {
        assert_eq!(instance["counters"][errors], 0, "{told}{status}");
    }
    for errors in ["checksum-errors", "vrid-errors", "ip-ttl-errors"] {
        assert_eq!(status["counters"][errors], 0, "{told}{status}");
    }
    for (index, cell) in cells.iter().enumerate() {
        let end = cells.get(index + 1).map(|next| next.at);
        judge_cell(&row, cell, end, (&frames, &changes, stalls), &told);
    }
    if let Some(met) = met {
        judge_meeting(&row, met, &frames, &changes, &told);
    }
    cells.len() + usize::from(met.is_some())
}

/// Who sent what to whom: the addresses in their order, from the host's own one, and with unicast to the other host alone.
#[track_caller]
fn assert_mutual(row: &Row, frames: &[Frame]) {
    let hosts = row.protocol.family.hosts();
    for frame in frames {
        let (Some(advertisement), Some(ip)) = (frame.advertisement(), &frame.ip) else {
            continue;
        };
        assert_eq!(advertisement.version, row.protocol.version, "{row}");
        // RFC 2338 §5.3.6: 1 is a simple password. Version 3 has no such field.
        let authentication = match (row.protocol.version, row.protocol.password) {
            (2, Some(_)) => Some(1),
            (2, None) => Some(0),
            _ => None,
        };
        assert_eq!(advertisement.authentication_type, authentication, "{row}");
        assert_eq!(
            advertisement.addresses,
            row.protocol.family.shared(),
            "{row}"
        );
        let sender = hosts.iter().position(|host| *host == ip.source);
        let Some(sender) = sender else {
            panic!("{row}: {ip:?}");
        };
        let ttl = match row.makes[sender] {
            Make::VrrpHost => 255,
            Make::Keepalived => row.protocol.ttl_of_keepalived,
        };
        assert_eq!(ip.ttl, ttl, "{row}");
        let destination = if row.protocol.unicast {
            hosts[1 - sender]
        } else {
            row.protocol.family.group()
        };
        assert_eq!(ip.destination, destination, "{row}");
    }
}

/// What was recorded of a row: the frames, the addresses of both hosts, and when the machine was late.
type Record<'a> = (&'a [Frame], &'a [Vec<AddressChange>; 2], &'a Stalls);

#[track_caller]
fn judge_cell(
    row: &Row,
    cell: &Cell,
    end: Option<SystemTime>,
    (frames, changes, stalls): Record<'_>,
    told: &str,
) {
    let (loser, winner) = (cell.from, 1 - cell.from);
    let hosts = row.protocol.family.hosts();
    let sent = hosts.map(|host| advertisements(frames, host));
    let taken = sent[winner].iter().find(|sent| sent.at > cell.at).unwrap();
    let last = sent[loser].iter().rfind(|sent| sent.at < taken.at).unwrap();
    let skew_time = row.skew_time(winner);
    let (formula, priority) = match cell.ending {
        Ending::Stop | Ending::Fault => (skew_time, 0),
        Ending::Crash => (3 * row.interval() + skew_time, row.priorities()[loser]),
    };
    let measured = milliseconds(last.at, taken.at);
    let difference = measured - formula.as_secs_f64() * 1e3;
    let late = stalls.late(last.at + formula, taken.at).as_secs_f64() * 1e3;
    assert_eq!(last.priority, priority, "{told}");
    assert_eq!(taken.priority, row.priorities()[winner], "{told}");
    let after = sent[loser]
        .iter()
        .find(|sent| sent.at > taken.at && sent.at < cell.back);
    assert_eq!(after, None, "{told}");
    for address in row.protocol.family.shared() {
        let announced = announced(frames, *address, taken.at);
        assert!(announced.is_some(), "{address}\n{told}");
    }

    // From this ending to the next one, which includes the way back.
    let during = |changes: &Vec<AddressChange>| -> Vec<_> {
        let within =
            |change: &&AddressChange| change.at >= cell.at && end.is_none_or(|end| change.at < end);
        changes.iter().filter(within).cloned().collect()
    };
    let [of_first, of_second] = changes.each_ref().map(during);
    let overlaps = row.protocol.family.shared().iter();
    let overlap = overlaps
        .map(|address| longest_overlap(&of_first, &of_second, *address))
        .max()
        .unwrap_or_default();
    let states = match cell.again {
        Some(_) => "MASTER, gone, MASTER",
        None => "MASTER, gone, not MASTER",
    };
    let again = cell.again.map_or_else(String::new, |again| {
        // The one that gives way has nothing more to say when the other one has spoken.
        let back = sent[loser]
            .iter()
            .find(|sent| sent.at > cell.back && sent.priority != 0)
            .unwrap();
        let rest = sent[winner]
            .iter()
            .rfind(|sent| sent.at > back.at && sent.at < again + AT_ONCE);
        let both = rest.map_or(Duration::ZERO, |rest| elapsed(back.at, rest.at));
        assert!(both < AT_ONCE, "both speak for {both:?}\n{told}");
        format!(", back after {:.0} ms", milliseconds(cell.back, back.at))
    });
    println!(
        "{row} | {:?} | {states} | formula {:.1} ms, on the wire {measured:.1} ms ({difference:+.1} ms{again}) | both for {:.1} ms at most",
        cell.ending,
        formula.as_secs_f64() * 1e3,
        overlap.as_secs_f64() * 1e3,
    );
    assert!(
        difference > -EARLY_MS && late < LATE_MS,
        "{late} ms late\n{told}"
    );
    assert!(overlap < AT_ONCE, "{told}");
}

#[track_caller]
fn judge_meeting(
    row: &Row,
    met: SystemTime,
    frames: &[Frame],
    [of_first, of_second]: &[Vec<AddressChange>; 2],
    told: &str,
) {
    let [first, second] = row
        .protocol
        .family
        .hosts()
        .map(|host| advertisements(frames, host));
    let mut gone = Vec::new();
    for address in row.protocol.family.shared() {
        assert!(longest_overlap(of_first, of_second, *address) > Duration::ZERO);
        let removed = changed(of_first, *address, false, met);
        gone.push(elapsed(met, removed.unwrap()));
        assert_eq!(changed(of_second, *address, false, met), None);
    }
    let gone = gone.into_iter().max().unwrap_or_default();
    let last = first.last().unwrap();
    println!(
        "{row} | Met | both MASTER, the lower address BACKUP | its last word {:+.1} ms, its addresses gone {:.1} ms after they met",
        milliseconds(met, last.at),
        gone.as_secs_f64() * 1e3,
    );
    // The loser does not say that the addresses are free.
    let sent = first.iter().chain(&second);
    assert!(sent.clone().all(|sent| sent.priority != 0), "{told}");
    // The next advertisement of the winner decides.
    assert!(gone < row.interval() + AT_ONCE, "{told}");
}
