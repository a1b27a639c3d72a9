//! `deskgate state`: the store's file, while no gateway uses it.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::policy::file::STATE_DIRECTORY;
use crate::store::StoreError;
use crate::store::embedded::{self, Condition, Report};

/// Look at the file of sessions, people and failures; save what can be read of a damaged one.
#[derive(Args)]
#[command(after_help = "Examples:
  deskgate state check
  deskgate state check /srv/deskgate/state --json
  systemctl stop deskgate && deskgate state repair && systemctl start deskgate")]
pub struct State {
    #[command(subcommand)]
    what: StateCommand,
}

#[derive(Subcommand)]
enum StateCommand {
    /// Say whether the file is whole, and what can be read of it. Changes nothing.
    ///
    /// Exit status: 0 whole, 1 damaged, 2 there is no file, or a gateway uses it.
    #[command(after_help = "Examples:
  deskgate state check
  deskgate state check /srv/deskgate/state --json")]
    Check(Where),
    /// Put a new file with what can be read in the place of a damaged one, which is kept.
    ///
    /// A file that is whole stays as it is. Exit status: 0 whole or repaired, 1 nothing can be read,
    /// 2 there is no file, a gateway uses it, or no new one can be written.
    #[command(after_help = "Examples:
  deskgate state repair
  deskgate state repair /srv/deskgate/state --json")]
    Repair(Where),
}

#[derive(Args)]
struct Where {
    /// The `state.directory` of the policy.
    #[arg(default_value = STATE_DIRECTORY)]
    directory: PathBuf,
    /// Print a JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

impl State {
    /// Runs the command.
    pub fn run(&self) -> ExitCode {
        match &self.what {
            StateCommand::Check(at) => at.tell(embedded::check(&at.directory)),
            StateCommand::Repair(at) => at.tell(embedded::repair(&at.directory)),
        }
    }
}

impl Where {
    fn tell(&self, result: Result<Report, StoreError>) -> ExitCode {
        let report = match result {
            Ok(report) => report,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "deskgate: {error}");
                return ExitCode::from(2);
            }
        };
        let text = if self.json {
            serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
        } else {
            lines(&report, &self.directory.display().to_string())
        };
        let _ = std::io::stdout().write_all(text.as_bytes());
        ExitCode::from(u8::from(matches!(report.state, Condition::Damaged | Condition::Unreadable)))
    }
}

fn lines(report: &Report, directory: &str) -> String {
    let file = report.file.display();
    let why = report.damage.as_deref().unwrap_or_default();
    let mut out = match report.state {
        Condition::Whole => format!("{file} is whole\n"),
        Condition::Damaged => format!("{file} is damaged ({why})\n"),
        Condition::Unreadable => format!("{file} is damaged ({why}), and nothing of it can be read\n"),
        Condition::Repaired => format!("{file} was damaged ({why}), and is repaired\n"),
    };
    if report.older {
        out += "  its newest commit cannot be found: this is the state before it\n";
    }
    for table in &report.tables {
        let _ = match (report.state, table.lost) {
            (Condition::Unreadable, _) => Ok(()),
            (Condition::Whole, _) => writeln!(out, "  {}: {} rows", table.table, table.readable),
            (_, Some(lost)) => writeln!(out, "  {}: {} rows can be read, {lost} are lost", table.table, table.readable),
            (_, None) => {
                writeln!(out, "  {}: {} rows can be read, how many are lost is not known", table.table, table.readable)
            }
        };
    }
    out += &match (report.state, &report.aside) {
        (Condition::Damaged, _) => format!("`deskgate state repair {directory}` saves what can be read\n"),
        (Condition::Unreadable, _) => format!(
            "move the file aside, or put a copy from a backup in its place, and start again; without a copy everyone \
             signs in again, and failed sign-ins, ends of sessions and who was last here when are forgotten: {directory}\n"
        ),
        (_, Some(aside)) => format!("the damaged file is {}\n", aside.display()),
        (_, None) => String::new(),
    };
    out
}
