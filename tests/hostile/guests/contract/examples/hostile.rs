//! A check that imports only what needs no grant, and does what `do` says, after `after-runs` good runs.

use std::time::Duration;

use contract_guests::{text, texts};

wit_bindgen::generate!({ path: "../../../../wit", world: "check" });

use exports::vrrp_host::plugin::checker::{
    CheckError, ConfigError, Guest, Metadata, Observation, Plan, RunContext,
};
use vrrp_host::plugin::types::{Fact, Trigger, Verdict};
use vrrp_host::plugin::{clock, log, metrics, state};

static CONFIG: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());
static CALLS: std::sync::Mutex<u32> = std::sync::Mutex::new(0);

struct Hostile;

impl Guest for Hostile {
    fn describe() -> Metadata {
        Metadata {
            name: "hostile\nname".to_owned(),
            version: "1".to_owned(),
            description: "does what it is told".to_owned(),
            config_schema: "{}".to_owned(),
        }
    }

    fn configure(config: String) -> Result<Plan, Vec<ConfigError>> {
        match text(&config, "configure") {
            "refuse" => {
                return Err(vec![ConfigError {
                    pointer: "/do".to_owned(),
                    message: "no such thing".to_owned(),
                }]);
            }
            "loop" => spin(),
            _ => {}
        }
        let needs = texts(&config, "needs");
        let triggers = texts(&config, "watch")
            .into_iter()
            .map(Trigger::ProcessExited)
            .collect();
        *CONFIG.lock().unwrap() = config;
        Ok(Plan { triggers, needs })
    }

    fn run(context: RunContext) -> Result<Observation, CheckError> {
        let config = CONFIG.lock().unwrap().clone();
        *CALLS.lock().unwrap() += 1;
        match text(&config, "after-runs").parse() {
            Ok(good) if context.run <= good => ok("fine so far".to_owned()),
            _ => act(text(&config, "do"), &context),
        }
    }
}

fn act(what: &str, context: &RunContext) -> Result<Observation, CheckError> {
    match what {
        "loop" => spin(),
        "eat" => {
            let mut eaten = Vec::new();
            loop {
                eaten.push(vec![1u8; 1 << 20]);
                std::hint::black_box(&eaten);
            }
        }
        "overrun" => return ok(overrun().to_string()),
        "storm" => storm(),
        "panic" => panic_here(),
        "exit" => std::process::exit(3),
        "recurse" => return ok(recurse(1).to_string()),
        "sleep" => std::thread::sleep(Duration::from_secs(3600)),
        "flood" => {
            for n in 0..10_000 {
                log::write(log::Level::Info, &format!("line {n}\nERROR not mine"), &[]);
            }
        }
        "print" => {
            print!("half a ");
            println!("line");
            eprintln!("complaint");
            print!("unfinished");
            std::io::Write::flush(&mut std::io::stdout()).unwrap();
        }
        "garble" => return ok(garbled()),
        "garble log" => log::write(log::Level::Info, &garbled(), &[]),
        "shout" => log::write(log::Level::Info, &"x".repeat(4 << 20), &[]),
        "big summary" => return ok("y".repeat(4 << 20)),
        "long summary" => {
            let fact = Fact {
                name: "n".repeat(100),
                value: "v\u{1b}".repeat(1000),
            };
            return Ok(Observation {
                verdict: Verdict::Warning,
                summary: "z\n".repeat(5000),
                weight: Some(-7),
                facts: vec![fact; 100],
            });
        }
        "handles" => {
            let all: Vec<_> = (0..1000).map(|_| std::io::stdout()).collect();
            let pollables: Vec<_> = (0..1000).map(|_| wasi_timer()).collect();
            return ok(format!("{} {}", all.len(), pollables.len()));
        }
        "file" => {
            return ok(format!(
                "{:?}",
                std::fs::read("/etc/passwd").map_err(|e| e.kind())
            ));
        }
        "socket" => {
            return ok(format!(
                "{:?}",
                std::net::TcpStream::connect("127.0.0.1:22").map_err(|e| e.kind())
            ));
        }
        "environment" => {
            return ok(format!(
                "{} {}",
                std::env::vars().count(),
                std::env::args().count()
            ));
        }
        "remember" => {
            let before = state::get("n").map_or(0, |bytes| bytes[0]);
            state::put("n", &[before + 1]).unwrap();
            return ok(format!("state {before}, calls {}", CALLS.lock().unwrap()));
        }
        "measure" => {
            metrics::gauge("depth", &[("queue".to_owned(), "a\nb".to_owned())], 1.5);
            metrics::counter_add("bad name", &[], 1);
            metrics::counter_add("seen_total", &[], 2);
        }
        "clock" => return ok(format!("{} {}", clock::unix_ms(), clock::monotonic_ns())),
        "context" => return ok(format!("{context:?}")),
        "unavailable" => return Err(CheckError::Unavailable("no\nsuch thing".to_owned())),
        "timeout" => return Err(CheckError::Timeout("too slow".to_owned())),
        _ => {}
    }
    ok("fine".to_owned())
}

fn ok(summary: String) -> Result<Observation, CheckError> {
    Ok(Observation {
        verdict: Verdict::Passing,
        summary,
        weight: None,
        facts: Vec::new(),
    })
}

/// Computes next to nothing itself, and has the host work for it.
fn storm() -> ! {
    let labels = [("of".to_owned(), "a storm".to_owned())];
    loop {
        let now = clock::monotonic_ns();
        log::write(log::Level::Info, "and again", &labels);
        metrics::gauge("storm_clock", &labels, now as f64);
        _ = state::put("now", &now.to_le_bytes());
    }
}

/// Text that is none.
fn garbled() -> String {
    // SAFETY: none; a guest can hand over any bytes.
    unsafe { String::from_utf8_unchecked(b"fine\xff\xfe".to_vec()) }
}

/// Reads where no memory is.
#[inline(never)]
fn overrun() -> u8 {
    let beyond = std::hint::black_box(usize::MAX - 64) as *const u8;
    // SAFETY: none; a guest can read anywhere.
    unsafe { beyond.read_volatile() }
}

fn spin() -> ! {
    let mut n = 0u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

#[inline(never)]
fn panic_here() {
    panic!("as told");
}

#[inline(never)]
#[expect(unconditional_recursion, reason = "the test wants the stack to end")]
fn recurse(n: u64) -> u64 {
    let frame = std::hint::black_box([n; 64]);
    recurse(n + 1) + frame[0]
}

/// std has no way to hold many handles at once, so the interface is named here.
fn wasi_timer() -> timers::wasi::io::poll::Pollable {
    timers::wasi::clocks::monotonic_clock::subscribe_duration(3_600_000_000_000)
}

mod timers {
    wit_bindgen::generate!({
        inline: "
            package test:timers;
            world timers { import wasi:clocks/monotonic-clock@0.2.6; }
            ",
        path: "wasi.wit",
        generate_all,
    });
}

export!(Hostile);
