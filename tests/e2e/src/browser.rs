//! A browser, for pages that are more than their text: Debian's Chromium without a screen, driven by WebDriver.

use std::time::Duration;

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder};
use lab::{Netns, Process, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::daemon::LIMIT;
use crate::inside::inside;
use crate::path::utf8;

/// Where the driver listens, in the host's own network.
const DRIVER: &str = "http://127.0.0.1:9515";
/// It runs as root, and looks at nothing but what the test opens.
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];
/// One script of WebDriver, however busy the machine is.
const SCRIPT_MAX: Duration = Duration::from_secs(60);

/// A browser in a host. Dropping it ends it.
#[derive(Debug)]
pub struct Browser<'h> {
    host: &'h Netns,
    runtime: Runtime,
    client: Client,
    _driver: Process,
    _profile: TempDir,
}

/// How a browser looks at pages.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub width: u32,
    pub height: u32,
    pub dark: bool,
}

impl<'h> Browser<'h> {
    /// Starts a browser in a host that has no other one.
    ///
    /// # Panics
    ///
    /// When it does not start within [`LIMIT`].
    #[must_use]
    pub fn start(host: &'h Netns, look: Look) -> Self {
        let profile = TempDir::with_prefix("browser-").expect("a temporary folder can be made");
        let driver = host
            .spawn(&["chromedriver", "--port=9515"])
            .expect("chromedriver can be started");
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", utf8(profile.path())));
        arguments.push(format!("--window-size={},{}", look.width, look.height));
        if look.dark {
            arguments.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        let options = json!({ "args": arguments, "binary": "/usr/bin/chromium" });
        let capabilities = Capabilities::from_iter([("goog:chromeOptions".to_owned(), options)]);
        let client = inside(host, || {
            wait_until(LIMIT * 2, "a browser", || {
                runtime
                    .block_on(
                        ClientBuilder::new(
                            hyper_util::client::legacy::connect::HttpConnector::new(),
                        )
                        .capabilities(capabilities.clone())
                        .connect(DRIVER),
                    )
                    .map_err(|error| format!("{error}\n{}", driver.log()))
            })
        });
        Self {
            client: client.unwrap_or_else(|error| panic!("{error}")),
            host,
            runtime,
            _driver: driver,
            _profile: profile,
        }
    }

    /// Opens a page.
    ///
    /// # Panics
    ///
    /// When it cannot be opened.
    pub fn open(&self, url: &str) {
        self.wait_for(self.client.goto(url));
    }

    /// Runs a script in the page; what it returns is the answer.
    ///
    /// # Panics
    ///
    /// When the script throws.
    #[must_use]
    pub fn run(&self, script: &str) -> Value {
        self.wait_for(self.client.execute(script, Vec::new()))
    }

    /// Waits until a script returns something that is true.
    ///
    /// # Panics
    ///
    /// When it does not within [`LIMIT`]; shows the text of the page.
    pub fn wait_until(&self, what: &str, script: &str) {
        let waited = wait_until(LIMIT, what, || {
            if self.run(script) == Value::Bool(true) {
                Ok(())
            } else {
                Err(self.run("return document.body.innerText").to_string())
            }
        });
        waited.unwrap_or_else(|error| panic!("{error}"));
    }

    /// The page as a picture (PNG).
    ///
    /// # Panics
    ///
    /// When the browser makes none.
    #[must_use]
    pub fn picture(&self) -> Vec<u8> {
        self.wait_for(self.client.screenshot())
    }

    /// WebDriver connects from the thread that waits for it.
    fn wait_for<T: Send, E: std::fmt::Display>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send,
    ) -> T {
        inside(self.host, || {
            self.runtime.block_on(async {
                match tokio::time::timeout(SCRIPT_MAX, work).await {
                    Ok(Ok(done)) => done,
                    Ok(Err(error)) => panic!("the browser: {error}"),
                    Err(_) => panic!("the browser does not answer"),
                }
            })
        })
    }
}

impl Drop for Browser<'_> {
    fn drop(&mut self) {
        let client = self.client.clone();
        inside(self.host, || {
            self.runtime.block_on(async {
                // The driver ends what is left.
                let _ = tokio::time::timeout(SCRIPT_MAX, client.close()).await;
            });
        });
    }
}
