//! The core's reasons in words for the log line at 3 a.m.

use vrrp::{CheckId, Difference, Family, InstanceId, Reason};

use super::setup::Setup;

/// One sentence without a full stop.
pub(super) fn describe(reason: Reason, instance: InstanceId, setup: &Setup) -> String {
    let check = |id: CheckId| {
        usize::try_from(id.0)
            .ok()
            .and_then(|index| setup.checks.get(index))
            .map_or("?", |check| check.name.as_str())
    };
    let own_address = || {
        let instance = setup.instances.get(usize::try_from(instance.0).ok()?)?;
        Some(match instance.family()? {
            Family::V4 => "an IPv4 address of its own",
            Family::V6 => "a link-local address of its own that is known to be unique",
        })
    };
    let own_address = || own_address().unwrap_or("an address of its own");
    match reason {
        Reason::Startup => "vrrp-host started".to_owned(),
        Reason::Shutdown => "vrrp-host stops".to_owned(),
        Reason::Owner => "this node owns the addresses (priority 255)".to_owned(),
        Reason::ActiveDown(Some(source)) => format!("no advertisement from {source} any more"),
        Reason::ActiveDown(None) => "no MASTER heard".to_owned(),
        Reason::ActiveReleased(source) => format!("{source} gave the addresses away (priority 0)"),
        Reason::Preempting { source, priority } => {
            format!("{source} has the lower priority {priority}")
        }
        Reason::HigherPriority { source, priority } => {
            format!("{source} wins with priority {priority}")
        }
        Reason::LinkDown => "the interface is down".to_owned(),
        Reason::LinkUp => "the interface is up".to_owned(),
        Reason::NoPrimaryAddress => format!("the interface is without {}", own_address()),
        Reason::PrimaryAddress => format!("the interface has {}", own_address()),
        Reason::CheckDown(id) => format!("check {} is down", check(id)),
        Reason::CheckUp(id) => format!("check {} is up", check(id)),
        Reason::CheckUnknown(id) => format!("check {} is unknown", check(id)),
        Reason::CheckWeight(id) => format!("check {} reports another weight", check(id)),
    }
}

/// How a peer is configured differently, to stand after its address.
pub(super) fn describe_difference(difference: &Difference) -> String {
    match difference {
        Difference::Interval(interval) => {
            format!("advertises every {interval:?}, which is not the interval of this file")
        }
        Difference::Addresses(addresses) => {
            let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            format!(
                "advertises other addresses than this file: {}",
                addresses.join(", ")
            )
        }
        Difference::Owner => "too claims to own the addresses (priority 255)".to_owned(),
    }
}

/// The check behind a reason.
pub(super) fn check_of(reason: Reason) -> Option<u32> {
    match reason {
        Reason::CheckDown(id)
        | Reason::CheckUp(id)
        | Reason::CheckUnknown(id)
        | Reason::CheckWeight(id) => Some(id.0),
        Reason::Startup
        | Reason::Shutdown
        | Reason::Owner
        | Reason::ActiveDown(_)
        | Reason::ActiveReleased(_)
        | Reason::Preempting { .. }
        | Reason::HigherPriority { .. }
        | Reason::LinkDown
        | Reason::LinkUp
        | Reason::NoPrimaryAddress
        | Reason::PrimaryAddress => None,
    }
}
