//! The core's reasons in words for the log line at 3 a.m.

use vrrp::{CheckId, Command, Difference, Family, InstanceId, InterfaceId, Reason};

use super::setup::Setup;
use crate::ipc::Cause;

/// One sentence without a full stop.
pub(crate) fn describe(reason: Reason, instance: InstanceId, setup: &Setup) -> String {
    let check = |id: CheckId| {
        setup
            .check_position(id)
            .and_then(|position| setup.checks.get(usize::try_from(position).ok()?))
            .map_or("?", |check| check.name.as_str())
    };
    let member = |id: InstanceId| {
        let instance = setup.instance(id);
        instance.map_or("?", |instance| instance.name.as_str())
    };
    let interface = |id: InterfaceId| setup.interface_name(id).unwrap_or("?");
    let own_address = || {
        Some(match setup.instance(instance)?.family()? {
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
        Reason::NoPrimaryAddress => {
            let what = format!("the interface is without {}", own_address());
            match setup.instance(instance) {
                Some(instance) if instance.family() == Some(Family::V4) => format!(
                    "{what}; give it one: `ip address add ADDRESS/LENGTH dev {}`",
                    instance.interface
                ),
                Some(_) | None => what,
            }
        }
        Reason::PrimaryAddress => format!("the interface has {}", own_address()),
        Reason::CheckDown(id) => format!("check {} is down", check(id)),
        Reason::CheckUp(id) => format!("check {} is up", check(id)),
        Reason::CheckUnknown(id) => format!("check {} is unknown", check(id)),
        Reason::CheckWeight(id) => format!("check {} reports another weight", check(id)),
        Reason::InterfaceDown(id) => format!("the interface {} is down", interface(id)),
        Reason::InterfaceUp(id) => format!("the interface {} is up", interface(id)),
        Reason::SyncGroup(id) => format!("{}, of the same sync group, changed", member(id)),
        Reason::Late(silence) => format!(
            "this host did nothing for {silence:?}, and a peer may have taken over meanwhile"
        ),
        Reason::Command(Command::Drain) => "drained by command".to_owned(),
        Reason::Command(Command::Undrain) => "no longer drained".to_owned(),
        Reason::Command(Command::Release) => "released by command".to_owned(),
        Reason::Reconfigured => "the configuration changed".to_owned(),
    }
}

/// What kind of reason it is.
pub(super) fn cause(reason: Reason) -> Cause {
    match reason {
        Reason::Startup => Cause::Startup,
        Reason::Shutdown => Cause::Shutdown,
        Reason::Owner => Cause::Owner,
        Reason::ActiveDown(_) => Cause::MasterDown,
        Reason::ActiveReleased(_) => Cause::MasterReleased,
        Reason::Preempting { .. } => Cause::Preemption,
        Reason::HigherPriority { .. } => Cause::HigherPriority,
        Reason::LinkDown | Reason::LinkUp => Cause::Link,
        Reason::NoPrimaryAddress | Reason::PrimaryAddress => Cause::Address,
        Reason::CheckDown(_)
        | Reason::CheckUp(_)
        | Reason::CheckUnknown(_)
        | Reason::CheckWeight(_) => Cause::Check,
        Reason::InterfaceDown(_) | Reason::InterfaceUp(_) => Cause::Interface,
        Reason::SyncGroup(_) => Cause::SyncGroup,
        Reason::Late(_) => Cause::Late,
        Reason::Command(_) => Cause::Command,
        Reason::Reconfigured => Cause::Reload,
    }
}

/// How a peer is configured differently, to stand after its address.
pub(crate) fn describe_difference(difference: &Difference) -> String {
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
        Difference::Authentication(error) => {
            format!("would not be heard with `mode = \"enforce\"`: {error}")
        }
        Difference::Owner => "too claims to own the addresses (priority 255)".to_owned(),
    }
}

/// The check behind a reason, by the number that the supervisor knows it by.
pub(super) fn check_of(reason: Reason, setup: &Setup) -> Option<u32> {
    match reason {
        Reason::CheckDown(id)
        | Reason::CheckUp(id)
        | Reason::CheckUnknown(id)
        | Reason::CheckWeight(id) => setup.check_position(id),
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
        | Reason::PrimaryAddress
        | Reason::InterfaceDown(_)
        | Reason::InterfaceUp(_)
        | Reason::SyncGroup(_)
        | Reason::Late(_)
        | Reason::Command(_)
        | Reason::Reconfigured => None,
    }
}
