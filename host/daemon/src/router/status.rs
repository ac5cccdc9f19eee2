//! The core's view of an instance, as the supervisor is told.

use vrrp::{AuthenticationCounters, GlobalCounters, InstanceCounters, InstanceId, Router};

use super::setup::Setup;
use super::vrid_conflicts;
use crate::ipc::{
    AuthenticationFailure, CheckProgress, FromRouter, InstanceStatus, InterfaceState, VridConflict,
};
use crate::lateness::Lateness;

/// Every part of the answer to a status request, in order. `conflict` is who else has the number of an instance.
pub(super) fn answer(
    core: &Router,
    setup: &Setup,
    lateness: &Lateness,
    conflict: impl Fn(InstanceId) -> Option<vrid_conflicts::VridConflict>,
) -> Vec<FromRouter> {
    let instances = (0..)
        .take(setup.instances.len())
        .filter_map(|instance| instance_status(core, setup, instance, &conflict))
        .map(FromRouter::Instance);
    let checks = (0..).take(setup.checks.len()).filter_map(|check| {
        let status = core.check(setup.check_id(check)?)?;
        Some(FromRouter::Check {
            check,
            standing: status.standing,
            progress: status.progress.map(|progress| CheckProgress {
                towards: progress.towards,
                count: progress.count,
                needed: progress.needed,
            }),
        })
    });
    instances
        .chain(checks)
        .chain([FromRouter::StatusEnd {
            counters: owned(global(core.counters())),
            lateness: lateness.clone(),
        }])
        .collect()
}

fn instance_status(
    core: &Router,
    setup: &Setup,
    instance: u32,
    conflict: impl Fn(InstanceId) -> Option<vrid_conflicts::VridConflict>,
) -> Option<InstanceStatus> {
    let id = setup.instance_id(instance)?;
    let status = core.instance(id)?;
    let tracks = status.tracks.iter();
    let forecasts = tracks.filter_map(|track| core.forecast(id, track.check));
    let interface = |tracked: &vrrp::InterfaceStatus| {
        Some(InterfaceState {
            interface: setup.interface_name(tracked.interface)?.to_owned(),
            up: tracked.up,
            on_fail: tracked.on_fail,
            weight: tracked.weight,
        })
    };
    Some(InstanceStatus {
        instance,
        state: status.state,
        priority_effective: status.effective_priority,
        active: status.active,
        drained: status.drained,
        interfaces: status.interfaces.iter().filter_map(interface).collect(),
        weights: status.tracks.iter().map(|track| track.weight).collect(),
        forecasts: forecasts.map(Into::into).collect(),
        counters: owned(named(&status.counters)),
        authentication_failure: status.authentication_failure.map(|failure| {
            AuthenticationFailure {
                source: failure.source,
                error: failure.error.to_string(),
                at_unix_ms: failure.at.as_nanos() / 1_000_000,
            }
        }),
        vrid_conflict: conflict(id).map(|conflict| VridConflict {
            source: conflict.source,
            priority: conflict.priority,
            at_unix_ms: conflict.at.as_nanos() / 1_000_000,
        }),
    })
}

/// The counters that belong to no instance, under the leaf names of RFC 8347.
fn global(counters: GlobalCounters) -> impl Iterator<Item = (&'static str, u64)> {
    let GlobalCounters {
        checksum_errors,
        version_errors,
        vrid_errors,
        ip_ttl_errors,
    } = counters;
    [
        ("checksum-errors", checksum_errors),
        ("version-errors", version_errors),
        ("vrid-errors", vrid_errors),
        ("ip-ttl-errors", ip_ttl_errors),
    ]
    .into_iter()
}

fn owned(counters: impl Iterator<Item = (&'static str, u64)>) -> Vec<(String, u64)> {
    counters
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The counters of an instance under the leaf names of RFC 8347.
fn named(counters: &InstanceCounters) -> impl Iterator<Item = (&'static str, u64)> {
    // Taken apart, so that a counter that is added cannot be forgotten here.
    let InstanceCounters {
        master_transitions,
        advertisement_rcvd,
        advertisement_sent,
        interval_errors,
        priority_zero_pkts_rcvd,
        priority_zero_pkts_sent,
        invalid_type_pkts_rcvd,
        address_list_errors,
        packet_length_errors,
        authentication,
        own_advertisements_rcvd,
        source_errors,
        destination_errors,
        received_rfc9568,
        received_rfc5798,
    } = *counters;
    let AuthenticationCounters {
        authenticated_rcvd,
        type_errors,
        missing,
        key_errors,
        mismatches,
        clock_errors,
        replays,
    } = authentication;
    [
        ("master-transitions", master_transitions),
        ("advertisement-rcvd", advertisement_rcvd),
        ("advertisement-sent", advertisement_sent),
        ("interval-errors", interval_errors),
        ("priority-zero-pkts-rcvd", priority_zero_pkts_rcvd),
        ("priority-zero-pkts-sent", priority_zero_pkts_sent),
        ("invalid-type-pkts-rcvd", invalid_type_pkts_rcvd),
        ("address-list-errors", address_list_errors),
        ("packet-length-errors", packet_length_errors),
        ("authentication-errors", authentication.errors()),
        ("authentication-type-errors", type_errors),
        ("authentication-missing", missing),
        ("authentication-key-errors", key_errors),
        ("authentication-mismatches", mismatches),
        ("authentication-clock-errors", clock_errors),
        ("authentication-replays", replays),
        ("authenticated-rcvd", authenticated_rcvd),
        ("own-advertisements-rcvd", own_advertisements_rcvd),
        ("source-errors", source_errors),
        ("destination-errors", destination_errors),
        ("checksum-rfc9568-rcvd", received_rfc9568),
        ("checksum-rfc5798-rcvd", received_rfc5798),
    ]
    .into_iter()
}
