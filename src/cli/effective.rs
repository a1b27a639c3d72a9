//! `deskgate effective`: what is in force, and which line says so, if one does.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::output;
use crate::policy::channels::InForce;
use crate::policy::source;

/// Prints every value of the policy at `path`, for a channel if one is named.
pub fn effective(path: &Path, channel: Option<&str>, json: bool) -> ExitCode {
    match source::effective(path, channel) {
        Ok(values) => print(&values, channel.unwrap_or_default(), json),
        Err(problems) => {
            output::problems(&mut std::io::stderr().lock(), false, &problems);
            ExitCode::FAILURE
        }
    }
}

fn print(values: &[InForce], channel: &str, json: bool) -> ExitCode {
    let mut out = std::io::stdout().lock();
    if json {
        let _ = writeln!(out, "{}", serde_json::to_string_pretty(values).unwrap_or_default());
        return ExitCode::SUCCESS;
    }
    let text: Vec<String> = values.iter().map(|v| format!("{}: {}", v.path, v.value)).collect();
    let width = text.iter().map(|t| t.chars().count()).max().unwrap_or(0).min(72);
    for (value, text) in values.iter().zip(text) {
        let of = if value.of_channel { format!(", channel {channel}") } else { String::new() };
        let from = value.line.map_or_else(|| "default".to_owned(), |line| format!("line {line}"));
        let _ = writeln!(out, "{text:width$}  # {from}{of}");
    }
    ExitCode::SUCCESS
}
