//! An answer of the app: what it must look like, and where in it a value is.

use regex::Regex;

use super::condition::{Test, split_test};
use super::regex;

/// What a response must look like.
#[derive(Clone, Debug)]
pub enum Sign {
    /// Its status is one of these.
    Status(Vec<u16>),
    /// It sets the session cookie to a value that the request did not carry.
    CookieNew,
    /// It has this header.
    Header(String, Test),
    /// Its Location.
    Redirect(Test),
    /// Its body holds, or does not hold, this text.
    Text {
        /// The text.
        text: String,
        /// Whether it must be there.
        present: bool,
    },
    /// A value of its JSON body.
    Json(String, Test),
    /// `whoami`, asked with the credential it gives, finds a user.
    Whoami,
}

impl Sign {
    /// Parses one sign of success.
    ///
    /// # Errors
    /// What is wrong with it, and which forms there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORMS: &str = "write status N, cookie new, header NAME [= VALUE], redirect ~ PATTERN, text \"...\", no text \"...\", json /POINTER [= VALUE] or whoami";
        let wrong = || format!("\"{text}\" is not a sign of success; {FORMS}");
        let text = text.trim();
        let quoted = |t: &str| t.trim().trim_matches('"').to_owned();
        if text == "whoami" {
            return Ok(Self::Whoami);
        }
        if text == "cookie new" {
            return Ok(Self::CookieNew);
        }
        if let Some(rest) = text.strip_prefix("no text ") {
            return Self::text(quoted(rest), false).ok_or_else(wrong);
        }
        let (kind, rest) = text.split_once(' ').ok_or_else(wrong)?;
        match kind {
            "status" => rest
                .split('|')
                .map(|n| n.trim().parse().ok().filter(|n| (100..600).contains(n)).ok_or_else(wrong))
                .collect::<Result<_, _>>()
                .map(Self::Status),
            "text" => Self::text(quoted(rest), true).ok_or_else(wrong),
            "redirect" => {
                let (_, test) = split_test(&format!(" {rest}")).map_err(|_| wrong())?;
                if matches!(test, Test::Present) { Err(wrong()) } else { Ok(Self::Redirect(test)) }
            }
            "header" => split_test(rest).map(|(name, test)| Self::Header(name.trim().to_ascii_lowercase(), test)),
            "json" if rest.starts_with('/') => split_test(rest).map(|(p, test)| Self::Json(p.trim().into(), test)),
            _ => Err(wrong()),
        }
    }

    /// Every body holds the empty text.
    fn text(text: String, present: bool) -> Option<Self> {
        (!text.is_empty()).then_some(Self::Text { text, present })
    }

    /// Whether a text has it; one that is no sign of a body never.
    #[must_use]
    pub fn holds_in(&self, body: &str) -> bool {
        match self {
            Self::Text { text, present } => body.contains(text.as_str()) == *present,
            Self::Json(pointer, test) => {
                serde_json::from_str::<serde_json::Value>(body).ok().is_some_and(|value| match value.pointer(pointer) {
                    None | Some(serde_json::Value::Null) => false,
                    Some(serde_json::Value::String(text)) => test.holds(text),
                    Some(other) => test.holds(&other.to_string()),
                })
            }
            _ => false,
        }
    }

    /// Whether the body of the response must be read.
    #[must_use]
    pub fn in_body(&self) -> bool {
        matches!(self, Self::Text { .. } | Self::Json(..))
    }
}

/// Where in a response a value is.
#[derive(Clone, Debug)]
pub enum Extractor {
    /// The first group of a pattern, or the whole match.
    Text(Regex),
    /// A JSON pointer.
    Json(String),
    /// A header.
    Header(String),
}

impl Extractor {
    /// Parses `text ~ PATTERN`, `json /pointer` or `header NAME`.
    ///
    /// # Errors
    /// What is wrong with it, and which forms there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "\"{text}\" does not say where in an answer a value is; write text ~ PATTERN, json /POINTER or header NAME"
            )
        };
        let (kind, rest) = text.trim().split_once(' ').ok_or_else(wrong)?;
        match kind {
            "text" => regex(rest.trim().strip_prefix('~').ok_or_else(wrong)?).map(Self::Text),
            "json" if rest.starts_with('/') => Ok(Self::Json(rest.trim().into())),
            "header" => Ok(Self::Header(rest.trim().to_ascii_lowercase())),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs() {
        for good in [
            "status 302|303",
            "cookie new",
            "header X = y",
            "redirect ~ ^/ok",
            "text \"a b\"",
            "no text \"x\"",
            "json /a = b",
            "whoami",
        ] {
            assert!(Sign::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "status abc",
            "cookie",
            "redirect",
            "json a",
            "always",
            "text \"\"",
            "no text \"\"",
            "header X =",
            "redirect ~",
        ] {
            assert!(Sign::parse(bad).is_err(), "{bad}");
        }
    }
}
