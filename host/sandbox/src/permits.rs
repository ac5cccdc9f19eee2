//! The one place where what a module asks for is held against what it was granted.

use std::ops::Deref;
use std::sync::Arc;

use crate::grant::Grant;
use crate::rehearsal::{Rehearsal, Reply};

/// What a module may touch. Cheap to clone, for comparisons that happen while the module waits.
#[derive(Clone, Debug)]
pub(crate) struct Permits {
    grants: Arc<[Grant]>,
    rehearsal: Option<Arc<Rehearsal>>,
}

impl Permits {
    pub(crate) fn new(grants: Arc<[Grant]>, rehearsal: Option<Arc<Rehearsal>>) -> Self {
        Self { grants, rehearsal }
    }

    /// Whether the module may do what `need` says. Every act that takes a grant asks here before it is done, and what
    /// is decided is what a rehearsal shows.
    pub(crate) fn allow(&self, need: &Grant) -> bool {
        let granted = self.grants.iter().any(|grant| grant.covers(need));
        if let Some(rehearsal) = &self.rehearsal {
            let reply = if granted {
                Reply::Granted
            } else {
                Reply::Denied
            };
            rehearsal.note(need.to_string(), reply);
        }
        granted
    }
}

impl Deref for Permits {
    type Target = [Grant];

    fn deref(&self) -> &[Grant] {
        &self.grants
    }
}
