//! What goes to the terminal: problems, failures, log lines. Colour only on a terminal.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use super::columns::wrapped;
use crate::policy::problem::{Problem, Severity, tell};

/// Says why the program ends, and ends it with status 1.
pub fn fail(message: impl std::fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "deskgate: {message}");
    ExitCode::from(1)
}

/// Prints problems, one a line; colour on a terminal.
pub fn problems(out: &mut dyn Write, colour: bool, problems: &[Problem]) {
    tell(problems, |problem| {
        let (on, off) = match (colour, problem.severity) {
            (false, _) => ("", ""),
            (true, Severity::Error) => ("\x1b[31m", "\x1b[0m"),
            (true, Severity::Warning) => ("\x1b[33m", "\x1b[0m"),
        };
        let _ = writeln!(out, "{on}{problem}{off}");
    });
}

/// Whether standard output is a terminal that wants colour (<https://no-color.org>) and knows any.
#[must_use]
pub fn colour() -> bool {
    let says = |name: &str| std::env::var_os(name).unwrap_or_default();
    std::io::stdout().is_terminal() && says("NO_COLOR").is_empty() && says("TERM") != "dumb"
}

/// Sends log lines to standard error, those of libraries only when they are warnings or worse.
pub fn log_to_stderr() {
    static LOGGER: Logger = Logger;
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
}

/// Threads without which the process does nothing that it promises: it ends when one of them does.
const VITAL: [&str; 5] = ["decision-log", "store-writer", "session-endings", "operations", "server"];

/// Says where a panic was, and not with what: texts of people may be in its message. One that no exchange ends in ends
/// the process, so that whoever supervises it starts another.
pub fn tell_of_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("without a name");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let what = panic.payload().downcast_ref::<&str>().map_or(String::new(), |text| format!(": {text}"));
        log::error!("a panic at {place} in thread {name}{what}; please report it");
        if VITAL.contains(&name) {
            log::error!("nothing works without thread {name}: the process ends");
            std::process::exit(1);
        }
    }));
}

/// Whether messages are wrapped.
static WRAPS: AtomicBool = AtomicBool::new(false);

/// Has messages in lines that fit a terminal from now on: for a person who watches. Others read one message a line.
pub fn wrap_messages() {
    WRAPS.store(true, Ordering::Relaxed);
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        let target = metadata.target();
        if crate::proxy::TOO_LOUD.iter().any(|loud| target.starts_with(loud)) {
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
            let text = format!("{level}{}", record.args());
            let wraps = WRAPS.load(Ordering::Relaxed);
            let lines = if wraps { wrapped("deskgate:", &text) } else { format!("deskgate: {text}\n") };
            let _ = std::io::stderr().write_all(lines.as_bytes());
        }
    }

    fn flush(&self) {}
}
