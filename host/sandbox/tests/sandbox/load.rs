//! What is refused before it runs, and what the operator reads then.

use serde_json::json;
use vrrp_sandbox::{
    CompileError, Compiler, EngineConfig, EngineKind, Grants, Limits, LoadError, Outline, Trigger,
};

use crate::support::{
    TestHost, artifact, doing, engine, engine_config, listed, patient, setup, summary, try_check,
    wasm,
};

async fn refused(guest: &str, config: serde_json::Value, grants: Grants) -> LoadError {
    try_check(&TestHost::new(), guest, config, grants, patient())
        .await
        .expect_err("it must not load")
}

#[tokio::test]
async fn a_module_that_follows_the_contract_loads() {
    let config = json!({ "needs": ["process:named"], "watch": ["named"] });
    let host = TestHost::new();
    let check = try_check(
        &host,
        "hostile",
        config,
        listed(&["process:named"]),
        patient(),
    )
    .await
    .unwrap();
    assert_eq!(check.metadata().name, "hostile name");
    assert_eq!(check.plan().needs, ["process:named".parse().unwrap()]);
    assert_eq!(
        check.plan().triggers,
        [Trigger::ProcessExited("named".to_owned())]
    );
}

#[tokio::test]
async fn an_import_without_a_grant_is_told_with_the_line_to_paste() {
    let config = json!({ "needs": ["process:named", "http:GET http://127.0.0.1:8080/health", "unit:named"] });
    let text = refused("curious", config, listed(&["process:named"]))
        .await
        .to_string();
    assert!(text.contains("imports `vrrp-host:plugin/"), "{text}");
    let line = r#"allow = ["process:named", "http:GET http://127.0.0.1:8080/health", "unit:named.service"]"#;
    assert!(text.contains(line), "{text}");
}

