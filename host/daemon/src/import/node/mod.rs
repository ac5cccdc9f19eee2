//! One node's statements in the words of cluster.toml.

mod address;
mod check;
mod globals;
mod group;
mod hook;
mod instance;
mod route;
mod track;
mod unicast;

use std::net::IpAddr;

use self::check::Trackable;
use self::globals::Globals;
use super::draft::{GroupDraft, InstanceDraft, ModuleDraft, NodeDraft, Told};
use super::notes::{Kind, Note};
use super::options::{self, Fate, Scope};
use super::source::Place;
use super::tree::Statement;

/// Reads all statements of a node. `notes` is what there was to say about its files.
pub(super) fn translate(
    name: &str,
    address: Option<IpAddr>,
    statements: &[Statement],
    notes: Vec<Note>,
) -> NodeDraft {
    let mut node = Reader {
        given_address: address,
        notes,
        ..Reader::default()
    };
    node.read_globals(statements);
    node.read_trackables(statements);
    for statement in statements {
        if statement.keyword() == "vrrp_instance" {
            let instance = node.read_instance(statement);
            node.instances.extend(instance);
        }
    }
    for statement in statements {
        match statement.keyword() {
            "vrrp_sync_group" => {
                let group = node.read_group(statement);
                node.groups.extend(group);
            }
            "vrrp_instance"
            | "global_defs"
            | "vrrp_script"
            | "vrrp_track_process"
            | "vrrp_track_file"
            | "track_file"
            | "interface_up_down_delays"
            | "instance" => {}
            _ => node.leave_out(Scope::Root, statement),
        }
    }
    node.note_unused();
    NodeDraft {
        name: name.to_owned(),
        address: node.address,
        checks: node.checks,
        hooks: node.hooks,
        instances: node.instances,
        groups: node.groups,
        cpus: node.globals.cpus,
        notes: node.notes,
    }
}

/// `router_id`, which names a node.
pub(super) fn router_id(statements: &[Statement]) -> Option<&str> {
    let globals = statements
        .iter()
        .filter(|statement| statement.keyword() == "global_defs");
    globals
        .flat_map(Statement::statements)
        .find(|statement| statement.keyword() == "router_id")
        .map(|statement| statement.word(1))
        .filter(|id| !id.is_empty())
}

/// What is known of the node so far.
#[derive(Default)]
struct Reader {
    globals: Globals,
    /// What can be tracked, tracked or not.
    trackables: Vec<Trackable>,
    /// What is tracked.
    checks: Vec<ModuleDraft>,
    hooks: Vec<ModuleDraft>,
    instances: Vec<InstanceDraft>,
    groups: Vec<GroupDraft>,
    /// From the command line.
    given_address: Option<IpAddr>,
    address: Option<Told<IpAddr>>,
    notes: Vec<Note>,
}

impl Reader {
    /// A statement that has no line of its own.
    fn leave_out(&mut self, scope: Scope, statement: &Statement) {
        self.leave_out_as(
            scope,
            statement.keyword(),
            statement.place,
            statement.show(),
        );
    }

    /// The same, for something that is a part of a statement.
    fn leave_out_as(&mut self, scope: Scope, keyword: &str, place: Place, what: String) {
        let (kind, why) = match options::find(scope, keyword) {
            Some(Fate::Needless(why)) => (Kind::Needless, why),
            Some(Fate::Lost(why)) => (Kind::Lost, why),
            Some(Fate::Becomes { .. }) => (Kind::Lost, "its value cannot be understood"),
            None => (Kind::Lost, "no such option of keepalived is known"),
        };
        self.notes.push(Note::new(kind, place, what, why));
    }

    fn lose(&mut self, statement: &Statement, why: impl Into<String>) {
        let note = Note::new(Kind::Lost, statement.place, statement.show(), why);
        self.notes.push(note);
    }

    /// A number behind the keyword, told where it is.
    fn number<T: std::str::FromStr>(
        &mut self,
        scope: Scope,
        statement: &Statement,
    ) -> Option<Told<T>> {
        let number = statement.word(1).parse().ok();
        if number.is_none() {
            self.leave_out(scope, statement);
        }
        number.map(|number| Told::new(number, statement.place))
    }

    /// Seconds behind the keyword.
    fn seconds(
        &mut self,
        scope: Scope,
        statement: &Statement,
    ) -> Option<Told<std::time::Duration>> {
        let seconds = super::values::seconds(statement.word(1));
        if seconds.is_none() {
            self.leave_out(scope, statement);
        }
        seconds.map(|seconds| Told::new(seconds, statement.place))
    }

    /// The address that the node speaks from. It has one, whatever the instances say.
    fn learn_address(&mut self, statement: &Statement) {
        let Ok(address) = statement.word(1).parse() else {
            self.leave_out(Scope::Instance, statement);
            return;
        };
        let known = self.own_address();
        match known {
            Some(known) if known != address => {
                self.lose(statement, format!("a node has one address, here {known}"))
            }
            Some(_) | None if self.address.is_none() => {
                self.address = Some(Told::new(address, statement.place));
            }
            Some(_) | None => {}
        }
    }

    /// The address of the node, as far as it is known by now.
    fn own_address(&self) -> Option<IpAddr> {
        let said = || self.address.as_ref().map(|told| told.value);
        self.given_address.or_else(said)
    }
}
