//! Debian's docker-registry on loopback, and what pretends to be one.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use lab::wait_until;
use serde_json::Value;
use tempfile::TempDir;

use crate::authority::{Authority, DAY};
use crate::daemon::LIMIT;

/// The one user of a registry that wants a password: `author`, `secret`.
const HTPASSWD: &str = "author:$2y$05$acSH0CwYHb0U2f2ByVu/c.fYmsR8GmJMomiLKgW7/xywPosy5VCAi\n";

/// A registry. Dropping it ends it.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Registry {
    /// One that anybody may use.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start() -> Self {
        Self::start_in(new_folder(), "", "")
    }

    /// One that speaks TLS, with a certificate of this authority.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start_with_tls(authority: &Authority) -> Self {
        let folder = new_folder();
        authority.certify("127.0.0.1", DAY, folder.path());
        let tls = ", tls: { certificate: 127.0.0.1.pem, key: 127.0.0.1.key }";
        Self::start_in(folder, tls, "")
    }

    /// One that wants a token, which [`Registry::token`] makes.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start_with_tokens() -> Self {
        let folder = new_folder();
        let made = "openssl req -x509 -newkey rsa:2048 -nodes -keyout token.key -out token.pem -subj /CN=test -days 1";
        sh(folder.path(), made);
        let token = "{ realm: http://127.0.0.1:9/token, service: test, issuer: test, rootcertbundle: token.pem }";
        Self::start_in(folder, "", &format!("auth: {{ token: {token} }}\n"))
    }

    /// One that wants a password.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start_with_password() -> Self {
        let htpasswd = "auth: { htpasswd: { realm: test, path: htpasswd } }\n";
        Self::start_in(new_folder(), "", htpasswd)
    }

    fn start_in(folder: TempDir, http: &str, more: &str) -> Self {
        let address = free_address();
        let config = format!(
            "version: 0.1\n\
             log: {{ level: warn }}\n\
             storage: {{ filesystem: {{ rootdirectory: storage }} }}\n\
             http: {{ addr: \"{address}\"{http} }}\n\
             {more}"
        );
        fs::write(folder.path().join("config.yml"), config).expect("a file can be written");
        fs::write(folder.path().join("htpasswd"), HTPASSWD).expect("a file can be written");
        let log = File::create(folder.path().join("log")).expect("a file can be written");
        let child = Command::new("docker-registry")
            .args(["serve", "config.yml"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("docker-registry is installed");
        let registry = Self {
            child,
            address,
            folder,
        };
        wait_until(LIMIT, "the registry to answer", || {
            TcpStream::connect(address)
                .map(drop)
                .map_err(|error| format!("{error}: {}", registry.log()))
        })
        .unwrap_or_else(|error| panic!("{error}"));
        registry
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What lets its bearer do this with a repository for a minute: a list such as `"pull","push"`. The form is that of
    /// the distribution project's token specification.
    ///
    /// # Panics
    ///
    /// When the registry was not started with tokens.
    #[must_use]
    pub fn token(&self, repository: &str, actions: &str) -> String {
        let script = format!(
            r#"
            base64url() {{ openssl base64 -A | tr '+/' '-_' | tr -d '='; }}
            certificate=$(openssl x509 -in token.pem -outform DER | openssl base64 -A)
            now=$(date +%s)
            header=$(printf '{{"typ":"JWT","alg":"RS256","x5c":["%s"]}}' "$certificate" | base64url)
            access='{{"type":"repository","name":"{repository}","actions":[{actions}]}}'
            claims=$(printf '{{"iss":"test","sub":"author","aud":"test","iat":%d,"nbf":%d,"exp":%d,"jti":"1","access":[%s]}}' \
                $now $((now - 60)) $((now + 60)) "$access" | base64url)
            signature=$(printf %s "$header.$claims" | openssl dgst -sha256 -sign token.key | base64url)
            echo "$header.$claims.$signature"
            "#
        );
        sh(self.folder.path(), &script).trim().to_owned()
    }

    /// The file in which it keeps what has this digest.
    ///
    /// # Panics
    ///
    /// When it has nothing of the kind.
    #[must_use]
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let blobs = self
            .folder
            .path()
            .join("storage/docker/registry/v2/blobs/sha256");
        let path = blobs.join(&hex[..2]).join(hex).join("data");
        assert!(path.is_file(), "no {}", path.display());
        path
    }

    /// The manifest of `REPOSITORY:TAG`.
    ///
    /// # Panics
    ///
    /// When it cannot be had.
    #[must_use]
    pub fn manifest(&self, repository: &str, tag: &str) -> Value {
        let answer = self.http("GET", &format!("/v2/{repository}/manifests/{tag}"), "");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Makes `REPOSITORY:TAG` mean this manifest.
    ///
    /// # Panics
    ///
    /// When the registry refuses it.
    pub fn put_manifest(&self, repository: &str, tag: &str, manifest: &Value) {
        let path = format!("/v2/{repository}/manifests/{tag}");
        self.http("PUT", &path, &manifest.to_string());
    }

    fn http(&self, method: &str, path: &str, body: &str) -> String {
        const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
        let mut stream = TcpStream::connect(self.address).expect("the registry answers");
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: test\r\nAccept: {MANIFEST}\r\nContent-Type: {MANIFEST}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .expect("the registry listens");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .expect("the registry answers");
        let (head, content) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        let status = head.lines().next().unwrap_or_default();
        assert!(status.contains(" 20"), "{method} {path}: {answer}");
        content.to_owned()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What accepts connections on loopback and never answers the requests on them as it should. It lives as long as the test.
#[derive(Clone, Copy, Debug)]
pub struct Pretender {
    address: SocketAddr,
}

impl Pretender {
    /// One that accepts and says nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(|_, _| Ok(()))
    }

    /// One that passes on what `registry` says until its answer to a request for a blob: of that, it gives half.
    #[must_use]
    pub fn halving(registry: &Registry) -> Self {
        let behind = registry.address;
        Self::new(move |request, stream| {
            let answer = forward(behind, request)?;
            let is_blob = request.starts_with("GET /v2/") && request.contains("/blobs/");
            let end = answer
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
                .map_or(0, |head| head + 4);
            let given = if is_blob {
                end + (answer.len() - end) / 2
            } else {
                answer.len()
            };
            stream.write_all(&answer[..given])
        })
    }

    fn new(
        answer: impl Fn(&str, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback is there");
        let address = listener.local_addr().expect("it is bound");
        let answer = std::sync::Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = answer.clone();
                thread::spawn(move || serve(stream, &*answer));
            }
        });
        Self { address }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(self) -> SocketAddr {
        self.address
    }
}

/// Answers each request of a connection, and keeps it open until the other side has had enough.
fn serve(mut stream: TcpStream, answer: &dyn Fn(&str, &mut TcpStream) -> io::Result<()>) {
    let mut request = String::new();
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        request += &String::from_utf8_lossy(&bytes[..count]);
        if request.ends_with("\r\n\r\n") {
            if answer(&request, &mut stream).is_err() {
                return;
            }
            request.clear();
        }
    }
}

/// Asks the registry behind for the same, and returns its whole answer.
fn forward(registry: SocketAddr, request: &str) -> io::Result<Vec<u8>> {
    let mut behind = TcpStream::connect(registry)?;
    // The answer is to end with the connection, so that all of it can be had at once.
    let (line, headers) = request.split_once("\r\n").unwrap_or((request, ""));
    let request = format!("{line}\r\nConnection: close\r\n{headers}");
    behind.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    behind.read_to_end(&mut answer)?;
    // Our side of the connection stays open.
    let text = String::from_utf8_lossy(&answer);
    Ok(match text.find("Connection: close\r\n") {
        Some(start) => {
            let end = start + "Connection: close\r\n".len();
            [&answer[..start], &answer[end..]].concat()
        }
        None => answer,
    })
}

fn new_folder() -> TempDir {
    TempDir::with_prefix("registry-").expect("a temporary folder can be made")
}

/// What a script in a folder prints.
fn sh(folder: &Path, script: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-e", "-c", script]).current_dir(folder);
    let output = command.output().expect("there is a shell");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {told}");
    String::from_utf8(output.stdout).expect("it prints text")
}

/// A port of loopback that nobody listens on.
///
/// # Panics
///
/// When loopback is not there.
#[must_use]
pub fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("loopback is there")
}
