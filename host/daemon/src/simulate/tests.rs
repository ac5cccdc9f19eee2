//! What happens when, against the formulas of RFC 9568 §6.1, by hand:
//!
//! * `Skew_Time` = (256 - priority) * interval / 256: at 1 s it is 609.375 ms for 100, and 613.28125 ms for 99;
//! * `Active_Down_Interval` = 3 * interval + `Skew_Time`: 3609.375 ms for 100, and 3613.28125 ms for 99;
//! * whoever hears priority 0 takes over after its `Skew_Time`.
//!
//! A datagram is 0.1 ms on its way. Times are microseconds.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use vrrp::{Command, Outcome, State};

use super::act::{Act, Happens};
use super::owners::{with_two, without};
use super::timeline::What;
use super::{Scene, WhatIf, World, read, script};
use crate::config::{BuiltInNames, parse_for_every_node};

const BUILT_IN: BuiltInNames<'_> = BuiltInNames {
    checks: &["exec", "file", "http", "process"],
    hooks: &["exec", "systemctl"],
};
/// The file of README.md, which `config/tests.rs` holds it to.
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

#[track_caller]
fn refused(events: &[(&str, &str)], expected: &Expect) {
    let scene = scene(SCENARIO);
    let pairs: Vec<_> = events
        .iter()
        .map(|(time, words)| ((*time).to_owned(), (*words).to_owned()))
        .collect();
    expected.assert_eq(&read(&scene, Duration::from_secs(60), &pairs).unwrap_err());
}

#[test]
fn every_wrong_event_is_told_with_what_to_write() {
    refused(
        &[
            ("5", "crash:master"),
            ("70s", "crash:master"),
            ("5s", "crush:master"),
            ("5s", "crash"),
            ("5s", "crash:mister"),
            ("5s", "fail:node-exporter"),
            ("5s", "fail:node_exporter@master"),
            ("5s", "fail:nginx@master"),
            ("5s", "fail:node-exporter@slave"),
            ("5s", "link-down:eth1@master"),
            ("5s", "drain:VI-1@master"),
            ("5s", "explode"),
        ],
        &expect![[r#"
            --at 5 crash:master: `5` is not a time; write a number and a unit: 5s, 250ms
            --at 70s crash:master: the simulation ends after 1m; make it longer: --for 1m 10s, or more
            --at 5s crush:master: no event is called `crush`; did you mean `crash`?
            --at 5s crash: at which node? write crash:NODE
            --at 5s crash:mister: no node is called `mister`; did you mean `master`?
            --at 5s fail:node-exporter: at which node? write fail:CHECK@NODE
            --at 5s fail:node_exporter@master: no check is called `node_exporter`; did you mean `node-exporter`?
            --at 5s fail:nginx@master: no check is called `nginx`; `master` has `node-exporter`
            --at 5s fail:node-exporter@slave: nothing on `slave` tracks the check `node-exporter`; it is tracked on `master`
            --at 5s link-down:eth1@master: no interface is called `eth1`; did you mean `eth0`?
            --at 5s drain:VI-1@master: no instance or sync group is called `VI-1`; did you mean `VI_1`?
            --at 5s explode: no event is called `explode`; there are `fail`, `warn`, `pass`, `error`, `crash`, `start`, `stop`, `cut`, `heal`, `freeze`, `thaw`, `link-down`, `link-up`, `drain`, `undrain` and `release`"#]],
    );
}

/// All that is valid for `check-config` and names its nodes settles, and every failure is tried.
#[test]
fn every_valid_file_settles() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/valid");
    let mut simulated = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        if !text.contains("[nodes.") {
            continue;
        }
        simulated += 1;
        let scene = scene_at(&path, &text);
        let what_if = WhatIf::new(&scene, |_| {});
        let mut world = World::new(&scene);
        world.run_until(Duration::from_secs(300));
        for (instance, owners) in world.owners().iter().enumerate() {
            let spells = owners.spells(Duration::ZERO, world.now());
            assert_eq!(
                spells.last().map(|spell| spell.nodes.len()),
                Some(1),
                "{} {}\n{}\n{}",
                path.display(),
                scene.instance_name(instance),
                super::text(&scene, &world),
                what_if.text()
            );
        }
    }
    assert!(simulated >= 5, "only {simulated} files");
}

