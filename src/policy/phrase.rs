//! The short phrases of a profile, parsed: `POST|PUT /tickets/{id}/**`, `query action = delete`,
//! `redirect ~ ^/done`, `text ~ user/([^"]+)`. Fewer than ten forms, each a type of its own.

use http::Method;
use regex::Regex;

use super::problem::did_you_mean;

/// A set of methods; empty means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Methods(pub Vec<Method>);

impl Methods {
    /// Whether `method` is in the set.
    #[must_use]
    pub fn contains(&self, method: &Method) -> bool {
        // A HEAD is answered by what answers the GET.
        self.0.is_empty() || self.0.contains(method) || (*method == Method::HEAD && self.0.contains(&Method::GET))
    }
}

/// The methods that a gateway lets through at all.
pub const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// One piece of a path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Exactly this text.
    Literal(String),
    /// Any one segment; its text has this name.
    Capture(String),
    /// Any one segment with this beginning and this end.
    Glob(String, String),
    /// Any one segment.
    Any,
    /// All the rest, none included; only at the end.
    Rest,
}

/// `GET|POST /path/{id}/**`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The methods.
    pub methods: Methods,
    /// The path, split at `/`.
    pub segments: Vec<Segment>,
}

impl Pattern {
    /// Parses a template.
    ///
    /// # Errors
    /// What is wrong with it, and how one looks.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (methods, path) = match text.split_once(' ') {
            Some((methods, path)) => (parse_methods(methods)?, path.trim()),
            None => (Methods::default(), text),
        };
        let Some(rest) = path.strip_prefix('/') else {
            return Err(format!(
                "\"{text}\" is not a route; write a method and a path from /, such as GET /tickets/{{id}}"
            ));
        };
        if let Some((_, query)) = path.split_once('?') {
            let meant = query.split('&').next().and_then(|p| p.split_once('=')).unwrap_or(("action", "delete"));
            let (name, value) = meant;
            return Err(format!("\"{text}\" holds a query; put it under `when:`, such as query {name} = {value}"));
        }
        if path.contains(['#', ' ']) {
            return Err(format!("\"{text}\" holds what no path holds; write it as GET /tickets/{{id}}"));
        }
        let pieces: Vec<&str> = rest.split('/').collect();
        let last = pieces.len() - 1;
        let segments = pieces.iter().enumerate().map(|(i, p)| parse_segment(p, i == last)).collect::<Result<_, _>>()?;
        Ok(Self { methods, segments })
    }

    /// The names of its captures.
    pub fn captures(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|s| match s {
            Segment::Capture(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

fn parse_methods(text: &str) -> Result<Methods, String> {
    if text == "*" {
        return Ok(Methods::default());
    }
    text.split('|')
        .map(|word| {
            METHODS.iter().find(|m| m.as_str() == word).cloned().ok_or_else(|| {
                format!("\"{word}\" is not a method{}", did_you_mean(word, METHODS.iter().map(Method::as_str)))
            })
        })
        .collect::<Result<_, _>>()
        .map(Methods)
}

fn parse_segment(piece: &str, last: bool) -> Result<Segment, String> {
    match piece {
        "**" if last => Ok(Segment::Rest),
        "**" => Err("\"**\" can only be the last piece of a path; write * for one piece".into()),
        "*" => Ok(Segment::Any),
        _ if piece.starts_with('{') && piece.ends_with('}') => {
            let name = &piece[1..piece.len() - 1];
            let fine = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if fine {
                Ok(Segment::Capture(name.into()))
            } else {
                Err(format!("\"{piece}\" is not a capture; write {{id}}"))
            }
        }
        _ => match piece.split_once('*') {
            Some((_, end)) if end.contains('*') => Err(format!("\"{piece}\" has two *; one per piece is understood")),
            Some((start, end)) => Ok(Segment::Glob(start.into(), end.into())),
            None => Ok(Segment::Literal(piece.into())),
        },
    }
}

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
        const FORMS: &str =
            "write path NAME, query NAME, form NAME, param NAME, json /POINTER, header NAME or line NAME of form FIELD";
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
            "json" if name.starts_with('/') => Ok(Self::Json(name.into())),
            "json" => Err(format!("\"{text}\": a JSON pointer starts with /, such as json /{name}")),
            "header" => Ok(Self::Header(name.to_ascii_lowercase())),
            "line" => {
                let (name, field) = name.split_once(" of form ").ok_or_else(wrong)?;
                Ok(Self::Line { name: name.trim().to_lowercase(), field: field.trim().into() })
            }
            _ => Err(wrong()),
        }
    }

    /// Whether the body must be read to find the value.
    #[must_use]
    pub fn in_body(&self) -> bool {
        matches!(self, Self::Form(_) | Self::Param(_) | Self::Json(_) | Self::Line { .. })
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

fn split_test(text: &str) -> Result<(&str, Test), String> {
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

fn regex(text: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(text.trim()).size_limit(1 << 20).build().map_err(|e| {
        let wrong = e.to_string();
        let wrong = wrong.lines().last().unwrap_or_default().trim();
        format!("\"{}\" is not a pattern: {}", text.trim(), wrong.strip_prefix("error: ").unwrap_or(wrong))
    })
}

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

/// Whether a name can be a cookie's or a header's.
fn is_token(name: &str) -> bool {
    let name = name.trim();
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&b))
}

/// What carries a session.
#[derive(Clone, Debug)]
pub enum Carrier {
    /// The cookie of this name.
    Cookie(String),
    /// The cookie whose whole name the pattern matches.
    CookieLike(Regex),
    /// A header.
    Header(String),
    /// A cookie of the gateway's own.
    Own,
}

impl Carrier {
    /// Parses `cookie NAME`, `cookie ~ PATTERN`, `header NAME` or `own`.
    ///
    /// # Errors
    /// What is wrong with it, and which forms there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "\"{text}\" does not say what carries a session; write cookie NAME, cookie ~ PATTERN, header NAME or own"
            )
        };
        match text.trim().split_once(' ') {
            None if text.trim() == "own" => Ok(Self::Own),
            Some(("cookie", rest)) => match rest.trim().strip_prefix('~') {
                Some(pattern) => {
                    regex(pattern)?; // said in the author's words
                    regex(&format!("^(?:{})$", pattern.trim())).map(Self::CookieLike)
                }
                None if is_token(rest) => Ok(Self::Cookie(rest.trim().into())),
                None => Err(wrong()),
            },
            Some(("header", name)) if is_token(name) => Ok(Self::Header(name.trim().to_ascii_lowercase())),
            _ => Err(wrong()),
        }
    }
}

