//! Whether the promises were kept.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use e2e::metronome::Stalls;
use e2e::stage::SHARED;
use e2e::wire::{advertisements, elapsed, periods};
use lab::{AddressChange, Frame};

/// How late a figure of the kernel's notifications may be by itself: they are read by processes of the laboratory.
const GRAIN: Duration = Duration::from_millis(20);
/// Between two advertisements of a MASTER.
const INTERVAL: Duration = Duration::from_millis(100);

/// What may follow from a disturbance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// For how long nobody may have the address who can be reached.
    pub(super) gap: Duration,
    /// For how long two may have it who can reach each other.
    pub(super) overlap: Duration,
    /// Hosts that are well do not hear each other meanwhile: more than one may have it then.
    pub(super) is_split: bool,
}

/// When a host was of no use to anybody.
#[derive(Debug, Clone, Copy)]
pub(super) struct Absence {
    pub(super) node: usize,
    pub(super) from: SystemTime,
    pub(super) to: SystemTime,
}

/// A disturbance, from before it until everything is well again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Episode {
    pub(super) from: SystemTime,
    /// When it had ended.
    pub(super) healed: SystemTime,
    pub(super) to: SystemTime,
    pub(super) absent: Option<Absence>,
    pub(super) terms: Terms,
}

/// A host and what happened to its addresses.
pub(super) struct Owner {
    /// Its own address.
    pub(super) address: IpAddr,
    pub(super) changes: Vec<AddressChange>,
}

/// What was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    terms: Terms,
    /// For how long at most nobody had the address, and two; without what the machine was late by.
    gap: Duration,
    overlap: Duration,
    /// For how long two advertised by turns.
    rivalry: Duration,
}

type Period = (SystemTime, SystemTime);

pub(super) fn judge(
    episode: &Episode,
    owners: &[Owner; 3],
    frames: &[Frame],
    stalls: &Stalls,
) -> Outcome {
    let had: Vec<Vec<Period>> = owners
        .iter()
        .enumerate()
        .map(|(node, owner)| counted(node, &periods(&owner.changes, SHARED), episode))
        .collect();
    // Two that do not hear each other are not to blame before they do.
    let blamed_from = if episode.terms.is_split {
        episode.healed
    } else {
        episode.from
    };
    let longest = |periods: Vec<Period>| {
        let real = |(from, to)| stalls.late(from, to);
        periods.into_iter().map(real).max().unwrap_or_default()
    };
    Outcome {
        terms: episode.terms,
        gap: longest(gaps(&had, episode)),
        overlap: longest(overlaps(&had, blamed_from)),
        rivalry: longest(rivalries(owners, frames, episode, blamed_from)),
    }
}

/// Those parts of the periods that are within the episode and in which the host was of use.
fn counted(node: usize, periods: &[Period], episode: &Episode) -> Vec<Period> {
    let within = |&(from, to): &Period| (from.max(episode.from), to.min(episode.to));
    let periods = periods.iter().map(within);
    let absence = episode.absent.filter(|absence| absence.node == node);
    let parts = periods.flat_map(|(from, to)| match absence {
        None => [(from, to), (to, to)],
        Some(absence) => [(from, to.min(absence.from)), (from.max(absence.to), to)],
    });
    parts.filter(|(from, to)| from < to).collect()
}

/// When nobody had it.
fn gaps(had: &[Vec<Period>], episode: &Episode) -> Vec<Period> {
    let mut all: Vec<_> = had.iter().flatten().copied().collect();
    all.sort();
    let mut gaps = Vec::new();
    let mut covered = episode.from;
    for (from, to) in all {
        if from > covered {
            gaps.push((covered, from));
        }
        covered = covered.max(to);
    }
    if episode.to > covered {
        gaps.push((covered, episode.to));
    }
    gaps
}

