//! Files and command lines that are wrong: each is told with its place and what to write instead, and starts nothing.

use std::path::{Path, PathBuf};

use e2e::refused::Attempt;
use e2e::stage::{FIRST, SHARED, Stage, cluster};
use e2e::wire::advertisements;
use hostile::Guests;

/// A file, and what has to be said of it.
struct Case {
    cluster_toml: String,
    says: &'static [&'static str],
}

/// What the configuration alone shows.
fn wrong_files() -> Vec<Case> {
    let case = |cluster_toml, says| Case { cluster_toml, says };
    vec![
        // An unknown key.
        case(
            cluster("priorty = 100"),
            &[
                "error: ",
                " --> cluster.toml:10:1\n",
                "priorty = 100\n",
                "^^^^^^^",
                "`priority`",
            ],
        ),
        // A wrong type.
        case(
            cluster("preempt = \"yes\""),
            &[
                "error: `preempt` must be true or false\n",
                " --> cluster.toml:10:11\n",
                "preempt = \"yes\"\n",
                "^^^^^ this is a string",
                "help: write `preempt = true` or `preempt = false`\n",
            ],
        ),
        // Priority 0.
        case(
            cluster("priority = 0"),
            &[
                "error: the priority cannot be 0\n",
                " --> cluster.toml:10:12\n",
                "priority = 0\n",
                "write a number from 1 to 254",
            ],
        ),
        // Priority 256.
        case(
            cluster("priority = 256"),
            &[
                "error: the priority cannot be 256\n",
                " --> cluster.toml:10:12\n",
                "priority = 256\n",
                "write a number from 1 to 254",
            ],
        ),
        // Two instances with one VRID.
        case(
            cluster(
                "[instances.VI_2]\n\
                 interface = \"eth0\"\n\
                 virtual-router-id = 51\n\
                 virtual-addresses = [\"192.0.2.101\"]",
            ),
            &[
                "error: ",
                " --> cluster.toml:12:21\n",
                "virtual-router-id = 51\n",
                "VI_1",
            ],
        ),
        // A file that ends too early.
        case(
            cluster("[[instances.VI_1.track"),
            &[
                "error: ",
                " --> cluster.toml:10:",
                "[[instances.VI_1.track\n",
            ],
        ),
    ]
}

#[test]
fn what_is_wrong_in_the_file_is_shown_where_it_stands_with_what_to_write() {
    let stage = Stage::new().expect("the laboratory works");
    for Case { cluster_toml, says } in wrong_files() {
        let attempt = Attempt::new(cluster_toml);
        let refusal = attempt.start(&stage.first);
        refusal.assert_says(78, says);
        attempt.assert_nothing_started(&stage.first);

        let checked = attempt.check_config(&stage.first);
        assert_eq!(checked.code, Some(78), "{checked}");
        assert_eq!(checked.stderr, refusal.stderr);
    }
}

#[test]
fn what_is_wrong_with_a_module_is_shown_where_the_file_names_it() {
    let stage = Stage::new().expect("the laboratory works");
    let whole = std::fs::read(author()).expect("the guests were built");
    for (content, says) in [
        (None, "own.wasm: No such file"),
        (Some(&whole[..whole.len() / 2]), "unexpected end-of-file"),
        (Some(&b"no module\n"[..]), "the module is not WebAssembly"),
        (Some(&b""[..]), "the module is not WebAssembly"),
    ] {
        let attempt = Attempt::new(cluster(
            "track = [{ check = \"own\" }]\n\
             [checks.own]\n\
             module = \"./own.wasm\"",
        ));
        if let Some(content) = content {
            attempt.write("own.wasm", content);
        }
        for refusal in [
            attempt.start(&stage.first),
            attempt.check_config(&stage.first),
        ] {
            refusal.assert_says(
                78,
                &[
                    says,
                    " --> cluster.toml:12:10\n",
                    "module = \"./own.wasm\"\n",
                    "^^^^^^^^^^^^",
                ],
            );
        }
        attempt.assert_nothing_started(&stage.first);
    }
}

#[test]
fn what_a_module_does_not_accept_is_shown_where_it_is_written() {
    let stage = Stage::new().expect("the laboratory works");
    let module = author();
    let modules = [
        ("process", ""),
        (module.to_str().expect("UTF-8"), "allow = [\"process:x\"]"),
    ];
    for (module, allow) in modules {
        let attempt = Attempt::new(cluster(&format!(
            "track = [{{ check = \"own\" }}]\n\
             [checks.own]\n\
             module = \"{module}\"\n\
             config = {{ nam = \"x\" }}\n{allow}"
        )));
        for refusal in [
            attempt.start(&stage.first),
            attempt.check_config(&stage.first),
        ] {
            refusal.assert_says(
                78,
                &[
                    " --> cluster.toml:13:18\n",
                    "config = { nam = \"x\" }\n",
                    "nam",
                    "name",
                ],
            );
        }
        attempt.assert_nothing_started(&stage.first);
    }
}

