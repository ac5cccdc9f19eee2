//! `log`: lines into the module's log.

use wasmtime::component::HasSelf;

use super::Capability;
use crate::bindings::imports::log;
use crate::host::LogSource;
use crate::store::Call;

pub(super) const CAPABILITY: Capability = Capability {
    interface: "log",
    granted_by: &[],
    link: |linker| log::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
};

impl log::Host for Call {
    fn write(
        &mut self,
        level: log::Level,
        message: String,
        facts: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        self.shared
            .log
            .write(LogSource::Module, level, &message, &facts);
        Ok(())
    }
}
