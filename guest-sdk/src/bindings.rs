//! The contract in Rust, generated from `wit/plugin.wit`.
//!
//! The imports are generated once and shared by both roles; `check` and `hook` add the exports of
//! their world. A module's crate expands the export macro of one of them, so the linker describes
//! one world in the component and drops every import that the module never calls.

pub(crate) mod imports {
    wit_bindgen::generate!({
        path: "../wit",
        world: "capabilities",
        additional_derives: [PartialEq],
        generate_all,
    });
}

macro_rules! role {
    ($world:tt, $export_macro:tt, { $($interfaces:tt)* }) => {
        wit_bindgen::generate!({
            path: "../wit",
            world: $world,
            additional_derives: [PartialEq],
            generate_unused_types: true,
            pub_export_macro: true,
            export_macro_name: $export_macro,
            with: {
                "vrrp-host:plugin/log@0.1.0": crate::bindings::imports::vrrp_host::plugin::log,
                "vrrp-host:plugin/clock@0.1.0": crate::bindings::imports::vrrp_host::plugin::clock,
                "vrrp-host:plugin/process@0.1.0": crate::bindings::imports::vrrp_host::plugin::process,
                "vrrp-host:plugin/systemd@0.1.0": crate::bindings::imports::vrrp_host::plugin::systemd,
                "vrrp-host:plugin/systemd-control@0.1.0": crate::bindings::imports::vrrp_host::plugin::systemd_control,
                "vrrp-host:plugin/net@0.1.0": crate::bindings::imports::vrrp_host::plugin::net,
                "vrrp-host:plugin/stream@0.1.0": crate::bindings::imports::vrrp_host::plugin::stream,
                "vrrp-host:plugin/udp@0.1.0": crate::bindings::imports::vrrp_host::plugin::udp,
                "vrrp-host:plugin/dns@0.1.0": crate::bindings::imports::vrrp_host::plugin::dns,
                "vrrp-host:plugin/icmp@0.1.0": crate::bindings::imports::vrrp_host::plugin::icmp,
                "vrrp-host:plugin/http@0.1.0": crate::bindings::imports::vrrp_host::plugin::http,
                "vrrp-host:plugin/files@0.1.0": crate::bindings::imports::vrrp_host::plugin::files,
                "vrrp-host:plugin/exec@0.1.0": crate::bindings::imports::vrrp_host::plugin::exec,
                "vrrp-host:plugin/link@0.1.0": crate::bindings::imports::vrrp_host::plugin::link,
                "vrrp-host:plugin/state@0.1.0": crate::bindings::imports::vrrp_host::plugin::state,
                "vrrp-host:plugin/metrics@0.1.0": crate::bindings::imports::vrrp_host::plugin::metrics,
                $($interfaces)*
            },
        });
    };
}

pub mod check {
    role!("check", "export_check", {
        "vrrp-host:plugin/types@0.1.0": generate,
        "vrrp-host:plugin/checker@0.1.0": generate,
    });
}

pub mod hook {
    role!("hook", "export_hook", {
        "vrrp-host:plugin/types@0.1.0": crate::bindings::check::vrrp_host::plugin::types,
        "vrrp-host:plugin/notifier@0.1.0": generate,
    });
}
