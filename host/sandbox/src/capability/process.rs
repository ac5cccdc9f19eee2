//! `process`: the processes of one name.

use tokio::time::timeout_at;
use wasmtime::component::HasSelf;

use super::Capability;
use crate::bindings::imports::process;
use crate::grant::{Grant, GrantClass};
use crate::store::Call;

pub(super) const CAPABILITY: Capability = Capability {
    interface: "process",
    granted_by: &[GrantClass::Process],
    link: |linker| process::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
};

impl process::Host for Call {
    async fn find(
        &mut self,
        name: String,
    ) -> wasmtime::Result<Result<Vec<process::Info>, process::Error>> {
        if !self.permits(&Grant::Process(name.clone())) {
            return Ok(Err(process::Error::Denied));
        }
        let deadline = self.call_deadline(u32::MAX);
        let host = self.shared.host.clone();
        let answer = timeout_at(deadline, host.processes().find(&name)).await;
        Ok(answer.unwrap_or(Err(process::Error::Unavailable)))
    }
}
