//! Which requests: methods and a template of the path.

use http::Method;

use crate::policy::problem::did_you_mean;

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

/// How many pieces a path template may have.
pub const MOST_SEGMENTS: usize = 21;

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
        if pieces.len() > MOST_SEGMENTS {
            return Err(format!("\"{text}\" has more than {MOST_SEGMENTS} pieces; end it with /** earlier"));
        }
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
}
