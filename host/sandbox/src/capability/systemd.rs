//! `systemd`: the state of a unit.

use tokio::time::timeout_at;
use wasmtime::component::HasSelf;

use super::Capability;
use crate::bindings::imports::systemd;
use crate::grant::{Grant, GrantClass, unit_name};
use crate::store::Call;

pub(super) const CAPABILITY: Capability = Capability {
    interface: "systemd",
    granted_by: &[GrantClass::Unit, GrantClass::UnitControl],
    link: |linker| systemd::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
};

impl systemd::Host for Call {
    async fn get(
        &mut self,
        name: String,
    ) -> wasmtime::Result<Result<systemd::Unit, systemd::Error>> {
        let unit = unit_name(&name);
        if !self.permits(&Grant::Unit(unit.clone())) {
            return Ok(Err(systemd::Error::Denied));
        }
        let deadline = self.call_deadline(u32::MAX);
        let host = self.shared.host.clone();
        let answer = timeout_at(deadline, host.broker().systemd_unit(&unit)).await;
        Ok(answer.unwrap_or(Err(systemd::Error::Timeout)))
    }
}
