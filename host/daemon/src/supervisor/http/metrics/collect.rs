//! From a snapshot to the series of every metric.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use vrrp_linux::process::resident_bytes;

use super::catalogue::{self, Family};
use crate::histogram::{Bounds, Histogram};
use crate::lateness::BOUNDS_US;
use crate::status::{Check, Hook, Instance};
use crate::supervisor::http::snapshots::Snapshot;
use crate::supervisor::known::tally::RUN_BOUNDS_US;

const STATES: [&str; 4] = ["INIT", "FAULT", "BACKUP", "MASTER"];
const STANDINGS: [&str; 4] = ["pending", "up", "down", "unknown"];
const VERDICTS: [&str; 5] = ["none", "passing", "warning", "failing", "error"];
/// Counters of an instance with a metric of their own, or that say what others say.
const NOT_DISCARDS: [&str; 9] = [
    "master-transitions",
    "advertisement-sent",
    "advertisement-rcvd",
    "priority-zero-pkts-sent",
    "priority-zero-pkts-rcvd",
    "authenticated-rcvd",
    "authentication-errors",
    "checksum-rfc9568-rcvd",
    "checksum-rfc5798-rcvd",
];

/// What is written at a scrape.
#[derive(Debug)]
pub(super) struct Collected(pub(super) Arc<Snapshot>);

/// The values of a family's labels, in their order.
type Labels<'a> = Vec<&'a str>;

impl Collector for Collected {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut writer = Writer(encoder);
        self.processes(&mut writer)?;
        self.instances(&mut writer)?;
        self.advertisements(&mut writer)?;
        self.checks(&mut writer)?;
        self.hooks(&mut writer)
    }
}

impl Collected {
    fn processes(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let status = &self.0.status;
        writer.info(&catalogue::BUILD, [vec![status.version.as_str()]])?;
        writer.info(&catalogue::NODE, [vec![status.node.as_str()]])?;
        let processes = [
            ("supervisor", Some(status.processes.supervisor)),
            ("router", status.processes.router),
            ("worker", status.processes.worker),
        ];
        let up = processes.map(|(role, pid)| (vec![role], u64::from(pid.is_some())));
        writer.gauges(&catalogue::PROCESS_UP, up)?;
        let memory = processes.into_iter().filter_map(|(role, pid)| {
            // One that ends meanwhile has none.
            Some((vec![role], resident_bytes(pid?)?))
        });
        writer.gauges(&catalogue::PROCESS_MEMORY, memory)
    }

    fn instances(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let instances = &self.0.status.instances;
        let numbers: Vec<_> = instances
            .values()
            .map(|instance| [instance.virtual_router_id, instance.version].map(|n| n.to_string()))
            .collect();
        let about = instances.iter().zip(&numbers);
        writer.info(
            &catalogue::INSTANCE,
            about.map(|((name, instance), [id, version])| {
                vec![name.as_str(), &instance.interface, id, version]
            }),
        )?;
        let states = instances.iter().map(|(name, it)| (name, &it.state));
        writer.states(&catalogue::INSTANCE_STATE, states, &STATES)?;
        let mut gauge = |family, value: fn(&Instance) -> u64| {
            let values = instances.iter();
            writer.gauges(
                family,
                values.map(|(name, it)| (vec![name.as_str()], value(it))),
            )
        };
        gauge(&catalogue::BASE_PRIORITY, |it| it.priority.base.into())?;
        gauge(&catalogue::EFFECTIVE_PRIORITY, |it| {
            it.priority.effective.into()
        })?;
        gauge(&catalogue::DRAINED, |it| it.drained.into())?;
        let transitions = self.0.tallies.instances.iter();
        writer.counters(
            &catalogue::TRANSITIONS,
            transitions.flat_map(|(name, transitions)| {
                let transitions = transitions.iter();
                transitions.map(move |(state, cause, count)| {
                    (vec![name.as_str(), state, cause.word()], count)
                })
            }),
        )?;
        let groups = self.0.status.sync_groups.iter();
        let groups = groups.map(|(name, it)| (name, &it.state));
        writer.states(&catalogue::SYNC_GROUP_STATE, groups, &STATES)
    }

    fn advertisements(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let status = &self.0.status;
        let counted = [
            (&catalogue::SENT, "advertisement-sent"),
            (&catalogue::RECEIVED, "advertisement-rcvd"),
            (&catalogue::PRIORITY_ZERO_SENT, "priority-zero-pkts-sent"),
            (
                &catalogue::PRIORITY_ZERO_RECEIVED,
                "priority-zero-pkts-rcvd",
            ),
            (&catalogue::AUTHENTICATED, "authenticated-rcvd"),
        ];
        for (family, counter) in counted {
            let counts = status.instances.iter();
            // A router that was just started has not told any yet.
            let counts = counts.filter_map(|(name, instance)| {
                Some((vec![name.as_str()], *instance.counters.get(counter)?))
            });
            writer.counters(family, counts)?;
        }
        let discards = status.instances.iter().flat_map(|(name, instance)| {
            let counters = instance.counters.iter();
            counters
                .filter(|(counter, _)| !NOT_DISCARDS.contains(&counter.as_str()))
                .map(|(counter, count)| (vec![name.as_str(), counter.as_str()], *count))
        });
        writer.counters(&catalogue::INSTANCE_DISCARDS, discards)?;
        let discards = status.counters.iter();
        let discards = discards.map(|(counter, count)| (vec![counter.as_str()], *count));
        writer.counters(&catalogue::DISCARDS, discards)?;
        let lateness = &self.0.tallies.lateness;
        writer.histograms(&catalogue::LATENESS, [(vec![], lateness)], &BOUNDS_US)
    }

