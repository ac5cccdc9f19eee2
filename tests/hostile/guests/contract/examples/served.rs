//! A check that has the broker read files and run commands.

use contract_guests::{teller, text, texts};

wit_bindgen::generate!({ path: "../../../../wit", world: "check" });

use vrrp_host::plugin::{exec, files};

teller!("served", tell);

fn tell(config: &str, subject: &str) -> Result<String, CheckError> {
    Ok(match text(config, "do") {
        "read" => match files::read(subject, 100) {
            Ok(content) => String::from_utf8_lossy(&content).into_owned(),
            Err(error) => format!("{error:?}"),
        },
        "modified" => format!("{:?}", files::modified_unix_ms(subject)),
        "run" => match exec::run(subject, &texts(config, "args"), 60_000) {
            Ok(output) => format!(
                "{:?} {:?} {:?} {}",
                output.ending,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
                output.truncated
            ),
            Err(error) => format!("{error:?}"),
        },
        "run-much" => format!("{:?}", exec::run(subject, &["x".repeat(40_000)], 60_000)),
        other => other.to_owned(),
    })
}
