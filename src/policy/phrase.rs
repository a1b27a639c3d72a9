//! The short phrases of a profile, parsed: `POST|PUT /tickets/{id}/**`, `query action = delete`,
//! `redirect ~ ^/done`, `text ~ user/([^"]+)`. Fewer than ten forms, each a type of its own.

mod answer;
mod condition;
mod credential;
mod pattern;

use regex::Regex;

pub use self::answer::{Extractor, Sign};
pub use self::condition::{Condition, Source, Test};
pub use self::credential::{Carrier, CredentialPlace};
pub use self::pattern::{METHODS, MOST_SEGMENTS, Methods, Pattern, Segment};

/// The last line of what `regex` says, which tells why; those before show the pattern.
#[must_use]
pub fn reason_of(wrong: &str) -> &str {
    let last = wrong.lines().last().unwrap_or_default().trim();
    last.strip_prefix("error: ").unwrap_or(last)
}

/// Compiles a regular expression; the error is for the author of the phrase.
fn regex(text: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(text.trim())
        .size_limit(1 << 20)
        .build()
        .map_err(|e| format!("\"{}\" is not a pattern: {}", text.trim(), reason_of(&e.to_string())))
}
