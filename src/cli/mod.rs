//! The command line.

mod check;
mod columns;
mod demo;
mod descriptors;
mod effective;
mod operate;
mod output;
mod run;
mod schema;
mod state;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Enforces a policy in front of a helpdesk app that cannot be changed.
#[derive(Parser)]
#[command(name = "deskgate", version, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  deskgate demo                                  try everything on a sample helpdesk
  deskgate check /etc/deskgate/policy.yaml       what is wrong with a policy, if anything
  deskgate effective policy.yaml --channel whatsapp
                                                 what is in force there, and which line says so
  deskgate run --config /etc/deskgate/policy.yaml
  deskgate sessions list                         who is signed in
  deskgate people --inactive 90d                 whose account nobody used
  deskgate state check                           whether the file of sessions is whole
  deskgate schema > policy.schema.json           for editors that complete YAML

`deskgate help COMMAND` tells more about each.";

#[derive(Subcommand)]
enum Command {
    /// Serve: put the gateway in front of the app.
    ///
    /// The policy is read again when its file changes and on SIGHUP; a file that does not load
    /// changes nothing. SIGTERM ends within seconds, requests under way are finished first.
    Run(run::Run),
    /// Say everything that is wrong with policies and profiles.
    Check(check::Check),
    /// Print every value that is in force, and the line that says so, or that it is the default.
    ///
    /// The policy itself, or what becomes of it for one of its channels.
    #[command(after_help = "Examples:
  deskgate effective policy.yaml
  deskgate effective policy.yaml --channel whatsapp
  deskgate effective policy.yaml --json

Exit status: 0, or 1 when the policy is refused or cannot be read.")]
    Effective {
        /// The policy, a YAML file.
        file: PathBuf,
        /// The channel, by its name in the profile or in `app.overrides`.
        #[arg(long)]
        channel: Option<String>,
        /// Print a JSON array instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Try everything on a sample helpdesk, on loopback, with nothing to set up.
    Demo(demo::Demo),
    /// Who is signed in; end sessions.
    Sessions(operate::Sessions),
    /// Who ever signed in, who has not for long; let people back in.
    People(operate::People),
    /// Read the policy of a running gateway again, and say what is wrong with it.
    Reload(operate::Reload),
    /// Look at the file of sessions, people and failures; save what can be read of a damaged one.
    State(state::State),
    /// Print the JSON Schema of policies, or of profiles.
    Schema {
        /// The schema of profiles instead.
        #[arg(long)]
        profile: bool,
    },
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let command = Arguments::parse().command;
    output::log_to_stderr();
    output::tell_of_panics();
    match command {
        Command::Run(run) => run.run(),
        Command::Check(check) => check.run(),
        Command::Effective { file, channel, json } => effective::effective(&file, channel.as_deref(), json),
        Command::Demo(demo) => demo.run(),
        Command::Sessions(sessions) => sessions.run(),
        Command::People(people) => people.run(),
        Command::Reload(reload) => reload.run(),
        Command::State(state) => state.run(),
        Command::Schema { profile } => schema::print(profile),
    }
}
