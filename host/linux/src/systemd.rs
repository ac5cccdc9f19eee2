//! systemd over the system bus: the state of units, jobs that change it, and events when it changes ([`UnitWatcher`]).

mod watcher;

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};
use zbus::{Connection, OwnedObjectPath, fdo};

pub use watcher::UnitWatcher;

/// A connection to systemd. Made anew when the bus has gone and come back.
#[derive(Debug)]
pub struct Systemd {
    connection: Mutex<Connection>,
}

/// A unit's state, in systemd's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its full name, also when it was asked for by an alias.
    pub name: String,
    /// `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating`, or what a later systemd adds.
    pub active_state: String,
    /// Finer, and different for each type of unit: `running`, `exited`, `dead`, ...
    pub sub_state: String,
    /// The main process of a service; 0 when there is none.
    pub main_pid: u32,
    /// How often `Restart=` has restarted a service since it was started by hand.
    pub restarts: u32,
}

/// What to do with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// `systemctl start`.
    Start,
    /// `systemctl stop`.
    Stop,
    /// `systemctl restart`: starts it, too, when it does not run.
    Restart,
    /// `systemctl reload`.
    Reload,
    /// `systemctl try-restart`: nothing when it does not run.
    TryRestart,
}

/// Why systemd has no answer about a unit.
#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    /// No such unit.
    #[error("there is no unit {0}")]
    NotFound(String),
    /// No answer within [`ANSWER_TIMEOUT`].
    #[error("systemd did not answer in time")]
    Timeout,
    /// systemd, or polkit, or the policy of the bus refused.
    #[error("systemd refused: {0}")]
    Denied(String),
    /// The bus or systemd is not there, or answered something else.
    #[error("cannot talk to systemd")]
    Bus(#[source] zbus::Error),
}

/// Why a job did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// systemd did not take it on.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// It ended, but not well; `result` is systemd's word: `failed`, `canceled`, `timeout`, `dependency`, `skipped`, ...
    #[error("the job ended with the result {result:?}; `systemctl status {unit}` tells more")]
    Failed {
        /// The unit.
        unit: String,
        /// How it ended.
        result: String,
    },
    /// It has not ended within the time given. It goes on.
    #[error("the job has not ended within {}s; it goes on", .after.as_secs_f64())]
    Timeout {
        /// The time given.
        after: Duration,
    },
    /// The connection ended while the job was under way. It goes on, and how it ends is not known.
    #[error("the connection to the bus ended before the job did")]
    Lost,
}

/// How long systemd may take for an answer, which is usually some hundred microseconds.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

impl Systemd {
    /// Connects to the system bus, whose address `DBUS_SYSTEM_BUS_ADDRESS` may change.
    ///
    /// # Errors
    ///
    /// [`SystemdError::Bus`] or [`SystemdError::Timeout`].
    pub async fn connect() -> Result<Self, SystemdError> {
        let connection = Mutex::new(connect().await?);
        Ok(Self { connection })
    }

    /// The state of the unit `name`, with its suffix (`node_exporter.service`).
    ///
    /// # Errors
    ///
    /// See [`SystemdError`].
    pub async fn unit(&self, name: &str) -> Result<Unit, SystemdError> {
        let connection = self.connection().await?;
        match answer(name, read_unit(&connection, name)).await {
            // The bus was restarted, and this was the first to notice.
            Err(SystemdError::Bus(_)) if connection.is_closed() => {
                let connection = self.connection().await?;
                answer(name, read_unit(&connection, name)).await
            }
            result => result,
        }
        .and_then(|unit| unit.ok_or_else(|| SystemdError::NotFound(name.to_owned())))
    }

    /// Does `action` to the unit `name`, as `systemctl` would (job mode `replace`), and waits until the job has ended, at most `within`.
    ///
    /// # Errors
    ///
    /// See [`JobError`].
    pub async fn run_job(
        &self,
        name: &str,
        action: Action,
        within: Duration,
    ) -> Result<(), JobError> {
        let deadline = Instant::now() + within;
        let connection = self.connection().await?;
        timeout_at(deadline, run_job(&connection, name, action))
            .await
            .unwrap_or(Err(JobError::Timeout { after: within }))
    }

    /// The connection, or a new one when it has ended.
    async fn connection(&self) -> Result<Connection, SystemdError> {
        let mut connection = self.connection.lock().await;
        if connection.is_closed() {
            *connection = connect().await?;
        }
        Ok(connection.clone())
    }
}

async fn connect() -> Result<Connection, SystemdError> {
    timeout(ANSWER_TIMEOUT, Connection::system())
        .await
        .map_err(|_elapsed| SystemdError::Timeout)?
        .map_err(SystemdError::Bus)
}

