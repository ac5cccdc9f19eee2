//! The checks that a virtual router depends on.

use alloc::vec::Vec;

use crate::track::contribution;
use crate::{CheckId, OnFail, Standing, Track, TrackStatus};

/// Every tracked check, as this virtual router last saw it.
#[derive(Clone, Debug)]
pub(super) struct Tracks(Vec<Tracked>);

#[derive(Clone, Copy, Debug)]
struct Tracked {
    track: Track,
    standing: Standing,
    /// The adjustment that its module reported.
    reported: i16,
}

impl Tracks {
    pub(super) fn new(tracks: &[Track]) -> Self {
        let pending = |track: &Track| Tracked {
            track: *track,
            standing: Standing::Pending,
            reported: 0,
        };
        Self(tracks.iter().map(pending).collect())
    }

    /// Takes note of a check. True when it went down and the addresses are to be given away for it.
    pub(super) fn update(&mut self, check: CheckId, standing: Standing, reported: i16) -> bool {
        let Some(tracked) = self
            .0
            .iter_mut()
            .find(|tracked| tracked.track.check == check)
        else {
            return false;
        };
        let went_down = tracked.standing != Standing::Down && standing == Standing::Down;
        tracked.standing = standing;
        tracked.reported = reported;
        went_down && tracked.track.on_fail == OnFail::Release
    }

    /// The same, if `check` went down and its module reported no other adjustment; and whether the addresses are to be
    /// given away for it.
    pub(super) fn without(&self, check: CheckId) -> (Self, bool) {
        let mut tracks = self.clone();
        let tracked = self.0.iter().find(|tracked| tracked.track.check == check);
        let reported = tracked.map_or(0, |tracked| tracked.reported);
        let gives_away = tracks.update(check, Standing::Down, reported);
        (tracks, gives_away)
    }

    /// Keeps what is known of each check that `tracks` name too.
    pub(super) fn reconfigure(&mut self, tracks: &[Track]) {
        let mut next = Self::new(tracks);
        for tracked in &mut next.0 {
            let same = |known: &&Tracked| known.track.check == tracked.track.check;
            if let Some(known) = self.0.iter().find(same) {
                tracked.standing = known.standing;
                tracked.reported = known.reported;
            }
        }
        *self = next;
    }

    /// What all checks together add to the priority.
    pub(super) fn weight(&self) -> i32 {
        self.0.iter().map(Tracked::weight).sum()
    }

    /// A check that keeps the instance in FAULT.
    pub(super) fn fault(&self) -> Option<CheckId> {
        self.faulting(Standing::Down).next()
    }

    /// The checks without a first verdict that the instance waits for.
    pub(super) fn awaited(&self) -> impl Iterator<Item = CheckId> {
        self.faulting(Standing::Pending)
    }

    pub(super) fn contain(&self, check: CheckId) -> bool {
        self.0.iter().any(|tracked| tracked.track.check == check)
    }

    pub(super) fn status(&self) -> Vec<TrackStatus> {
        let status = |tracked: &Tracked| TrackStatus {
            check: tracked.track.check,
            on_fail: tracked.track.on_fail,
            standing: tracked.standing,
            weight: tracked.weight(),
        };
        self.0.iter().map(status).collect()
    }

    fn faulting(&self, standing: Standing) -> impl Iterator<Item = CheckId> {
        self.0
            .iter()
            .filter(move |tracked| {
                tracked.track.on_fail == OnFail::Fault && tracked.standing == standing
            })
            .map(|tracked| tracked.track.check)
    }
}

impl Tracked {
    fn weight(&self) -> i32 {
        contribution(self.track.on_fail, self.standing, self.reported)
    }
}
