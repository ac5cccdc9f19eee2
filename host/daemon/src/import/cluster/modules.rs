//! The checks, or the hooks, of all nodes: what does the same on several of them is there once.

use super::Named;
use crate::import::draft::ModuleDraft;

/// What cluster.toml takes for a name, characters.
const NAME_MAX: usize = 64;

/// Those that are known so far, in the order of their nodes.
#[derive(Debug, Default)]
pub(super) struct Modules {
    pub(super) list: Vec<Named>,
}

impl Modules {
    /// Takes one in and returns its name.
    pub(super) fn take(&mut self, draft: &ModuleDraft, node: &str) -> String {
        let same = self
            .list
            .iter_mut()
            .find(|known| known.draft.name == draft.name && known.draft.does_the_same(draft));
        if let Some(known) = same {
            known.places.push(draft.place);
            for (known, other) in known.draft.entries.iter_mut().zip(&draft.entries) {
                known.places.extend(&other.places);
            }
            return known.name.clone();
        }
        let taken = |name: &str| self.list.iter().any(|known| known.name == name);
        let mut name = draft.name.clone();
        let with_node = format!("{}-{node}", draft.name);
        if taken(&name) && with_node.chars().count() <= NAME_MAX {
            name = with_node;
        }
        let mut number = 2;
        while taken(&name) {
            name = format!("{}-{number}", draft.name);
            number += 1;
        }
        self.list.push(Named {
            name: name.clone(),
            draft: draft.clone(),
            places: vec![draft.place],
        });
        name
    }
}
