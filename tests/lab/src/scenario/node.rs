use std::time::Duration;

use super::{Daemon, EXPORTER, Options, State, Transition, VIRTUAL_ADDRESS};
use crate::{AddressChange, AddressWatch, Host, JournalEntry, Result, UnitState, wait_until};

/// A host with its daemon.
#[derive(Debug)]
pub struct Node {
    pub host: Host,
    pub daemon: Daemon,
    addresses: AddressWatch,
}

impl Node {
    pub(super) fn set_up(host: Host, index: usize, options: &Options) -> Result<Self> {
        let daemon = options.daemons[index];
        daemon.install(&host, index, options)?;
        Self::adopt(host, daemon)
    }

    /// A host on which somebody else installs the daemon.
    ///
    /// # Errors
    ///
    /// Fails when its addresses cannot be watched.
    pub fn adopt(host: Host, daemon: Daemon) -> Result<Self> {
        let addresses = host.netns().watch_addresses()?;
        Ok(Self {
            host,
            daemon,
            addresses,
        })
    }

    /// Its host name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.host.name()
    }

    /// Starts the daemon's service.
    ///
    /// # Errors
    ///
    /// Fails when systemd cannot start it.
    pub fn start(&self) -> Result<()> {
        self.host
            .systemctl(&["start", self.daemon.unit()])
            .map(drop)
    }

    /// Stops the daemon's service and waits until it has ended.
    ///
    /// # Errors
    ///
    /// Fails when systemd cannot stop it.
    pub fn stop(&self) -> Result<()> {
        self.host.systemctl(&["stop", self.daemon.unit()]).map(drop)
    }

    /// What the daemon has logged since the boot.
    ///
    /// # Errors
    ///
    /// As [`Host::journal`].
    pub fn journal(&self) -> Result<Vec<JournalEntry>> {
        self.host.journal(self.daemon.unit(), None)
    }

    /// The state of the instance, or `None` when it has none yet.
    ///
    /// # Errors
    ///
    /// Fails when the daemon does not answer, or says what we do not know.
    pub fn state(&self) -> Result<Option<State>> {
        self.daemon.state(&self.host)
    }

    /// Waits until the instance is in a state.
    ///
    /// # Errors
    ///
    /// Times out with the state it is in.
    pub fn wait_for_state(&self, limit: Duration, state: State) -> Result<()> {
        wait_until(
            limit,
            &format!("{} to be {state}", self.name()),
            || match self.state() {
                Ok(Some(seen)) if seen == state => Ok(()),
                Ok(Some(seen)) => Err(seen.to_string()),
                Ok(None) => Err("no state".to_owned()),
                Err(error) => Err(error.to_string()),
            },
        )
    }

    /// The instance's transitions since the boot, oldest first, from the journal.
    ///
    /// # Errors
    ///
    /// As [`Host::journal`].
    pub fn transitions(&self) -> Result<Vec<Transition>> {
        self.daemon.transitions(&self.host)
    }

    /// Whether the virtual address is on an interface here.
    ///
    /// # Errors
    ///
    /// Fails when `ip` does.
    pub fn holds_address(&self) -> Result<bool> {
        self.host.netns().has_address(VIRTUAL_ADDRESS)
    }

    /// When the virtual address came and went since the boot.
    #[must_use]
    pub fn moves(&self) -> Vec<AddressChange> {
        self.addresses
            .changes()
            .into_iter()
            .filter(|change| change.address == VIRTUAL_ADDRESS)
            .collect()
    }

    /// What the exporter's service is doing.
    ///
    /// # Errors
    ///
    /// As [`Host::unit_state`].
    pub fn exporter(&self) -> Result<UnitState> {
        self.host.unit_state(EXPORTER)
    }
}
