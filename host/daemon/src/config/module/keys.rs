//! What `[checks.NAME]`, `[hooks.NAME]` and `[modules]` may say.

use std::ops::RangeInclusive;
use std::time::Duration;

use vrrp::OnError;

use crate::config::key::{Key, Keys, Kind, Text, words};

pub(in crate::config) const CHECK: Keys = Keys::new(&[
    Key::required(
        "module",
        MODULE,
        "What runs: a module that is built in ([modules](modules/README.md)), the path of a file, from the folder of cluster.toml, or a module \
         of a registry with its digest ([sharing-modules.md](sharing-modules.md)).",
    )
    .example("\"process\""),
    CONFIG.example("{ name = \"nginx\" }"),
    Key::default(
        "interval",
        Kind::Duration(CHECK_INTERVAL),
        "\"2s\"",
        "The time from the start of a run to the start of the next. A check that watches something (a process, a unit, a file, an \
         interface) also runs at once when that changes.",
    )
    .example("\"500ms\""),
    Key::optional(
        "timeout",
        Kind::Duration(CHECK_TIMEOUT),
        "`interval`, at most `1s`",
        "A run that takes longer is ended, which is an error and no verdict. At most `interval`.",
    )
    .example("\"300ms\""),
    Key::default(
        "rise",
        Kind::Number(CONSECUTIVE),
        "1",
        "So many passing verdicts in a row turn the check up. The first one after the start counts at once.",
    )
    .example("2"),
    Key::default(
        "fall",
        Kind::Number(CONSECUTIVE),
        "1",
        "So many failing verdicts in a row turn the check down.",
    )
    .example("3"),
    Key::default(
        "on-error",
        Kind::Choice(&words(&ON_ERROR)),
        "\"hold\"",
        "What an error does (a trap, a limit, a timeout, a denied call): with `\"hold\"` the last verdict holds for `error-hold` runs, \
         then the check is unknown, which costs 100 of the priority but is never FAULT; with `\"fail\"` it counts as failing.",
    )
    .example("\"fail\""),
    Key::default(
        "error-hold",
        Kind::Number(ERROR_HOLD),
        "3",
        "For so many runs the last verdict outlives an error.",
    )
    .example("0"),
    ALLOW,
    LIMITS_KEY,
    USER,
]);

pub(in crate::config) const HOOK: Keys = Keys::new(&[
    Key::required(
        "module",
        MODULE,
        "What is called: a module that is built in ([modules](modules/README.md)), the path of a file, or a module of a registry with its digest.",
    )
    .example("\"systemctl\""),
    CONFIG.example("{ action = \"start\", unit = \"nginx.service\" }"),
    Key::default(
        "timeout",
        Kind::Duration(HOOK_TIMEOUT),
        "\"30s\"",
        "A call that takes longer is ended. The next transition waits for it, the protocol does not.",
    )
    .example("\"5s\""),
    Key::default(
        "every",
        Kind::Boolean,
        "false",
        "Whether it is called for every transition, also for one that another has followed meanwhile. By default such a one is \
         dropped: a node that is MASTER again need not finish what BACKUP asked for.",
    )
    .example("true"),
    ALLOW,
    LIMITS_KEY,
    USER,
]);

pub(in crate::config) const MODULES: Keys = Keys::new(&[
    Key::optional(
        "key",
        PUBLIC_KEY,
        "those of `keys`",
        "A public key of minisign. With one or more, a module from a registry runs only when it is signed with one of them.",
    )
    .example("\"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\""),
    Key::optional(
        "keys",
        Kind::List(&PUBLIC_KEY, 1),
        "that of `key`; without either no signature is asked for",
        "Several public keys, for example while one replaces another.",
    ),
]);

pub(super) const LIMITS: Keys = Keys::new(&[
    Key::default(
        "memory",
        Kind::Size(MEMORY),
        "\"16MiB\"",
        "The memory of a run.",
    )
    .example("\"64MiB\""),
    Key::default(
        "cpu",
        Kind::Duration(CPU),
        "\"50ms\"",
        "The processor time of a run.",
    )
    .example("\"200ms\""),
    Key::default(
        "output",
        Kind::Size(OUTPUT),
        "\"1MiB\"",
        "What a run may hand to the host, in all.",
    )
    .example("\"64KiB\""),
    Key::default(
        "handles",
        Kind::Number(HANDLES),
        "128",
        "What a run may have open at once: streams, timers, and what waits for them.",
    )
    .example("16"),
    Key::default(
        "log-rate",
        Kind::Number(LOG_RATE),
        "20",
        "Lines of the log a second; what is beyond is counted and dropped.",
    )
    .example("0"),
]);

const MODULE: Kind = Kind::Text(Text::new(
    "the name of a module, the path of one, or `oci://HOST/REPOSITORY:TAG@sha256:DIGEST`",
));
const CONFIG: Key = Key::default(
    "config",
    Kind::ModuleConfig,
    "{}",
    "What the module is told, in keys of its own. Each that is built in has a page with them ([modules](modules/README.md)), \
     `vrrp-host module inspect` tells those of any.",
);
const ALLOW: Key = Key::optional(
    "allow",
    Kind::List(&Kind::Text(Text::new("a grant")), 0),
    "what a module that is built in needs for its `config`, and nothing for another",
    "What the module may reach: `process:NAME`, `unit:NAME`, `unit:NAME:start,stop`, `tcp:HOST:PORT`, `udp:HOST:PORT`, \
     `http:METHOD URL-PREFIX`, `dns:NAME`, `icmp:ADDRESS`, `read:PATH`, `exec:PATH`, `link:NAME`. The error of a grant that is missing \
     has the line to paste.",
)
.example("[\"tcp:192.0.2.9:5432\"]");
const LIMITS_KEY: Key = Key::optional(
    "limits",
    Kind::Table(LIMITS),
    "the default of each",
    "How much a run may use. A run that goes beyond is ended, which is an error and no verdict.",
)
.example("{ memory = \"64MiB\" }");
const USER: Key = Key::optional(
    "user",
    Kind::Text(Text::new("the name of a user of the host").pattern("^[^:/]+$")),
    "`nobody`",
    "Whom the commands of the module `exec` run as; root only when it is written.",
)
.example("\"app\"");
const PUBLIC_KEY: Kind = Kind::Text(Text::new(
    "a public key of minisign, the second line of its .pub file",
));

pub(super) const ON_ERROR: [(&str, OnError); 2] =
    [("hold", OnError::Hold), ("fail", OnError::Fail)];

/// Below this a check would be a busy loop.
pub(super) const CHECK_INTERVAL: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(24 * 3600);
pub(super) const CHECK_TIMEOUT: RangeInclusive<Duration> = SHORTEST_TIMEOUT..=*CHECK_INTERVAL.end();
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);
pub(super) const HOOK_TIMEOUT: RangeInclusive<Duration> =
    SHORTEST_TIMEOUT..=Duration::from_secs(3600);
pub(super) const CONSECUTIVE: RangeInclusive<i64> = 1..=u16::MAX as i64;
pub(super) const ERROR_HOLD: RangeInclusive<i64> = 0..=u16::MAX as i64;

/// From one page of WebAssembly to all that 32 bits can address.
pub(super) const MEMORY: RangeInclusive<u64> = 64 << 10..=4 << 30;
pub(super) const CPU: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);
pub(super) const OUTPUT: RangeInclusive<u64> = 1 << 10..=1 << 30;
pub(super) const HANDLES: RangeInclusive<i64> = 1..=65_535;
pub(super) const LOG_RATE: RangeInclusive<i64> = 0..=10_000;
