//! Components are compiled by a short-lived child: Cranelift works on input that we did not write,
//! for up to a minute and hundreds of megabytes, and none of that belongs in a process that lives on.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use vrrp_linux::landlock::Reach;
use vrrp_linux::rights;
use vrrp_linux::seccomp::{self, Profile};
use vrrp_sandbox::{CompiledCache, Compiler, EngineConfig, ModuleRole};

use crate::cli::Options;
use crate::config::ModuleSource;
use crate::exit::{Failure, chain};
use crate::logging;
use crate::modules;
use crate::store::{COMPONENT_MAX, Digest, Store};

/// CPU time of the child, seconds.
const CPU_SECONDS_MAX: u64 = 120;
/// Address space of the child, bytes; Cranelift took 410 MB for a 12 MB component.
const ADDRESS_SPACE_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Wall time after which the child is given up.
const WALL_MAX: Duration = Duration::from_secs(180);

/// What the child is asked.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    cache: PathBuf,
    engine: EngineConfig,
    modules: Vec<Source>,
}

/// Where a component comes from, as the child is told.
#[derive(Debug, Serialize, Deserialize)]
enum Source {
    BuiltIn(ModuleRole, String),
    File(PathBuf),
    /// From the store, which is in the same folder as the cache.
    Registry(Digest),
}

/// Key in the cache, or why there is none; one for each module asked for.
pub(crate) type Compiled = Vec<Result<String, String>>;

/// The folder of compiled modules.
pub(crate) fn cache_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("modules")
}

/// Has `sources` compiled into the cache, as far as they are not there yet.
///
/// # Errors
/// When the child cannot be run or does not answer.
pub(crate) async fn compile(
    state_dir: &Path,
    engine: EngineConfig,
    sources: &[ModuleSource],
) -> Result<Compiled, Failure> {
    let request = Request {
        cache: cache_dir(state_dir),
        engine,
        modules: sources
            .iter()
            .map(|source| match source {
                ModuleSource::BuiltIn(role, name) => Source::BuiltIn(*role, name.clone()),
                ModuleSource::File(path) => Source::File(path.clone()),
                ModuleSource::Registry(_, digest) => Source::Registry(*digest),
            })
            .collect(),
    };
    let request = serde_json::to_vec(&request).map_err(Failure::internal)?;
    let mut child = Command::new("/proc/self/exe")
        .args(["role", "compile"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Failure::internal(format!("cannot start the compiler: {error}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A child that died early shows in its status.
        let _ = stdin.write_all(&request).await;
    }
    let output = tokio::time::timeout(WALL_MAX, child.wait_with_output())
        .await
        .map_err(|_| {
            Failure::config(format!(
                "compiling the modules took longer than {WALL_MAX:?}"
            ))
        })?
        .map_err(Failure::internal)?;
    if !output.status.success() {
        return Err(Failure::config(format!(
            "compiling the modules failed ({}): is a module too large or broken?",
            output.status
        )));
    }
    serde_json::from_slice(&output.stdout).map_err(Failure::internal)
}

/// The child: reads a [`Request`] from its standard input, writes a [`Compiled`] to its standard output.
///
/// # Errors
/// When it was not started by [`compile`], or the cache cannot be written.
pub(crate) fn child(options: &Options) -> Result<(), Failure> {
    rights::keep_reading().map_err(Failure::internal)?;
    limit(Resource::Cpu, CPU_SECONDS_MAX)?;
    limit(Resource::As, ADDRESS_SPACE_MAX)?;
    let mut text = Vec::new();
    std::io::stdin()
        .read_to_end(&mut text)
        .map_err(Failure::internal)?;
    let request: Request = serde_json::from_slice(&text)
        .map_err(|_| Failure::internal("this role is started by vrrp-host itself, not by hand"))?;
    let cache = CompiledCache::new(&request.cache);
    // What is not there when it is confined stays out of its reach. Why there is none, the first module to be stored tells.
    _ = cache.make_folder();
    let _log = confine(options, &request)?;
    let compiler = Compiler::new(&request.engine).map_err(Failure::internal)?;
    let store = Store::in_folder(&request.cache);
    let compiled: Compiled = request
        .modules
        .iter()
        .map(|source| compile_one(&compiler, &cache, &store, source))
        .collect();
    let answer = serde_json::to_vec(&compiled).map_err(Failure::internal)?;
    std::io::stdout()
        .write_all(&answer)
        .map_err(Failure::internal)
}

/// Whatever a component makes of the compiler, it reads files and writes into the cache.
fn confine(options: &Options, request: &Request) -> Result<logging::Guard, Failure> {
    let reach = Reach::default().read("/").write(&request.cache);
    // Where the kernel has no Landlock, the worker tells.
    reach.enforce().map_err(Failure::internal)?;
    let log = logging::start(options.log_format);
    if let Err(error) = seccomp::restrict(Profile::Compiler) {
        tracing::warn!(
            error = chain(&error),
            "the compiler may make any system call"
        );
    }
    Ok(log)
}

fn limit(resource: Resource, wanted: u64) -> Result<(), Failure> {
    let maximum = getrlimit(resource).maximum;
    let value = Some(maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    setrlimit(
        resource,
        Rlimit {
            current: value,
            maximum: value,
        },
    )
    .map_err(Failure::internal)
}

fn compile_one(
    compiler: &Compiler,
    cache: &CompiledCache,
    store: &Store,
    source: &Source,
) -> Result<String, String> {
    let component = match source {
        Source::BuiltIn(role, name) => modules::find(*role, name)
            .ok_or_else(|| format!("there is no module {name} in this binary"))?
            .to_vec(),
        Source::File(path) => read(path)?,
        // What is compiled is what was compared with the digest, whatever happens to the file meanwhile.
        Source::Registry(digest) => {
            let stored = store.load(digest).map_err(|error| chain(&error))?;
            stored.component
        }
    };
    let key = compiler.cache_key(&component);
    // One that is damaged or not ours is compiled again.
    if cache.load(&key).is_ok() {
        return Ok(key);
    }
    let compiled = compiler
        .compile(&component)
        .map_err(|error| chain(&error))?;
    cache
        .store(&key, &compiled)
        .map_err(|error| chain(&error))?;
    Ok(key)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let explain = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let file = std::fs::File::open(path).map_err(explain)?;
    let mut component = Vec::new();
    file.take(COMPONENT_MAX + 1)
        .read_to_end(&mut component)
        .map_err(explain)?;
    if component.len() as u64 > COMPONENT_MAX {
        return Err(format!("{} is larger than 32 MiB", path.display()));
    }
    Ok(component)
}
