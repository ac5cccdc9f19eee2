//! Numbers for Prometheus, beside those that the host keeps of each check by itself.
//!
//! ```
//! # use vrrp_sdk::{metrics, mock};
//! # let host = mock::Host::new();
//! # host.enter(|| {
//! metrics::gauge("queue_length", &[("queue", "mail")], 3.0);
//! metrics::counter_add("retries_total", &[], 1);
//! # });
//! # assert_eq!(host.metric(r#"queue_length{queue="mail"}"#), Some(3.0));
//! # assert_eq!(host.metric("retries_total"), Some(1.0));
//! ```

use crate::host::metrics as host;

/// Sets a gauge.
pub fn gauge(name: &str, labels: &[(&str, &str)], value: f64) {
    host::gauge(name, &owned(labels), value);
}

/// Adds to a counter.
pub fn counter_add(name: &str, labels: &[(&str, &str)], value: u64) {
    host::counter_add(name, &owned(labels), value);
}

fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
