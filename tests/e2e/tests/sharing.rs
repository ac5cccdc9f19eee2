//! Modules through registries, with Debian's: what the page about it says, and everything that can go wrong on the way.

#![expect(
    clippy::print_stdout,
    reason = "the figures that were measured are for whoever reads the test's output"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use e2e::daemon::Daemon;
use e2e::desk::{Desk, REPOSITORY, reference};
use e2e::path::utf8;
use e2e::registry::{Pretender, Registry, free_address};
use e2e::stage::{INSTANCE, Stage, cluster};
use hostile::Guests;
use lab::scenario::State;

const PAGE: &str = include_str!("../../../docs/sharing-modules.md");

#[test]
fn what_the_page_says_works_and_another_node_gets_exactly_the_same() {
    let registry = Registry::start();
    let author = Desk::new(PAGE, &registry);
    author.write(
        "queue.wasm",
        fs::read(guest("author")).expect("it was built"),
    );
    author.run_section("The author").assert_done();

    let first = Desk::new(PAGE, &registry);
    first.copy(&author, "queue.pub");
    first.write("cluster.toml", cluster(""));
    let told = first.section("The first node")[0].clone();
    let printed = first.sh(&told).assert_done();
    let lines: Vec<&str> = printed.lines().collect();
    let [module, allow] = lines[..] else {
        panic!("{printed}")
    };
    let start = format!(
        "module = \"oci://{}/{REPOSITORY}:1.0.0@sha256:",
        registry.address()
    );
    assert!(module.starts_with(&start), "{module}");
    assert_eq!(allow, "allow  = [\"process:NAME\"]");
    let lock = first.read("modules.lock");
    let digest = digest_in(module);
    let size = fs::metadata(guest("author")).expect("it is there").len();
    let key = first.read("queue.pub");
    let key = key.lines().last().expect("a key has two lines");
    for line in [
        format!(
            "reference = \"oci://{}/{REPOSITORY}:1.0.0\"",
            registry.address()
        ),
        format!("digest = \"{digest}\""),
        format!("size = {size}"),
        format!("signed-by = \"{}\"", key_id(&first.read("queue.pub"))),
    ] {
        assert!(lock.contains(&line), "{line} is missing in {lock}");
    }
    let file = cluster(&format!(
        "track = [{{ check = \"queue\" }}]\n\
         [modules]\nkey = \"{key}\"\n\
         [checks.queue]\n{module}\nallow = [\"process:no-such-process\"]\n\
         config = {{ name = \"no-such-process\" }}\n"
    ));
    first.write("cluster.toml", &file);
    first.sh(&first.section("The first node")[1]).assert_done();

    let second = Desk::new(PAGE, &registry);
    second.copy(&first, "cluster.toml");
    second.copy(&first, "modules.lock");
    let add = format!(
        "vrrp-host module add {} --config cluster.toml --state-dir {}",
        &module["module = \"".len()..module.len() - 1],
        second.state().display()
    );
    second
        .vrrp_host(&["check-config", "cluster.toml"])
        .assert_says(78, &["this node does not have the module", &add]);
    let added = second.run_section("The other nodes").assert_done();
    assert!(added.ends_with(&format!("@{digest}: added\n")), "{added}");
    let again = second.run_section("The other nodes").assert_done();
    assert!(again.ends_with(&format!("@{digest}: is here\n")), "{again}");
    assert_eq!(second.stored(), first.stored());
    assert_eq!(second.read("modules.lock"), lock);

    let third = Desk::new(PAGE, &registry);
    third.copy(&first, "cluster.toml");
    third
        .sh(&add.replace(utf8(&second.state()), utf8(&third.state())))
        .assert_done();
    assert_eq!(third.read("modules.lock"), lock);

    // No registry can be reached from the network that the daemon is in.
    let stage = Stage::new().expect("the laboratory works");
    let daemon = Daemon::start_with_state(&stage.second, "second", &file, &second.state());
    daemon.wait_for_state(INSTANCE, State::Master);
    let status = daemon.wait_for("the check to pass", |status| {
        status["checks"]["queue"]["verdict"] == "passing"
    });
    println!("{}", status["checks"]["queue"]);
    drop(daemon);

    author.write(
        "queue.wasm",
        fs::read(guest("curious")).expect("it was built"),
    );
    author.sh(&author.section("An update")[0]).assert_done();
    let update = first.section("An update")[1].clone();
    let printed = first.sh(&update).assert_done();
    assert!(printed.contains("queue:1.1.0@sha256:"), "{printed}");
    assert_eq!(first.stored().len(), 2);
    let references = [module, printed.lines().next().unwrap_or_default()]
        .map(|line| line.trim_start_matches("module = ").trim_matches('"'));
    let [old, new] = references;
    let more = first.vrrp_host(&["module", "diff", old, new]);
    assert_eq!(more.status.code(), Some(1), "{more:#?}");
    let import = "+ import vrrp-host:plugin/http@0.1.0, takes http:METHOD URL-PREFIX\n";
    assert!(more.stdout.contains(import), "{more:#?}");
    let same = first.vrrp_host(&["module", "diff", old, old]);
    assert_eq!(same.assert_done(), "nothing is newly asked for\n");
    assert_eq!(first.read("modules.lock").matches("[[module]]").count(), 2);
}

