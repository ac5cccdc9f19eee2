//! `state`: a small store that outlives the instance. It lives as long as the loaded module, in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use wasmtime::component::HasSelf;

use super::Capability;
use crate::bindings::imports::state;
use crate::store::Call;

pub(super) const CAPABILITY: Capability = Capability {
    interface: "state",
    granted_by: &[],
    link: |linker| state::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
};

/// Bytes of all keys and values of a module.
const BYTES_MAX: usize = 64 << 10;
/// Keys of a module.
const KEYS_MAX: usize = 128;

/// The keys and values of one module.
#[derive(Debug, Default)]
pub(crate) struct KeyValues(Mutex<BTreeMap<String, Vec<u8>>>);

impl KeyValues {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    /// A value that does not fit leaves everything as it was.
    fn put(&self, key: String, value: Vec<u8>) -> Result<(), String> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let others = values.iter().filter(|(other, _)| **other != key);
        let (keys, bytes) = others.fold((0, 0), |(keys, bytes), (other, value)| {
            (keys + 1, bytes + other.len() + value.len())
        });
        if keys >= KEYS_MAX {
            return Err(format!("more than {KEYS_MAX} keys"));
        }
        if bytes + key.len() + value.len() > BYTES_MAX {
            return Err(format!("more than {BYTES_MAX} bytes"));
        }
        values.insert(key, value);
        Ok(())
    }
}

impl state::Host for Call {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.shared.key_values.get(&key))
    }

    fn put(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), String>> {
        Ok(self.shared.key_values.put(key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let values = KeyValues::default();
        values.put("a".to_owned(), vec![1; 60 << 10]).unwrap();
        values
            .put("a".to_owned(), vec![2; 60 << 10])
            .expect("replaces");
        values.put("b".to_owned(), vec![3; 5 << 10]).unwrap_err();
        assert_eq!(values.get("a"), Some(vec![2; 60 << 10]));
        assert_eq!(values.get("b"), None);
    }

    #[test]
    fn keys_are_counted() {
        let values = KeyValues::default();
        for n in 0..KEYS_MAX {
            values.put(n.to_string(), vec![0]).unwrap();
        }
        values.put("one more".to_owned(), vec![0]).unwrap_err();
        values
            .put("7".to_owned(), vec![1])
            .expect("an old key may change");
    }
}
