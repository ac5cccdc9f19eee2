//! `metrics`: measurements of a module, handed to the host as they come.

use wasmtime::component::HasSelf;

use super::Capability;
use crate::bindings::imports::metrics;
use crate::host::{Level, LogSource, Sample, SampleValue};
use crate::store::Call;
use crate::text::clean;

pub(super) const CAPABILITY: Capability = Capability {
    interface: "metrics",
    granted_by: &[],
    link: |linker| metrics::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
};

const NAME_MAX: usize = 64;
const LABELS_MAX: usize = 8;
const LABEL_VALUE_MAX: usize = 128;

impl metrics::Host for Call {
    fn gauge(
        &mut self,
        name: String,
        labels: Vec<(String, String)>,
        value: f64,
    ) -> wasmtime::Result<()> {
        self.record(&name, labels, SampleValue::Gauge(value));
        Ok(())
    }

    fn counter_add(
        &mut self,
        name: String,
        labels: Vec<(String, String)>,
        value: u64,
    ) -> wasmtime::Result<()> {
        self.record(&name, labels, SampleValue::CounterAdd(value));
        Ok(())
    }
}

impl Call {
    fn record(&self, name: &str, mut labels: Vec<(String, String)>, value: SampleValue) {
        if !is_name(name)
            || labels.len() > LABELS_MAX
            || !labels.iter().all(|(label, _)| is_name(label))
        {
            let message = format!(
                "metric `{name}` dropped: not a Prometheus name, or more than {LABELS_MAX} labels"
            );
            self.shared
                .log
                .write(LogSource::Sandbox, Level::Warn, &message, &[]);
            return;
        }
        for (_, text) in &mut labels {
            *text = clean(text, LABEL_VALUE_MAX);
        }
        let sample = Sample {
            name,
            labels: &labels,
            value,
        };
        self.shared.host.record(&self.shared.name, sample);
    }
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`, the part of Prometheus' names that holds for metrics and for labels.
fn is_name(name: &str) -> bool {
    name.len() <= NAME_MAX
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
