//! `deskgate demo`: the gateway in front of the sample helpdesk, with a table of things to try and
//! every decision on the terminal.

mod lines;

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::output::{colour, fail, problems, wrap_messages};
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

All on 127.0.0.1: the gateway on 8080, the sample helpdesk on 8081, the admin listener on 9900. One of
these that is taken is passed over for the next free one; one that you name must be free.")]
pub struct Demo {
    /// The gateway's port; default 8080 or the next free one.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The sample helpdesk's port; default 8081 or the next free one.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    app_port: Option<u16>,
    /// The port of metrics and operators' commands; default 9900 or the next free one.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    admin_port: Option<u16>,
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
        wrap_messages();
        let ports = self.ports()?;
        let scratch = scratch()?;
        let config = write_policy(&scratch.0, &ports)?;
        start_app(ports.app)?;
        let clock = Clock::system();
        let loaded = load(&config, &clock).map_err(|all| {
            problems(&mut std::io::stderr(), false, &all);
            "the demo's own policy is refused".to_owned()
        })?;
        let _ = std::io::stdout().write_all(welcome(&ports, &scratch.0).as_bytes());
        let target = Target::parse(&loaded.policy.audit.write_to).shown_by(print_decision);
        start(&config, loaded, clock, target, true, Some(2))
    }

    /// The ports that were named, if they can be had, and free ones for the others.
    fn ports(&self) -> Result<Ports, String> {
        let named = [("--port", self.port), ("--app-port", self.app_port), ("--admin-port", self.admin_port)];
        let mut taken: Vec<u16> = Vec::new();
        for (option, port) in named {
            let Some(port) = port else { continue };
            let busy = TcpListener::bind(("127.0.0.1", port)).err().map(|e| e.to_string());
            let twice = taken.contains(&port).then(|| "the demo has it for something else".to_owned());
            if let Some(wrong) = twice.or(busy) {
                return Err(format!(
                    "127.0.0.1:{port} cannot be listened on: {wrong}; name another port, or leave {option} out for the next free one"
                ));
            }
            taken.push(port);
        }
        let mut choose = |port: Option<u16>, usual| match port {
            Some(port) => Ok(port),
            None => free_from(usual, &taken).inspect(|port| taken.push(*port)),
        };
        Ok(Ports {
            gateway: choose(self.port, 8080)?,
            app: choose(self.app_port, 8081)?,
            admin: choose(self.admin_port, 9900)?,
        })
    }
}

/// The first free port from `wanted` on that is none of `not`.
fn free_from(wanted: u16, not: &[u16]) -> Result<u16, String> {
    let free = |port: &u16| !not.contains(port) && TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (wanted..=wanted.saturating_add(200)).find(free).ok_or_else(|| format!("no free port from {wanted} on"))
}

fn scratch() -> Result<Scratch, String> {
    let path = std::env::temp_dir().join(format!("deskgate-demo-{}", std::process::id()));
    let scratch = Scratch(path);
    // Records are not beside the policy: its directory is watched for changes.
    for directory in [&scratch.0, &scratch.0.join("log")] {
        let made = std::fs::DirBuilder::new().mode(0o700).create(directory);
        made.map_err(|e| format!("{}: {e}", directory.display()))?;
    }
    Ok(scratch)
}

/// Where the demo's records are, as JSON.
fn records(directory: &Path) -> PathBuf {
    directory.join("log/decisions.jsonl")
}

fn write_policy(directory: &Path, ports: &Ports) -> Result<PathBuf, String> {
    let state = format!("\nstate:\n  directory: {}\n", directory.join("state").display());
    let written = format!("write_to: file {}", records(directory).display());
    let path = directory.join("policy.yaml");
    let text = with_ports(POLICY, ports).replace("write_to: stdout", &written) + &state;
    std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(path)
}

/// The policy with other ports than the usual ones. One may be what another usually is, so all are taken out first.
fn with_ports(policy: &str, ports: &Ports) -> String {
    let places = [(":8080", ":GATEWAY", ports.gateway), (":8081", ":APP", ports.app), (":9900", ":ADMIN", ports.admin)];
    let emptied = places.iter().fold(policy.to_owned(), |text, (usual, place, _)| text.replace(usual, place));
    places.iter().fold(emptied, |text, (_, place, port)| text.replace(place, &format!(":{port}")))
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

/// What is where, who may sign in and what to try. Nothing is wider than a terminal, save a path that is.
fn welcome(ports: &Ports, directory: &Path) -> String {
    let Ports { gateway, app, admin } = ports;
    let gateway = format!("http://127.0.0.1:{gateway}");
    let mut out = format!(
        "\nDeskgate in front of a sample helpdesk\n\n\
         \x20 gateway   {gateway}/            open this\n\
         \x20 app       http://127.0.0.1:{app}/            the same without Deskgate\n\
         \x20 metrics   http://127.0.0.1:{admin}/metrics\n\
         \x20 policy    edit it: it is reloaded as you save\n\
         \x20   {}\n\
         \x20 records   each decision as JSON\n\
         \x20   {}\n\nAccounts\n",
        directory.join("policy.yaml").display(),
        records(directory).display(),
    );
    for account in helpdesk::ACCOUNTS {
        let _ = writeln!(out, "  {:<7}{:<11}{}", account.name, account.password, account.about);
    }
    let _ = writeln!(out, "\nThings to try, and what should happen");
    for (what, happens) in TRY {
        let fill = |text: &str| text.replace("GATEWAY", &gateway).replace("ADMIN", &format!("127.0.0.1:{admin}"));
        let _ = writeln!(out, "  {}\n      {}", fill(what), fill(happens));
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
    let record = serde_json::from_str(line).ok();
    if let Some(lines) = record.and_then(|record| lines::shown(&record, colour())) {
        let _ = std::io::stdout().write_all(lines.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo(port: Option<u16>, app_port: Option<u16>, admin_port: Option<u16>) -> Demo {
        Demo { port, app_port, admin_port }
    }

    #[test]
    fn taken_ports_are_passed_over_and_named_ones_must_be_free() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free_from(port, &[]).unwrap(), port);
        let wrong = demo(Some(port), None, None).ports().err().unwrap();
        assert!(wrong.contains(&format!("127.0.0.1:{port} cannot be listened on")), "{wrong}");
        assert!(wrong.contains("--port"), "{wrong}");
        drop(taken);
        let wrong = demo(Some(port), None, Some(port)).ports().err().unwrap();
        assert!(wrong.contains("for something else") && wrong.contains("--admin-port"), "{wrong}");
        let ports = demo(None, Some(8080), None).ports();
        assert!(ports.is_err() || ports.is_ok_and(|ports| ports.app == 8080 && ports.gateway != 8080));
    }

    #[test]
    fn a_port_may_be_what_another_usually_is() {
        let text = with_ports(POLICY, &Ports { gateway: 8081, app: 9900, admin: 8080 });
        for line in [
            "- http: 127.0.0.1:8081",
            "- admin: 127.0.0.1:8080",
            "upstream: http://127.0.0.1:9900",
            "public_url: http://127.0.0.1:8081",
            "also_served_as: [localhost:8081]",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[test]
    fn the_welcome_fits_a_terminal() {
        let ports = Ports { gateway: 58_080, app: 58_081, admin: 59_900 };
        let text = welcome(&ports, Path::new("/tmp/deskgate-demo-4194304"));
        for line in text.lines() {
            assert!(line.chars().count() <= crate::cli::columns::COLUMNS && !line.contains('\u{1b}'), "{line}");
        }
    }
}
