//! cluster.toml as text: the values by the `toml` crate, the layout and the comments here.

use toml::Value;

use super::cluster::{Cluster, Group, Instance, Named, Notify, Target, Track};
use super::draft::{Entry, OnFail};
use super::notes::{Kind, Note};
use super::source::{Files, Place};
use super::values::duration;
use crate::config::bare;

/// Where lines of comments end, and lists are written with a line for each element.
const WIDTH: usize = 100;

/// How passwords are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passwords {
    /// Each is written into a file beside cluster.toml.
    Beside,
    /// They are left to whoever imports.
    LeftOut,
}

/// A file that cluster.toml names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Secret {
    /// Without a folder.
    pub(crate) name: String,
    pub(crate) content: String,
}

/// Writes everything. `origins` is a line for each node.
pub(super) fn write(
    cluster: &Cluster,
    files: &Files,
    origins: &[String],
    passwords: Passwords,
) -> (String, Vec<Secret>) {
    let mut writer = Writer {
        files,
        text: String::new(),
        passwords,
        secrets: Vec::new(),
    };
    writer.header(cluster, origins);
    writer.nodes(cluster);
    for named in &cluster.checks {
        writer.module("checks", named);
    }
    for named in &cluster.hooks {
        writer.module("hooks", named);
    }
    for instance in &cluster.instances {
        writer.instance(instance);
    }
    for group in &cluster.groups {
        writer.group(group);
    }
    if let Some(entry) = &cluster.cpu_affinity {
        writer.table("[router]", &[]);
        writer.entries(std::slice::from_ref(entry));
    }
    writer.notes(&cluster.notes);
    (writer.text, writer.secrets)
}

struct Writer<'a> {
    files: &'a Files,
    text: String,
    passwords: Passwords,
    secrets: Vec<Secret>,
}

