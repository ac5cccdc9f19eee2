//! Open files in messages. The kernel carries them beside the bytes (SCM_RIGHTS, unix(7)), in the order of their places in
//! the message.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most descriptors of a message; what comes beyond is closed by the kernel.
pub(super) const MAX: usize = 1;

/// An open file that goes to the other process with its message.
#[derive(Clone, Debug)]
pub(crate) struct Passed(Arc<OwnedFd>);

thread_local! {
    /// Those of the message that this thread is encoding or decoding: serde knows only bytes.
    static BESIDE: RefCell<Vec<Passed>> = const { RefCell::new(Vec::new()) };
}

impl From<OwnedFd> for Passed {
    fn from(file: OwnedFd) -> Self {
        Self(Arc::new(file))
    }
}

impl Passed {
    /// The file, for which nothing else may have a use.
    pub(crate) fn into_inner(self) -> Option<OwnedFd> {
        Arc::into_inner(self.0)
    }

    pub(super) fn get(&self) -> &OwnedFd {
        &self.0
    }
}

impl Serialize for Passed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        BESIDE.with_borrow_mut(|beside| beside.push(self.clone()));
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Passed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <()>::deserialize(deserializer)?;
        BESIDE
            .with_borrow_mut(|beside| (!beside.is_empty()).then(|| beside.remove(0)))
            .ok_or_else(|| D::Error::custom("the open file is missing"))
    }
}

/// What `encode` makes, and the files that go beside it.
pub(super) fn collected<T>(encode: impl FnOnce() -> T) -> (T, Vec<Passed>) {
    BESIDE.set(Vec::new());
    let encoded = encode();
    (encoded, BESIDE.take())
}

/// Has `decode` find `files`. What it does not ask for is closed.
pub(super) fn supplied<T>(files: Vec<OwnedFd>, decode: impl FnOnce() -> T) -> T {
    BESIDE.set(files.into_iter().map(Passed::from).collect());
    let decoded = decode();
    BESIDE.set(Vec::new());
    decoded
}
