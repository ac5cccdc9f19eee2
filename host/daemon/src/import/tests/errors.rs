//! Files that cannot be parsed.

use expect_test::{Expect, expect};

use super::*;

#[track_caller]
fn refused(text: &str, expected: Expect) {
    match import(vec![input(None, "keepalived.conf", text)], &plain()) {
        Err(error @ ImportError::Invalid(_)) => expected.assert_eq(&error.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_block_that_is_not_closed_is_underlined() {
    refused(
        "vrrp_instance VI_1 {\n    interface eth0\n",
        expect![[r#"
            error: the block `vrrp_instance` is not closed
             --> keepalived.conf:1:1
              |
            1 | vrrp_instance VI_1 {
              | ^^^^^^^^^^^^^^^^^^^^
              |
              = help: write `}` at its end"#]],
    );
}

#[test]
fn a_brace_that_closes_nothing_is_underlined() {
    refused(
        "global_defs {\n}\n}\n",
        expect![[r#"
        error: this `}` closes nothing
         --> keepalived.conf:3:1
          |
        3 | }
          | ^
          |
          = help: leave it out, or open the block that it belongs to with `{`"#]],
    );
}

#[test]
fn a_brace_needs_a_keyword() {
    refused(
        "{\n}\n",
        expect![[r#"
        error: this `{` belongs to no keyword
         --> keepalived.conf:1:1
          |
        1 | {
          | ^
          |
          = help: write, for example, `vrrp_instance VI_1 {`"#]],
    );
}

#[test]
fn a_quote_has_an_end_on_its_line() {
    refused(
        "vrrp_script a {\n  script \"/bin/true\n}\n",
        expect![[r#"
            error: this text has no end
             --> keepalived.conf:2:3
              |
            2 |   script "/bin/true
              |   ^^^^^^^^^^^^^^^^^
              |
              = help: write `"` at its end, on the same line"#]],
    );
}

#[test]
fn a_loop_has_a_form() {
    refused(
        "~SEQ(X, 1, 0, 2) a\n",
        expect![[r#"
        error: this is not a loop
         --> keepalived.conf:1:1
          |
        1 | ~SEQ(X, 1, 0, 2) a
          | ^^^^^^^^^^^^^^^^^^
          |
          = help: write `~SEQ(NAME, FIRST, STEP, LAST) TEXT` or `~LST(NAME, VALUE, ...) TEXT`"#]],
    );
}

#[test]
fn definitions_do_not_go_round() {
    refused(
        "$A=${B}\n$B=${A}\nrouter_id ${A}\n",
        expect![[r#"
        error: the definitions that are used here go round in a circle
         --> keepalived.conf:1:1
          |
        1 | $A=${B}
          | ^^^^^^^
          |
          = help: write what they stand for"#]],
    );
}

#[test]
fn what_only_keepalived_knows_has_to_be_written() {
    refused(
        "global_defs {\n  router_id ${_ENV HOST}\n}\n",
        expect![[r#"
            error: ${_ENV HOST} is another text wherever keepalived is started
             --> keepalived.conf:2:3
              |
            2 |   router_id ${_ENV HOST}
              |   ^^^^^^^^^^^^^^^^^^^^^^
              |
              = help: write what it stands for on this node"#]],
    );
}

#[test]
fn definitions_that_double_each_other_end() {
    let mut text = "$A0=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n".to_owned();
    for index in 1..30 {
        text += &format!(
            "$A{index}=${{A{before}}}${{A{before}}}\n",
            before = index - 1
        );
    }
    text += "router_id ${A29}\n";
    refused(
        &text,
        expect![[r#"
        error: what the definitions stand for is longer than 8388608 bytes
          --> keepalived.conf:31:1
           |
        31 | router_id ${A29}
           | ^^^^^^^^^^^^^^^^
           |
           = help: write fewer repetitions"#]],
    );
}

#[test]
fn every_file_is_told() {
    let inputs = vec![
        input(None, "first.conf", "}\n"),
        input(None, "second.conf", "vrrp_instance A {\n"),
    ];
    let error = import(inputs, &plain()).unwrap_err().to_string();
    assert!(error.contains("first.conf:1:1"), "{error}");
    assert!(error.contains("second.conf:1:1"), "{error}");
}

#[test]
fn a_file_that_includes_itself_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keepalived.conf");
    let text = "include keepalived.conf\n";
    fs::write(&path, text).unwrap();
    let error = import(vec![input(None, path.to_str().unwrap(), text)], &plain()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("files are included more than 16 deep"),
        "{error}"
    );
}

#[test]
fn nodes_are_told_apart() {
    let text = instance("", "");
    let inputs = |names: [&str; 2]| names.map(|name| input(None, name, &text)).to_vec();
    let error = import(inputs(["a/keepalived.conf", "b/keepalived.conf"]), &plain()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a/keepalived.conf and b/keepalived.conf would both be the node `node`: write NODE=FILE for each, for example first=a/keepalived.conf"
    );
    let wanted = Wanted {
        addresses: vec![("third".to_owned(), "192.0.2.3".parse().unwrap())],
        ..plain()
    };
    let error = import(inputs(["first.conf", "second.conf"]), &wanted).unwrap_err();
    assert_eq!(
        error.to_string(),
        "--address: no file is of the node `third`"
    );
}
