//! What happens when, against the formulas of RFC 9568 §6.1, by hand:
//!
//! * `Skew_Time` = (256 - priority) * interval / 256: at 1 s it is 609.375 ms for 100, and 613.28125 ms for 99;
//! * `Active_Down_Interval` = 3 * interval + `Skew_Time`: 3609.375 ms for 100, and 3613.28125 ms for 99;
//! * whoever hears priority 0 takes over after its `Skew_Time`.
//!
//! A datagram is 0.1 ms on its way. Times are microseconds.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks at what it is about"
)]

use std::path::Path;
use std::time::Duration;

use super::owners::{with_two, without};
use super::timeline::What;
use super::{Scene, World, read};
use crate::config::{BuiltInNames, parse_for_every_node};

mod any_order;
mod events;
mod what_if;

const BUILT_IN: BuiltInNames<'_> = BuiltInNames {
    checks: &["exec", "file", "http", "process"],
    hooks: &["exec", "systemctl"],
};
/// The file of README.md, with comments.
const SCENARIO: &str = include_str!("../../tests/config/valid/scenario.toml");

fn scene(text: &str) -> Scene {
    scene_at(Path::new("cluster.toml"), text)
}

fn scene_at(path: &Path, text: &str) -> Scene {
    let loaded = parse_for_every_node(path, text, BUILT_IN);
    let loaded = loaded.unwrap_or_else(|report| panic!("{report}"));
    let clusters: Vec<_> = loaded.into_iter().map(|loaded| loaded.cluster).collect();
    Scene::new(&clusters).unwrap()
}

/// Two nodes with an instance each second, of which `keys` are more keys.
fn pair(keys: &str) -> String {
    format!(
        "[nodes.master]\n\
         address = \"172.27.0.1\"\n\
         [nodes.slave]\n\
         address = \"172.27.0.2\"\n\
         [checks.web]\n\
         module = \"process\"\n\
         config = {{ name = \"nginx\" }}\n\
         interval = \"2s\"\n\
         [instances.VI_1]\n\
         interface = \"eth0\"\n\
         virtual-router-id = 251\n\
         virtual-addresses = [\"172.27.0.247\"]\n\
         priority = {{ master = 100, slave = 99 }}\n\
         {keys}\n"
    )
}

/// Plays events of the form `5s fail:web@master` for a minute.
fn play<'a>(scene: &'a Scene, events: &[&str]) -> World<'a> {
    let length = Duration::from_secs(60);
    let pairs = events.iter().map(|event| event.split_once(' ').unwrap());
    let pairs: Vec<_> = pairs
        .map(|(time, words)| (time.to_owned(), words.to_owned()))
        .collect();
    let planned = read(scene, length, &pairs).unwrap_or_else(|error| panic!("{error}"));
    let mut world = World::new(scene);
    for planned in planned {
        world.plan(planned.at, planned.act, &planned.words);
    }
    world.run_until(length);
    world
}

/// Every change of a state from 4 s on, when the first node is MASTER and nothing has happened yet.
#[track_caller]
fn check(text: &str, events: &[&str], expected: &[&str]) {
    let scene = scene(text);
    let world = play(&scene, events);
    let settled = Duration::from_secs(4);
    let mut seen = Vec::new();
    for entry in world.timeline().iter().filter(|entry| entry.at > settled) {
        let What::State { after, .. } = &entry.what else {
            continue;
        };
        let name = &scene.nodes[entry.node].name;
        seen.push(format!("{} {name} {after}", entry.at.as_micros()));
    }
    assert_eq!(seen, expected, "{}", super::text(&scene, &world));
}

#[test]
fn the_scenario_of_the_readme() {
    let scene = scene(SCENARIO);
    let world = play(
        &scene,
        &[
            "5s fail:node-exporter@master",
            "20s pass:node-exporter@master",
            "40s crash:slave",
        ],
    );
    let mut seen = Vec::new();
    for entry in world.timeline() {
        let node = &scene.nodes[entry.node];
        let what = match &entry.what {
            What::State { after, .. } => after.to_string(),
            What::Hook { hook, .. } => format!("calls {}", node.hook_name(*hook)),
            What::Has(_) => "has it".to_owned(),
            What::HasNoLonger(_) => "lets go of it".to_owned(),
            _ => continue,
        };
        seen.push(format!("{} {} {what}", entry.at.as_micros(), node.name));
    }
    assert_eq!(
        seen,
        [
            // The slave's hook on BACKUP is called at the start, too.
            "0 slave BACKUP",
            "0 slave calls stop-exporter",
            "0 master BACKUP",
            // Nobody was heard for 3609.375 ms, four milliseconds before the slave's time is over.
            "3609375 master has it",
            "3609375 master MASTER",
            // The check fails: priority 0, and the address goes at once.
            "5000000 master lets go of it",
            "5000000 master FAULT",
            "5000000 master calls start-exporter",
            // Heard 0.1 ms later, and 613.28125 ms after that.
            "5613381 slave has it",
            "5613381 slave MASTER",
            "5613381 slave calls start-exporter",
            "20000000 master BACKUP",
            // The slave's lower priority does not put its timer off: 3609.375 ms after it is well again.
            "23609375 master has it",
            "23609375 master MASTER",
            // Its first advertisement is heard 0.1 ms later.
            "23609475 slave lets go of it",
            "23609475 slave BACKUP",
            "23609475 slave calls stop-exporter",
        ],
        "{}",
        super::text(&scene, &world)
    );
    let spells = world.owners()[0].spells(Duration::ZERO, world.now());
    assert_eq!(without(&spells), Duration::from_nanos(613_381_250));
    assert_eq!(with_two(&spells), Duration::from_micros(100));
}

