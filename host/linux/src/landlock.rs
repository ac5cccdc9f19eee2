//! Which files a process may reach, whatever their owner allows.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, PathBeneath, PathFd, RestrictionStatus, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

/// The newest kernel interface whose rights are known here (Linux 6.10); an older kernel enforces what it knows of them.
const KNOWN: ABI = ABI::V5;

/// What remains allowed.
#[derive(Debug, Default)]
pub struct Reach {
    below: Vec<(PathFd, BitFlags<AccessFs>)>,
}

/// How far the kernel enforces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforced {
    /// Whole.
    Fully,
    /// What this kernel knows of.
    Partly,
    /// Not at all: it was built or started without Landlock.
    Not,
}

impl Reach {
    /// Reading what is at `path` and below, where there is such a path.
    #[must_use]
    pub fn read(self, path: impl AsRef<Path>) -> Self {
        self.may(path.as_ref(), AccessFs::ReadFile | AccessFs::ReadDir)
    }

    /// Reading and writing what is at `path` and below, but executing nothing; where there is such a path.
    #[must_use]
    pub fn write(self, path: impl AsRef<Path>) -> Self {
        self.may(
            path.as_ref(),
            AccessFs::from_all(KNOWN) & !AccessFs::Execute,
        )
    }

    fn may(mut self, path: &Path, access: BitFlags<AccessFs>) -> Self {
        // What is not there needs no rule; it stays out of reach when somebody makes it.
        if let Ok(opened) = PathFd::new(path) {
            self.below.push((opened, access));
        }
        self
    }

    /// Gives up all other files for good, and signals to processes that have not done the same. It works on the calling thread
    /// and those it starts later: call it before any other exists.
    ///
    /// # Errors
    /// When the kernel has Landlock and refuses.
    pub fn enforce(self) -> io::Result<Enforced> {
        let RestrictionStatus { ruleset, .. } = self.restrict().map_err(io::Error::other)?;
        Ok(match ruleset {
            RulesetStatus::FullyEnforced => Enforced::Fully,
            RulesetStatus::PartiallyEnforced => Enforced::Partly,
            RulesetStatus::NotEnforced => Enforced::Not,
        })
    }

    fn restrict(self) -> Result<RestrictionStatus, RulesetError> {
        let rules: RulesetCreated = Ruleset::default()
            .handle_access(AccessFs::from_all(KNOWN))?
            .scope(Scope::Signal)?
            .create()?;
        self.below
            .into_iter()
            .try_fold(rules, |rules, (path, access)| {
                rules.add_rule(PathBeneath::new(path, access))
            })?
            .restrict_self()
    }
}