#[test]
fn a_module_that_is_not_what_it_should_be_is_refused_and_leaves_nothing() {
    let registry = Registry::start();
    let desk = Desk::new(PAGE, &registry);
    let (known, other) = (desk.key("known"), desk.key("other"));
    let signed = desk.push(&guest("author"), "signed", &["--sign", "known.key"]);
    let unsigned = desk.push(&guest("curious"), "unsigned", &[]);
    let forged = {
        let mut manifest = registry.manifest(REPOSITORY, "unsigned");
        manifest["annotations"] = registry.manifest(REPOSITORY, "signed")["annotations"].clone();
        registry.put_manifest(REPOSITORY, "forged", &manifest);
        desk.reference("forged")
    };
    let image = {
        let mut manifest = registry.manifest(REPOSITORY, "unsigned");
        manifest["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json".into();
        registry.put_manifest(REPOSITORY, "image", &manifest);
        desk.reference("image")
    };
    let elsewhere = format!("{}@sha256:{}", desk.reference("signed"), "0".repeat(64));
    let key = |pair: &str| ["--key".to_owned(), pair.to_owned()];
    let cases: [(&str, &[String], &str); 6] = [
        (&elsewhere, &[], "has no oci://"),
        (&desk.reference("no-such-tag"), &[], "has no oci://"),
        (
            &image,
            &[],
            "it is a application/vnd.oci.image.config.v1+json, not a module",
        ),
        (&signed, &key(&other), "the module is signed by "),
        (
            &unsigned,
            &key(&known),
            "the module is not signed, and only modules signed by key ",
        ),
        (
            &forged,
            &key(&known),
            "the signature of the module is wrong: ",
        ),
    ];
    for (reference, more, says) in cases {
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        desk.add(reference, &more).assert_says(78, &[says]);
        desk.assert_nothing_added();
    }

    // A registry whose disk somebody has got at.
    let blob = |tag: &str| {
        let manifest = registry.manifest(REPOSITORY, tag);
        let digest = manifest["layers"][0]["digest"].as_str();
        registry.blob(digest.expect("a layer has one"))
    };
    let component = fs::read(blob("signed")).expect("it is there");
    let mut tampered = component.clone();
    let middle = tampered.len() / 2;
    tampered[middle] ^= 1;
    fs::write(blob("signed"), &tampered).expect("it can be written");
    desk.add(&signed, &key(&known).each_ref().map(String::as_str))
        .assert_says(78, &["the registry has given something else", "sha256:"]);
    desk.assert_nothing_added();
    tampered.extend_from_slice(&component);
    fs::write(blob("signed"), &tampered).expect("it can be written");
    desk.add(&signed, &[])
        .assert_says(78, &["the registry gives more than the "]);
    desk.assert_nothing_added();
    fs::write(blob("signed"), &component).expect("it can be written");

    // What the command took without asking for a signature, the daemon does not run when the file asks for one.
    desk.add(&unsigned, &[]).assert_done();
    let file = |module: &str, keys: &str| {
        cluster(&format!(
            "track = [{{ check = \"queue\" }}]\n{keys}\n\
             [checks.queue]\nmodule = \"{module}\"\n\
             allow = [\"process:a\", \"unit:a\", \"http:GET http://127.0.0.1/\"]\n"
        ))
    };
    let keys = format!("[modules]\nkeys = [\"{known}\", \"{other}\"]");
    desk.write("cluster.toml", file(&unsigned, ""));
    desk.vrrp_host(&["check-config", "cluster.toml"])
        .assert_done();
    desk.write("cluster.toml", file(&unsigned, &keys));
    for arguments in [
        &["check-config", "cluster.toml"][..],
        &["--config", "cluster.toml", "--node", "first"],
    ] {
        desk.vrrp_host(arguments).assert_says(
            78,
            &[
                "error: the module is not signed, and only modules signed by key ",
                "--> cluster.toml:14:10",
                "help: use a version that has such a signature",
            ],
        );
    }
    desk.add(&desk.reference("unsigned"), &[])
        .assert_says(78, &["the module is not signed"]);

    // Without its digest, a module is not accepted, and the lock knows it.
    desk.write("cluster.toml", file(&desk.reference("unsigned"), ""));
    let help = format!("help: modules.lock has it: write `module = \"{unsigned}\"`");
    desk.vrrp_host(&["check-config", "cluster.toml"])
        .assert_says(78, &["needs its digest", &help]);

    // A file of the store that was changed.
    desk.write("cluster.toml", file(&unsigned, ""));
    for name in ["module.wasm", "manifest.json"] {
        let path = desk.store().join(&desk.stored()[0]).join(name);
        let mut bytes = fs::read(&path).expect("it is there");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).expect("it can be written");
        let told = desk.vrrp_host(&["check-config", "cluster.toml"]);
        told.assert_says(
            78,
            &[
                "was changed: it has the digest sha256:",
                "this puts it back: `vrrp-host module add",
            ],
        );
        desk.vrrp_host(&["module", "add", "--locked", "--config", "cluster.toml"])
            .assert_done();
        desk.vrrp_host(&["check-config", "cluster.toml"])
            .assert_done();
    }
}

