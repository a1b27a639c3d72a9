//! The values of a request, by the phrases that say where they are.

use crate::body::{Body, Fields};
use crate::policy::phrase::Source;

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
            Source::Header(name) => (self.header)(name).is_some_and(|value| each(&value)),
            Source::Line { name, field } => self.form().is_some_and(|form| {
                form.all(field).flat_map(str::lines).any(|line| {
                    line.split_once(':').is_some_and(|(n, v)| n.trim().to_lowercase() == *name && each(v.trim()))
                })
            }),
        }
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

/// JSON keys are compared without case: apps that fold it must not read what was not seen here.
fn json_values(value: &serde_json::Value, pointer: &str, each: &mut dyn FnMut(&str) -> bool) -> bool {
    use serde_json::Value;
    let Some(rest) = pointer.strip_prefix('/') else {
        return match value {
            Value::String(text) => each(text),
            Value::Null => false,
            Value::Array(items) => items.iter().any(|item| json_values(item, pointer, each)),
            other => each(&other.to_string()),
        };
    };
    let (key, tail_start) = rest.find('/').map_or((rest, rest.len()), |i| (&rest[..i], i));
    let tail = &rest[tail_start..];
    match value {
        Value::Object(map) => map.iter().any(|(k, v)| k.eq_ignore_ascii_case(key) && json_values(v, tail, each)),
        Value::Array(items) => match key.parse::<usize>() {
            Ok(index) => items.get(index).is_some_and(|item| json_values(item, tail, each)),
            Err(_) => items.iter().any(|item| json_values(item, pointer, each)),
        },
        _ => false,
    }
}
