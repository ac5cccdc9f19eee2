//! The supervisor at work: one loop over everything that happens to it.

mod asked;
mod check_runs;
mod hooks;
mod reload;
mod router;
mod status;
mod worker;

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};
use vrrp::State;
use vrrp_linux::firewall::Firewall;
use vrrp_sandbox::Trigger;

use self::check_runs::CheckRuns;
use self::hooks::Subject;
use self::reload::{Reload, Retiring};
use super::broker::Broker;
use super::children::{Child, FromChild};
use super::control::{Gate, Request, Response};
use super::drains::{Drains, Lasting};
use super::guardian::{self, Guardian};
use super::heartbeat::Watch;
use super::history::{Following, History};
use super::hooks::Queues;
use super::host::Rights;
use super::http::{Http, Snapshot};
use super::identities::Identities;
use super::known::{Known, position};
use super::manager;
use super::prepare::Checked;
use super::setup::{Setup, instance_setup};
use super::watches::Watches;
use crate::cli::Options;
use crate::config::NotifyOn;
use crate::config::Source;
use crate::event::Happening;
use crate::exit::{Failure, chain};
use crate::ipc::{
    BrokerAnswer, FromRouter, FromWorker, HookOutcome, InstanceSetup, LoadFailure, ToRouter,
    ToWorker,
};
use crate::logging::Level;

/// First pause before a dead child is started again; it doubles up to [`RESTART_DELAY_MAX`].
const RESTART_DELAY: Duration = Duration::from_millis(50);
/// Longest pause before a dead child is started again.
const RESTART_DELAY_MAX: Duration = Duration::from_secs(10);
/// A child that lived this long starts again without a longer pause.
const STABLE_AFTER: Duration = Duration::from_secs(60);
/// How long the router may take to give everything away.
const ROUTER_STOP: Duration = Duration::from_secs(3);
/// How long hooks may take at a stop (DESIGN §7, `stop-grace`).
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Something that happened to the supervisor.
#[derive(Debug)]
pub(super) enum Event {
    /// The router, by generation: what a dead one still says is for nobody.
    Router(u32, FromChild<FromRouter>),
    Worker(u32, FromChild<FromWorker>),
    Control(Request, oneshot::Sender<Response>),
    /// Everything that is shown over HTTP is asked for.
    Snapshot(oneshot::Sender<Snapshot>),
    /// Somebody wants the last so many events, and those that follow.
    Follow(usize, oneshot::Sender<Following>),
    BrokerDone {
        generation: u32,
        request: u64,
        answer: BrokerAnswer,
    },
    /// To something that a worker had watched.
    Happened {
        generation: u32,
        trigger: Trigger,
    },
    HookRetry {
        queue: usize,
    },
    HookDeadline {
        call: u64,
    },
    /// Who has waited for the router's status since so many of them were answered has waited long enough.
    StatusDeadline {
        answered: u64,
    },
    /// The router's loop does not turn.
    RouterSilent {
        generation: u32,
    },
    /// A router that was killed for its silence ought to be gone.
    RouterKillDeadline {
        generation: u32,
    },
    /// Tell systemd that everything runs.
    Watchdog,
    /// The modules of a new file are compiled, or cannot be.
    Compiled {
        number: u64,
        keys: Result<Vec<String>, String>,
    },
    /// The commands of a new file were looked at.
    CommandsLookedAt {
        number: u64,
        failures: Vec<LoadFailure>,
    },
    ReloadDeadline {
        number: u64,
    },
    RestartRouter,
    RestartWorker,
    Terminate(&'static str),
    Hangup,
}

/// The supervisor.
#[derive(Debug)]
pub(super) struct Supervisor {
    options: Options,
    identities: Identities,
    /// Whether it still has what it was started with.
    all_rights: bool,
    node: String,
    source: Source,
    setup: Setup,
    instances: Vec<InstanceSetup>,
    keys: Vec<String>,
    router: Role<ToRouter>,
    worker: Role<ToWorker>,
    /// Of all workers so far.
    generations: u32,
    /// A worker that a reload replaced.
    retiring: Option<Retiring>,
    reload: Option<Reload>,
    /// Reloads so far.
    reloads: u64,
    guardian: Guardian,
    /// Of the router that runs.
    heartbeat: Option<Watch>,
    firewall: Firewall,
    known: Known,
    hooks: Queues,
    broker: Broker,
    /// What the worker had watched since it was started; none before it asks.
    watches: Option<Watches>,
    /// Instances that leave their addresses to others; a new router has to be told.
    drains: Drains,
    history: History,
    /// Who may ask through the control socket.
    gate: Gate,
    /// What was asked for at run time; a new process has to be told.
    log_level: Option<Level>,
    /// How the last one ended.
    last_reload: Option<crate::status::Reload>,
    check_runs: CheckRuns,
    /// Who waits for the router's status.
    status_waiters: Vec<oneshot::Sender<Response>>,
    /// Who waits for the same to show it over HTTP.
    snapshot_waiters: Vec<oneshot::Sender<Snapshot>>,
    /// Answers to such waiters so far.
    statuses_answered: u64,
    http: Http,
    events: mpsc::Sender<Event>,
    receiver: mpsc::Receiver<Event>,
}

/// What others ask the supervisor through.
pub(super) struct Doors {
    /// Who may ask through the control socket.
    pub(super) gate: Gate,
    pub(super) http: Http,
}

/// Where what happens to the supervisor waits for it.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) events: mpsc::Sender<Event>,
    pub(super) receiver: mpsc::Receiver<Event>,
}

