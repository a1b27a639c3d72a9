//! What goes to the terminal: problems, failures, log lines. Colour only on a terminal.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use crate::policy::problem::{Problem, Severity};

/// Says why the program ends, and ends it with status 1.
pub fn fail(message: impl std::fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "deskgate: {message}");
    ExitCode::from(1)
}

/// Prints problems, one a line; colour on a terminal.
pub fn problems(out: &mut dyn Write, colour: bool, problems: &[Problem]) {
    for problem in problems {
        let (on, off) = match (colour, problem.severity) {
            (false, _) => ("", ""),
            (true, Severity::Error) => ("\x1b[31m", "\x1b[0m"),
            (true, Severity::Warning) => ("\x1b[33m", "\x1b[0m"),
        };
        let _ = writeln!(out, "{on}{problem}{off}");
    }
}

/// Whether standard output is a terminal that wants colour (<https://no-color.org>).
#[must_use]
pub fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Sends log lines to standard error, those of libraries only when they are warnings or worse.
pub fn log_to_stderr() {
    static LOGGER: Logger = Logger;
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        let target = metadata.target();
        if target.starts_with(crate::proxy::TOO_LOUD) {
            return false;
        }
        let most = if target.starts_with("deskgate") { log::Level::Info } else { log::Level::Warn };
        metadata.level() <= most
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let level = match record.level() {
                log::Level::Error => "error: ",
                log::Level::Warn => "warning: ",
                _ => "",
            };
            let _ = writeln!(std::io::stderr(), "deskgate: {level}{}", record.args());
        }
    }

    fn flush(&self) {}
}
