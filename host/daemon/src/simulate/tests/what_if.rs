//! Every single failure of a file.

use std::path::Path;
use std::time::Duration;

use expect_test::expect;

use super::{SCENARIO, pair, scene, scene_at};
use crate::simulate::{WhatIf, World, text};

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
        let file = std::fs::read_to_string(&path).unwrap();
        if !file.contains("[nodes.") {
            continue;
        }
        simulated += 1;
        let scene = scene_at(&path, &file);
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
                text(&scene, &world),
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

        verdict: 9 failures tried, every address is taken over in the protocol's time; the longest without an owner is 3613.2 ms (link eth0 of master, VI_1)
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
        link eth0 of master     VI_1      master -> nobody  -         for good    0.0          back after 3609.4, without 3609.4
        crash of master         VI_1      master -> nobody  -         for good    0.0          back after 3609.4, without 3609.4
        planned stop of master  VI_1      master -> nobody  -         for good    0.0          back after 3609.4, without 3609.4
        network cut of master   VI_1      master -> nobody  -         for good    0.0          back after 0.0

        verdict: 4 failures tried, and an address is without an owner for longer than the protocol needs after:
          link eth0 of master: VI_1 is taken over by nobody
          crash of master: VI_1 is taken over by nobody
          planned stop of master: VI_1 is taken over by nobody
          network cut of master: VI_1 is taken over by nobody
    "#]].assert_eq(&what_if.text());
}
