//! The hook `my-module`.

use vrrp_sdk::prelude::*;

/// Tells a server about each transition.
///
/// The first paragraph here is what `vrrp-host module inspect` says the hook does; this block is its example:
///
/// ```toml
/// url = "http://127.0.0.1:9000/vrrp"
/// ```
#[vrrp_sdk::hook]
pub struct MyModule {
    /// Where to: the body of the request is a line such as "VI_1 is MASTER".
    url: http::Url,
}

impl Hook for MyModule {
    // What it touches, which cluster.toml has to allow.
    fn plan(&self) -> Plan {
        Plan::new().needs(Need::http("POST", self.url.as_str()))
    }

    // The transition has happened already. `Retry` is called again with the same one, `Permanent` is not.
    fn notify(&self, transition: &Transition) -> Result<(), HookError> {
        let line = format!("{} is {}\n", transition.instance, transition.after);
        let answer = http::Request::new("POST", &self.url).body(line).send();
        match answer {
            Ok(answer) if answer.status() < 300 => Ok(()),
            Ok(answer) => Err(HookError::Retry(format!("{} gave {}", self.url, answer.status()))),
            Err(error @ http::Error::Denied(_)) => Err(HookError::Permanent(format!("{}: {error}", self.url))),
            Err(error) => Err(HookError::Retry(format!("{}: {error}", self.url))),
        }
    }
}

// Run natively by `cargo test`, against a mock of the host.
#[cfg(test)]
mod tests {
    use vrrp_sdk::mock;

    use super::*;

    const URL: &str = "http://127.0.0.1:9000/vrrp";

    fn notify(host: &mock::Host) -> Result<(), HookError> {
        let hook: MyModule = mock::configure(&format!(r#"{{ "url": "{URL}" }}"#)).expect("a config");
        let transition = mock::transition(VrrpState::Backup, VrrpState::Master);
        host.enter(|| hook.notify(&transition))
    }

    #[test]
    fn the_server_is_told() {
        let host = mock::Host::new().responds(URL, 200, "");
        assert_eq!(notify(&host), Ok(()));
        assert_eq!(host.requests()[0].to_string(), format!("POST {URL}"));
    }

    #[test]
    fn a_server_that_is_away_is_told_later() {
        let refused = notify(&mock::Host::new());
        assert!(matches!(refused, Err(HookError::Retry(_))), "{refused:?}");
    }
}
