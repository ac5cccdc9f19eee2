//! A check: asked again and again whether something is well.

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use super::{Configured, Module, Plan, Role};
use crate::bindings::checker;
use crate::bindings::imports::types;
use crate::run::{RunError, RunReport};
use crate::store::Call;
use crate::text::clean;
use crate::{Metadata, Observation, Trigger, Verdict, VrrpState};

const SUMMARY_MAX: usize = 512;
const FACTS_MAX: usize = 32;
const FACT_NAME_MAX: usize = 64;
const FACT_VALUE_MAX: usize = 256;

/// A loaded check. Runs may overlap; each has an instance of its own.
#[derive(Debug)]
pub struct CheckModule(pub(crate) Module<Checker>);

/// What a run is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunContext {
    /// The triggers that led to it; none when the interval did.
    pub causes: Vec<Trigger>,
    /// Counts the runs of this check, from 1.
    pub run: u64,
    /// The verdict of the last run that had one.
    pub previous: Option<Verdict>,
    /// Names and states of the instances that track this check.
    pub states: Vec<(String, VrrpState)>,
}

impl CheckModule {
    /// What the module says about itself.
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// What it decided from its config.
    pub fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// The line for cluster.toml that grants what it needs with its config; `None` when it needs nothing.
    pub fn allow_line(&self) -> Option<String> {
        self.0.allow_line()
    }

    /// Runs it once. Ends within [`Limits::wall`](crate::Limits::wall), and needs at most as long again to begin
    /// when all slots of the engine are taken. Dropping the future ends the run.
    pub async fn run(&self, context: RunContext) -> RunReport {
        let wall = self.0.shared.limits.wall;
        let context = types::RunContext {
            causes: context.causes,
            run: context.run,
            deadline_ms: u32::try_from(wall.as_millis()).unwrap_or(u32::MAX),
            previous: context.previous,
            states: context.states,
        };
        let ended = self
            .0
            .call(|guest, store| Box::pin(async move { guest.call_run(store, &context).await }))
            .await;
        let outcome = match ended.outcome {
            Ok(Ok(observation)) => Ok(presentable(observation)),
            Ok(Err(error)) => Err(RunError::from_check(&error, ended.hint.as_deref())),
            Err(error) => Err(error),
        };
        RunReport {
            outcome,
            usage: ended.usage,
        }
    }
}

fn presentable(mut observation: Observation) -> Observation {
    observation.summary = clean(&observation.summary, SUMMARY_MAX);
    observation.facts.truncate(FACTS_MAX);
    for fact in &mut observation.facts {
        fact.name = clean(&fact.name, FACT_NAME_MAX);
        fact.value = clean(&fact.value, FACT_VALUE_MAX);
    }
    observation
}

/// The world `check`.
#[derive(Debug)]
pub(crate) struct Checker;

impl Role for Checker {
    const NOUN: &'static str = "check";
    const EXPORT: &'static str = "checker";
    type Exports = checker::GuestIndices;
    type Guest = checker::Guest;

    fn exports(pre: &InstancePre<Call>) -> wasmtime::Result<Self::Exports> {
        checker::GuestIndices::new(pre)
    }

    fn guest(
        exports: &Self::Exports,
        store: &mut Store<Call>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Guest> {
        exports.load(store, instance)
    }

    async fn describe(guest: &Self::Guest, store: &mut Store<Call>) -> wasmtime::Result<Metadata> {
        guest.call_describe(store).await
    }

    async fn configure(
        guest: &Self::Guest,
        store: &mut Store<Call>,
        config: &str,
    ) -> wasmtime::Result<Configured> {
        guest.call_configure(store, config).await
    }
}