#[test]
fn a_crash_takes_the_rest_of_an_active_down_interval() {
    // The last advertisement was at 4609.375 ms, heard 0.1 ms later: + 3613.28125 ms.
    check(&pair(""), &["5s crash:master"], &["8222756 slave MASTER"]);
    // Switched on again, the first node listens for 3609.375 ms and preempts.
    check(
        &pair(""),
        &["5s crash:master", "20s start:master"],
        &[
            "8222756 slave MASTER",
            "20000000 master BACKUP",
            "23609375 master MASTER",
            "23609475 slave BACKUP",
        ],
    );
}

#[test]
fn a_planned_stop_takes_a_skew_time_and_the_address_stays_meanwhile() {
    let text = pair("");
    let scene = scene(&text);
    let world = play(&scene, &["5s stop:master"]);
    // 5000 ms + 0.1 ms + 613.28125 ms.
    check(
        &text,
        &["5s stop:master"],
        &["5613381 slave MASTER", "5613481 master INIT"],
    );
    let spells = world.owners()[0].spells(Duration::ZERO, world.now());
    assert_eq!(without(&spells), Duration::ZERO);
    assert_eq!(with_two(&spells), Duration::from_micros(100));
}

#[test]
fn a_cut_leaves_two_masters_of_whom_one_can_be_reached() {
    let text = pair("");
    check(
        &text,
        &["5s cut:master", "20s heal:master"],
        // Healed at 20 s, the slave advertises at 20222.756 ms, and is answered by a higher priority at 20609.375 ms at the latest.
        &["8222756 slave MASTER", "20222956 slave BACKUP"],
    );
    let scene = scene(&text);
    let world = play(&scene, &["5s cut:master", "20s heal:master"]);
    let spells = world.owners()[0].spells(Duration::from_secs(5), Duration::from_secs(20));
    // From the cut to the takeover.
    assert_eq!(without(&spells), Duration::from_nanos(3_222_756_250));
    assert_eq!(with_two(&spells), Duration::ZERO);
}

#[test]
fn links_go_down_at_once_and_say_no_farewell() {
    check(
        &pair(""),
        &["5s link-down:eth0@master", "20s link-up:eth0@master"],
        &[
            "5000000 master FAULT",
            "8222756 slave MASTER",
            "20000000 master BACKUP",
            "23609375 master MASTER",
            "23609475 slave BACKUP",
        ],
    );
}

#[test]
fn commands_move_the_address_before_it_is_let_go() {
    check(
        &pair(""),
        &["5s drain:VI_1@master", "20s undrain:VI_1@master"],
        &[
            "5613381 slave MASTER",
            "5613481 master BACKUP",
            // The last advertisement of the slave is not put off by the lower priority it has again: the timer of priority 100
            // has run since the one at 19613.381 ms was heard.
            "23222856 master MASTER",
            "23222956 slave BACKUP",
        ],
    );
    check(
        &pair("preempt = false"),
        &["5s release:VI_1@master"],
        &["5613381 slave MASTER", "5613481 master BACKUP"],
    );
}

#[test]
fn a_host_that_stood_still_listens_before_it_speaks() {
    check(
        &pair(""),
        &["5s freeze:master", "20s thaw:master"],
        &[
            "8222756 slave MASTER",
            "20000000 master BACKUP",
            // One interval and a skew time.
            "21609375 master MASTER",
            "21609475 slave BACKUP",
        ],
    );
}

#[test]
fn checks_count_by_rise_fall_and_error_hold() {
    let tracked = "track = [{ check = \"web\", nodes = [\"master\"] }]";
    let counting = |keys: &str| {
        pair(tracked).replace(
            "interval = \"2s\"\n",
            &format!("interval = \"2s\"\n{keys}\n"),
        )
    };
    // The third failing run is 4 s after the first one, the second passing one 2 s.
    check(
        &counting("fall = 3\nrise = 2"),
        &["5s fail:web@master", "20s pass:web@master"],
        &[
            "9000000 master FAULT",
            "9613381 slave MASTER",
            "22000000 master BACKUP",
            "25609375 master MASTER",
            "25609475 slave BACKUP",
        ],
    );
    check(
        &counting("fall = 3"),
        &["5s fail:web@master", "8s warn:web@master"],
        &[],
    );
    // Three errors hold, the fourth makes it unknown: priority 1 instead of 100, which the slave's 99 preempts. The last
    // advertisement of priority 100 was heard at 10609.475 ms: + 3613.28125 ms.
    check(
        &counting(""),
        &["5s error:web@master"],
        &["14222756 slave MASTER", "14222856 master BACKUP"],
    );
}

#[test]
fn in_vain_is_told() {
    let scene = scene(&pair(""));
    let world = play(
        &scene,
        &[
            "5s start:master",
            "6s crash:master",
            "7s drain:VI_1@master",
            "8s stop:master",
            "9s crash:master",
            "10s thaw:slave",
            "11s freeze:master",
        ],
    );
    let reasons: Vec<_> = world
        .timeline()
        .iter()
        .filter_map(|entry| match entry.what {
            What::InVain(reason) => Some(reason),
            _ => None,
        })
        .collect();
    assert_eq!(
        reasons,
        [
            "it runs already",
            "nobody answers there",
            "nobody answers there",
            "it does not run",
            "it does not stand still",
            "it does not run",
        ]
    );
}
