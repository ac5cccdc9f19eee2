//! What wasmtime generates from `wit/plugin.wit`.
//! One world with both exports, so that checks and hooks share every type.

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package vrrp-host:sandbox;
        world module {
            include vrrp-host:plugin/capabilities@0.1.0;
            export vrrp-host:plugin/checker@0.1.0;
            export vrrp-host:plugin/notifier@0.1.0;
        }
    ",
    imports: {
        "vrrp-host:plugin/process.find": async | trappable,
        "vrrp-host:plugin/systemd.get": async | trappable,
        "vrrp-host:plugin/stream.[method]connection.read": async | trappable,
        "vrrp-host:plugin/stream.[method]connection.start-tls": async | trappable,
        "vrrp-host:plugin/stream.[method]connection.write": async | trappable,
        "vrrp-host:plugin/stream.[static]connection.tcp": async | trappable,
        "vrrp-host:plugin/stream.[static]connection.unix": async | trappable,
        "vrrp-host:plugin/systemd-control.run": async | trappable,
        "vrrp-host:plugin/dns.query": async | trappable,
        "vrrp-host:plugin/udp.exchange": async | trappable,
        "vrrp-host:plugin/http.send": async | trappable,
        "vrrp-host:plugin/icmp.ping": async | trappable,
        "vrrp-host:plugin/files.read": async | trappable,
        "vrrp-host:plugin/files.modified-unix-ms": async | trappable,
        "vrrp-host:plugin/exec.run": async | trappable,
        "vrrp-host:plugin/link.get": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: { "vrrp-host:plugin/stream.connection": crate::capability::stream::Connection },
    additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
});

pub(crate) use exports::vrrp_host::plugin::{checker, notifier};
pub(crate) use vrrp_host::plugin as imports;
