//! Shows a unit, or runs a job on it: `systemd UNIT [start|stop|restart|reload|try-restart [SECONDS]]`.

use std::io::Write as _;
use std::time::{Duration, Instant};

use vrrp_linux::systemd::{Action, Systemd};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (name, job) = match arguments[..] {
        [name] => (name, None),
        [name, action] => (name, Some((parse(action)?, 30.0))),
        [name, action, seconds] => (name, Some((parse(action)?, seconds.parse()?))),
        _ => return Err("UNIT [start|stop|restart|reload|try-restart [SECONDS]]".into()),
    };
    let systemd = Systemd::connect().await?;
    let mut output = std::io::stdout();
    let begun = Instant::now();
    if let Some((action, seconds)) = job {
        let result = systemd
            .run_job(name, action, Duration::from_secs_f64(seconds))
            .await;
        writeln!(output, "{action:?}: {result:?} after {:?}", begun.elapsed())?;
    }
    let begun = Instant::now();
    let unit = systemd.unit(name).await;
    writeln!(output, "{unit:?} after {:?}", begun.elapsed())?;
    Ok(())
}

fn parse(action: &str) -> Result<Action, String> {
    match action {
        "start" => Ok(Action::Start),
        "stop" => Ok(Action::Stop),
        "restart" => Ok(Action::Restart),
        "reload" => Ok(Action::Reload),
        "try-restart" => Ok(Action::TryRestart),
        other => Err(format!("unknown action {other}")),
    }
}
