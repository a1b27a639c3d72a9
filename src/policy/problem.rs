//! What is wrong with a policy or a profile, said so that it can be mended:
//! `file:line:col: path: what is wrong; what to write instead`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::yaml::{Node, Position};

/// Whether a problem keeps the policy from being used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policy is refused.
    #[default]
    Error,
    /// The policy works, but probably not as its author thinks.
    Warning,
}

/// One thing that is wrong, at one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file, as it was named by the person.
    pub file: String,
    /// Where in it.
    #[serde(flatten)]
    pub at: Spot,
    /// The path of the value, such as `access.api.allow_from[0]`; empty for the whole file.
    pub path: String,
    /// What is wrong, and what to write instead.
    pub message: String,
    /// Error or warning.
    pub severity: Severity,
}

/// A [`Position`] as a problem reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Spot {
    /// Line, from 1; 0 when not known.
    pub line: u32,
    /// Column, from 1; 0 when not known.
    pub column: u32,
}

impl From<Position> for Spot {
    fn from(p: Position) -> Self {
        Self { line: p.line, column: p.column }
    }
}

impl Problem {
    /// An error at `path`; the position is found later, from the path.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), ..Self::default() }
    }

    /// A warning at `path`.
    pub fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::new(path, message) }
    }

    /// An error at a known position.
    pub fn at(path: impl Into<String>, at: Position, message: impl Into<String>) -> Self {
        Self { at: at.into(), ..Self::new(path, message) }
    }

    /// The same problem with file and position filled in.
    #[must_use]
    pub fn located(mut self, file: &str, node: Option<&Node>) -> Self {
        if self.file.is_empty() {
            file.clone_into(&mut self.file);
        }
        if let (Spot { line: 0, .. }, Some(node)) = (self.at, node) {
            self.at = node.position_of(&self.path).into();
        }
        self
    }
}

impl Problem {
    /// The level of a message that says it.
    #[must_use]
    pub fn level(&self) -> log::Level {
        match self.severity {
            Severity::Error => log::Level::Error,
            Severity::Warning => log::Level::Warn,
        }
    }

    /// Its text for a message whose level says already what it is.
    #[must_use]
    pub fn without_severity(&self) -> String {
        self.text("")
    }

    fn text(&self, severity: &str) -> String {
        let path = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        format!("{}:{}:{}: {severity}{path}{}", self.file, self.at.line.max(1), self.at.column.max(1), self.message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(if self.severity == Severity::Warning { "warning: " } else { "" }))
    }
}

/// Collects problems while a check goes on, so that all are reported at once.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes an error at `path`.
    pub fn error(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem::new(path, message));
    }

    /// Notes a warning at `path`.
    pub fn warning(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem::warning(path, message));
    }

    /// Notes a problem found elsewhere.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Whether any of them is an error.
    #[must_use]
    pub fn any_error(&self) -> bool {
        self.0.iter().any(|p| p.severity == Severity::Error)
    }

    /// All of them with file and position, in the order of the file.
    #[must_use]
    pub fn located(self, file: &str, node: Option<&Node>) -> Vec<Problem> {
        let mut all: Vec<_> = self.0.into_iter().map(|p| p.located(file, node)).collect();
        all.sort_by(|a, b| (&a.file, a.at, &a.message).cmp(&(&b.file, b.at, &b.message)));
        all.dedup();
        all
    }
}

/// `; did you mean "idle"?` when one of `known` is close to `word`, else the list of what is known.
#[must_use]
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match closest(word, known.iter().copied()) {
        Some(k) => format!("; did you mean \"{k}\"?"),
        None if known.is_empty() => String::new(),
        None if known.len() <= 16 => format!("; known here: {}", known.join(", ")),
        None => format!("; nearest: {}; known here: {}", nearest(word, &known).join(", "), known.join(", ")),
    }
}

/// The three of `known` that are written most like `word`.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Vec<&'a str> {
    let likeness = |k: &str| strsim::jaro_winkler(&word.to_lowercase(), &k.to_lowercase());
    let mut by_likeness = known.to_vec();
    by_likeness.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    by_likeness.truncate(3);
    by_likeness
}

/// Tells problems one after the other: the one way from a list of them to whoever reads it. Warnings come first, so
/// that none stands below an error, and the reader ends at what keeps the policy from being used.
pub fn tell(problems: &[Problem], mut line: impl FnMut(&Problem)) {
    for severity in [Severity::Warning, Severity::Error] {
        problems.iter().filter(|p| p.severity == severity).for_each(&mut line);
    }
}

/// Tells problems to the messages for operators, each at its own level.
pub fn log(problems: &[Problem]) {
    tell(problems, |problem| log::log!(problem.level(), "{}", problem.without_severity()));
}

/// The one of `known` that was probably meant by `word`.
#[must_use]
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let known: Vec<&str> = known.into_iter().collect();
    let nearest = known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(&lower, &k.to_lowercase()), *k))
        .min()
        .filter(|(distance, k)| *distance <= (k.len().max(word.len()) / 3).max(1))
        .map(|(_, k)| k);
    // `public` for `public_url`
    nearest.or_else(|| known.into_iter().find(|k| lower.len() >= 4 && k.to_lowercase().starts_with(&lower)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_close_and_lists_the_rest() {
        assert_eq!(did_you_mean("idel", ["idle", "absolute"]), "; did you mean \"idle\"?");
        assert_eq!(did_you_mean("Agent", ["agent"]), "; did you mean \"agent\"?");
        assert_eq!(did_you_mean("timeout", ["idle", "absolute"]), "; known here: idle, absolute");
        assert_eq!(did_you_mean("public", ["profile", "public_url"]), "; did you mean \"public_url\"?");
        assert_eq!(did_you_mean("x", []), "");
        let many: Vec<String> = (0..20).map(|n| format!("key_{n}")).chain(["match".into()]).collect();
        let told = did_you_mean("matching_of", many.iter().map(String::as_str));
        assert!(
            told.starts_with("; nearest: match, ") && told.ends_with(&format!("; known here: {}", many.join(", "))),
            "{told}"
        );
    }

    #[test]
    fn no_warning_is_told_below_an_error_or_as_one() {
        let problems = [
            Problem::new("a", "wrong").located("f", None),
            Problem::warning("b", "odd").located("f", None),
            Problem::new("c", "wrong").located("f", None),
        ];
        let mut told = Vec::new();
        tell(&problems, |problem| told.push((problem.level(), problem.without_severity(), problem.to_string())));
        let line = |level, said: &str, alone: &str| (level, said.to_owned(), alone.to_owned());
        assert_eq!(
            told,
            [
                line(log::Level::Warn, "f:1:1: b: odd", "f:1:1: warning: b: odd"),
                line(log::Level::Error, "f:1:1: a: wrong", "f:1:1: a: wrong"),
                line(log::Level::Error, "f:1:1: c: wrong", "f:1:1: c: wrong"),
            ]
        );
    }
}
