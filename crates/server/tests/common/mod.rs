//! The program under test, started and looked at as a person would.
#![allow(clippy::unwrap_used, missing_docs, dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long anything may take that takes a moment on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_orchestrator"))
}

/// A configuration in `directory` with a database there and a free port, and `settings` on top.
pub fn configured(directory: &Path, settings: &Value) -> PathBuf {
    let mut config = json!({
        "ListenAddress": free_address(),
        "SQLite3DataFile": directory.join("orchestrator.sqlite3"),
        "MySQLTopologyUser": lab::Accounts::MANAGER.0,
        "MySQLTopologyPassword": lab::Accounts::MANAGER.1,
        "HostnameResolveMethod": "none",
        "MySQLHostnameResolveMethod": "none",
    });
    let entries = config.as_object_mut().unwrap();
    for (key, value) in settings.as_object().unwrap() {
        entries.insert(key.clone(), value.clone());
    }
    let file = directory.join("orchestrator.conf.json");
    std::fs::write(&file, format!("{config:#}")).unwrap();
    file
}

pub fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Runs the program to its end, which must come by itself, and returns what it said.
pub fn ends(words: &[&str]) -> Output {
    let mut child = Command::new(program())
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let until = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("it runs instead of ending: {words:?}");
        }
        std::thread::yield_now();
    }
    child.wait_with_output().unwrap()
}

/// Starts the service, which must refuse with exit code 1 and without a panic; returns what it said.
pub fn refuses(config: &Path) -> String {
    let output = ends(&["--config", config.to_str().unwrap(), "http"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// The running service.
pub struct Service {
    child: Child,
    address: String,
    log: PathBuf,
}

impl Service {
    /// Starts the service and waits until it answers.
    pub async fn start(config: &Path) -> Self {
        let text: Value = serde_json::from_str(&std::fs::read_to_string(config).unwrap()).unwrap();
        let address = text["ListenAddress"].as_str().unwrap().to_owned();
        let log = config.with_extension("log");
        let out = std::fs::File::create(&log).unwrap();
        let mut command = Command::new(program());
        command.args(["--config", config.to_str().unwrap(), "http"]).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(out).spawn().unwrap();
        let service = Self { child, address, log };
        service.until("an answer", async |service: &Self| service.get("/api/lb-check").await.ok()).await;
        service
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        lab::http::get(&format!("http://{}{path}", self.address)).await
    }

    /// Asks for JSON, whatever the status.
    pub async fn ask(&self, path: &str) -> Value {
        let (_, text) = self.get(path).await.unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    pub async fn discover(&self, key: &topology::InstanceKey) -> Value {
        self.ask(&format!("/api/discover/{}/{}", key.host, key.port)).await
    }

    /// Looks until there is something to see.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(seen) = look(self).await {
                return seen;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}; the log:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the log holds `text`.
    pub async fn says(&self, text: &str) {
        self.until(text, async |service: &Self| service.log().contains(text).then_some(())).await;
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Tells it to stop, and returns its exit code and how long it took.
    pub fn stop(mut self) -> (Option<i32>, Duration) {
        let asked = Instant::now();
        self.signal("-TERM");
        while self.child.try_wait().unwrap().is_none() {
            assert!(asked.elapsed() < PATIENCE, "does not stop:\n{}", self.log());
            std::thread::yield_now();
        }
        (self.child.wait().unwrap().code(), asked.elapsed())
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