/// Nothing when there is no such unit.
async fn read_unit(connection: &Connection, name: &str) -> zbus::Result<Option<Unit>> {
    let manager = ManagerProxy::new(connection).await?;
    // Unlike GetUnit it answers for units that are not loaded, and unlike LoadUnit it needs no further calls for their state.
    let listed = manager.list_units_by_names(&[name]).await?;
    let Some((id, _, load_state, active_state, sub_state, _, path, _, _, _)) =
        listed.into_iter().next()
    else {
        return Ok(None);
    };
    if load_state == "not-found" {
        return Ok(None);
    }
    let mut unit = Unit {
        name: id,
        active_state,
        sub_state,
        main_pid: 0,
        restarts: 0,
    };
    if unit.name.ends_with(".service") {
        let service = ServiceProxy::builder(connection)
            .path(path)
            .cache_properties(zbus::proxy::CacheProperties::No)
            .build()
            .await?;
        (unit.main_pid, unit.restarts) = tokio::try_join!(service.main_pid(), service.restarts())?;
    }
    Ok(Some(unit))
}

async fn run_job(connection: &Connection, name: &str, action: Action) -> Result<(), JobError> {
    let manager = answer(name, ManagerProxy::new(connection)).await?;
    // Before the job exists, since it may have ended before the answer that names it is read.
    let mut removed = answer(name, manager.receive_job_removed()).await?;
    answer(name, subscribe(&manager)).await?;
    let asked = async {
        match action {
            Action::Start => manager.start_unit(name, JOB_MODE).await,
            Action::Stop => manager.stop_unit(name, JOB_MODE).await,
            Action::Restart => manager.restart_unit(name, JOB_MODE).await,
            Action::Reload => manager.reload_unit(name, JOB_MODE).await,
            Action::TryRestart => manager.try_restart_unit(name, JOB_MODE).await,
        }
    };
    let job = answer(name, asked).await?;
    while let Some(signal) = removed.next().await {
        let ended = signal.args().map_err(SystemdError::Bus)?;
        if *ended.job() != *job {
            continue;
        }
        return match *ended.result() {
            "done" => Ok(()),
            result => Err(JobError::Failed {
                unit: name.to_owned(),
                result: result.to_owned(),
            }),
        };
    }
    Err(JobError::Lost)
}

/// A new job takes the place of one that contradicts it, as with `systemctl`.
const JOB_MODE: &str = "replace";

/// systemd sends signals to those only who asked for them, once.
async fn subscribe(manager: &ManagerProxy<'_>) -> zbus::Result<()> {
    match manager.subscribe().await {
        Err(zbus::Error::MethodError(name, ..))
            if name.as_str() == "org.freedesktop.systemd1.AlreadySubscribed" =>
        {
            Ok(())
        }
        result => result,
    }
}

async fn answer<T>(
    unit: &str,
    call: impl Future<Output = zbus::Result<T>>,
) -> Result<T, SystemdError> {
    timeout(ANSWER_TIMEOUT, call)
        .await
        .map_err(|_elapsed| SystemdError::Timeout)?
        .map_err(|error| classify(unit, error))
}

fn classify(unit: &str, error: zbus::Error) -> SystemdError {
    if let zbus::Error::MethodError(name, detail, _) = &error {
        let detail = || detail.clone().unwrap_or_else(|| name.to_string());
        return match name.as_str() {
            "org.freedesktop.systemd1.NoSuchUnit" => SystemdError::NotFound(unit.to_owned()),
            "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired" => {
                SystemdError::Denied(detail())
            }
            _ => SystemdError::Bus(error),
        };
    }
    if let zbus::Error::FDO(refusal) = &error
        && let fdo::Error::AccessDenied(detail)
        | fdo::Error::AuthFailed(detail)
        | fdo::Error::InteractiveAuthorizationRequired(detail) = &**refusal
    {
        return SystemdError::Denied(detail.clone());
    }
    SystemdError::Bus(error)
}

/// Name, description, load state, active state, sub state, followed unit, path, job id, job type, job path.
type ListedUnit = (
    String,
    String,
    String,
    String,
    String,
    String,
    OwnedObjectPath,
    u32,
    String,
    OwnedObjectPath,
);

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn subscribe(&self) -> zbus::Result<()>;
    fn list_units_by_names(&self, names: &[&str]) -> zbus::Result<Vec<ListedUnit>>;
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn restart_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn reload_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn try_restart_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;

    #[zbus(signal)]
    fn job_removed(
        &self,
        id: u32,
        job: zbus::ObjectPath<'_>,
        unit: &str,
        result: &str,
    ) -> zbus::Result<()>;
}

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Service",
    default_service = "org.freedesktop.systemd1"
)]
trait Service {
    #[zbus(property(emits_changed_signal = "false"), name = "MainPID")]
    fn main_pid(&self) -> zbus::Result<u32>;
    #[zbus(property(emits_changed_signal = "false"), name = "NRestarts")]
    fn restarts(&self) -> zbus::Result<u32>;
}