/// When two of them had it.
fn overlaps(had: &[Vec<Period>], blamed_from: SystemTime) -> Vec<Period> {
    let mut overlaps = Vec::new();
    for (node, one) in had.iter().enumerate() {
        for other in &had[..node] {
            for &(from, to) in one {
                let both = other.iter().map(|&(other_from, other_to)| {
                    (from.max(other_from).max(blamed_from), to.min(other_to))
                });
                overlaps.extend(both.filter(|(from, to)| from < to));
            }
        }
    }
    overlaps
}

/// From the first advertisement of one that another one's are around to the last such.
fn rivalries(
    owners: &[Owner; 3],
    frames: &[Frame],
    episode: &Episode,
    blamed_from: SystemTime,
) -> Vec<Period> {
    let absence = episode.absent;
    let mut sent: Vec<(SystemTime, usize)> = Vec::new();
    for (node, owner) in owners.iter().enumerate() {
        let claims = advertisements(frames, owner.address).into_iter();
        let claims = claims.filter(|claim| claim.priority > 0 && claim.at >= blamed_from);
        let heard = claims.filter(|claim| {
            !absence.is_some_and(|it| it.node == node && (it.from..it.to).contains(&claim.at))
        });
        sent.extend(heard.map(|claim| (claim.at, node)));
    }
    sent.sort();
    let mut rivalries: Vec<Period> = Vec::new();
    for [(_, before), (at, middle), (end, after)] in sent.array_windows() {
        if before == middle || before != after {
            continue;
        }
        match rivalries.last_mut() {
            Some((_, last)) if elapsed(*last, *at) < 2 * INTERVAL => *last = *end,
            Some(_) | None => rivalries.push((*at, *end)),
        }
    }
    rivalries
}

impl Outcome {
    pub(super) fn is_kept(&self) -> bool {
        self.gap <= self.terms.gap + GRAIN
            && self.overlap <= self.terms.overlap + GRAIN
            && self.rivalry <= self.terms.overlap + 2 * INTERVAL
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |f: &mut fmt::Formatter<'_>, what: &str, was: Duration, bound: Duration| {
            if was < Duration::from_millis(1) {
                return Ok(());
            }
            write!(
                f,
                ", {what} for {} ms (bound {})",
                was.as_millis(),
                bound.as_millis()
            )
        };
        f.write_str("the right one has it")?;
        part(f, "nobody had it", self.gap, self.terms.gap + GRAIN)?;
        part(f, "two had it", self.overlap, self.terms.overlap + GRAIN)?;
        part(
            f,
            "two said so",
            self.rivalry,
            self.terms.overlap + 2 * INTERVAL,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
    }

    fn period((from, to): (u64, u64)) -> Period {
        (at(from), at(to))
    }

    fn episode(absent: Option<(usize, u64, u64)>) -> Episode {
        Episode {
            from: at(0),
            healed: at(500),
            to: at(1000),
            absent: absent.map(|(node, from, to)| Absence {
                node,
                from: at(from),
                to: at(to),
            }),
            terms: Terms {
                gap: Duration::ZERO,
                overlap: Duration::ZERO,
                is_split: false,
            },
        }
    }

    #[test]
    fn a_gap_is_where_nobody_has_it() {
        let had = [(0, 300), (700, 2000)].map(period);
        let had = vec![counted(0, &had, &episode(None)), vec![period((290, 600))]];
        assert_eq!(gaps(&had, &episode(None)), [period((600, 700))]);
    }

    #[test]
    fn what_an_absent_host_has_does_not_count() {
        let episode = episode(Some((0, 100, 400)));
        let had = counted(0, &[period((0, 1000))], &episode);
        assert_eq!(had, [(0, 100), (400, 1000)].map(period));
        assert_eq!(gaps(&[had], &episode), [period((100, 400))]);
    }

    #[test]
    fn an_overlap_is_where_two_have_it() {
        let had = vec![vec![period((0, 300))], Vec::new(), vec![period((200, 900))]];
        assert_eq!(overlaps(&had, at(0)), [period((200, 300))]);
        assert_eq!(overlaps(&had, at(250)), [period((250, 300))]);
        assert!(overlaps(&had, at(300)).is_empty());
    }
}
