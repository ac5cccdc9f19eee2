//! Every option of keepalived's VRRP half, and what becomes of it. The translation asks this table for whatever it has no line of
//! cluster.toml for, and docs/from-keepalived.md is written from it, so the two say the same.

mod blocks;
mod global;
mod instance;

/// Where a keyword stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// Outside of all blocks.
    Root,
    /// `global_defs`.
    Global,
    /// `vrrp_instance`.
    Instance,
    /// `vrrp_sync_group`.
    Group,
    /// `vrrp_script`.
    Script,
    /// `vrrp_track_process`.
    Process,
    /// `vrrp_track_file`, also called `track_file`.
    File,
    /// Behind an address of `virtual_ipaddress`.
    Address,
    /// In a line of `virtual_routes`.
    Route,
    /// In a line of `virtual_rules`.
    Rule,
}

/// What becomes of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is translated.
    Becomes {
        /// To what.
        what: &'static str,
        /// A line that has it.
        example: &'static str,
    },
    /// vrrp-host does so anyway, or does not need it: why.
    Needless(&'static str),
    /// It is not translated: why, and what there is instead.
    Lost(&'static str),
}

/// An option of keepalived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) scopes: &'static [Scope],
    /// One keyword, or several that share their fate.
    pub(super) keywords: &'static [&'static str],
    pub(super) fate: Fate,
}

const fn becomes(
    scopes: &'static [Scope],
    keywords: &'static [&'static str],
    example: &'static str,
    what: &'static str,
) -> Known {
    Known {
        scopes,
        keywords,
        fate: Fate::Becomes { what, example },
    }
}

const fn needless(
    scopes: &'static [Scope],
    keywords: &'static [&'static str],
    why: &'static str,
) -> Known {
    Known {
        scopes,
        keywords,
        fate: Fate::Needless(why),
    }
}

const fn lost(
    scopes: &'static [Scope],
    keywords: &'static [&'static str],
    why: &'static str,
) -> Known {
    Known {
        scopes,
        keywords,
        fate: Fate::Lost(why),
    }
}

/// The whole table, in the order of the documentation.
pub(super) fn all() -> impl Iterator<Item = &'static Known> {
    let parts = [instance::OPTIONS, blocks::OPTIONS, global::OPTIONS];
    parts.into_iter().flatten()
}

/// What becomes of a keyword.
pub(super) fn find(scope: Scope, keyword: &str) -> Option<Fate> {
    all()
        .find(|known| known.scopes.contains(&scope) && known.keywords.contains(&keyword))
        .map(|known| known.fate)
}
