//! Whatever happens, in whatever order.

use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;
use vrrp::{Command, Outcome, State};

use super::{SCENARIO, scene};
use crate::simulate::act::{Act, Happens};
use crate::simulate::timeline::What;
use crate::simulate::{World, draw, script};

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
        prop_assert!(draw(&scene, &world).starts_with("<svg"));
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