#[test]
fn what_if_of_the_readme() {
    let scene = scene(SCENARIO);
    let what_if = WhatIf::new(&scene, |_| {});
    assert!(what_if.is_within_bounds());
    expect![[r#"
        what fails                     instance  goes from -> to  after ms  without ms  with two ms  when that ends
        check node-exporter on master  VI_1      master -> slave  613.4     613.4       0.0          back after 3609.4, with two 0.1
        link eth0 of master            VI_1      master -> slave  3613.2    3613.2      0.0          back after 3609.4, with two 0.1
        crash of master                VI_1      master -> slave  3613.2    3613.2      0.0          back after 3609.4, with two 0.1
        planned stop of master         VI_1      master -> slave  613.4     0.0         0.1          back after 3609.4, with two 0.1
        network cut of master          VI_1      master -> slave  3613.2    3613.2      0.0          back after 0.0, with two 613.4
        link eth0 of slave             -         nothing moves
        crash of slave                 -         nothing moves
        planned stop of slave          -         nothing moves
        network cut of slave           VI_1      stays on master  -         0.0         0.0          stays on master, with two 613.4

        verdict: 9 failures tried, every address is taken over in the protocol's time; the longest without an owner is 3613.2 ms (network cut of master, VI_1)
    "#]].assert_eq(&what_if.text());
}

#[test]
fn what_if_tells_an_address_that_nobody_takes() {
    let text = pair("").replace("[nodes.slave]\naddress = \"172.27.0.2\"\n", "");
    let text = text.replace("priority = { master = 100, slave = 99 }", "");
    let what_if = WhatIf::new(&scene(&text), |_| {});
    assert!(!what_if.is_within_bounds());
    expect![[r#"
        what fails              instance  goes from -> to   after ms  without ms  with two ms  when that ends
        link eth0 of master     VI_1      master -> nobody  -         10000.0     0.0          back after 3609.4, without 3609.4
        crash of master         VI_1      master -> nobody  -         10000.0     0.0          back after 3609.4, without 3609.4
        planned stop of master  VI_1      master -> nobody  -         8750.0      0.0          back after 3609.4, without 3609.4
        network cut of master   VI_1      master -> nobody  -         10000.0     0.0          back after 0.0

        verdict: 4 failures tried, and an address is without an owner for longer than the protocol needs after:
          link eth0 of master: VI_1 for 10000.0 ms, 3609.6 ms are allowed for
          crash of master: VI_1 for 10000.0 ms, 3609.6 ms are allowed for
          planned stop of master: VI_1 for 8750.0 ms, 3609.6 ms are allowed for
          network cut of master: VI_1 for 10000.0 ms, 3609.6 ms are allowed for
    "#]].assert_eq(&what_if.text());
}

/// Two instances that move together, on two interfaces, of three nodes with checks.
fn wide() -> String {
    let mut text = String::new();
    for (number, name) in ["first", "second", "third"].iter().enumerate() {
        let _ = writeln!(text, "[nodes.{name}]\naddress = \"192.0.2.{}\"", number + 1);
    }
    text.push_str(
        "[checks.web]\n\
         module = \"process\"\n\
         config = { name = \"nginx\" }\n\
         interval = \"500ms\"\n\
         [sync-groups.gateway]\n\
         members = [\"inside\", \"outside\"]\n",
    );
    for (name, interface, id) in [
        ("inside", "eth0", 1),
        ("outside", "eth1", 2),
        ("alone", "eth0", 3),
    ] {
        let _ = writeln!(
            text,
            "[instances.{name}]\n\
             interface = \"{interface}\"\n\
             virtual-router-id = {id}\n\
             virtual-addresses = [\"198.51.100.{id}\"]\n\
             advertisement-interval = \"100ms\"\n\
             priority = {{ first = 200, second = 150, third = 150 }}\n\
             track = [{{ check = \"web\" }}]"
        );
    }
    text
}

fn any_act(
    nodes: usize,
    checks: usize,
    interfaces: usize,
    instances: usize,
) -> impl Strategy<Value = Act> {
    let outcome = prop_oneof![
        Just(Outcome::Passing),
        Just(Outcome::Warning),
        Just(Outcome::Failing),
        Just(Outcome::Error),
    ];
    let command = prop_oneof![
        Just(Command::Drain),
        Just(Command::Undrain),
        Just(Command::Release),
    ];
    let what = prop_oneof![
        (0..checks, outcome).prop_map(|(check, outcome)| Happens::Check(check, outcome)),
        (0..interfaces, any::<bool>()).prop_map(|(interface, up)| Happens::Link(interface, up)),
        (0..instances, command).prop_map(|(instance, command)| Happens::Command(instance, command)),
        Just(Happens::Crash),
        Just(Happens::Start),
        Just(Happens::Stop),
        Just(Happens::Cut),
        Just(Happens::Heal),
        Just(Happens::Freeze),
        Just(Happens::Thaw),
    ];
    (0..nodes, what).prop_map(|(node, what)| Act { node, what })
}

proptest! {
    /// Whatever happens in whatever order: time does not run backwards, a node takes and lets go in turns, has the addresses if
    /// and only if it is MASTER, and the picture can be drawn.
    #[test]
    fn any_order_of_events_is_simulated(acts in prop::collection::vec((0..20_000_u64, any_act(3, 1, 2, 3)), 0..30)) {
        let scene = scene(&wide());
        let mut world = World::new(&scene);
        for (at, act) in acts {
            world.plan(Duration::from_millis(at), act, "something");
        }
        world.run_until(Duration::from_secs(25));
        let mut latest = Duration::ZERO;
        let mut holds = vec![vec![false; 3]; 3];
        let mut states = vec![vec![State::Initialize; 3]; 3];
        for entry in world.timeline() {
            prop_assert!(entry.at >= latest);
            latest = entry.at;
            match &entry.what {
                What::Has(instance) => {
                    prop_assert!(!std::mem::replace(&mut holds[entry.node][*instance], true));
                }
                What::HasNoLonger(instance) => {
                    prop_assert!(std::mem::replace(&mut holds[entry.node][*instance], false));
                }
                What::State { instance, after, .. } => states[entry.node][*instance] = *after,
                What::Starts => states[entry.node] = vec![State::Initialize; 3],
                What::Asked { act, .. } if act.what == Happens::Crash => {
                    states[entry.node] = vec![State::Initialize; 3];
                }
                _ => {}
            }
        }
        for (holds, states) in holds.iter().zip(&states) {
            for (has, state) in holds.iter().zip(states) {
                prop_assert_eq!(*has, *state == State::Active);
            }
        }
        prop_assert!(super::draw(&scene, &world).starts_with("<svg"));
    }

    /// Whatever is typed is read or refused with something to say.
    #[test]
    fn any_words_are_read_or_refused(words in "([a-z-]{0,10}:)?[a-zA-Z0-9_@: -]{0,20}") {
        let scene = scene(SCENARIO);
        if let Err(problem) = script::read_act(&scene, &words) {
            prop_assert!(!problem.is_empty());
        }
    }
}
