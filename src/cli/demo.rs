//! `deskgate demo`: the gateway in front of the sample helpdesk, with a table of things to try and
//! every decision on the terminal.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::output::{colour, fail, problems};
use super::run::start;
use crate::clock::Clock;
use crate::decision::log::Target;
use crate::demo::helpdesk;
use crate::policy::source::load;

const POLICY: &str = include_str!("../../config/demo/policy.yaml");

/// Try everything on a sample helpdesk.
#[derive(Args)]
#[command(after_help = "Examples:
  deskgate demo
  deskgate demo --port 9000      another port for the gateway

All on 127.0.0.1: the gateway on 8080, the sample helpdesk on 8081, the admin listener on 9900. A port
that is taken is passed over for the next free one; the demo prints those it has.")]
pub struct Demo {
    /// The gateway's port; the next free one is taken when it is in use.
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

struct Ports {
    gateway: u16,
    app: u16,
    admin: u16,
}

/// The directory of one demo, removed at its end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Demo {
    /// Runs until Ctrl-C.
    pub fn run(&self) -> ExitCode {
        match self.serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => fail(message),
        }
    }

    fn serve(&self) -> Result<(), String> {
        let gateway = free_from(self.port, &[])?;
        let app = free_from(8081, &[gateway])?;
        let admin = free_from(9900, &[gateway, app])?;
        let ports = Ports { gateway, app, admin };
        let scratch = scratch()?;
        let config = write_policy(&scratch.0, &ports)?;
        start_app(app)?;
        let clock = Clock::system();
        let loaded = load(&config, &clock).map_err(|all| {
            problems(&mut std::io::stderr(), false, &all);
            "the demo's own policy is refused".to_owned()
        })?;
        let _ = std::io::stdout().write_all(welcome(&ports, &config).as_bytes());
        start(&config, loaded, clock, Target::Lines(print_decision), true, Some(2))
    }
}

/// The first free port from `wanted` on that is none of `not`.
fn free_from(wanted: u16, not: &[u16]) -> Result<u16, String> {
    let free = |port: &u16| !not.contains(port) && TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (wanted..=wanted.saturating_add(200)).find(free).ok_or_else(|| format!("no free port from {wanted} on"))
}

fn scratch() -> Result<Scratch, String> {
    let path = std::env::temp_dir().join(format!("deskgate-demo-{}", std::process::id()));
    std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(Scratch(path))
}

fn write_policy(directory: &Path, ports: &Ports) -> Result<PathBuf, String> {
    let state = format!("\nstate:\n  directory: {}\n", directory.join("state").display());
    let text = POLICY
        .replace(":8080", &format!(":{}", ports.gateway))
        .replace(":8081", &format!(":{}", ports.app))
        .replace(":9900", &format!(":{}", ports.admin))
        + &state;
    let path = directory.join("policy.yaml");
    std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(path)
}

/// The sample helpdesk runs in a thread of its own, as the stranger it is.
fn start_app(port: u16) -> Result<(), String> {
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|e| format!("port {port}: {e}"))?;
    listener.set_nonblocking(true).map_err(|e| e.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let serve = move || {
        runtime.block_on(async move {
            let served = match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => helpdesk::serve(listener, std::future::pending()).await,
                Err(e) => Err(e),
            };
            if let Err(e) = served {
                log::error!("the sample helpdesk stopped: {e}");
            }
        });
    };
    std::thread::Builder::new().name("sample-helpdesk".into()).spawn(serve).map(drop).map_err(|e| e.to_string())
}