    fn checks(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let checks = &self.0.status.checks;
        let words = |word: fn(&Check) -> &String| {
            let checks = checks.iter();
            checks.map(move |(name, check)| (name, word(check)))
        };
        writer.states(
            &catalogue::CHECK_STANDING,
            words(|it| &it.standing),
            &STANDINGS,
        )?;
        writer.states(
            &catalogue::CHECK_VERDICT,
            words(|it| &it.verdict),
            &VERDICTS,
        )?;
        let tallies = &self.0.tallies.checks;
        let runs = tallies.iter().flat_map(|(name, tally)| {
            let outcomes = [
                ("passing", tally.passing),
                ("warning", tally.warning),
                ("failing", tally.failing),
                ("error", tally.error),
            ];
            outcomes.map(|(outcome, count)| (vec![name.as_str(), outcome], count))
        });
        writer.counters(&catalogue::CHECK_RUNS, runs)?;
        let wall = tallies.iter();
        let wall = wall.map(|(name, tally)| (vec![name.as_str()], &tally.wall));
        writer.histograms(&catalogue::CHECK_DURATION, wall, &RUN_BOUNDS_US)?;
        let cpu = tallies.iter();
        let cpu = cpu.map(|(name, tally)| (vec![name.as_str()], tally.cpu.as_secs_f64()));
        writer.counters(&catalogue::CHECK_CPU, cpu)
    }

    fn hooks(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let tallies = &self.0.tallies;
        let hooks = &tallies.hooks;
        let calls = hooks.iter().flat_map(|(name, tally)| {
            let results = [
                ("done", tally.done),
                ("retried", tally.retried),
                ("failed", tally.failed),
            ];
            results.map(|(result, count)| (vec![name.as_str(), result], count))
        });
        writer.counters(&catalogue::HOOK_CALLS, calls)?;
        let superseded = hooks.iter();
        let superseded = superseded.map(|(name, tally)| (vec![name.as_str()], tally.superseded));
        writer.counters(&catalogue::HOOK_SUPERSEDED, superseded)?;
        let pending = |hook: &Hook| u64::try_from(hook.pending).unwrap_or(u64::MAX);
        let waiting: &BTreeMap<_, _> = &self.0.status.hooks;
        let waiting = waiting.iter();
        let waiting = waiting.map(|(name, hook)| (vec![name.as_str()], pending(hook)));
        writer.gauges(&catalogue::HOOK_PENDING, waiting)?;
        let checks = tallies.checks.iter();
        let checks = checks.map(|(name, tally)| (vec!["check", name.as_str()], tally.denied));
        let hooks = hooks.iter();
        let hooks = hooks.map(|(name, tally)| (vec!["hook", name.as_str()], tally.denied));
        writer.counters(&catalogue::DENIED, checks.chain(hooks))
    }
}

/// Writes families. One without series is left out.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn info<'l>(
        &mut self,
        family: &'static Family,
        series: impl IntoIterator<Item = Labels<'l>>,
    ) -> fmt::Result {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return Ok(());
        }
        let mut encoder = self.describe(family)?;
        for labels in series {
            encoder.encode_info(&named(family, &labels))?;
        }
        Ok(())
    }

    fn gauges<'l>(
        &mut self,
        family: &'static Family,
        series: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> fmt::Result {
        self.each(family, series, |mut encoder, value| {
            encoder.encode_gauge(&value)
        })
    }

    fn counters<'l, V: prometheus_client::encoding::EncodeCounterValue>(
        &mut self,
        family: &'static Family,
        series: impl IntoIterator<Item = (Labels<'l>, V)>,
    ) -> fmt::Result {
        self.each(family, series, |mut encoder, value| {
            encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    /// A series for each of `words`, of which one is 1.
    fn states<'l>(
        &mut self,
        family: &'static Family,
        subjects: impl Iterator<Item = (&'l String, &'l String)>,
        words: &[&'l str],
    ) -> fmt::Result {
        let series = subjects.flat_map(|(name, is)| {
            let words = words.iter();
            words.map(move |word| (vec![name.as_str(), *word], u64::from(word == is)))
        });
        self.gauges(family, series)
    }

    fn histograms<'l>(
        &mut self,
        family: &'static Family,
        series: impl IntoIterator<Item = (Labels<'l>, &'l Histogram)>,
        bounds: &Bounds,
    ) -> fmt::Result {
        let bounds = bounds.map(|bound| Duration::from_micros(bound).as_secs_f64());
        self.each(family, series, |mut encoder, histogram| {
            let bounds = bounds.into_iter().chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(histogram.counts().iter().copied()).collect();
            let (sum, count) = (histogram.sum().as_secs_f64(), histogram.count());
            encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
        })
    }

    fn each<'l, V>(
        &mut self,
        family: &'static Family,
        series: impl IntoIterator<Item = (Labels<'l>, V)>,
        write: impl Fn(MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return Ok(());
        }
        let mut encoder = self.describe(family)?;
        for (labels, value) in series {
            let labels = named(family, &labels);
            write(encoder.encode_family(&labels)?, value)?;
        }
        Ok(())
    }

    fn describe(&mut self, family: &'static Family) -> Result<MetricEncoder<'_>, fmt::Error> {
        let Self(encoder) = self;
        encoder.encode_descriptor(family.name, family.help, family.unit.as_ref(), family.kind)
    }
}

/// The labels of a family with their values.
fn named<'l>(family: &'static Family, values: &[&'l str]) -> Vec<(&'static str, &'l str)> {
    debug_assert_eq!(family.labels.len(), values.len(), "{family:?}");
    let labels = family.labels.iter().copied();
    labels.zip(values.iter().copied()).collect()
}
