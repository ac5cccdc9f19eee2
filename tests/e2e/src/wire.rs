//! When what was on the wire, and who had an address meanwhile.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use lab::{AddressChange, Frame};

/// An advertisement as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub at: SystemTime,
    pub priority: u8,
}

/// The advertisements of one sender, oldest first.
#[must_use]
pub fn advertisements(frames: &[Frame], sender: IpAddr) -> Vec<Sent> {
    frames
        .iter()
        .filter(|frame| frame.sender() == Some(sender))
        .filter_map(|frame| {
            let priority = frame.advertisement()?.priority;
            Some(Sent {
                at: frame.at,
                priority,
            })
        })
        .collect()
}

/// The longest time between an advertisement and the next one.
///
/// # Panics
///
/// When there are fewer than two.
#[must_use]
pub fn longest_gap(sent: &[Sent]) -> Duration {
    sent.windows(2)
        .map(|pair| elapsed(pair[0].at, pair[1].at))
        .max()
        .expect("a gap is between two advertisements")
}

/// When the first gratuitous ARP or unsolicited neighbour advertisement for `address` was sent at or after `from`.
#[must_use]
pub fn announced(frames: &[Frame], address: IpAddr, from: SystemTime) -> Option<SystemTime> {
    frames
        .iter()
        .find(|frame| frame.at >= from && frame.announced() == Some(address))
        .map(|frame| frame.at)
}

/// Checks that Wireshark finds nothing wrong.
///
/// # Panics
///
/// Shows the frames that it finds something wrong with.
#[track_caller]
pub fn assert_good(frames: &[Frame]) {
    let bad: Vec<_> = frames.iter().filter(|frame| !frame.is_good()).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

/// When `address` came (`added`) or went, first at or after `from`.
#[must_use]
pub fn changed(
    changes: &[AddressChange],
    address: IpAddr,
    added: bool,
    from: SystemTime,
) -> Option<SystemTime> {
    changes
        .iter()
        .find(|change| change.address == address && change.added == added && change.at >= from)
        .map(|change| change.at)
}

/// For how long at most two hosts had `address` at the same time without a break.
#[must_use]
pub fn longest_overlap(
    one: &[AddressChange],
    other: &[AddressChange],
    address: IpAddr,
) -> Duration {
    let others = periods(other, address);
    periods(one, address)
        .iter()
        .flat_map(|&(from, to)| {
            others
                .iter()
                .map(move |&(other_from, other_to)| (from.max(other_from), to.min(other_to)))
        })
        .map(|(from, to)| elapsed(from, to))
        .max()
        .unwrap_or_default()
}

/// For how long at most no host had `address`, from the first time that one had it. Each of `histories` is one host's.
#[must_use]
pub fn longest_absence(histories: &[&[AddressChange]], address: IpAddr) -> Duration {
    let mut held: Vec<_> = histories
        .iter()
        .flat_map(|changes| periods(changes, address))
        .collect();
    held.sort_unstable();
    let mut longest = Duration::ZERO;
    let mut until = held.first().map(|&(from, _)| from);
    for (from, to) in held {
        let known = until.get_or_insert(from);
        longest = longest.max(elapsed(*known, from));
        *known = to.max(*known);
    }
    longest
}

/// From when to when a host had `address`. What it had before its first change, it had from the beginning of time, and what
/// it has after the last, it has until now.
#[must_use]
pub fn periods(changes: &[AddressChange], address: IpAddr) -> Vec<(SystemTime, SystemTime)> {
    let mut changes = changes
        .iter()
        .filter(|change| change.address == address)
        .peekable();
    let mut periods = Vec::new();
    let mut since = None;
    if changes.peek().is_some_and(|first| !first.added) {
        since = Some(SystemTime::UNIX_EPOCH);
    }
    for change in changes {
        if change.added {
            since.get_or_insert(change.at);
        } else if let Some(since) = since.take() {
            periods.push((since, change.at));
        }
    }
    periods.extend(since.map(|since| (since, SystemTime::now())));
    periods
}

/// From one moment to a later one; nothing when it is not later.
#[must_use]
pub fn elapsed(from: SystemTime, to: SystemTime) -> Duration {
    to.duration_since(from).unwrap_or_default()
}

/// From `from` to `to`, which may be earlier: milliseconds.
#[must_use]
pub fn milliseconds(from: SystemTime, to: SystemTime) -> f64 {
    match to.duration_since(from) {
        Ok(later) => later.as_secs_f64() * 1e3,
        Err(earlier) => earlier.duration().as_secs_f64() * -1e3,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));

    fn at(milliseconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
    }

    fn change(milliseconds: u64, added: bool) -> AddressChange {
        AddressChange {
            at: at(milliseconds),
            interface: "eth0".to_owned(),
            address: ADDRESS,
            added,
        }
    }

    #[test]
    fn an_absence_is_the_time_that_nobody_has_it() {
        let one = [change(0, true), change(100, false), change(300, true)];
        let other = [change(90, true), change(205, false)];
        assert_eq!(
            longest_absence(&[&one, &other], ADDRESS),
            Duration::from_millis(95)
        );
        assert_eq!(
            longest_absence(&[&one], ADDRESS),
            Duration::from_millis(200)
        );
        assert_eq!(longest_absence(&[&[], &[]], ADDRESS), Duration::ZERO);
    }

    #[test]
    fn an_overlap_is_the_time_that_both_have_it() {
        let one = [change(0, true), change(100, false), change(200, true)];
        let other = [change(90, true), change(205, false)];
        assert_eq!(
            longest_overlap(&one, &other, ADDRESS),
            Duration::from_millis(10)
        );
        assert_eq!(longest_overlap(&one[..2], &[], ADDRESS), Duration::ZERO);
        // The first change takes away what was there before.
        assert_eq!(
            longest_overlap(&one[1..2], &other, ADDRESS),
            Duration::from_millis(10)
        );
    }

    #[test]
    fn a_gap_is_between_neighbours() {
        let sent = [0, 100, 250, 300].map(|milliseconds| Sent {
            at: at(milliseconds),
            priority: 100,
        });
        assert_eq!(longest_gap(&sent), Duration::from_millis(150));
    }
}
