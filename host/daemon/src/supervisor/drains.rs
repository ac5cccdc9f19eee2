//! Which instances leave their addresses to others, and for how long: until `undrain`, or until the daemon ends.
//!
//! What is to last is on the disk before anybody is told that it is done. That takes as long as the disk takes for a few
//! bytes, and happens only when root asks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

/// In the state directory.
const FILE: &str = "drained.json";

/// How long a drain lasts that nobody undoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasting {
    /// Until the daemon ends.
    ThisRun,
    /// Over restarts.
    Persistent,
}

/// The drained instances of this node.
#[derive(Debug)]
pub(super) struct Drains {
    file: PathBuf,
    /// By the numbers of the set-up.
    numbers: BTreeMap<u32, Lasting>,
    /// The names in the file, also those of instances that cluster.toml does not have now.
    persistent: BTreeSet<String>,
}

/// What the file holds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    instances: BTreeSet<String>,
}

impl Drains {
    /// What an earlier run was told to keep. `number` finds the number of an instance.
    ///
    /// # Errors
    /// When there is something that cannot be read: an instance that should be drained must not take part for that.
    pub(super) fn read(state_dir: &Path, number: impl Fn(&str) -> Option<u32>) -> io::Result<Self> {
        let file = state_dir.join(FILE);
        let content = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Content::default(),
            Err(error) => return Err(error),
        };
        let numbers = content.instances.iter();
        let numbers = numbers.filter_map(|name| Some((number(name)?, Lasting::Persistent)));
        Ok(Self {
            numbers: numbers.collect(),
            persistent: content.instances,
            file,
        })
    }

    /// The file that a daemon with this state directory keeps them in.
    pub(super) fn file(state_dir: &Path) -> PathBuf {
        state_dir.join(FILE)
    }

    /// The numbers of the drained instances.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.numbers.keys().copied()
    }

    /// Whether it outlives a restart that an instance is drained.
    pub(super) fn persists(&self, number: u32) -> bool {
        self.numbers.get(&number) == Some(&Lasting::Persistent)
    }

    /// These instances are drained from now on. One that is persistently so stays that.
    ///
    /// # Errors
    /// When it cannot be written down; nothing is drained then.
    pub(super) fn drain(
        &mut self,
        instances: &[(u32, String)],
        lasting: Lasting,
    ) -> io::Result<()> {
        if lasting == Lasting::Persistent {
            let mut persistent = self.persistent.clone();
            persistent.extend(instances.iter().map(|(_, name)| name.clone()));
            self.keep(persistent)?;
        }
        for (number, _) in instances {
            let known = self.numbers.entry(*number).or_insert(lasting);
            if lasting == Lasting::Persistent {
                *known = lasting;
            }
        }
        Ok(())
    }

    /// These instances take part from now on, also after a restart.
    ///
    /// # Errors
    /// When it cannot be written down; they stay drained then.
    pub(super) fn undrain(&mut self, instances: &[(u32, String)]) -> io::Result<()> {
        let mut persistent = self.persistent.clone();
        for (_, name) in instances {
            persistent.remove(name);
        }
        self.keep(persistent)?;
        for (number, _) in instances {
            self.numbers.remove(number);
        }
        Ok(())
    }

    /// After a reload: `kept` has the old and the new number of each instance that goes on; `number` finds the new number of
    /// a name. Returns those that the file has again, which the router does not know of.
    pub(super) fn renumber(
        &mut self,
        kept: &[(usize, usize)],
        number: impl Fn(&str) -> Option<u32>,
    ) -> Vec<u32> {
        let before = std::mem::take(&mut self.numbers);
        let moved = kept.iter().filter_map(|(from, to)| {
            let lasting = before.get(&u32::try_from(*from).ok()?)?;
            Some((u32::try_from(*to).ok()?, *lasting))
        });
        self.numbers = moved.collect();
        let persistent = self.persistent.iter().filter_map(|name| number(name));
        let again: Vec<u32> = persistent
            .filter(|number| !self.numbers.contains_key(number))
            .collect();
        let drained = again.iter().map(|number| (*number, Lasting::Persistent));
        self.numbers.extend(drained);
        again
    }

    fn keep(&mut self, persistent: BTreeSet<String>) -> io::Result<()> {
        if persistent == self.persistent {
            return Ok(());
        }
        let content = Content {
            instances: persistent,
        };
        if content.instances.is_empty() {
            remove(&self.file)?;
        } else {
            replace(&self.file, &serde_json::to_vec(&content)?)?;
        }
        self.persistent = content.instances;
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => sync_folder(path),
    }
}

/// All of the new content or all of the old one, also after a power cut.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(folder(path))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_folder(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(folder(path))?.sync_all()
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or_else(|| Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(name: &str) -> Option<u32> {
        ["a", "b"]
            .iter()
            .position(|known| *known == name)?
            .try_into()
            .ok()
    }

    fn of(name: &str) -> (u32, String) {
        (number(name).unwrap(), name.to_owned())
    }

    fn numbers(drains: &Drains) -> Vec<(u32, bool)> {
        let numbers = drains.numbers();
        numbers.map(|it| (it, drains.persists(it))).collect()
    }

    #[test]
    fn what_was_asked_to_last_outlives_the_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let read = || Drains::read(folder.path(), number).unwrap();
        let mut drains = read();
        drains.drain(&[of("a")], Lasting::ThisRun).unwrap();
        assert_eq!(numbers(&drains), [(0, false)]);
        assert_eq!(numbers(&read()), [(0, false); 0]);
        drains.drain(&[of("b")], Lasting::Persistent).unwrap();
        assert_eq!(numbers(&read()), [(1, true)]);
        drains.drain(&[of("b")], Lasting::ThisRun).unwrap();
        assert_eq!(numbers(&drains), [(0, false), (1, true)]);
        drains.undrain(&[of("a"), of("b")]).unwrap();
        assert_eq!(numbers(&drains), [(0, false); 0]);
        assert_eq!(numbers(&read()), [(0, false); 0]);
        assert!(!Drains::file(folder.path()).exists());
    }

    #[test]
    fn an_instance_that_the_file_does_not_have_stays_drained_for_when_it_has_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut drains = Drains::read(folder.path(), number).unwrap();
        drains
            .drain(&[of("a"), of("b")], Lasting::Persistent)
            .unwrap();
        let again = drains.renumber(&[(1, 0)], |name| (name == "b").then_some(0));
        assert_eq!(again, [0_u32; 0]);
        assert_eq!(numbers(&drains), [(0, true)]);
        assert_eq!(drains.renumber(&[(0, 1)], number), [0]);
        assert_eq!(numbers(&drains), [(0, true), (1, true)]);
    }

    #[test]
    fn what_cannot_be_written_down_or_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let mut drains = Drains::read(&gone, number).unwrap();
        assert!(drains.drain(&[of("a")], Lasting::Persistent).is_err());
        assert_eq!(numbers(&drains), [(0, false); 0]);
        fs::write(Drains::file(folder.path()), "{").unwrap();
        assert!(Drains::read(folder.path(), number).is_err());
    }
}