impl Writer<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A comment, in as many lines as it takes.
    fn comment(&mut self, indent: usize, text: &str) {
        let indent = " ".repeat(indent);
        let mut line = String::new();
        for word in one_line(text).split_whitespace() {
            if !line.is_empty() && line.chars().count() + word.chars().count() + 1 > WIDTH {
                self.line(&format!("# {indent}{line}"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&format!("# {indent}{line}"));
    }

    fn header(&mut self, cluster: &Cluster, origins: &[String]) {
        self.comment(
            0,
            "Written by `vrrp-host import` from keepalived's configuration:",
        );
        for origin in origins {
            self.comment(2, origin);
        }
        self.comment(0, "Behind a line stands where it comes from; what has become no line is listed at the end.");
        self.comment(
            0,
            "Check it with `vrrp-host check-config FILE`, and copy it to every node.",
        );
        let speaks_v3 = |it: &Instance| {
            it.is_v2_by_default && it.entries.iter().all(|entry| entry.key != "version")
        };
        if cluster.instances.iter().any(speaks_v3) {
            self.line("#");
            self.comment(
                0,
                "keepalived speaks version 2 of VRRP when its files do not say which, and this file speaks version 3. \
                 While some nodes still run keepalived, import with --keep-version.",
            );
        }
    }

    fn nodes(&mut self, cluster: &Cluster) {
        for (index, node) in cluster.nodes.iter().enumerate() {
            let title = format!("[nodes.{}]", bare(&node.name));
            if index == 0 {
                self.table(&title, &[]);
            } else {
                self.line(&title);
            }
            if let Some(address) = node.address {
                let places: Vec<Place> = node.place.into_iter().collect();
                self.entries(&[Entry::new("address", address.to_string(), places)]);
            }
        }
    }

    /// A table after an empty line, with what it comes from.
    fn table(&mut self, title: &str, whats: &[String]) {
        self.line("");
        for what in whats {
            self.comment(0, what);
        }
        self.line(title);
    }

    fn module(&mut self, section: &str, named: &Named) {
        let what = format!(
            "{}: {}",
            self.files.show_all(&named.places),
            named.draft.what
        );
        self.table(&format!("[{section}.{}]", bare(&named.name)), &[what]);
        for remark in &named.draft.module.remarks {
            self.comment(0, remark);
        }
        let module = &named.draft.module;
        let mut entries = vec![Entry::new("module", module.name, Vec::new())];
        entries.extend(named.draft.entries.iter().cloned());
        entries.push(Entry::new(
            "config",
            Value::Table(module.config.clone()),
            Vec::new(),
        ));
        self.entries(&entries);
    }

    fn instance(&mut self, instance: &Instance) {
        let name = bare(&instance.name);
        let what = format!("{}: vrrp_instance", self.files.show_all(&instance.places));
        self.table(&format!("[instances.{name}]"), &[what]);
        let mut entries = instance.entries.clone();
        if self.passwords == Passwords::Beside
            && let Some(password) = &instance.password
        {
            let secret = Secret {
                name: format!("{}.pass", file_name(&instance.name)),
                content: format!("{}\n", password.value),
            };
            let config = toml::Table::from_iter([(
                "password-file".to_owned(),
                Value::from(secret.name.as_str()),
            )]);
            entries.push(Entry::at(
                "authentication",
                Value::Table(config),
                password.place,
            ));
            self.secrets.push(secret);
        }
        self.entries(&entries);
        if self.passwords == Passwords::LeftOut
            && let Some(password) = &instance.password
        {
            let file = format!("/etc/vrrp-host/{}.pass", file_name(&instance.name));
            let place = self.files.show(password.place);
            self.comment(
                0,
                &format!(
                    "{place}: its password belongs into a file of its own on every node, which `--output` writes; \
                     by hand: (umask 077; echo PASSWORD > {file})"
                ),
            );
            self.line(&format!(
                "# authentication = {{ password-file = {} }}",
                Value::from(file)
            ));
        }
        self.uses(
            &format!("instances.{name}"),
            &instance.tracks,
            &instance.notify,
        );
    }

    fn group(&mut self, group: &Group) {
        let name = bare(&group.name);
        let what = format!("{}: vrrp_sync_group", self.files.show_all(&group.places));
        self.table(&format!("[sync-groups.{name}]"), &[what]);
        let members = super::values::strings(&group.members);
        self.entries(&[Entry::new("members", members, Vec::new())]);
        self.uses(&format!("sync-groups.{name}"), &group.tracks, &group.notify);
    }

    /// What an instance or a group tracks, and what it calls.
    fn uses(&mut self, owner: &str, tracks: &[Track], notify: &[Notify]) {
        let scope = |nodes: &[String]| {
            let nodes = (!nodes.is_empty()).then(|| super::values::strings(nodes));
            nodes.map(|nodes| Entry::new("nodes", nodes, Vec::new()))
        };
        for track in tracks {
            self.table(&format!("[[{owner}.track]]"), &[]);
            let mut entries = vec![match &track.what {
                Target::Check(name) => Entry::new("check", name.as_str(), track.places.clone()),
                Target::Interface { name, .. } => {
                    Entry::new("interface", name.as_str(), track.places.clone())
                }
            }];
            if let OnFail::Weight(weight) = track.on_fail {
                let weight =
                    toml::Table::from_iter([("weight".to_owned(), Value::from(i64::from(weight)))]);
                entries.push(Entry::new("on-fail", Value::Table(weight), Vec::new()));
            }
            if let Target::Interface {
                delays: Some(delays),
                ..
            } = &track.what
            {
                entries.push(Entry::new("down-delay", duration(delays.down), Vec::new()));
                entries.push(Entry::new("up-delay", duration(delays.up), Vec::new()));
            }
            entries.extend(scope(&track.nodes));
            self.entries(&entries);
        }
        for notify in notify {
            self.table(&format!("[[{owner}.notify]]"), &[]);
            let on = match notify.on[..] {
                [one] => Value::from(one),
                _ => super::values::strings(&notify.on),
            };
            let mut entries = vec![
                Entry::new("on", on, notify.places.clone()),
                Entry::new("hook", notify.hook.as_str(), Vec::new()),
            ];
            entries.extend(scope(&notify.nodes));
            self.entries(&entries);
        }
    }

    fn entries(&mut self, entries: &[Entry]) {
        let width = entries
            .iter()
            .map(|entry| entry.key.len())
            .max()
            .unwrap_or(0);
        for entry in entries {
            for remark in &entry.remarks {
                self.comment(0, remark);
            }
            let places = one_line(&self.files.show_all(&entry.places));
            let comment = if places.is_empty() {
                String::new()
            } else {
                format!("  # {places}")
            };
            let key = format!("{:width$}", entry.key);
            let whole = format!("{key} = {}", entry.value);
            let elements = entry.value.as_array();
            match elements.filter(|_| whole.chars().count() > WIDTH) {
                Some(elements) => {
                    self.line(&format!("{key} = [{comment}"));
                    for element in elements {
                        self.line(&format!("  {element},"));
                    }
                    self.line("]");
                }
                None => self.line(&format!("{whole}{comment}")),
            }
        }
    }

    fn notes(&mut self, notes: &[Note]) {
        let titles = [
            (Kind::Lost, "Not translated:"),
            (
                Kind::Needless,
                "Needs no line, because vrrp-host does so anyway, or neither does keepalived:",
            ),
        ];
        for (kind, title) in titles {
            let gathered = gather(notes, kind);
            if gathered.is_empty() {
                continue;
            }
            self.line("");
            self.comment(0, title);
            for (places, what, why) in gathered {
                let places = self.files.show_all(&places);
                self.comment(2, &format!("{places}: {what}"));
                self.comment(4, why);
            }
        }
    }
}

/// The notes of a kind, those that say the same as one: places, what and why.
pub(super) fn gather(notes: &[Note], kind: Kind) -> Vec<(Vec<Place>, &str, &str)> {
    let mut gathered: Vec<(Vec<Place>, &str, &str)> = Vec::new();
    for note in notes.iter().filter(|note| note.kind == kind) {
        let same = gathered
            .iter_mut()
            .find(|(_, what, why)| *what == note.what && *why == note.why);
        match same {
            Some((places, _, _)) => places.push(note.place),
            None => gathered.push((vec![note.place], &note.what, &note.why)),
        }
    }
    gathered.sort_by(|one, other| one.0.cmp(&other.0));
    gathered
}

/// Comments may have no control characters.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Nothing that could lead to another folder.
fn file_name(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') {
                c
            } else {
                '_'
            }
        })
        .collect()
}
