//! Registries that want more than to be asked, and other tools that speak with them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use e2e::authority::Authority;
use e2e::desk::{Desk, REPOSITORY};
use e2e::path::utf8;
use e2e::registry::Registry;
use hostile::Guests;
use serde_json::json;

const PAGE: &str = include_str!("../../../docs/sharing-modules.md");

#[test]
fn a_registry_is_believed_by_an_authority_of_ones_own() {
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let registry = Registry::start_with_tls(&own);
    let desk = Desk::new(PAGE, &registry);
    own.write(desk.path("own-ca.pem"));
    other.write(desk.path("other-ca.pem"));
    let pushed = desk.push(&guest("author"), "1.1.0", &["--ca-file", "own-ca.pem"]);
    let command = &desk.section("Passwords, own authorities, and registries without TLS")[1];

    let wrong = command.replace("own-ca.pem", "other-ca.pem");
    let address = registry.address();
    let told = format!("{address} shows a certificate that is not good: invalid peer certificate:");
    let help = "; --ca-file names the authority when it is one of your own";
    desk.sh(&wrong).assert_says(78, &[&told, help]);
    let missing = command.replace("own-ca.pem", "no-ca.pem");
    desk.sh(&missing)
        .assert_says(64, &["cannot read no-ca.pem: No such file"]);
    desk.write("no-ca.pem", "no certificate\n");
    let none = "no-ca.pem has no certificate in PEM form";
    desk.sh(&missing).assert_says(64, &[none]);
    // Without an authority, a registry on this host is spoken to without TLS.
    let plain = desk.add(&desk.reference("1.1.0"), &[]);
    plain.assert_says(75, &[&desk.reference("1.1.0")]);
    desk.assert_nothing_added();

    let added = desk.sh(command).assert_done();
    assert!(added.contains(&pushed), "{added}");
    assert_eq!(desk.stored().len(), 1);
}

#[test]
fn a_token_lets_its_bearer_do_what_it_is_for() {
    let registry = Registry::start_with_tokens();
    let desk = Desk::new(PAGE, &registry);
    desk.write("push", registry.token(REPOSITORY, r#""pull","push""#));
    desk.write("pull", registry.token(REPOSITORY, r#""pull""#));
    desk.write("other", registry.token("checks/other", r#""pull""#));
    let (component, reference) = (guest("author"), desk.reference("1.0.0"));
    let push = [
        "module",
        "push",
        utf8(&component),
        &reference,
        "--token-file",
    ];
    let address = registry.address();
    let refused = format!("{address} refuses the token");
    desk.vrrp_host(&[&push[..], &["pull"]].concat())
        .assert_says(77, &[&refused]);
    desk.vrrp_host(&[&push[..], &["push"]].concat())
        .assert_done();

    for file in ["other", "/dev/null"] {
        let added = desk.add(&reference, &["--token-file", file]);
        added.assert_says(77, &[&refused]);
    }
    desk.assert_nothing_added();
    desk.add(&reference, &["--token-file", "pull"])
        .assert_done();
    assert_eq!(desk.stored().len(), 1);
}

#[test]
fn a_module_that_another_tool_has_copied_is_the_same_and_still_signed() {
    let (ours, theirs) = (Registry::start(), Registry::start());
    let author = Desk::new(PAGE, &ours);
    let key = author.key("author");
    let pushed = author.push(&guest("author"), "1.0.0", &["--sign", "author.key"]);
    let user = Desk::new(PAGE, &theirs);
    let image = |registry: SocketAddr| format!("docker://{registry}/{REPOSITORY}:1.0.0");
    // By way of a folder, so that all of it goes through the other tool's hands.
    let copy = "skopeo --insecure-policy copy --src-tls-verify=false --dest-tls-verify=false";
    user.sh(&format!(
        "{copy} {} oci:layout:module",
        image(ours.address())
    ))
    .assert_done();
    user.sh(&format!(
        "{copy} oci:layout:module {}",
        image(theirs.address())
    ))
    .assert_done();
    let added = user.add(&user.reference("1.0.0"), &["--key", &key]);
    let added = added.assert_done();
    let (_, digest) = pushed.split_once('@').expect("a push prints the digest");
    assert!(added.contains(digest), "{added}");
    assert_eq!(user.stored().len(), 1);
}

/// Config and manifest are as the crate oci-wasm, and with it wkg, writes them.
#[test]
fn a_module_that_another_tool_has_made_is_taken() {
    let registry = Registry::start();
    let desk = Desk::new(PAGE, &registry);
    let component = fs::read(guest("author")).expect("it was built");
    fs::create_dir_all(desk.path("layout/blobs/sha256")).expect("a folder can be made");
    desk.write("layout/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    let put = |bytes: &[u8]| {
        desk.write("layout/blob", bytes);
        let moved = desk.sh(
            "cd layout; digest=$(sha256sum blob | cut -c -64); mv blob blobs/sha256/$digest; echo sha256:$digest",
        );
        (moved.assert_done().trim().to_owned(), bytes.len())
    };
    let described = |media_type: &str, (digest, size): (String, usize)| json!({ "mediaType": media_type, "digest": digest, "size": size });
    let layer = put(&component);
    let config = json!({
        "created": "2025-11-24T10:00:00.123456789Z",
        "author": "somebody",
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [layer.0],
        "component": { "exports": [], "imports": [], "target": null },
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described("application/vnd.wasm.config.v0+json", put(config.to_string().as_bytes())),
        "layers": [described("application/wasm", layer)],
        "annotations": { "org.opencontainers.image.version": "1.0.0" },
    });
    let mut manifest = described(
        "application/vnd.oci.image.manifest.v1+json",
        put(manifest.to_string().as_bytes()),
    );
    let digest = manifest["digest"].as_str().unwrap_or_default().to_owned();
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "module" });
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    desk.write("layout/index.json", index.to_string());
    desk.sh(&format!(
        "skopeo --insecure-policy copy --dest-tls-verify=false oci:layout:module docker://{}/{REPOSITORY}:1.0.0",
        registry.address()
    ))
    .assert_done();
    let added = desk.add(&desk.reference("1.0.0"), &[]).assert_done();
    assert!(added.contains(&digest), "{added}");
}

fn guest(name: &str) -> PathBuf {
    Guests::build(Path::new(env!("CARGO_TARGET_TMPDIR"))).file(name)
}
