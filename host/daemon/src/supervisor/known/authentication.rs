//! What `status` says about authentication: enough to see how far a roll-out is and why a peer is not heard, and no
//! secret.

use std::time::{Duration, UNIX_EPOCH};

use vrrp::{Authentication, Mode};

use super::timestamp;
use crate::ipc::AuthenticationFailure;
use crate::status;

pub(super) fn describe(
    authentication: &Authentication,
    failure: Option<&AuthenticationFailure>,
) -> status::Authentication {
    let (method, mode, active_key) = match authentication {
        Authentication::None => ("none", None, None),
        Authentication::Password(_) => ("password", None, None),
        Authentication::Hmac(hmac) => {
            let (mode, signs) = match hmac.mode {
                Mode::ReceiveOnly => ("receive-only", false),
                Mode::Permissive => ("permissive", true),
                Mode::Enforce => ("enforce", true),
            };
            let active_key = signs.then(|| hmac.active_key.0.get());
            ("hmac", Some(mode), active_key)
        }
    };
    status::Authentication {
        method: method.to_owned(),
        mode: mode.map(str::to_owned),
        active_key,
        last_failure: failure.map(|failure| status::AuthenticationFailure {
            source: failure.source.to_string(),
            error: failure.error.clone(),
            at: timestamp(UNIX_EPOCH + Duration::from_millis(failure.at_unix_ms)),
        }),
    }
}