#[test]
fn a_registry_that_is_away_or_hangs_is_told_in_time_and_leaves_nothing() {
    let registry = Registry::start();
    let desk = Desk::new(PAGE, &registry);
    desk.push(&guest("author"), "1.0.0", &[]);

    let nobody = free_address();
    desk.add(&reference(nobody, "1.0.0"), &[])
        .assert_says(75, &[&format!("no registry answers at {nobody}")]);
    desk.assert_nothing_added();

    let silent = Pretender::silent().address();
    let halving = Pretender::halving(&registry).address();
    for (address, so_far) in [(silent, ""), (halving, " of ")] {
        let reference = reference(address, "1.0.0");
        let begun = Instant::now();
        let output = desk.add(&reference, &["--timeout", "2s"]);
        let took = begun.elapsed();
        println!("{address}: told after {took:?}");
        output.assert_says(
            75,
            &[
                &format!("downloading {reference}: 1s of at most 2s"),
                &format!("downloading {reference}: not done after 2s"),
                so_far,
                "; --timeout gives it longer",
            ],
        );
        assert!(took < Duration::from_secs(4), "{took:?}");
        desk.assert_nothing_added();
    }
    let begun = Instant::now();
    let wasm = guest("author");
    let pushed = desk.vrrp_host(&[
        "module",
        "push",
        utf8(&wasm),
        &reference(silent, "1.0.0"),
        "--timeout",
        "1s",
    ]);
    pushed.assert_says(75, &["not done after 1s"]);
    assert!(begun.elapsed() < Duration::from_secs(3));

    // Killed in the middle of a download.
    let mut child = desk
        .command()
        .args(["module", "add", &reference(halving, "1.0.0")])
        .args(["--config", "cluster.toml"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("vrrp-host can be run");
    let mut told = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    told.read_line(&mut line).expect("it says how far it is");
    assert!(line.contains(" of ") && line.contains("KiB"), "{line}");
    child.kill().expect("it runs");
    child.wait().expect("it was started");
    desk.assert_nothing_added();

    desk.add(&desk.reference("1.0.0"), &[]).assert_done();
}

#[test]
fn a_password_comes_from_a_file_or_from_docker_and_a_wrong_one_is_told() {
    let registry = Registry::start_with_password();
    let desk = Desk::new(PAGE, &registry);
    desk.write(
        "queue.wasm",
        fs::read(guest("author")).expect("it was built"),
    );
    desk.write("password", "secret\n");
    desk.write("wrong", "Secret\n");
    let page = desk.section("Passwords, own authorities, and registries without TLS");
    let wrong = page[0].replace("--password-file password", "--password-file wrong");
    let name = registry.address();
    desk.sh(&wrong).assert_says(
        77,
        &[&format!(
            "{name} refuses the name author with this password"
        )],
    );
    desk.sh(&page[0]).assert_done();

    let reference = desk.reference("1.1.0");
    desk.add(&reference, &[]).assert_says(
        77,
        &[&format!(
            "{name} wants a password: --username and --password-file, or `docker login {name}`"
        )],
    );
    desk.add(
        &reference,
        &["--username", "author", "--password-file", "wrong"],
    )
    .assert_says(77, &["refuses the name author"]);
    desk.assert_nothing_added();
    // `author:secret`, as `docker login` writes it.
    let config = format!("{{\"auths\":{{\"{name}\":{{\"auth\":\"YXV0aG9yOnNlY3JldA==\"}}}}}}");
    desk.write("config.json", config);
    desk.add(&reference, &[]).assert_done();
    assert_eq!(desk.stored().len(), 1);
}

#[test]
fn every_command_of_the_page_is_run_here() {
    let sections: Vec<_> = PAGE
        .split("\n## ")
        .filter(|section| section.contains("```sh"))
        .map(|section| section.lines().next().unwrap_or_default())
        .collect();
    assert_eq!(
        sections,
        [
            "The author",
            "The first node",
            "The other nodes",
            "An update",
            "Passwords, own authorities, and registries without TLS"
        ]
    );
}

/// `sha256:` and the digits, out of a longer text.
fn digest_in(text: &str) -> &str {
    let start = text.find("sha256:").expect("it has a digest");
    &text[start..start + "sha256:".len() + 64]
}

/// The id that minisign has written into a `.pub` file.
fn key_id(public_key: &str) -> String {
    let comment = public_key.lines().next().unwrap_or_default();
    let id = comment.rsplit(' ').next();
    id.expect("a key has a comment").to_owned()
}

fn guest(name: &str) -> PathBuf {
    Guests::build(Path::new(env!("CARGO_TARGET_TMPDIR"))).file(name)
}