fn welcome(ports: &Ports, config: &Path) -> String {
    let gateway = format!("http://127.0.0.1:{}", ports.gateway);
    let mut out = format!(
        "\nDeskgate in front of a sample helpdesk\n\n  gateway   {gateway}/        open this\n  app       http://127.0.0.1:{}/        the same without Deskgate\n  metrics   http://127.0.0.1:{}/metrics\n  policy    {}        edit it: it is reloaded as you save\n\nAccounts\n",
        ports.app,
        ports.admin,
        config.display(),
    );
    for account in helpdesk::ACCOUNTS {
        let _ = writeln!(out, "  {:<7}{:<11}{}", account.name, account.password, account.about);
    }
    let _ = writeln!(out, "\nThings to try                                                       what should happen");
    for (what, happens) in TRY {
        let fill =
            |text: &str| text.replace("GATEWAY", &gateway).replace("ADMIN", &format!("127.0.0.1:{}", ports.admin));
        let _ = writeln!(out, "  {:<66}  {}", fill(what), fill(happens));
    }
    let _ = writeln!(out, "\nDecisions as they are made (Ctrl-C ends the demo)\n");
    out
}

const TRY: &[(&str, &str)] = &[
    ("amir: Customers, then Export", "403: agents may not export"),
    ("mona: the same", "the file arrives"),
    ("amir: /agent/reports/weekly?format=csv", "403: no route calls it an export; the answer is one"),
    ("amir: open a customer or a ticket", "numbers are X but for two digits, addresses a letter"),
    ("amir: save the ticket's form, mona: look at it", "the number is what it was"),
    ("amir: search for 23125", "403: not a part of a number; +49 30 23125 401 is found"),
    ("amir: delete a ticket, in the list or on its page", "403: managers only, whichever way it is sent"),
    ("carl: send a program or a page as an attachment", "400 or 415, and why"),
    ("amir: forward a ticket to you@evil.test", "422: names the address and those that are allowed"),
    ("the same to help@partner.example", "it is in the app's outbox"),
    ("copy an attachment's link into a private window", "the sign-in page, and then the file"),
    ("sign in as carl in two browsers", "the second is refused, and says why"),
    ("sign in as amir in three browsers", "the first is signed out, in the app too"),
    ("five wrong passwords for clara, then the right one", "429: wait, or ask"),
    ("deskgate sessions list --admin ADMIN", "who is signed in"),
    ("curl -XPOST -H X-Deskgate-Admin:1 ADMIN/rehearsal/advance?by=16m", "turns the clock: idle sessions end"),
    ("change exports.allow in the policy, save, try again", "the new rule holds at once"),
];

/// One decision, for a person at a terminal.
fn print_decision(line: &str) {
    let Ok(record) = serde_json::from_str::<Value>(line) else { return };
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if !text("/event").is_empty() {
        // What the terminal shows by itself: it started, the policy changed.
        return;
    }
    let (red, yellow, off) = if colour() { ("\x1b[31m", "\x1b[33m", "\x1b[0m") } else { ("", "", "") };
    let (on, effect) = match text("/effect") {
        "deny" => (red, "deny"),
        "would_deny" => (yellow, "would deny"),
        "would_mask" => (yellow, "would mask"),
        other => ("", other),
    };
    let who = match (text("/actor/user"), text("/actor/kind")) {
        ("", kind) => kind.to_owned(),
        (user, _) => format!("{user} ({})", text("/actor/role")),
    };
    let time = text("/time").get(11..19).unwrap_or_default();
    let mut out = format!(
        "{time} {on}{effect:<10}{off} {who:<18} {:<6} {:<17} {}",
        text("/request/method"),
        text("/request/class"),
        record.pointer("/response/status").unwrap_or(&Value::Null)
    );
    if let (reason, because) = (text("/reason"), text("/because"))
        && !reason.is_empty()
    {
        let _ = write!(out, "  {reason}: {because}");
    }
    if let Some(masked) = record.pointer("/response/masked").and_then(Value::as_object) {
        let counts: Vec<String> = masked.iter().map(|(field, count)| format!("{field} {count}")).collect();
        let _ = write!(out, "  masked: {}", counts.join(", "));
    }
    if !text("/session_event").is_empty() {
        let _ = write!(out, "  [{}]", text("/session_event"));
    }
    let _ = writeln!(std::io::stdout(), "{out}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_ports_are_passed_over() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free_from(port, &[]).unwrap(), port);
    }
}
