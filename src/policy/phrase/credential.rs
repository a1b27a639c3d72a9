//! What tells who asks: what carries a session, and where a program's credential is.

use regex::Regex;

use super::regex;

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
