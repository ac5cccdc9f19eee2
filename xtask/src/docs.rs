//! The pages of docs/modules. The test that compares them with what the modules say is also what writes them.

use crate::cargo::{cargo, run as run_command};

pub(crate) fn run() -> anyhow::Result<()> {
    let mut test = cargo(&[
        "test",
        "--locked",
        "--package",
        "vrrp-host",
        "--test",
        "module",
        "pages",
    ]);
    run_command(test.env("UPDATE_EXPECT", "1"))
}
