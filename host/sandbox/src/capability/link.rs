//! `link`: the state of an interface.

use tokio::time::timeout_at;
use wasmtime::component::HasSelf;

use super::Capability;
use crate::bindings::imports::link;
use crate::grant::{Grant, GrantClass};
use crate::store::Call;

pub(super) const CAPABILITY: Capability = Capability {
    interface: "link",
    granted_by: &[GrantClass::Link],
    link: |linker| link::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
};

impl link::Host for Call {
    async fn get(&mut self, name: String) -> wasmtime::Result<Result<link::Info, link::Error>> {
        if !self.permits(&Grant::Link(name.clone())) {
            return Ok(Err(link::Error::Denied));
        }
        let deadline = self.call_deadline(u32::MAX);
        let host = self.shared.host.clone();
        let answer = timeout_at(deadline, host.links().find(&name)).await;
        Ok(answer.unwrap_or(Err(link::Error::Unavailable)))
    }
}
