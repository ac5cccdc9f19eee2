//! The scenario, shown: two systemd hosts, one address, and nobody who has to get up at night.

mod timeline;

use std::process::ExitCode;
use std::time::Instant;

use clap::ValueEnum;
use lab::scenario::{self, Options, play};

use crate::cargo::build_daemon;
use crate::setup;
use crate::terminal::Style;

/// Who plays in the demo.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What runs on the first host.
    #[arg(long, value_enum, default_value_t = Daemon::VrrpHost)]
    first: Daemon,
    /// What runs on the second host.
    #[arg(long, value_enum, default_value_t = Daemon::VrrpHost)]
    second: Daemon,
    /// The version of VRRP that both speak.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=3))]
    vrrp_version: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Daemon {
    VrrpHost,
    Keepalived,
}

impl Arguments {
    fn options(&self) -> Options {
        let daemons = [self.first, self.second].map(|daemon| match daemon {
            Daemon::VrrpHost => scenario::Daemon::VrrpHost,
            Daemon::Keepalived => scenario::Daemon::Keepalived,
        });
        let version = if self.vrrp_version == 2 {
            scenario::Version::V2
        } else {
            scenario::Version::V3
        };
        Options::new(daemons, version)
    }
}

/// Shows the scenario. The exit status says whether everything happened that had to.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    setup::run()?;
    let mut options = arguments.options();
    if options.daemons.contains(&scenario::Daemon::VrrpHost) {
        println!("building vrrp-host; the first time, this takes some minutes");
        options.vrrp_host = Some(build_daemon(&["--package", "vrrp-host"])?);
    }
    let [first, second] = options.daemons;
    println!(
        "\n{}",
        Style::Bold.paint(format_args!(
            "{first} on the first host, {second} on the second\n"
        ))
    );

    let start = Instant::now();
    let report = play(&options, |step| {
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{} {step}",
            Style::Dim.paint(format_args!("{seconds:5.1} s"))
        );
    })?;
    timeline::print(&report);
    Ok(if report.is_met() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
