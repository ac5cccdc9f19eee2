//! The supervisor: the process that systemd or a person starts. It owns cluster.toml, the two children,
//! the control socket and, as broker, the privileged acts that a grant allows.
//!
//! [`run`] finds everything that can be wrong before anything starts; [`Supervisor`] then
//! passes on what the children say and acts for them when they die.

mod broker;
mod children;
pub(crate) mod compile;
mod control;
mod drains;
mod finder;
mod guardian;
mod heartbeat;
mod history;
mod hooks;
mod host;
mod http;
mod identities;
mod known;
mod manager;
mod prepare;
mod running;
mod setup;
mod watches;

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::info;
use vrrp_linux::group::Group;

pub(crate) use broker::Broker;
pub(crate) use compile::compile;
pub(crate) use control::{InstanceCommand, Request, Response};
pub(crate) use hooks::{called, notify_on};
pub(crate) use known::standing_word;
pub(crate) use prepare::{read, read_for_every_node, try_modules};
pub(crate) use setup::{Setup, instance_setup, module_setup};

use crate::cli::Options;
use crate::exit::Failure;
use crate::logging;
use control::Asked;
use host::Rights;
use http::Http;
use prepare::Checked;
use running::{Doors, Event, Mailbox, Supervisor};

/// Messages that wait for the supervisor; a child that says more has to wait.
const EVENTS_MAX: usize = 1024;

/// Runs the daemon until SIGTERM or SIGINT.
///
/// # Errors
/// When the file or a module is wrong, rights are missing, or another daemon runs: then nothing was started.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let checked = read(options)?;
    host::check(&checked)?;
    let http = bind_http(&checked)?;
    let rights = Rights::reduce(&checked)?;
    let _log = logging::start(options.log_format);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::internal)?;
    runtime.block_on(run_checked(options, rights, checked, http))
}

/// A port may take rights that are given up later, and another program may have it.
fn bind_http(checked: &Checked) -> Result<Option<http::Bound>, Failure> {
    let cluster = &checked.cluster;
    let config = cluster.http.as_ref();
    let bound = config.map(|config| http::bind(config, &checked.source, &cluster.node));
    bound.transpose()
}

async fn run_checked(
    options: &Options,
    rights: Rights,
    checked: Checked,
    http: Option<http::Bound>,
) -> Result<(), Failure> {
    for line in checked.warnings.lines() {
        tracing::warn!("{line}");
    }
    prepare::prepare_cache(options)?;
    let (events, receiver) = mpsc::channel(EVENTS_MAX);
    let readers = host::readers(&checked)?;
    let control = listen(&options.control, readers, &events).await?;
    deliver_signals(&events)?;
    let setup = Setup::for_node(&checked.cluster);
    prepare::check_virtual_macs(&checked.source, &setup).await?;
    let keys = prepare::compile_modules(options, &checked.source, &setup).await?;
    let http = Http::start(http, events.clone())?;
    let doors = Doors {
        gate: control.gate(),
        http,
    };
    let mailbox = Mailbox { events, receiver };
    let mut supervisor =
        Supervisor::start(options, rights, checked, setup, keys, doors, mailbox).await?;
    info!("node {}: ready", supervisor.node());
    manager::ready();
    supervisor.run().await;
    manager::stopping();
    supervisor.stop().await;
    drop(control);
    info!("stopped");
    Ok(())
}

async fn listen(
    path: &Path,
    readers: Option<Group>,
    events: &mpsc::Sender<Event>,
) -> Result<control::Control, Failure> {
    let events = events.clone();
    control::Control::listen(path, readers, move |asked| {
        let event = match asked {
            Asked::Once(request, answer) => Event::Control(request, answer),
            Asked::Follow(last, answer) => Event::Follow(last, answer),
        };
        // A supervisor that is too busy to take the request drops the place for the answer, which the client sees.
        let _ = events.try_send(event);
    })
    .await
}

fn deliver_signals(events: &mpsc::Sender<Event>) -> Result<(), Failure> {
    deliver(events, SignalKind::terminate(), || {
        Event::Terminate("SIGTERM")
    })?;
    deliver(events, SignalKind::interrupt(), || {
        Event::Terminate("SIGINT")
    })?;
    deliver(events, SignalKind::hangup(), || Event::Hangup)
}

fn deliver(
    events: &mpsc::Sender<Event>,
    kind: SignalKind,
    event: fn() -> Event,
) -> Result<(), Failure> {
    let mut stream = signal(kind).map_err(Failure::internal)?;
    let events = events.clone();
    tokio::spawn(async move {
        while stream.recv().await.is_some() {
            if events.send(event()).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}
