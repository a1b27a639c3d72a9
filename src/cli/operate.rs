//! Commands that talk to a running gateway through its admin listener.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::Value;

use super::output::{fail, problems};
use crate::body::urlencoded::encode_into;
use crate::policy::problem::Problem;

/// Where the running gateway's admin listener is.
#[derive(Args)]
struct Admin {
    /// Address and port of the admin listener.
    #[arg(long, default_value = "127.0.0.1:9900", env = "DESKGATE_ADMIN")]
    admin: String,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Who is signed in; end sessions.
#[derive(Args)]
#[command(after_help = "Examples:
  deskgate sessions list
  deskgate sessions list --json
  deskgate sessions end --user alice
  deskgate sessions end --session 3f1c0a9be2d45871")]
pub struct Sessions {
    #[command(subcommand)]
    what: SessionCommand,
}

#[derive(Subcommand)]
enum SessionCommand {
    /// List live sessions.
    List {
        #[command(flatten)]
        admin: Admin,
    },
    /// End sessions, here and in the app.
    #[command(group(clap::ArgGroup::new("which").required(true).args(["user", "session"])))]
    End {
        #[command(flatten)]
        admin: Admin,
        /// All sessions of this person.
        #[arg(long)]
        user: Option<String>,
        /// The session of this id, as `list` prints it.
        #[arg(long)]
        session: Option<String>,
    },
}

/// Who ever signed in; let people back in.
#[derive(Args)]
#[command(after_help = "Examples:
  deskgate people
  deskgate people --inactive 90d
  deskgate people --reactivate alice")]
pub struct People {
    #[command(flatten)]
    admin: Admin,
    /// Only those who have not signed in for this long.
    #[arg(long, value_name = "TIME", conflicts_with = "reactivate")]
    inactive: Option<String>,
    /// Let this person sign in again although they did not for long.
    #[arg(long, value_name = "USER")]
    reactivate: Option<String>,
}

/// Read the policy again.
#[derive(Args)]
pub struct Reload {
    #[command(flatten)]
    admin: Admin,
}

/// The answer to a reload that was taken.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Taken {
    policy: String,
    needs_restart: Vec<String>,
}

/// The answer to a reload that was refused.
#[derive(Deserialize)]
struct Refused {
    problems: Vec<Problem>,
}

impl Sessions {
    /// Runs the command.
    pub fn run(&self) -> ExitCode {
        match &self.what {
            SessionCommand::List { admin } => admin.table(&Method::GET, "/sessions"),
            SessionCommand::End { admin, user, session } => {
                let query = [("user", user), ("session", session)]
                    .into_iter()
                    .filter_map(|(k, v)| Some(format!("{k}={}", escaped(v.as_ref()?))));
                admin.table(&Method::POST, &format!("/sessions/end?{}", query.collect::<Vec<_>>().join("&")))
            }
        }
    }
}

impl People {
    /// Runs the command.
    pub fn run(&self) -> ExitCode {
        match (&self.inactive, &self.reactivate) {
            (_, Some(user)) => {
                self.admin.table(&Method::POST, &format!("/people/{}/reactivate", escaped(user).replace('+', "%20")))
            }
            (Some(time), None) => self.admin.table(&Method::GET, &format!("/people?inactive={}", escaped(time))),
            (None, None) => self.admin.table(&Method::GET, "/people"),
        }
    }
}

impl Reload {
    /// Runs the command.
    pub fn run(&self) -> ExitCode {
        match self.admin.ask(&Method::POST, "/reload") {
            Err(e) => fail(e),
            Ok((200, answer)) => {
                let taken = serde_json::from_str::<Taken>(&answer).unwrap_or_default();
                let _ = writeln!(std::io::stdout(), "policy {} is in force", taken.policy);
                for key in taken.needs_restart {
                    let _ = writeln!(std::io::stderr(), "deskgate: warning: {key} changed: that needs a restart");
                }
                ExitCode::SUCCESS
            }
            Ok((_, answer)) => match serde_json::from_str::<Refused>(&answer) {
                Ok(refused) => {
                    problems(&mut std::io::stderr(), false, &refused.problems);
                    fail("the policy is refused; the one in force stays")
                }
                Err(_) => fail(answer.trim()),
            },
        }
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    encode_into(text, &mut out);
    out
}

impl Admin {
    fn table(&self, method: &Method, path: &str) -> ExitCode {
        match self.ask(method, path) {
            Err(e) => fail(e),
            Ok((200, answer)) => {
                let value: Value = serde_json::from_str(&answer).unwrap_or(Value::String(answer));
                let text = if self.json {
                    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
                } else {
                    rows(&value)
                };
                let _ = std::io::stdout().write_all(text.as_bytes());
                ExitCode::SUCCESS
            }
            Ok((_, answer)) => fail(answer.trim()),
        }
    }

    /// Asks the admin listener; status and body.
    fn ask(&self, method: &Method, path: &str) -> Result<(u16, String), String> {
        let away = |e: &dyn std::fmt::Display| {
            format!(
                "no gateway answers on {}: {e}; is it running, and does its policy `listen` with `admin:` there?",
                self.admin
            )
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(&self.admin).await.map_err(|e| away(&e))?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| away(&e))?;
            tokio::spawn(connection);
            let request =
                Request::builder().method(method).uri(path).header("host", &self.admin).header("x-deskgate-admin", "1");
            let request = request.body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
            let answer = sender.send_request(request).await.map_err(|e| away(&e))?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.map_err(|e| away(&e))?.to_bytes();
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        })
    }
}

/// An array of objects as a table, anything else as its text.
fn rows(value: &Value) -> String {
    let Some(items) = value.as_array() else {
        let pairs = value.as_object().into_iter().flatten().map(|(k, v)| format!("{k}: {}\n", cell(v)));
        return pairs.collect();
    };
    let Some(first) = items.first().and_then(Value::as_object) else { return "none\n".into() };
    let names: Vec<&String> = first.keys().collect();
    let mut table: Vec<Vec<String>> = vec![names.iter().map(|n| n.to_uppercase()).collect()];
    table.extend(items.iter().map(|item| names.iter().map(|n| cell(&item[n.as_str()])).collect()));
    let widths: Vec<usize> =
        (0..names.len()).map(|i| table.iter().map(|row| row[i].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(c, w)| format!("{c:w$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    table.iter().map(line).collect()
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_come_back_as_they_were_told() {
        for problem in [Problem::new("", "cannot be read"), Problem::warning("listen[0].http", "odd")] {
            let problem = problem.located("policy.yaml", None);
            let answer = serde_json::json!({ "problems": [problem] }).to_string();
            let refused: Refused = serde_json::from_str(&answer).unwrap();
            assert_eq!(refused.problems, [problem]);
        }
    }

    #[test]
    fn tables() {
        let value = serde_json::json!([{"user": "alice", "n": 1}, {"user": "bo", "n": 22}]);
        assert_eq!(rows(&value), "USER   N\nalice  1\nbo     22\n");
        assert_eq!(rows(&serde_json::json!([])), "none\n");
        assert_eq!(rows(&serde_json::json!({"ended": 2})), "ended: 2\n");
    }
}
