//! `deskgate demo`, as somebody starts it who has never seen it.

use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::harness::{Browser, Port, until};

struct Demo {
    child: Child,
    said: Arc<Mutex<String>>,
    ports: [Port; 3],
}

impl Demo {
    fn start() -> Self {
        let ports = [Port::claim(), Port::claim(), Port::claim()];
        let [gateway, app, admin] = ports.each_ref().map(|port| port.number.to_string());
        let mut child = Command::new(env!("CARGO_BIN_EXE_deskgate"))
            .args(["demo", "--port", &gateway, "--app-port", &app, "--admin-port", &admin])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for mut stream in streams {
            let heard = said.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut buffer) {
                    heard.lock().push_str(&String::from_utf8_lossy(&buffer[..read]));
                }
            });
        }
        let demo = Self { child, said, ports };
        until("the demo serves", || std::net::TcpStream::connect(("127.0.0.1", demo.ports[0].number)).is_ok());
        demo
    }

    fn said(&self) -> String {
        self.said.lock().clone()
    }

    /// The file that the welcome names with this ending.
    fn file(&self, ending: &str) -> PathBuf {
        Path::new(self.said().lines().find(|line| line.ends_with(ending)).unwrap().trim()).to_owned()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // As Ctrl-C does, so that its directory goes with it.
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

#[test]
fn its_lines_name_the_reference_and_the_account_and_fit_the_terminal() {
    let demo = Demo::start();
    let mut amir = Browser::new(demo.ports[0].number);
    let account = demo.said().lines().find(|l| l.trim_start().starts_with("amir ")).unwrap().to_owned();
    let password = account.split_whitespace().nth(1).unwrap().to_owned();
    amir.post("/login", &[("user", "amir"), ("password", &password), ("next", "")]).expect(302);
    let refused = amir.get("/agent/customers/export.csv").expect(403);
    let reference = refused.header("x-deskgate-ref").unwrap();
    until("the refusal is shown", || demo.said().contains(reference));
    let said = demo.said();
    let line = said.lines().find(|line| line.contains(reference)).unwrap_or_else(|| panic!("{reference}: {said}"));
    assert!(line.contains(" deny ") && line.contains("amir (agent)") && line.ends_with("403"), "{line}");
    assert!(refused.text().contains(reference));
    // What somebody types is no command to the terminal.
    amir.post("/login", &[("user", "\u{1b}[2J\u{7}evil"), ("password", "x"), ("next", "")]);
    until("the attempt is shown", || demo.said().contains("[sign_in_failed]"));
    assert!(demo.said().contains("deskgate: serving http"), "{}", demo.said());
    for line in demo.said().lines() {
        assert!(line.chars().count() <= 80 && !line.chars().any(char::is_control), "{line:?}");
    }
}

#[test]
fn records_are_json_where_the_policy_says() {
    let demo = Demo::start();
    let (policy, first) = (demo.file("policy.yaml"), demo.file("decisions.jsonl"));
    let mut browser = Browser::new(demo.ports[0].number);
    let records = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let reference = browser.get("/admin/settings").header("x-deskgate-ref").map(str::to_owned);
    browser.get("/login").expect(200);
    until("they are recorded", || records(&first).contains("\"route\":\"login_form\""));
    for line in records(&first).lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    assert!(reference.is_none_or(|id| records(&first).contains(&id)));
    // Another place, taken as the policy is saved.
    let other = first.with_file_name("others.jsonl");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, text.replace("decisions.jsonl", "others.jsonl")).unwrap();
    until("the other file is there", || {
        browser.clone().get("/login").expect(200);
        records(&other).contains("login_form")
    });
    until("the terminal shows it all the same", || demo.said().matches(" visitor GET page 200").count() > 2);
}

#[test]
fn a_port_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for option in ["--port", "--app-port", "--admin-port"] {
        let output = Command::new(env!("CARGO_BIN_EXE_deskgate")).args(["demo", option, &port]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(said.contains(&format!("127.0.0.1:{port} cannot be listened on")) && said.contains(option), "{said}");
    }
}
