//! What checks of databases have in common: the role of a server among its like.

use std::fmt::{self, Display};

use crate::Observation;

/// The role that a server has to have, as a key of a config: `"primary"` or `"replica"`.
#[crate::config]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It can be written to.
    Primary,
    /// It follows another one.
    Replica,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
        }
    }
}

impl Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a check makes of the role that it has found: passing in the wanted one, or in any when none is. `found` is a word of a
/// [`Role`], or the server's own for whatever else it is.
pub fn judge(service: &impl Display, found: &str, wanted: Option<Role>) -> Observation {
    let observation = match wanted {
        Some(wanted) if found != wanted.as_str() => {
            Observation::failing(format!("{service} is {found}, and has to be {wanted}"))
        }
        Some(_) | None => Observation::passing(format!("{service} is {found}")),
    };
    observation.fact("role", found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    #[test]
    fn the_wanted_role_passes_and_another_one_does_not() {
        for (found, wanted, verdict, summary) in [
            ("primary", None, Verdict::Passing, "db is primary"),
            ("sentinel", None, Verdict::Passing, "db is sentinel"),
            (
                "replica",
                Some(Role::Replica),
                Verdict::Passing,
                "db is replica",
            ),
            (
                "replica",
                Some(Role::Primary),
                Verdict::Failing,
                "db is replica, and has to be primary",
            ),
            (
                "sentinel",
                Some(Role::Replica),
                Verdict::Failing,
                "db is sentinel, and has to be replica",
            ),
        ] {
            let seen = judge(&"db", found, wanted);
            assert_eq!((seen.verdict, seen.summary.as_str()), (verdict, summary));
            assert_eq!(
                (seen.facts[0].name.as_str(), seen.facts[0].value.as_str()),
                ("role", found)
            );
        }
    }
}
