//! `vrrp_sync_group`.

use super::Reader;
use crate::import::draft::GroupDraft;
use crate::import::options::Scope;
use crate::import::tree::Statement;
use crate::import::values::name_of;

impl Reader {
    pub(super) fn read_group(&mut self, statement: &Statement) -> Option<GroupDraft> {
        let mut group = GroupDraft {
            name: name_of(statement.word(1)).unwrap_or_default(),
            place: statement.place,
            members: Vec::new(),
            tracks: Vec::new(),
            notify: Vec::new(),
        };
        let mut counts_weights = false;
        for statement in statement.statements() {
            if let Some(tracks) = self.read_tracks(statement) {
                group.tracks.extend(tracks);
            } else if let Some(notify) = self.read_notify(Scope::Group, statement) {
                group.notify.extend(notify);
            } else {
                match statement.keyword() {
                    "group" => {
                        let members = statement.statements().iter();
                        let members = members.flat_map(|line| line.rest(0));
                        group.members.extend(members.filter_map(name_of));
                    }
                    "sync_group_tracking_weight" | "global_tracking" => counts_weights = true,
                    _ => self.leave_out(Scope::Group, statement),
                }
            }
        }
        if !counts_weights {
            self.without_member_weights(&group.members);
        }
        let known = |name: &String| self.instances.iter().any(|instance| instance.name == *name);
        let (members, unknown): (Vec<_>, Vec<_>) = group.members.into_iter().partition(known);
        group.members = members;
        for name in unknown {
            self.lose(statement, format!("it has no instance {name}"));
        }
        let why = match group.members.len() {
            _ if group.name.is_empty() => "a sync group needs a name",
            0 | 1 => "a sync group has two or more members",
            _ => return Some(group),
        };
        self.lose(statement, why);
        None
    }
}
