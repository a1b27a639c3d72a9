//! A value of a request: where it is, and what must be true of it.

use regex::Regex;

use super::regex;

/// Where in a request a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A capture of the path.
    Path(String),
    /// A query parameter.
    Query(String),
    /// A form field (urlencoded or multipart).
    Form(String),
    /// A query parameter or a form field.
    Param(String),
    /// A JSON pointer into the body.
    Json(String),
    /// A header.
    Header(String),
    /// A JSON pointer into a form field that holds JSON (`json /POINTER of form FIELD`).
    JsonIn {
        /// The pointer.
        pointer: String,
        /// The field that holds the document.
        field: String,
    },
    /// The value after `Name:` on a line of a form field (`line NAME of form FIELD`).
    Line {
        /// The name before the colon.
        name: String,
        /// The field that holds the lines.
        field: String,
    },
}

impl Source {
    /// Parses `query id`, `form id`, `json /id`, …
    ///
    /// # Errors
    /// What is wrong with it, and which forms there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORMS: &str = "write path NAME, query NAME, form NAME, param NAME, json /POINTER, json /POINTER of form FIELD, header NAME or line NAME of form FIELD";
        let wrong = || format!("\"{text}\" does not say where a value is; {FORMS}");
        let (kind, name) = text.trim().split_once(' ').ok_or_else(wrong)?;
        let name = name.trim();
        if name.is_empty() {
            return Err(wrong());
        }
        match kind {
            "path" => Ok(Self::Path(name.into())),
            "query" => Ok(Self::Query(name.into())),
            "form" => Ok(Self::Form(name.into())),
            "param" => Ok(Self::Param(name.into())),
            "json" if name.starts_with('/') => Ok(match name.split_once(" of form ") {
                Some((pointer, field)) => Self::JsonIn { pointer: pointer.trim().into(), field: field.trim().into() },
                None => Self::Json(name.into()),
            }),
            "json" => Err(format!("\"{text}\": a JSON pointer starts with /, such as json /{name}")),
            "header" => Ok(Self::Header(name.to_ascii_lowercase())),
            "line" => {
                let (name, field) = name.split_once(" of form ").ok_or_else(wrong)?;
                Ok(Self::Line { name: name.trim().to_lowercase(), field: field.trim().into() })
            }
            _ => Err(wrong()),
        }
    }

    /// The name of the form's field that it is, if it may be one.
    #[must_use]
    pub fn form_field(&self) -> Option<&str> {
        match self {
            Self::Form(name) | Self::Param(name) => Some(name),
            _ => None,
        }
    }

    /// Whether the body must be read to find the value.
    #[must_use]
    pub fn in_body(&self) -> bool {
        matches!(self, Self::Form(_) | Self::Param(_) | Self::Json(_) | Self::JsonIn { .. } | Self::Line { .. })
    }
}

/// A condition on one value.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Where the value is.
    pub source: Source,
    /// What must be true of it.
    pub test: Test,
}

/// What must be true of a value.
#[derive(Clone, Debug)]
pub enum Test {
    /// It is there.
    Present,
    /// It is one of these, in lower case and trimmed: apps are lenient, so is this.
    OneOf(Vec<String>),
    /// The pattern is found in it.
    Matches(Regex),
}

impl Test {
    /// Whether it holds for `value`.
    #[must_use]
    pub fn holds(&self, value: &str) -> bool {
        match self {
            Self::Present => true,
            Self::OneOf(words) => {
                let value = value.trim();
                words.iter().any(|w| w.eq_ignore_ascii_case(value) || *w == value.to_lowercase())
            }
            Self::Matches(pattern) => pattern.is_match(value),
        }
    }
}

impl Condition {
    /// Parses `SOURCE`, `SOURCE = a|b` or `SOURCE ~ PATTERN`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (source, test) = split_test(text)?;
        Ok(Self { source: Source::parse(source)?, test })
    }
}

pub(super) fn split_test(text: &str) -> Result<(&str, Test), String> {
    if [" =", " ~"].iter().any(|sign| text.trim_end().ends_with(sign)) {
        return Err(format!("\"{text}\" ends where a value should follow; write one behind it, or leave the sign out"));
    }
    let equals = text.find(" = ");
    let tilde = text.find(" ~ ");
    match (equals, tilde) {
        (Some(at), t) if t.is_none_or(|t| at < t) => {
            let words = text[at + 3..].split('|').map(|w| w.trim().to_lowercase()).collect();
            Ok((&text[..at], Test::OneOf(words)))
        }
        (_, Some(at)) => Ok((&text[..at], Test::Matches(regex(&text[at + 3..])?))),
        _ => Ok((text, Test::Present)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let c = Condition::parse("query Status = deleted|rejected").unwrap();
        assert!(c.test.holds(" Deleted ") && !c.test.holds("open"));
        let c = Condition::parse("line Status of form content = deleted").unwrap();
        assert_eq!(c.source, Source::Line { name: "status".into(), field: "content".into() });
    }
}
