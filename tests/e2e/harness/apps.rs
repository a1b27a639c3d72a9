//! The apps behind: the sample helpdesk in this process, the real ones as their own processes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tokio::sync::oneshot;

use super::Port;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps").join(name)
}

/// A sample file of the real apps.
pub fn asset(name: &str) -> Vec<u8> {
    std::fs::read(folder("django-helpdesk/data/assets").join(name)).unwrap()
}

/// The password of an account of the real apps: both are seeded with the same people.
pub fn password(user: &str) -> &'static str {
    match user {
        "manager" => "Manager!pass1",
        "agent1" => "Agent1!pass",
        "agent2" => "Agent2!pass",
        _ => "Cust0mer!pass",
    }
}

/// The sample helpdesk, freshly seeded.
pub struct Tinydesk {
    pub port: u16,
    stop: Option<oneshot::Sender<()>>,
}

impl Tinydesk {
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let until = async {
                    let _ = stopped.await;
                };
                deskgate::demo::helpdesk::serve(listener, until).await.unwrap();
            });
        });
        Self { port, stop: Some(stop) }
    }
}

impl Drop for Tinydesk {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|s| s.send(()));
    }
}

/// A real app with a copy of the seeded data.
pub struct RealApp {
    pub port: u16,
    folder: PathBuf,
    home: TempDir,
    _claim: Port,
}

impl RealApp {
    pub fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    /// The same with settings of its own, which its scripts read from the environment.
    pub fn start_with(name: &str, settings: &[(&str, &str)]) -> Self {
        let folder = folder(name);
        let data = folder.join("data");
        assert!(data.join(".done").exists(), "{name} is not set up: run {}", folder.join("setup.sh").display());
        let home = TempDir::new().unwrap();
        let copied = Command::new("cp").arg("-r").arg(&data).arg(home.path().join("data")).status().unwrap();
        assert!(copied.success(), "{} cannot be copied", data.display());
        let claim = Port::claim();
        let app = Self { port: claim.number, folder, home, _claim: claim };
        let started = app.script("start.sh").envs(settings.iter().copied()).arg(app.port.to_string()).status().unwrap();
        assert!(started.success(), "{name} does not start; see {}", app.home.path().display());
        app
    }

    /// A file of this instance's.
    pub fn data(&self, path: &str) -> PathBuf {
        self.home.path().join("data").join(path)
    }

    /// A file that its start left, such as a socket.
    pub fn run(&self, path: &str) -> PathBuf {
        self.home.path().join("run").join(path)
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.join(name));
        // Perl otherwise writes the fields of an object in an order that differs from process to process.
        command.env("PERL_HASH_SEED", "0").env("PERL_PERTURB_KEYS", "0");
        command.env("APP_HOME", self.home.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Drop for RealApp {
    fn drop(&mut self) {
        let _ = self.script("stop.sh").status();
    }
}
