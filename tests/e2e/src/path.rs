//! Paths as arguments of programs.

use std::path::Path;

/// The path as text.
///
/// # Panics
///
/// When it is none; those that the tests make are.
#[must_use]
pub fn utf8(path: &Path) -> &str {
    path.to_str().expect("our paths are UTF-8")
}
