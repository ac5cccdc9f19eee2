//! What instances and sync groups of several nodes track and call.

use super::{Assembly, Notify, Track};
use crate::import::draft::{NotifyDraft, TrackDraft};
use crate::import::notes::{Kind, Note};

impl Assembly<'_> {
    /// One list of what the nodes track, each with its number.
    pub(super) fn tracks(&mut self, said: &[(usize, Vec<TrackDraft>)]) -> Vec<Track> {
        let mut tracks: Vec<(Track, Vec<usize>)> = Vec::new();
        for (node, draft) in said
            .iter()
            .flat_map(|(node, drafts)| drafts.iter().map(move |it| (*node, it)))
        {
            let what = self.target(node, &draft.what);
            let clash = tracks
                .iter()
                .any(|(track, nodes)| nodes.contains(&node) && track.what.is_about_the_same(&what));
            if clash {
                self.notes.push(Note::new(
                    Kind::Lost,
                    draft.place,
                    "a second track of the same",
                    "an instance tracks a check or an interface once",
                ));
                continue;
            }
            let same = tracks
                .iter_mut()
                .find(|(track, _)| track.what == what && track.on_fail == draft.on_fail);
            if let Some((track, nodes)) = same {
                track.places.push(draft.place);
                nodes.push(node);
            } else {
                let track = Track {
                    what,
                    on_fail: draft.on_fail,
                    nodes: Vec::new(),
                    places: vec![draft.place],
                };
                tracks.push((track, vec![node]));
            }
        }
        let tracks = tracks.into_iter();
        tracks
            .map(|(track, nodes)| Track {
                nodes: self.scope(&nodes),
                ..track
            })
            .collect()
    }

    /// One list of what the nodes call, each with its number.
    pub(super) fn notify(&self, said: &[(usize, Vec<NotifyDraft>)]) -> Vec<Notify> {
        let mut notify: Vec<(Notify, Vec<usize>)> = Vec::new();
        for (node, draft) in said
            .iter()
            .flat_map(|(node, drafts)| drafts.iter().map(move |it| (*node, it)))
        {
            let hook = &self.hook_names[node][draft.hook];
            let same = notify.iter_mut().find(|(it, nodes)| {
                it.hook == *hook && it.on == draft.on && !nodes.contains(&node)
            });
            if let Some((it, nodes)) = same {
                it.places.push(draft.place);
                nodes.push(node);
            } else {
                let it = Notify {
                    on: draft.on.to_vec(),
                    hook: hook.clone(),
                    nodes: Vec::new(),
                    places: vec![draft.place],
                };
                notify.push((it, vec![node]));
            }
        }
        let notify = notify.into_iter();
        notify
            .map(|(it, nodes)| Notify {
                nodes: self.scope(&nodes),
                ..it
            })
            .collect()
    }
}