#[test]
fn an_interface_that_does_not_exist_is_shown_and_not_a_packet_leaves_the_host() {
    let stage = Stage::new().expect("the laboratory works");
    let mut capture = stage.segment.capture().expect("tcpdump works");
    // The other instance could run: nothing is started half-way.
    let attempt = Attempt::new(cluster(
        "[instances.VI_2]\n\
         interface = \"eth9\"\n\
         virtual-router-id = 52\n\
         virtual-addresses = [\"192.0.2.101\"]",
    ));
    let refusal = attempt.start(&stage.first);
    refusal.assert_says(
        78,
        &[
            "error: this host has no interface eth9\n",
            " --> cluster.toml:11:13\n",
            "interface = \"eth9\"\n",
            "^^^^^^",
            "did you mean `eth0`? It has `lo` and `eth0`",
        ],
    );
    attempt.assert_nothing_started(&stage.first);
    let frames = capture.frames().expect("tshark works");
    assert_eq!(advertisements(&frames, FIRST), []);
    let asked = |frame: &lab::Frame| {
        frame
            .gratuitous_arp()
            .is_some_and(|arp| arp.sender == SHARED)
    };
    assert!(!frames.iter().any(asked), "{frames:#?}");
}

#[test]
fn every_error_is_told_at_once() {
    let stage = Stage::new().expect("the laboratory works");
    let attempt = Attempt::new(cluster(
        "priority = 0\n\
         preempt = 1\n\
         [checks.own]\n\
         modul = \"process\"",
    ));
    for refusal in [
        attempt.start(&stage.first),
        attempt.check_config(&stage.first),
    ] {
        refusal.assert_says(
            78,
            &[
                "cluster.toml:10:12\n",
                "cluster.toml:11:11\n",
                "cluster.toml:13:1\n",
                "cluster.toml: 3 errors\n",
            ],
        );
    }
    // Errors of modules, too.
    let attempt = Attempt::new(cluster(
        "track = [{ check = \"one\" }, { check = \"two\" }]\n\
         [checks.one]\n\
         module = \"process\"\n\
         config = { nam = \"x\" }\n\
         [checks.two]\n\
         module = \"http\"\n\
         config = { url = 5 }",
    ));
    for refusal in [
        attempt.start(&stage.first),
        attempt.check_config(&stage.first),
    ] {
        refusal.assert_says(78, &["cluster.toml:13:", "cluster.toml:16:", " errors\n"]);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let stage = Stage::new().expect("the laboratory works");
    let attempt = Attempt::new("");
    let unwritten = "No such file or directory (os error 2); `vrrp-host init --output nowhere.toml` writes one to begin with";
    for (file, says) in [("nowhere.toml", unwritten), (".", "Is a directory")] {
        for refusal in [
            attempt.run(&stage.first, &["--config", file]),
            attempt.run(&stage.first, &["check-config", file]),
        ] {
            refusal.assert_says(78, &[file, says]);
        }
    }
    attempt.assert_nothing_started(&stage.first);
}

#[test]
fn a_wrong_command_line_is_told_with_the_right_one() {
    let stage = Stage::new().expect("the laboratory works");
    let attempt = Attempt::new(cluster(""));
    for (arguments, says) in [
        (&[][..], "vrrp-host --config cluster.toml"),
        (&[][..], "`vrrp-host init` writes one to begin with"),
        (&["stats"][..], "'status'"),
        (&["--confg", "cluster.toml"][..], "--config"),
        (&["check-config"][..], "vrrp-host check-config cluster.toml"),
        (&["--config"][..], "--config"),
    ] {
        let refusal = attempt.run(&stage.first, arguments);
        refusal.assert_says(64, &[says]);
    }
    attempt.assert_nothing_started(&stage.first);
}

#[test]
fn status_without_a_daemon_says_so() {
    let stage = Stage::new().expect("the laboratory works");
    let attempt = Attempt::new(cluster(""));
    let refusal = attempt.run(&stage.first, &["status", "--json"]);
    let control = attempt.control().display().to_string();
    refusal.assert_says(75, &["no vrrp-host answers", &control]);
    assert_eq!(refusal.stdout, "");
}

fn author() -> PathBuf {
    Guests::build(Path::new(env!("CARGO_TARGET_TMPDIR"))).file("author")
}
