//! `deskgate check`.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::output;
use crate::clock::Clock;
use crate::policy::problem::Problem;
use crate::policy::source;
use crate::policy::summary::Summary;

/// Say everything that is wrong with policies and profiles.
#[derive(Args)]
#[command(after_help = "Examples:
  deskgate check /etc/deskgate/policy.yaml
  deskgate check --here /etc/deskgate/policy.yaml    on the machine that it is for
  deskgate check --strict *.yaml profiles/*.yaml     in a pipeline: warnings refuse too
  ansible-template policy.j2 | deskgate check -      standard input; a profile is found from here
  deskgate check --json policy.yaml | jq -r '.[].message'

Exit status: 0 fine (there may be warnings, unless --strict), 1 refused, 2 a file cannot be read.")]
pub struct Check {
    /// Policies and profiles; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// This is the machine that it is for: certificates and keys that are not here are errors.
    #[arg(long)]
    here: bool,
    /// Warnings refuse a file as errors do.
    #[arg(long)]
    strict: bool,
    /// Print one JSON array of all problems instead of lines.
    #[arg(long)]
    json: bool,
}

/// What became of one file.
struct Checked {
    shown: String,
    problems: Vec<Problem>,
    refused: bool,
    summary: Option<Summary>,
}

impl Check {
    /// Reports everything that is wrong with the files.
    pub fn run(&self) -> ExitCode {
        let (mut status, mut all) = (0, Vec::new());
        for path in &self.files {
            let (shown, text) = match read(path) {
                Ok(read) => read,
                Err(e) => {
                    let _ = writeln!(std::io::stderr(), "deskgate: {} cannot be read: {e}", path.display());
                    status = 2;
                    continue;
                }
            };
            let mut checked = check(path, shown, text, self.here);
            let only_odd = !checked.refused && !checked.problems.is_empty();
            checked.refused |= self.strict && only_odd;
            status = status.max(u8::from(checked.refused));
            if self.json {
                all.append(&mut checked.problems);
            } else {
                print(&checked, only_odd);
            }
        }
        if self.json {
            let _ = writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&all).unwrap_or_default());
        }
        ExitCode::from(status)
    }
}

/// The text of a file, and what it is called.
fn read(path: &Path) -> std::io::Result<(String, String)> {
    if path.as_os_str() != "-" {
        return Ok((path.display().to_string(), std::fs::read_to_string(path)?));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(("standard input".into(), text))
}

fn check(path: &Path, shown: String, text: String, here: bool) -> Checked {
    let (result, summary) = if source::is_profile(&text) {
        (source::check_profile_text(&shown, &text), None)
    } else {
        let clock = Clock::system();
        match source::load_text(path, &shown, text, &clock) {
            Ok(loaded) => {
                let missing = if here { source::not_here(&loaded.file, &shown, clock.now()) } else { Vec::new() };
                let result = if missing.is_empty() { Ok(loaded.warnings) } else { Err(missing) };
                (result, Some(loaded.summary))
            }
            Err(problems) => (Err(problems), None),
        }
    };
    let refused = result.is_err();
    let problems = result.unwrap_or_else(|problems| problems);
    Checked { shown, problems, refused, summary }
}

fn print(checked: &Checked, only_odd: bool) {
    let mut out = std::io::stdout().lock();
    output::problems(&mut out, output::colour(), &checked.problems);
    let Checked { shown, problems, .. } = checked;
    if checked.refused && only_odd {
        let _ = writeln!(out, "{shown}: refused, for --strict takes warnings for errors: {}", problems.len());
    } else if !checked.refused {
        let _ = writeln!(out, "{shown}: ok");
        if let Some(summary) = &checked.summary {
            let _ = writeln!(out, "{summary}");
        }
    }
}
