//! `exec`: commands, run by the broker.

use std::path::Path;

use tokio::time::{Instant, timeout_at};
use wasmtime::component::HasSelf;

use super::Capability;
use crate::bindings::imports::exec;
use crate::grant::{Grant, GrantClass};
use crate::store::Call;

pub(super) const CAPABILITY: Capability = Capability {
    interface: "exec",
    granted_by: &[GrantClass::Exec],
    link: |linker| exec::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
};

/// Bytes of all arguments together, with the command itself: they go to the broker in one message.
const ARGUMENTS_MAX: usize = 32 * 1024;

impl exec::Host for Call {
    async fn run(
        &mut self,
        command: String,
        args: Vec<String>,
        timeout_ms: u32,
    ) -> wasmtime::Result<Result<exec::Output, exec::Error>> {
        // An empty one takes room too.
        let length = args
            .iter()
            .fold(command.len(), |sum, arg| sum + arg.len() + 8);
        if length > ARGUMENTS_MAX {
            let message = format!("the arguments are longer than {ARGUMENTS_MAX} bytes");
            return Ok(Err(exec::Error::Io(message)));
        }
        match format!("exec:{command}").parse() {
            Ok(need @ Grant::Exec(_)) if self.permits(&need) => {}
            Ok(_) => return Ok(Err(exec::Error::Denied)),
            Err(error) => {
                self.deny(&error.to_string(), None);
                return Ok(Err(exec::Error::Denied));
            }
        }
        let deadline = self.call_deadline(timeout_ms);
        let timeout = deadline.saturating_duration_since(Instant::now());
        let host = self.shared.host.clone();
        let run = host
            .broker()
            .run_command(Path::new(&command), &args, timeout);
        let answer = timeout_at(deadline, run).await;
        Ok(answer.unwrap_or(Err(exec::Error::Timeout)))
    }
}
