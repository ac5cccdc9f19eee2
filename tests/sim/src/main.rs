//! `cargo xtask sim`: many seeds, or one as a story.
#![expect(clippy::print_stdout, reason = "a command line tool")]

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use sim::{Progress, Rig, Told};

/// Simulates many hosts around the real protocol core, and holds them to the RFC while things go wrong.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask sim", bin_name = "cargo xtask sim")]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 10_000, conflicts_with = "seed")]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0, conflicts_with = "seed")]
    from: u64,
    /// How many to run at once; all cores when left out.
    #[arg(long, conflicts_with = "seed")]
    threads: Option<usize>,
    /// Stop after this many seconds, however many seeds are left.
    #[arg(long, conflicts_with = "seed")]
    seconds: Option<u64>,
    /// Print how often each thing happened.
    #[arg(long, conflicts_with = "seed")]
    marks: bool,
    /// Run this one, and print what happens in it.
    #[arg(long)]
    seed: Option<u64>,
}

/// Lines of a failed run that are shown; `--seed` shows all of it.
const LAST_LINES: usize = 40;

/// Seeds between two looks at the clock.
const CHUNK: u64 = 2_000;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.seed {
        Some(seed) => tell(seed),
        None => run(&arguments),
    }
}

fn tell(seed: u64) -> ExitCode {
    println!("seed={seed}");
    let Told {
        plan,
        timeline,
        result,
    } = sim::tell(seed, Rig::Sound);
    print!("{plan}\n{timeline}");
    match result {
        Ok(()) => {
            println!("\nall is well");
            ExitCode::SUCCESS
        }
        Err(what) => {
            println!("\nBROKEN {what}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> ExitCode {
    let threads = arguments
        .threads
        .unwrap_or_else(|| thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get));
    let start = Instant::now();
    let limit = arguments.seconds.map(Duration::from_secs);
    let mut show = Show::new(start);
    let mut marks = sim::Marks::default();
    let mut done = 0;
    while done < arguments.seeds && limit.is_none_or(|limit| start.elapsed() < limit) {
        let count = CHUNK.min(arguments.seeds - done);
        let from = arguments.from.wrapping_add(done);
        let result = sim::run_seeds(from, count, threads, |progress| {
            show.progress(Progress {
                done: done + progress.done,
                of: arguments.seeds,
            });
        });
        match result {
            Ok(seen) => marks.add(&seen),
            Err(failure) => {
                show.clear();
                return fail(&failure);
            }
        }
        done += count;
    }
    show.clear();
    let seconds = start.elapsed().as_secs_f64();
    if arguments.marks {
        print!("{marks}");
    }
    println!(
        "{done} seeds from {}: every promise was kept ({seconds:.1} s, {:.0} a second)",
        arguments.from,
        per_second(done, seconds)
    );
    ExitCode::SUCCESS
}

fn fail(failure: &sim::Failure) -> ExitCode {
    println!("{failure}\n");
    let told = sim::tell(failure.seed, Rig::Sound);
    println!("{}", told.plan);
    let lines: Vec<_> = told.timeline.lines().collect();
    for line in lines.iter().skip(lines.len().saturating_sub(LAST_LINES)) {
        println!("{line}");
    }
    ExitCode::FAILURE
}

fn per_second(done: u64, seconds: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "for a person to read")]
    let done = done as f64;
    done / seconds.max(0.001)
}

/// How far it is: a line that is rewritten on a terminal, a line every ten seconds elsewhere.
struct Show {
    start: Instant,
    terminal: bool,
    last: Instant,
}

impl Show {
    fn new(start: Instant) -> Self {
        Self {
            start,
            terminal: io::stdout().is_terminal(),
            last: start,
        }
    }

    fn progress(&mut self, progress: Progress) {
        let pause = Duration::from_secs(if self.terminal { 1 } else { 10 });
        if self.last.elapsed() < pause {
            return;
        }
        self.last = Instant::now();
        let Progress { done, of } = progress;
        let rate = per_second(done, self.start.elapsed().as_secs_f64());
        let line = format!("{done} of {of} seeds, {rate:.0} a second");
        if self.terminal {
            print!("\r\x1b[K{line}");
            // Nothing is lost when a progress line does not come out.
            let _ = io::stdout().flush();
        } else {
            println!("{line}");
        }
    }

    fn clear(&self) {
        if self.terminal {
            print!("\r\x1b[K");
        }
    }
}