#[tokio::test]
async fn an_import_without_a_grant_is_told_even_when_the_module_says_nothing() {
    let error = refused(
        "curious",
        json!({}),
        listed(&["unit:a", "http:GET http://h/"]),
    )
    .await;
    let LoadError::ImportNotGranted { import, hint } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(import, "vrrp-host:plugin/process@0.1.0");
    assert_eq!(hint, r#"allow = ["process:NAME"]"#);
}

#[tokio::test]
async fn a_need_without_a_grant_is_told_with_the_line_to_paste() {
    let config = json!({ "needs": ["process:named", "process:other"] });
    let error = refused("hostile", config, listed(&["process:named"])).await;
    assert_eq!(
        error.to_string(),
        "the module needs `process:other`, which nothing in `allow` grants; \
         to allow it write allow = [\"process:named\", \"process:other\"]"
    );
}

#[tokio::test]
async fn a_trigger_takes_a_grant_too() {
    let error = refused("hostile", json!({ "watch": ["named"] }), listed(&[])).await;
    assert!(
        matches!(&error, LoadError::NotGranted { hint, .. } if hint == r#"allow = ["process:named"]"#),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_need_in_unknown_words_is_refused() {
    let error = refused(
        "hostile",
        json!({ "needs": ["everything"] }),
        Grants::FromConfig,
    )
    .await;
    assert!(matches!(error, LoadError::InvalidNeed(_)), "{error:?}");
}

#[tokio::test]
async fn a_capability_of_a_later_version_is_told_as_such() {
    for grants in [Grants::FromConfig, listed(&["dns:example.com"])] {
        let text = refused("early", json!({}), grants).await.to_string();
        assert!(text.contains("vrrp-host:plugin/psi@0.1.0"), "{text}");
        assert!(text.contains("not available in this version"), "{text}");
    }
}

#[tokio::test]
async fn a_hook_is_not_a_check() {
    let text = refused("hook", json!({}), Grants::FromConfig)
        .await
        .to_string();
    assert_eq!(text, "the module is not a check: it is a hook");

    let setup = setup(&TestHost::new(), doing(""), Grants::FromConfig, patient());
    let text = engine()
        .load_hook(&artifact("hostile"), setup)
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(text, "the module is not a hook: it is a check");
}

#[tokio::test]
async fn functions_of_other_types_than_the_contract_has_are_told() {
    let text = refused("mistyped", json!({}), Grants::FromConfig)
        .await
        .to_string();
    assert_eq!(
        text,
        "the module cannot export the functions of the contract"
    );
}

#[tokio::test]
async fn a_large_component_loads_while_it_is_not_too_large() {
    let config = engine_config();
    let compiler = Compiler::new(&config).unwrap();
    let too_large = hostile::pad(&wasm("hostile"), (32 << 20) + 1);
    assert_eq!(
        compiler.compile(&too_large).unwrap_err().to_string(),
        "the module has 33554433 bytes, more than the 33554432 that are allowed"
    );
    let large = hostile::pad(&wasm("hostile"), 30 << 20);
    let folder = tempfile::tempdir().unwrap();
    let cache = vrrp_sandbox::CompiledCache::new(folder.path());
    let key = compiler.cache_key(&large);
    cache
        .store(&key, &compiler.compile(&large).unwrap())
        .unwrap();
    let setup = setup(&TestHost::new(), doing(""), Grants::FromConfig, patient());
    let check = engine().load_check(&cache.load(&key).unwrap(), setup).await;
    assert_eq!(summary(&check.unwrap()).await, "fine");
}

#[tokio::test]
async fn errors_in_the_config_keep_their_pointer() {
    let error = refused(
        "hostile",
        json!({ "configure": "refuse" }),
        Grants::FromConfig,
    )
    .await;
    assert_eq!(
        error.to_string(),
        "the module refuses its config: /do: no such thing"
    );
    let LoadError::Config(errors) = error else {
        panic!("{error:?}");
    };
    assert_eq!(errors[0].pointer, "/do");
}

#[tokio::test]
async fn a_limit_beyond_the_engine_is_refused() {
    let limits = Limits {
        memory: 1 << 30,
        ..patient()
    };
    let host = TestHost::new();
    let error = try_check(&host, "hostile", doing(""), Grants::FromConfig, limits)
        .await
        .unwrap_err();
    assert!(matches!(error, LoadError::MemoryLimit { .. }), "{error:?}");
}

#[test]
fn a_component_that_was_cut_off_is_refused() {
    let whole = wasm("early");
    let compiler = Compiler::new(&engine_config()).unwrap();
    // None of these is between two sections: what such a cut leaves is a component, which exports nothing.
    for length in [9, 15, whole.len() / 2, whole.len() - 1] {
        let outcome = compiler.compile(&whole[..length]);
        assert!(
            matches!(outcome, Err(CompileError::Invalid(_))),
            "cut at {length}"
        );
    }
}

#[tokio::test]
async fn code_compiled_for_another_engine_is_refused() {
    let ours = engine_config();
    let smaller = EngineConfig {
        memory_max: 1 << 20,
        ..ours
    };
    let of_the_other_kind = EngineConfig {
        kind: match ours.kind {
            EngineKind::Native => EngineKind::Pulley,
            EngineKind::Pulley => EngineKind::Native,
        },
        ..ours
    };
    let wasm = wasm("early");
    for other in [smaller, of_the_other_kind] {
        let compiler = Compiler::new(&other).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cache = vrrp_sandbox::CompiledCache::new(folder.path());
        let key = compiler.cache_key(&wasm);
        assert_ne!(key, engine().cache_key(&wasm), "{other:?}");
        cache
            .store(&key, &compiler.compile(&wasm).unwrap())
            .unwrap();
        let setup = setup(&TestHost::new(), doing(""), Grants::FromConfig, patient());
        let error = engine()
            .load_check(&cache.load(&key).unwrap(), setup)
            .await
            .unwrap_err();
        assert!(
            matches!(error, LoadError::ArtifactIncompatible(_)),
            "{other:?}: {error:?}"
        );
    }
}

#[test]
fn the_outline_of_a_component_is_read_without_running_it() {
    let outline = Outline::read(&wasm("curious")).unwrap();
    let ours = |names: &[String]| {
        let names = names.iter().map(String::as_str);
        let mut ours: Vec<_> = names
            .filter_map(|name| name.strip_prefix("vrrp-host:plugin/"))
            .map(str::to_owned)
            .collect();
        ours.sort();
        ours
    };
    assert_eq!(
        ours(&outline.imports),
        [
            "http@0.1.0",
            "net@0.1.0",
            "process@0.1.0",
            "systemd@0.1.0",
            "types@0.1.0"
        ]
    );
    assert_eq!(ours(&outline.exports), ["checker@0.1.0"]);
    let mut forms = outline.grant_forms();
    forms.sort_unstable();
    assert_eq!(
        forms,
        ["http:METHOD URL-PREFIX", "process:NAME", "unit:NAME"]
    );
    assert_eq!(Outline::read(b"(component)"), Err(CompileError::NotWasm));
}