/// A child and its history.
#[derive(Debug)]
struct Role<To> {
    child: Option<Child<To>>,
    generation: u32,
    started: Instant,
    delay: Duration,
}

impl<To> Role<To> {
    fn new() -> Self {
        Self {
            child: None,
            generation: 0,
            started: Instant::now(),
            delay: RESTART_DELAY,
        }
    }

    fn next_delay(&mut self) -> Duration {
        if self.started.elapsed() >= STABLE_AFTER {
            self.delay = RESTART_DELAY;
        }
        let delay = self.delay;
        self.delay = (delay * 2).min(RESTART_DELAY_MAX);
        delay
    }
}

impl Supervisor {
    /// Starts the worker, has it load every module, then starts the router.
    ///
    /// # Errors
    /// When a module cannot be loaded or the router cannot take part; nothing is running then.
    pub(super) async fn start(
        options: &Options,
        rights: Rights,
        checked: Checked,
        setup: Setup,
        keys: Vec<String>,
        Doors { gate, http }: Doors,
        Mailbox { events, receiver }: Mailbox,
    ) -> Result<Self, Failure> {
        let drains = Drains::read(&options.state_dir, |name| setup.instance_number(name));
        let drains = drains.map_err(|error| {
            let file = Drains::file(&options.state_dir);
            Failure::config(format!(
                "{} says which instances are drained, and cannot be read: {error}; \
                 delete it, and `vrrp-host drain --persist` them anew",
                file.display()
            ))
        })?;
        let mut history = History::new();
        history.happened(Happening::Started {
            node: checked.cluster.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        });
        let mut supervisor = Self {
            options: options.clone(),
            identities: rights.identities,
            all_rights: rights.all,
            node: checked.cluster.node.clone(),
            source: checked.source,
            instances: setup.instances.iter().map(instance_setup).collect(),
            keys,
            router: Role::new(),
            worker: Role::new(),
            generations: 0,
            retiring: None,
            reload: None,
            reloads: 0,
            guardian: Guardian::default(),
            heartbeat: None,
            firewall: Firewall::default(),
            known: Known::new(&setup),
            hooks: Queues::new(setup.instances.len() + setup.groups.len()),
            broker: Broker::new(),
            watches: None,
            drains,
            history,
            gate,
            log_level: None,
            last_reload: None,
            check_runs: CheckRuns::default(),
            status_waiters: Vec::new(),
            snapshot_waiters: Vec::new(),
            statuses_answered: 0,
            http,
            setup,
            events,
            receiver,
        };
        supervisor
            .firewall
            .refuse(supervisor.setup.refused_addresses())
            .map_err(|error| Failure::config(format!("accept-mode: {}", chain(&error))))?;
        supervisor.spawn_worker().map_err(Failure::internal)?;
        supervisor.wait_until_loaded().await?;
        guardian::remove_left_over().await;
        supervisor.spawn_router().map_err(Failure::internal)?;
        supervisor.wait_until_started().await?;
        supervisor.tell_worker(ToWorker::Start);
        Ok(supervisor)
    }

    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// Works until somebody asks for the end.
    pub(super) async fn run(&mut self) {
        self.feed_watchdog();
        while let Some(event) = self.receiver.recv().await {
            if let Event::Terminate(signal) = event {
                info!("{signal}: giving everything away");
                return;
            }
            self.handle(event).await;
        }
    }

