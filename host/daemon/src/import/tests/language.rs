//! keepalived's language: what a file says, however it says it.

use super::*;

/// The keys of the one instance, as TOML.
#[track_caller]
fn instance_of(text: &str) -> toml::Table {
    let table: toml::Table = imported(text).text.parse().unwrap();
    let instances = table["instances"].as_table().unwrap();
    instances
        .values()
        .next()
        .unwrap()
        .as_table()
        .unwrap()
        .clone()
}

#[test]
fn braces_stand_where_they_like() {
    for text in [
        "vrrp_instance VI_1 {\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress { 192.0.2.1 }\n}\n",
        "vrrp_instance VI_1\n{\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress\n{\n192.0.2.1\n}\n}\n",
        "vrrp_instance VI_1 {\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress{\n192.0.2.1}\n}\n",
    ] {
        let instance = instance_of(text);
        assert_eq!(
            instance["virtual-addresses"][0].as_str(),
            Some("192.0.2.1"),
            "{text}"
        );
    }
}

#[test]
fn comments_end_lines_outside_of_quotes() {
    let instance = instance_of(&instance(
        "! first\n# second",
        "priority 150 # high\nadvert_int 2! two",
    ));
    assert_eq!(instance["priority"].as_integer(), Some(150));
    assert_eq!(instance["advertisement-interval"].as_str(), Some("2s"));
    let text = super::instance("", "notify_master \"/usr/bin/logger '#1!'\"");
    assert!(
        imported(&text).text.contains(r##"args = ["#1!"]"##),
        "{}",
        imported(&text).text
    );
}

#[test]
fn definitions_are_expanded_where_they_are_used() {
    let text = "$PRIO=150\n$NAME=VI_9\n$ADDRESSES=\\\nvirtual_ipaddress { \\\n192.0.2.${LAST} \\\n}\n$LAST=7\n\
        vrrp_instance $NAME {\ninterface eth0\nvirtual_router_id 51\npriority $PRIO\n$ADDRESSES\n}\n";
    let imported = imported(text);
    assert!(
        imported.text.contains("[instances.VI_9]"),
        "{}",
        imported.text
    );
    let instance = instance_of(text);
    assert_eq!(instance["priority"].as_integer(), Some(150));
    assert_eq!(instance["virtual-addresses"][0].as_str(), Some("192.0.2.7"));
}

#[test]
fn what_is_not_defined_is_text() {
    let text = instance(
        "$A=1",
        "notify_master \"/usr/bin/logger $A.x ${UNKNOWN} $1\"",
    );
    let imported = imported(&text);
    assert!(
        imported
            .text
            .contains(r#"args = ["$A.x", "${UNKNOWN}", "$1"]"#),
        "{}",
        imported.text
    );
}

#[test]
fn loops_repeat() {
    let one = "vrrp_instance v$N {\\\ninterface eth0 \\\nvirtual_router_id $N \\\nvirtual_ipaddress { \\\n192.0.2.${N} \\\n} \\\n}\n";
    let instances = |line: &str| {
        let text = format!("$V=\\\n{one}{line} $V\n");
        let table: toml::Table = imported(&text).text.parse().unwrap();
        let names: Vec<String> = table["instances"]
            .as_table()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        names.join(" ")
    };
    assert_eq!(instances("~SEQ(N, 1, 3)"), "v1 v2 v3");
    assert_eq!(instances("~SEQ(N, 10, 5, 20)"), "v10 v15 v20");
    assert_eq!(instances("~SEQ(N, 3, 2)"), "v2 v3");
    assert_eq!(instances("~LST(N, 30, 31)"), "v30 v31");
}

#[test]
fn lines_for_other_nodes_are_left_out() {
    let text = instance("", "@first priority 150\n@^first priority 50");
    let priority = |node: &str| {
        let imported = import(vec![input(Some(node), "keepalived.conf", &text)], &plain()).unwrap();
        let node = Some(node);
        read(&imported.text, node).cluster.instances[0]
            .priority
            .get()
    };
    assert_eq!(priority("first"), 150);
    assert_eq!(priority("second"), 50);
}

#[test]
fn includes_are_looked_for_beside_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keepalived.conf");
    let inner = folder.path().join("conf.d");
    fs::create_dir(&inner).unwrap();
    let other = |name: &str, id: u8| {
        format!(
            "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {id}\nvirtual_ipaddress {{\n192.0.2.{id}\n}}\n}}\n"
        )
    };
    fs::write(inner.join("b.conf"), other("B", 2)).unwrap();
    fs::write(
        inner.join("a.conf"),
        other("A", 1) + "include ../last.conf\n",
    )
    .unwrap();
    fs::write(folder.path().join("last.conf"), other("L", 3)).unwrap();
    let text = "include conf.d/*.conf\ninclude nowhere/*.conf\n";
    let imported = import(vec![input(None, path.to_str().unwrap(), text)], &plain()).unwrap();
    let table: toml::Table = imported.text.parse().unwrap();
    let names: Vec<_> = table["instances"].as_table().unwrap().keys().collect();
    assert_eq!(names, ["A", "B", "L"]);
    assert_eq!(imported.lost.len(), 1, "{:?}", imported.lost);
    assert!(
        imported.lost[0].contains("keepalived.conf:2: include nowhere/*.conf"),
        "{:?}",
        imported.lost
    );
    assert!(
        imported.text.contains("conf.d/a.conf:2"),
        "{}",
        imported.text
    );
}

#[test]
fn unknown_keywords_are_told() {
    let imported = imported(&instance("nonsense 1 {\n}", "prioriti 3"));
    let lost = imported.lost.join("\n");
    assert!(
        lost.contains("keepalived.conf:1: nonsense 1: no such option of keepalived is known"),
        "{lost}"
    );
    assert!(lost.contains("prioriti 3: no such option"), "{lost}");
}

#[test]
fn nothing_to_translate_is_no_instance() {
    assert_eq!(imported("").instances, 0);
    let imported = imported("vrrp_instance VI_1 {\ninterface eth0\nvirtual_router_id 51\n}\n");
    assert_eq!(imported.instances, 0);
    assert!(
        imported.lost[0].contains("it has no address"),
        "{:?}",
        imported.lost
    );
}

#[test]
fn the_state_decides_as_in_keepalived() {
    let owner = instance_of(&instance("", "state MASTER"));
    assert_eq!(owner["priority"].as_integer(), Some(255));
    let backup = instance_of(&instance("", "state BACKUP"));
    assert_eq!(backup["priority"].as_integer(), Some(100));
    let master = instance(
        "",
        "state MASTER\npriority 150\nnopreempt\npreempt_delay 10",
    );
    let table = instance_of(&master);
    assert!(
        !table.contains_key("preempt") && !table.contains_key("preempt-delay"),
        "{table}"
    );
    assert!(imported(&master).text.contains("nopreempt"), "it is told");
}

#[test]
fn intervals_are_rounded_as_keepalived_rounds() {
    let interval = |before: &str, line: &str| {
        let table = instance_of(&instance(before, line));
        table["advertisement-interval"].as_str().unwrap().to_owned()
    };
    let v3 = "global_defs {\nvrrp_version 3\n}";
    assert_eq!(interval(v3, "advert_int 0.25"), "250ms");
    assert_eq!(interval(v3, "advert_int 0.254"), "250ms");
    assert_eq!(interval("", "advert_int 1.6"), "2s");
    assert_eq!(interval("", "advert_int 60"), "1m");
    let long = instance_of(&instance("", "advert_int 60"));
    assert_eq!(long["version"].as_integer(), Some(2));
}

#[test]
fn a_password_is_of_version_2() {
    let lines = "authentication {\nauth_type PASS\nauth_pass secret-and-more\n}";
    let text = instance("", lines);
    let on_stdout = imported(&text);
    assert!(on_stdout.text.contains("\nversion "), "{}", on_stdout.text);
    assert!(!on_stdout.text.contains("secret"), "{}", on_stdout.text);
    assert!(
        on_stdout.text.contains("# authentication = {"),
        "{}",
        on_stdout.text
    );
    assert_eq!(on_stdout.lost.len(), 1);
    let wanted = Wanted {
        passwords: Passwords::Beside,
        ..plain()
    };
    let beside = import(vec![input(None, "keepalived.conf", &text)], &wanted).unwrap();
    assert_eq!(beside.lost, Vec::<String>::new());
    assert_eq!(beside.secrets[0].name, "VI_1.pass");
    // keepalived cuts it, too.
    assert_eq!(beside.secrets[0].content, "secret-a\n");
    let v3 = imported(&instance("global_defs {\nvrrp_version 3\n}", lines));
    assert_eq!(v3.lost, Vec::<String>::new());
    assert!(v3.text.contains("keepalived ignores it too"), "{}", v3.text);
}

#[test]
fn the_version_of_keepalived_can_be_kept() {
    let wanted = Wanted {
        keep_version: true,
        ..plain()
    };
    let kept = |before: &str| {
        let imported = import(
            vec![input(None, "keepalived.conf", &instance(before, ""))],
            &wanted,
        )
        .unwrap();
        read(&imported.text, None).cluster.instances[0].version
    };
    assert_eq!(kept(""), vrrp::Version::V2);
    assert_eq!(kept("global_defs {\nvrrp_version 3\n}"), vrrp::Version::V3);
}

#[test]
fn weights_that_count_backwards_are_told() {
    let script = "vrrp_script s {\nscript \"/bin/true\"\nweight 5\n}";
    let imported = imported(&instance(script, "track_script {\ns weight 5 reverse\n}"));
    assert!(imported.lost[0].contains("reverse"), "{:?}", imported.lost);
    assert!(
        !imported.text.contains("[[instances.VI_1.track]]"),
        "{}",
        imported.text
    );
}

#[test]
fn its_own_interface_is_tracked_anyway() {
    let delays = "interface_up_down_delays {\neth0 1 2\n}";
    let text = imported(&instance(delays, "track_interface {\neth0\n}")).text;
    let loaded = read(&text, None);
    let track = &loaded.cluster.instances[0].interfaces[0];
    assert_eq!(track.down_delay, std::time::Duration::from_secs(1));
    assert_eq!(track.up_delay, std::time::Duration::from_secs(2));
    let weighted = imported(&instance("", "track_interface {\neth0 weight -5\n}"));
    assert_eq!(weighted.lost.len(), 1);
}

#[test]
fn ipv6_lists_begin_with_a_link_local_address() {
    let with = |addresses: &str| {
        let text = instance("", "").replace("192.0.2.1", addresses);
        let table = instance_of(&text);
        table["virtual-addresses"].to_string()
    };
    assert_eq!(
        with("fe80::5\n2001:db8::5/64"),
        r#"["fe80::5", "2001:db8::5/64"]"#
    );
    assert_eq!(
        with("2001:db8::5/64\nfe80::5"),
        r#"["fe80::5", "2001:db8::5/64"]"#
    );
    assert_eq!(with("2001:db8::5/64"), r#"["fe80::33", "2001:db8::5/64"]"#);
}

#[test]
fn scripts_of_nobody_are_not_run() {
    let imported = imported(&instance("vrrp_script s {\nscript \"/bin/true\"\n}", ""));
    assert_eq!(imported.lost, Vec::<String>::new());
    assert!(
        imported.text.contains("nothing tracks it"),
        "{}",
        imported.text
    );
    assert!(!imported.text.contains("[checks."), "{}", imported.text);
}
