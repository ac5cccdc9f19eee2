//! `track_script`, `track_process`, `track_file` and `track_interface`, of an instance or a group.

use toml::Value;

use super::Reader;
use super::check::{Weight, What};
use crate::import::draft::{OnFail, TrackDraft, Tracked};
use crate::import::notes::{Kind, Note};
use crate::import::source::Place;
use crate::import::tree::Statement;

const REVERSED: &str = "nothing here counts when it is up and not when it is down: ask the reverse in the check itself";

impl Reader {
    /// Reads a block when it is one of tracks; `None` when it is another statement.
    pub(super) fn read_tracks(&mut self, statement: &Statement) -> Option<Vec<TrackDraft>> {
        let what = match statement.keyword() {
            "track_script" => What::Script,
            "track_process" => What::Process,
            "track_file" => What::File,
            "track_interface" => {
                let statements = statement.statements().iter();
                return Some(
                    statements
                        .filter_map(|it| self.track_interface(it))
                        .collect(),
                );
            }
            _ => return None,
        };
        let statements = statement.statements().iter();
        Some(
            statements
                .filter_map(|it| self.track_check(it, what))
                .collect(),
        )
    }

    fn track_check(&mut self, statement: &Statement, what: What) -> Option<TrackDraft> {
        let name = statement.keyword();
        let found = self
            .trackables
            .iter()
            .position(|it| it.what == what && it.name == name);
        let Some(index) = found else {
            self.lose(
                statement,
                format!("nothing is defined with the name {name}"),
            );
            return None;
        };
        let defined = self.trackables[index].weight;
        let weight = self.weight_of(statement, defined)?;
        self.trackables[index].is_used = true;
        let mut draft = self.trackables[index].draft.clone();
        let on_fail = if what == What::File {
            // The module multiplies what the file says.
            let sign = if weight.is_reversed { -1 } else { 1 };
            if weight.value == 0 && weight.is_reversed {
                self.lose(statement, REVERSED);
                return None;
            }
            let value = Value::from(i64::from(weight.value) * sign);
            draft.module.config.insert("weight".to_owned(), value);
            OnFail::Fault
        } else {
            let Some(on_fail) = weight.on_fail() else {
                self.lose(statement, REVERSED);
                return None;
            };
            on_fail
        };
        let known = self.checks.iter().position(|check| *check == draft);
        let check = known.unwrap_or_else(|| {
            self.checks.push(draft);
            self.checks.len() - 1
        });
        Some(TrackDraft {
            what: Tracked::Check(check),
            on_fail,
            place: statement.place,
        })
    }

    fn track_interface(&mut self, statement: &Statement) -> Option<TrackDraft> {
        let weight = self.weight_of(statement, Weight::NONE)?;
        let Some(on_fail) = weight.on_fail() else {
            self.lose(statement, REVERSED);
            return None;
        };
        let name = statement.keyword();
        if !is_interface(name) {
            self.lose(statement, "this cannot name an interface");
            return None;
        }
        Some(self.interface(name, on_fail, statement.place))
    }

    pub(super) fn interface(&self, name: &str, on_fail: OnFail, place: Place) -> TrackDraft {
        let delays = self.globals.delays.get(name);
        TrackDraft {
            what: Tracked::Interface {
                name: name.to_owned(),
                delays: delays.map(|told| told.value),
            },
            on_fail,
            place,
        }
    }

    /// `NAME [weight W [reverse]]`; `None` when that was reported.
    fn weight_of(&mut self, statement: &Statement, defined: Weight) -> Option<Weight> {
        if statement.words.len() == 1 {
            return Some(defined);
        }
        let weight = (statement.word(1) == "weight")
            .then(|| Weight::read(&statement.rest(2), defined))
            .flatten();
        if weight.is_none() {
            self.lose(
                statement,
                "write one name on each line, and `weight NUMBER` behind it",
            );
        }
        weight
    }

    /// The tracks of an instance, seen from its own interface.
    pub(super) fn with_own_interface(
        &mut self,
        tracks: Vec<TrackDraft>,
        own: &str,
    ) -> Vec<TrackDraft> {
        let (about_own, mut others): (Vec<_>, Vec<_>) = tracks.into_iter().partition(
            |track| matches!(&track.what, Tracked::Interface { name, .. } if name == own),
        );
        for track in about_own {
            let (kind, why) = match track.on_fail {
                OnFail::Fault => (
                    Kind::Needless,
                    "an instance depends on its own interface anyway",
                ),
                OnFail::Weight(_) => (
                    Kind::Lost,
                    "without its own interface an instance can send nothing, and is in FAULT whatever the weight",
                ),
            };
            let what = format!("track_interface {own}");
            self.notes.push(Note::new(kind, track.place, what, why));
        }
        if let Some(delays) = self.globals.delays.get(own) {
            let track = self.interface(own, OnFail::Fault, delays.place);
            others.push(track);
        }
        others
    }

    /// In a sync group keepalived counts weights of members only when it is told to.
    pub(super) fn without_member_weights(&mut self, members: &[String]) {
        let checks = &mut self.checks;
        let mut notes = Vec::new();
        for instance in &mut self.instances {
            if !members.contains(&instance.name) {
                continue;
            }
            for track in std::mem::take(&mut instance.tracks) {
                let track = match (&track.what, track.on_fail) {
                    (Tracked::Interface { .. }, _) => TrackDraft {
                        on_fail: OnFail::Fault,
                        ..track
                    },
                    (Tracked::Check(index), OnFail::Weight(_))
                        if checks[*index].what.starts_with("vrrp_script") =>
                    {
                        notes.push((track.place, checks[*index].what.clone()));
                        continue;
                    }
                    (Tracked::Check(_), _) => track,
                };
                instance.tracks.push(track);
            }
        }
        for (place, what) in notes {
            let why = "a script with a weight does not count in a member of a sync group without `sync_group_tracking_weight`, neither in keepalived";
            self.notes.push(Note::new(Kind::Needless, place, what, why));
        }
    }
}

/// What cluster.toml takes for the name of an interface.
pub(super) fn is_interface(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':'))
}