    /// Gives everything away, runs the `stop` hooks, ends the children.
    pub(super) async fn stop(&mut self) {
        if let Some(router) = &self.router.child {
            router.send(ToRouter::Stop);
            self.handle_until(ROUTER_STOP, |supervisor| supervisor.router.child.is_none())
                .await;
        }
        self.guardian.give_away(&self.instances).await;
        for instance in 0..self.setup.instances.len() {
            let template = self.call_template(
                instance,
                State::Initialize,
                State::Initialize,
                "vrrp-host stops",
            );
            self.queue_hooks(Subject::Instance(instance), NotifyOn::Stop, &template);
        }
        for group in 0..self.setup.groups.len() {
            let (state, reason) = (State::Initialize, "vrrp-host stops");
            let template = self.group_template(group, state, state, reason);
            self.queue_hooks(Subject::Group(group), NotifyOn::Stop, &template);
        }
        self.handle_until(STOP_GRACE, |supervisor| supervisor.hooks.is_idle())
            .await;
        if !self.hooks.is_idle() {
            warn!("hooks did not end within {STOP_GRACE:?}");
        }
        self.worker.child = None;
        self.broker.stop_commands().await;
    }

    async fn handle_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + limit;
        while !done(self) {
            match timeout_at(deadline, self.receiver.recv()).await {
                // Asked to end while ending: a second signal changes nothing.
                Ok(Some(Event::Terminate(_) | Event::RestartRouter | Event::RestartWorker)) => {}
                Ok(Some(event)) => self.handle(event).await,
                Ok(None) | Err(_) => return,
            }
        }
    }

    async fn handle(&mut self, event: Event) {
        match event {
            Event::Router(generation, event) if generation == self.router.generation => match event
            {
                FromChild::Message(message) => self.router_says(message),
                FromChild::Gone(ending) => self.router_gone(&ending).await,
            },
            Event::Worker(generation, event) if generation == self.worker.generation => match event
            {
                FromChild::Message(message) => self.worker_says(message),
                FromChild::Gone(ending) => self.worker_gone(&ending),
            },
            Event::Worker(generation, event) if self.trying() == Some(generation) => {
                self.tried_worker(event);
            }
            Event::Worker(generation, event) => self.retiring_worker(generation, event),
            Event::Router(..) => {}
            Event::Compiled { number, keys } => self.reload_compiled(number, keys),
            Event::CommandsLookedAt { number, failures } => {
                self.reload_looked_at(number, &failures);
            }
            Event::ReloadDeadline { number } => self.reload_deadline(number),
            Event::Control(request, answer) => self.asked(request, answer),
            Event::Snapshot(answer) => {
                self.snapshot_waiters.push(answer);
                self.ask_for_status();
            }
            Event::Follow(last, answer) => {
                // A client that went away needs no answer.
                let _ = answer.send(self.history.follow(last));
            }
            Event::BrokerDone {
                generation,
                request,
                answer,
            } => self.broker_answered(generation, request, answer),
            Event::Happened {
                generation,
                trigger,
            } => {
                if generation == self.worker.generation {
                    self.tell_worker(ToWorker::Happened(trigger));
                }
            }
            Event::HookRetry { queue } => {
                self.hooks.resume(queue);
                self.call_next(queue);
            }
            Event::HookDeadline { call } => {
                if self.hooks.queue_of(call).is_some() {
                    self.hook_ended(call, HookOutcome::Permanent("no answer in time".to_owned()));
                }
            }
            Event::StatusDeadline { answered } => self.status_deadline(answered),
            Event::RouterSilent { generation } => self.router_silent(generation),
            Event::RouterKillDeadline { generation } => self.router_unkillable(generation).await,
            Event::Watchdog => self.feed_watchdog(),
            Event::RestartRouter => self.restart_router(),
            Event::RestartWorker => self.restart_worker(),
            Event::Hangup => self.reload(None),
            Event::Terminate(_) => {}
        }
    }

    /// As long as this loop turns, and that of the router does.
    fn feed_watchdog(&self) {
        let Some(interval) = manager::feed_interval() else {
            return;
        };
        if self.heartbeat.as_ref().is_some_and(Watch::is_alive) {
            manager::feed();
        }
        self.later(interval, Event::Watchdog);
    }

    fn later(&self, delay: Duration, event: Event) {
        let events = self.events.clone();
        tokio::spawn(async move {
            sleep(delay).await;
            let _ = events.send(event).await;
        });
    }

    fn instance_name(&self, instance: u32) -> String {
        position(instance)
            .and_then(|index| self.setup.instances.get(index))
            .map_or_else(|| "?".to_owned(), |plan| plan.instance.name.clone())
    }
}

fn from_unix_ms(at: u64) -> std::time::SystemTime {
    std::time::UNIX_EPOCH + Duration::from_millis(at)
}

/// Milliseconds since 1970.
pub(super) fn unix_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}
