//! What systemd is told (`sd_notify(3)`), where it started this process; elsewhere nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

/// So many times in the period in which systemd wants to hear of a service, it does: a router that is being started again at
/// one of them is no reason to end everything.
const FEEDS: u32 = 4;

/// The daemon takes part.
pub(super) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// A reload has begun; [`ready`] ends it, however it went. With the time that `Type=notify-reload` (systemd 253) asks for.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "systemd not notified"),
    }
}

/// The end has begun.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// How often [`feed`] is due; `None` when nobody waits for it (`WatchdogSec=`).
pub(super) fn feed_interval() -> Option<Duration> {
    let period = sd_notify::watchdog_enabled()?;
    Some(period / FEEDS).filter(|interval| !interval.is_zero())
}

/// Everything runs. When this stays away, systemd ends the service and starts it again.
pub(super) fn feed() {
    notify(&[NotifyState::Watchdog]);
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd not notified");
    }
}
