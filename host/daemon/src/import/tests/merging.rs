//! Several nodes in one file.

use super::*;

fn two(first: &str, second: &str) -> Imported {
    let inputs = vec![
        input(None, "first.conf", first),
        input(None, "second.conf", second),
    ];
    import(inputs, &plain()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn what_differs_is_given_by_node() {
    let first = "vrrp_instance VI_1 {\ninterface eth0\nvirtual_router_id 51\npriority 110\nvirtual_ipaddress {\n192.0.2.1/24 dev eth1\n}\n}\n";
    let second = first
        .replace("eth0", "ens3")
        .replace("eth1", "ens4")
        .replace("110", "100");
    let imported = two(first, &second);
    assert_eq!(imported.lost, Vec::<String>::new());
    for (node, interface, dev, priority) in [
        ("first", "eth0", "eth1", 110),
        ("second", "ens3", "ens4", 100),
    ] {
        let instance = &read(&imported.text, Some(node)).cluster.instances[0];
        assert_eq!(instance.interface, interface);
        assert_eq!(instance.virtual_addresses[0].interface, dev);
        assert_eq!(instance.priority.get(), priority);
    }
}

#[test]
fn where_one_value_is_for_all_the_highest_priority_decides() {
    let first = instance("", "priority 100\npreempt_delay 60\nadvert_int 1");
    let second = instance("", "priority 110\nadvert_int 2");
    let imported = two(&first, &second);
    let instance = &read(&imported.text, Some("first")).cluster.instances[0];
    assert_eq!(instance.advertisement_interval.as_secs(), 2);
    assert!(instance.preempt_delay.is_zero());
    let lost = imported.lost.join("\n");
    assert!(
        lost.contains("advertisement-interval = \"1s\" on first"),
        "{lost}"
    );
    assert!(lost.contains("preempt-delay = \"1m\" on first"), "{lost}");
    let imported = two(
        &second.replace("advert_int 2", "advert_int 1\nnopreempt"),
        &first.replace("preempt_delay 60", ""),
    );
    assert!(
        imported.lost[0].contains("this is now so on second as well"),
        "{:?}",
        imported.lost
    );
}

#[test]
fn one_virtual_router_may_have_two_names() {
    let first = instance("", "priority 110");
    let second = instance("", "priority 100").replace("VI_1", "VI_BACKUP");
    let imported = two(&first, &second);
    assert_eq!(imported.instances, 1);
    assert_eq!(imported.lost, Vec::<String>::new());
}

#[test]
fn one_name_may_be_two_virtual_routers() {
    let first = instance("", "");
    let second = instance("", "")
        .replace("51", "52")
        .replace("192.0.2.1", "192.0.2.2");
    let imported = two(&first, &second);
    assert_eq!(imported.instances, 2);
    assert!(
        imported.text.contains("[instances.VI_1-2]"),
        "{}",
        imported.text
    );
    // Each is on one node only, which cluster.toml does not have.
    assert_eq!(imported.lost.len(), 2, "{:?}", imported.lost);
    for (node, priorities) in [("first", [100, 1]), ("second", [1, 100])] {
        let cluster = read(&imported.text, Some(node)).cluster;
        let found: Vec<_> = cluster
            .instances
            .iter()
            .map(|it| it.priority.get())
            .collect();
        assert_eq!(found, priorities);
    }
}

#[test]
fn peers_are_the_nodes_where_they_are() {
    let file = |own: &str, peer: &str, source: bool| {
        let source = if source {
            format!("unicast_src_ip {own}\n")
        } else {
            String::new()
        };
        instance("", &format!("{source}unicast_peer {{\n{peer}\n}}"))
    };
    for source in [true, false] {
        let imported = two(
            &file("192.0.2.8", "192.0.2.9", source),
            &file("192.0.2.9", "192.0.2.8", source),
        );
        let table: toml::Table = imported.text.parse().unwrap();
        assert_eq!(
            table["nodes"]["first"]["address"].as_str(),
            Some("192.0.2.8")
        );
        assert_eq!(
            table["nodes"]["second"]["address"].as_str(),
            Some("192.0.2.9")
        );
        assert!(
            !table["instances"]["VI_1"]
                .as_table()
                .unwrap()
                .contains_key("peers")
        );
        read(&imported.text, Some("first"));
    }
    // A third router that is not imported.
    let imported = two(
        &file("192.0.2.8", "192.0.2.9\n192.0.2.10", true),
        &file("192.0.2.9", "192.0.2.8\n192.0.2.10", true),
    );
    let table: toml::Table = imported.text.parse().unwrap();
    let peers = table["instances"]["VI_1"]["peers"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(peers, 3);
    read(&imported.text, Some("first"));
    // By multicast after all.
    let nobody = imported_lost(&instance("", "unicast_peer {\n}"));
    assert!(nobody.contains("multicast"), "{nobody}");
}

fn imported_lost(text: &str) -> String {
    imported(text).lost.join("\n")
}

#[test]
fn one_node_alone_has_peers_of_its_own() {
    let text = instance("", "unicast_peer {\n192.0.2.9\n}");
    let imported = imported(&text);
    assert_eq!(imported.first_node, None);
    assert!(matches!(
        read(&imported.text, None).cluster.instances[0].peers,
        vrrp::Peers::Unicast { .. }
    ));
}

#[test]
fn checks_of_one_name_that_differ_are_two() {
    let with = |interval: u8| {
        let script = format!(
            "vrrp_script chk {{\nscript \"/usr/bin/killall -0 nginx\"\ninterval {interval}\n}}"
        );
        instance(&script, "track_script {\nchk\n}")
    };
    let same = two(&with(2), &with(2));
    assert_eq!(read(&same.text, Some("first")).cluster.checks.len(), 1);
    let differing = two(&with(2), &with(3));
    let names = |node| {
        let cluster = read(&differing.text, Some(node)).cluster;
        let checks = cluster.checks.iter().filter(|check| check.module.used);
        checks.map(|check| check.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names("first"), ["chk"]);
    assert_eq!(names("second"), ["chk-second"]);
}

#[test]
fn a_group_keeps_together_what_it_tracks() {
    let other = "vrrp_instance VI_2 {\ninterface eth1\nvirtual_router_id 52\nvirtual_ipaddress {\n192.0.2.2\n}\ntrack_script {\ns\n}\n}\n";
    let script = "vrrp_script s {\nscript \"/usr/bin/killall -0 nginx\"\nweight -5\n}";
    let group =
        |line: &str| format!("vrrp_sync_group G {{\ngroup {{\nVI_1\nVI_2\n}}\n{line}\n}}\n");
    let text = |line: &str| instance(script, "track_script {\ns\n}") + other + &group(line);
    let tracks = |text: &str| {
        let cluster = read(&imported(text).text, None).cluster;
        cluster
            .instances
            .iter()
            .map(|it| it.tracks.len())
            .collect::<Vec<_>>()
    };
    // Weights of members do not count, those of the group do.
    assert_eq!(tracks(&text("")), [0, 0]);
    assert_eq!(tracks(&text("sync_group_tracking_weight")), [1, 1]);
    assert_eq!(tracks(&text("track_script {\ns\n}")), [1, 1]);
}

#[test]
fn nodes_that_did_not_hear_each_other_are_told() {
    let with = |password: &str| {
        let lines = format!("authentication {{\nauth_type PASS\nauth_pass {password}\n}}");
        instance("", &lines)
    };
    let told = |first: &str, second: &str| {
        let lost = two(first, second).lost;
        lost.iter()
            .any(|line| line.contains("now all have one password"))
    };
    assert!(told(&with("one"), &with("other")));
    assert!(told(&with("one"), &instance("", "")));
    assert!(!told(&with("one"), &with("one")));
}
