//! `deskgate check`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::output;
use crate::clock::Clock;
use crate::policy::problem::Problem;
use crate::policy::source;

/// Reports everything that is wrong with the file at `path`.
pub fn check(path: &Path, here: bool, json: bool) -> ExitCode {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "deskgate: {} cannot be read: {e}", path.display());
            return ExitCode::from(2);
        }
    };
    let result = if source::is_profile(&text) {
        source::check_profile(path)
    } else {
        let clock = Clock::system();
        source::load(path, &clock).and_then(|loaded| {
            let shown = path.display().to_string();
            let missing = if here { source::not_here(&loaded.file, &shown, clock.now()) } else { Vec::new() };
            if missing.is_empty() { Ok(loaded.warnings) } else { Err(missing) }
        })
    };
    let (problems, refused) = match result {
        Ok(warnings) => (warnings, false),
        Err(problems) => (problems, true),
    };
    print(&problems, json, refused, path);
    ExitCode::from(u8::from(refused))
}

fn print(problems: &[Problem], json: bool, refused: bool, path: &Path) {
    let mut out = std::io::stdout().lock();
    if json {
        let _ = writeln!(out, "{}", serde_json::to_string_pretty(problems).unwrap_or_default());
        return;
    }
    output::problems(&mut out, output::colour(), problems);
    if !refused {
        let _ = writeln!(out, "{}: ok", path.display());
    }
}