/// Where a program's credential is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialPlace {
    /// The whole value of a header.
    Header(String),
    /// What follows a scheme in `Authorization`, in lower case here.
    Scheme(String),
    /// HTTP Basic.
    Basic,
    /// A query parameter.
    Query(String),
}

impl CredentialPlace {
    /// The header that it is in.
    #[must_use]
    pub fn header(&self) -> Option<&str> {
        match self {
            Self::Header(name) => Some(name),
            Self::Scheme(_) | Self::Basic => Some("authorization"),
            Self::Query(_) => None,
        }
    }

    /// Parses `header NAME`, `header Authorization SCHEME`, `basic` or `query NAME`.
    ///
    /// # Errors
    /// What is wrong with it, and which forms there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["basic"] => Ok(Self::Basic),
            ["query", name] => Ok(Self::Query((*name).into())),
            ["header", name, scheme] if name.eq_ignore_ascii_case("authorization") => {
                Ok(Self::Scheme(scheme.to_lowercase()))
            }
            ["header", name] => Ok(Self::Header(name.to_ascii_lowercase())),
            _ => Err(format!(
                "\"{text}\" is not a place for a credential; write header NAME, header Authorization SCHEME, basic or query NAME"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let p = Pattern::parse("POST|PUT /a/{id}/x-*/**").unwrap();
        assert_eq!(p.methods.0, [Method::POST, Method::PUT]);
        assert_eq!(p.segments.len(), 4);
        assert_eq!(p.captures().collect::<Vec<_>>(), ["id"]);
        for bad in ["POST tickets", "GETT /x", "/a/**/b", "/a?b=c", "/{}", "/a*b*c"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        assert!(Pattern::parse("/").unwrap().methods.contains(&Method::DELETE));
        assert!(Pattern::parse("GET /").unwrap().methods.contains(&Method::HEAD));
    }

    #[test]
    fn conditions_and_signs() {
        let c = Condition::parse("query Status = deleted|rejected").unwrap();
        assert!(c.test.holds(" Deleted ") && !c.test.holds("open"));
        let c = Condition::parse("line Status of form content = deleted").unwrap();
        assert_eq!(c.source, Source::Line { name: "status".into(), field: "content".into() });
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

    #[test]
    fn carriers_and_places() {
        assert!(matches!(Carrier::parse("cookie ~ RT_SID_.*").unwrap(), Carrier::CookieLike(_)));
        for bad in ["cookies x", "cookie a b", "cookie a=b", "header a:", "cookie ~ ("] {
            assert!(Carrier::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(
            CredentialPlace::parse("header Authorization Token").unwrap(),
            CredentialPlace::Scheme("token".into())
        );
        assert!(CredentialPlace::parse("body x").is_err());
    }
}
