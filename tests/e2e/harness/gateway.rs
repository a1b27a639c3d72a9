//! The program under test, with a policy of its own in a directory of its own.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::{Answer, Browser, Port};

pub struct Gateway {
    pub port: u16,
    admin: u16,
    /// Of its `metrics:` listener.
    pub metrics: u16,
    child: Child,
    directory: TempDir,
    upstream: u16,
    profile: String,
    /// What a shell does before it becomes the program.
    before: String,
    _claims: [Port; 3],
}

impl Gateway {
    /// Starts the program in front of the app on port `upstream`. `rest` is the policy from `roles:` on.
    pub fn start(upstream: u16, profile: &str, rest: &str) -> Self {
        Self::start_with_files(upstream, profile, rest, "")
    }

    /// The same, under the limits that `before` sets, such as `ulimit -Sn 300`.
    pub fn start_with_files(upstream: u16, profile: &str, rest: &str, before: &str) -> Self {
        let claims = [Port::claim(), Port::claim(), Port::claim()];
        let directory = TempDir::new().unwrap();
        let child = Command::new("true").spawn().unwrap();
        let mut gateway = Self {
            port: claims[0].number,
            admin: claims[1].number,
            metrics: claims[2].number,
            child,
            directory,
            upstream,
            profile: profile.to_owned(),
            before: before.to_owned(),
            _claims: claims,
        };
        let _ = gateway.child.wait();
        gateway.write_policy(rest);
        gateway.spawn();
        gateway
    }

    /// Replaces the policy file, as an editor does: a new file takes the old one's place.
    pub fn write_policy(&self, rest: &str) {
        let state = self.state();
        let text = format!(
            "policy: 1\nname: Test\nlisten:\n  - http: 127.0.0.1:{}\n    http2: true\n  - admin: 127.0.0.1:{}\n  \
             - metrics: 127.0.0.1:{}\n\
             app:\n  profile: {}\n  upstream: http://127.0.0.1:{}\n  public_url: http://127.0.0.1:{}\n\
             state:\n  directory: {}\naudit:\n  write_to: file {}\n{rest}\n",
            self.port,
            self.admin,
            self.metrics,
            self.profile,
            self.upstream,
            self.port,
            state.display(),
            self.log().display(),
        );
        let fresh = self.directory.path().join("policy.yaml.new");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, self.config()).unwrap();
    }

    pub fn config(&self) -> PathBuf {
        self.directory.path().join("policy.yaml")
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("decisions.log")
    }

    fn messages(&self) -> PathBuf {
        self.directory.path().join("messages")
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Its `state.directory`.
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Starts the program on what is there, which it must refuse; what it says.
    pub fn start_refused(&self) -> String {
        let run = ["run", "--rehearsal", "--config"];
        let output = Command::new(env!("CARGO_BIN_EXE_deskgate")).args(run).arg(self.config()).output().unwrap();
        assert!(!output.status.success(), "it starts");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Starts the program on what is there: after `kill` this is a restart.
    pub fn spawn(&mut self) {
        let messages = OpenOptions::new().create(true).append(true).open(self.messages()).unwrap();
        self.child = Command::new("sh")
            .args(["-c", &format!("{}\nexec \"$0\" \"$@\"", self.before), env!("CARGO_BIN_EXE_deskgate")])
            .args(["run", "--rehearsal", "--threads", "2", "--config"])
            .arg(self.config())
            .stdin(Stdio::null())
            .stdout(File::create("/dev/null").unwrap())
            .stderr(messages)
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let mut browser = Browser::new(self.admin);
            if browser.try_send("GET", "/readyz", &[], b"").is_ok_and(|a| a.status == 200)
                && std::net::TcpStream::connect(self.address()).is_ok()
            {
                return;
            }
            let over = self.child.try_wait().unwrap();
            assert!(over.is_none() && Instant::now() < deadline, "does not start: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it wrote to standard error.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.messages()).unwrap_or_default()
    }

    /// Its process id.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Ends it without any warning.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; how it ended and how long that took.
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        self.signal("TERM");
        (self.child.wait().unwrap(), begun.elapsed())
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// The port of its admin listener.
    pub fn admin_port(&self) -> u16 {
        self.admin
    }

    /// A browser in front of it.
    pub fn browser(&self) -> Browser {
        Browser::new(self.port)
    }

    /// A browser in front of its admin listener.
    pub fn admin_browser(&self) -> Browser {
        Browser::new(self.admin)
    }

    pub fn admin(&self, method: &str, path: &str) -> Answer {
        self.admin_browser().send(method, path, &[("X-Deskgate-Admin", "1")], b"")
    }

    /// Turns the clock forward.
    pub fn turn(&self, by: &str) {
        self.admin("POST", &format!("/rehearsal/advance?by={by}")).expect(200);
    }

    /// Who is signed in.
    pub fn sessions(&self) -> Vec<String> {
        let rows = self.admin("GET", "/sessions").expect(200).json();
        let mut users: Vec<String> =
            rows.as_array().unwrap().iter().map(|r| r["user"].as_str().unwrap().to_owned()).collect();
        users.sort();
        users
    }

    /// Runs an operator's command against it.
    pub fn operate(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_deskgate"))
            .args(arguments)
            .env("DESKGATE_ADMIN", format!("127.0.0.1:{}", self.admin))
            .output()
            .unwrap()
    }

    pub fn records(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }

    /// The newest record that has all of these (a JSON pointer, a value); waits for the writer.
    #[track_caller]
    pub fn record(&self, wanted: &[(&str, &str)]) -> Value {
        let fits = |record: &Value| {
            wanted.iter().all(|(pointer, value)| match record.pointer(pointer) {
                Some(Value::String(text)) => text == value,
                Some(other) => format!("{other}") == *value,
                None => value.is_empty(),
            })
        };
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let records = self.records();
            if let Some(found) = records.iter().rev().find(|r| fits(r)) {
                return found.clone();
            }
            if Instant::now() > deadline {
                let last: Vec<String> = records.iter().rev().take(6).map(ToString::to_string).collect();
                panic!("no record with {wanted:?}; the last ones:\n{}", last.join("\n"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asserts that a refusal was recorded with this reason, and who it was for.
    #[track_caller]
    pub fn refused(&self, reason: &str, user: &str, role: &str) -> Value {
        self.record(&[("/effect", "deny"), ("/reason", reason), ("/actor/user", user), ("/actor/role", role)])
    }

    /// Asserts that neither the decision log nor the messages hold a cookie of these browsers, a password,
    /// or one of `more`.
    #[track_caller]
    pub fn keeps_secrets(&self, browsers: &[&Browser], more: &[&str]) {
        let written = std::fs::read_to_string(self.log()).unwrap() + &self.said();
        let cookies = browsers.iter().flat_map(|b| b.seen.iter().map(String::as_str));
        for secret in cookies.chain(more.iter().copied()).filter(|s| s.len() >= 6) {
            assert!(!written.contains(secret), "{secret} is in a log");
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the gateway said:\n{}", self.said());
        }
    }
}
