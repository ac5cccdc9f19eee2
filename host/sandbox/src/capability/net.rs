//! What every conversation over the network has in common: how it is dialled, encrypted and refused.

pub(super) mod dial;
pub(super) mod identity;
pub(super) mod tls;

use tokio::time::{Instant, timeout_at};

use crate::bindings::imports::net;
use crate::grant::Grant;
use crate::store::Call;

/// Why there is no conversation, or no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// No grant allows this.
    Denied(Grant),
    /// The host is granted, but its name leads to where a name must not lead.
    Address,
    /// Everything else, as the module sees it.
    Net(net::Error),
}

impl From<net::Error> for Failure {
    fn from(error: net::Error) -> Self {
        Self::Net(error)
    }
}

impl Call {
    /// Waits for `attempt` to reach `target`, until `deadline`. What was refused is counted and logged.
    pub(super) async fn reach<T>(
        &mut self,
        target: &str,
        deadline: Instant,
        attempt: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, net::Error> {
        match timeout_at(deadline, attempt).await {
            Ok(Ok(reached)) => Ok(reached),
            Ok(Err(Failure::Denied(need))) => {
                // Compared once more, for the log and the count.
                self.permits(&need);
                Err(net::Error::Denied)
            }
            Ok(Err(Failure::Address)) => {
                let what = format!(
                    "the address that the host of {target} resolved to; only a grant of the address itself allows it"
                );
                self.deny(&what, None);
                Err(net::Error::Denied)
            }
            Ok(Err(Failure::Net(error))) => Err(error),
            Err(_) => Err(net::Error::Timeout),
        }
    }

    /// The grant that `words` stand for, if the module has it.
    pub(super) fn require(&mut self, words: &str) -> Result<Grant, net::Error> {
        let need: Grant = words
            .parse()
            .map_err(|error: crate::ParseGrantError| net::Error::Unusable(error.to_string()))?;
        if self.permits(&need) {
            Ok(need)
        } else {
            Err(net::Error::Denied)
        }
    }
}
