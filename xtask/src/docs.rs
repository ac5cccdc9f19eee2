//! The generated pages of docs, and the examples. The tests that compare them with what the program says are also what writes them.

use crate::cargo::{cargo, run as run_command};

/// What writes docs/modules, docs/configuration.md with its schema, the tables of docs/from-keepalived.md, and the files of examples/.
const WRITERS: [[&str; 3]; 4] = [
    ["--test", "module", "pages"],
    ["--bin", "vrrp-host", "the_descriptions_say"],
    ["--bin", "vrrp-host", "import::"],
    ["--test", "import", "examples"],
];

pub(crate) fn run() -> anyhow::Result<()> {
    for writer in WRITERS {
        let mut test = cargo(&["test", "--locked", "--package", "vrrp-host"]);
        run_command(test.args(writer).env("UPDATE_EXPECT", "1"))?;
    }
    Ok(())
}
