//! The values of a request, by the phrases that say where they are.

use std::cell::Cell;

use crate::body::{Body, Fields, json};
use crate::policy::phrase::Source;
use crate::text::folded;

/// More lines than anybody writes into a field of `Name: value` lines.
const MAX_LINES: usize = 10_000;

/// Everything of a request that a [`Source`] can point to.
pub struct Values<'a> {
    /// Captures of the path.
    pub captures: &'a [(&'a str, &'a str)],
    /// Parameters of the query.
    pub query: &'a Fields,
    /// The body, when it was read.
    pub body: Option<&'a Body>,
    /// A header's value, by lower-case name.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// Set to what is wrong when a document inside of a field has not one reading: nothing that was
    /// found counts then.
    pub unreadable: &'a Cell<Option<&'static str>>,
}

impl Values<'_> {
    /// Calls `each` with every value at `source` until it returns true; tells whether it did.
    pub fn any(&self, source: &Source, mut each: impl FnMut(&str) -> bool) -> bool {
        match source {
            Source::Path(name) => self.captures.iter().any(|(n, v)| n == name && each(v)),
            Source::Query(name) => self.query.all(name).any(each),
            Source::Form(name) => self.form().is_some_and(|form| form.all(name).any(each)),
            Source::Param(name) => {
                self.query.all(name).any(&mut each) || self.form().is_some_and(|form| form.all(name).any(each))
            }
            Source::Json(pointer) => match self.body {
                Some(Body::Json(value)) => json_values(value, pointer, &mut each),
                _ => false,
            },
            Source::JsonIn { pointer, field } => {
                self.form().is_some_and(|form| form.all(field).any(|text| self.json_in(text, pointer, &mut each)))
            }
            Source::Header(name) => (self.header)(name).is_some_and(|value| each(&value)),
            Source::Line { name, field } => self.form().is_some_and(|form| {
                form.all(field).any(|text| {
                    if memchr::memchr2_iter(b'\n', b'\r', text.as_bytes()).nth(MAX_LINES).is_some() {
                        self.unreadable.set(Some("more than 10000 lines in a field of lines"));
                        return false;
                    }
                    lines(text).iter().any(|(n, v)| n == name && each(v))
                })
            }),
        }
    }

    fn json_in(&self, text: &str, pointer: &str, each: &mut dyn FnMut(&str) -> bool) -> bool {
        let Ok(value) = json::parse(text.as_bytes()) else {
            self.unreadable.set(Some("JSON in a field that is malformed, or has two readings"));
            return false;
        };
        json_values(&value, pointer, each)
    }

    /// The first value at `source`.
    #[must_use]
    pub fn first(&self, source: &Source) -> Option<String> {
        let mut found = None;
        self.any(source, |value| {
            found = Some(value.to_owned());
            true
        });
        found
    }

    fn form(&self) -> Option<&Fields> {
        match self.body {
            Some(Body::Form(fields)) => Some(fields),
            _ => None,
        }
    }
}

/// JSON keys are compared without case: apps that fold it must not read what was not seen here. Apps
/// that go over an object take its values or its keys: a key that could be an address counts as well.
fn json_values(value: &serde_json::Value, pointer: &str, each: &mut dyn FnMut(&str) -> bool) -> bool {
    use serde_json::Value;
    let Some(rest) = pointer.strip_prefix('/') else {
        return match value {
            Value::String(text) => each(text),
            Value::Null => false,
            Value::Array(items) => items.iter().any(|item| json_values(item, pointer, each)),
            Value::Object(map) => {
                map.iter().any(|(key, inner)| (key.contains('@') && each(key)) || json_values(inner, pointer, each))
            }
            other => each(&other.to_string()),
        };
    };
    let (key, tail_start) = rest.find('/').map_or((rest, rest.len()), |i| (&rest[..i], i));
    let tail = &rest[tail_start..];
    match value {
        Value::Object(map) => map.iter().any(|(k, v)| is_key(key, k) && json_values(v, tail, each)),
        Value::Array(items) => match key.parse::<usize>() {
            Ok(index) => items.get(index).is_some_and(|item| json_values(item, tail, each)),
            Err(_) => items.iter().any(|item| json_values(item, pointer, each)),
        },
        _ => false,
    }
}

/// Whether `wanted`, in which one `*` stands for any text, is `key` in any case.
#[must_use]
pub fn is_key(wanted: &str, key: &str) -> bool {
    let Some((start, end)) = wanted.split_once('*') else {
        return key.eq_ignore_ascii_case(wanted) || (!key.is_ascii() && folded(key) == folded(wanted));
    };
    let (key, start, end) = (folded(key), folded(start), folded(end));
    key.len() >= start.len() + end.len() && key.starts_with(&start) && key.ends_with(&end)
}

/// `Name: value` lines, names in lower case. A line that begins with a blank goes on with the value
/// before it, also after an empty line.
#[must_use]
pub fn lines(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match (line.split_once(':'), found.last_mut()) {
            (_, Some((_, value))) if line.is_empty() || line.starts_with([' ', '\t']) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            (Some((name, value)), _) => found.push((name.trim().to_lowercase(), value.trim().to_owned())),
            (None, _) => {}
        }
    }
    for (_, value) in &mut found {
        *value = value.trim().to_owned();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_lines_are_one_value() {
        let text = "Text: x\nCc: help@partner.example,\n leak@evil.test\nBcc:\n\n y@evil.test\n";
        let found = lines(text);
        let value = |name: &str| found.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!(value("cc"), Some("help@partner.example, leak@evil.test"));
        assert_eq!(value("bcc"), Some("y@evil.test"));
        assert_eq!(value("text"), Some("x"));
    }

    #[test]
    fn json_keys_by_pattern_and_objects_by_their_values() {
        let value = serde_json::json!({ "RT::CustomRole-1": "a", "Role\u{17f}": { "x": ["b", "c"], "d@e": null } });
        let all = |pointer: &str| {
            let mut found = Vec::new();
            json_values(&value, pointer, &mut |v| {
                found.push(v.to_owned());
                false
            });
            found
        };
        assert_eq!(all("/rt::customrole-*"), ["a"]);
        assert_eq!(all("/Roles"), ["b", "c", "d@e"]);
    }
}
