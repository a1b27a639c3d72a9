//! Fields in which people write something new.

use crate::body::is_called;
use crate::policy::phrase::Source;
use crate::request::is_key;

/// Fields in which people write something new: what they quote there replaces nothing.
#[derive(Debug, Default)]
pub struct NewText {
    fields: Vec<String>,
    /// Each by its keys, outermost first.
    members: Vec<Vec<String>>,
}

impl NewText {
    /// Adds the field at `source`.
    ///
    /// # Errors
    /// When that is no field of a form, a query or a document.
    pub fn add(&mut self, source: Source) -> Result<(), String> {
        match source {
            Source::Form(name) | Source::Query(name) | Source::Param(name) => self.fields.push(name),
            Source::Json(pointer) => self.members.push(pointer.split('/').skip(1).map(str::to_owned).collect()),
            _ => {
                return Err("people write into fields; write form NAME, param NAME, query NAME or json /POINTER".into());
            }
        }
        Ok(())
    }

    /// Whether `name` is such a field of a form or a query.
    #[must_use]
    pub fn has_field(&self, name: &str) -> bool {
        self.fields.iter().any(|field| is_called(name, field))
    }

    /// Whether the member at `path` of a document is one, or within one. Places in lists are no part of a path.
    #[must_use]
    pub fn has_member(&self, path: &[String]) -> bool {
        let is_at = |keys: &Vec<String>| {
            keys.len() <= path.len() && keys.iter().zip(path).all(|(wanted, key)| is_key(wanted, key))
        };
        self.members.iter().any(is_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_members() {
        let mut text = NewText::default();
        for source in ["form comment", "form note_*", "json /comment/text"] {
            text.add(Source::parse(source).unwrap()).unwrap();
        }
        for (name, is) in [("comment", true), ("comment[]", true), ("note_7", true), ("comments", false), ("", false)] {
            assert_eq!(text.has_field(name), is, "{name}");
        }
        for (path, is) in [("comment/text", true), ("Comment/Text/x", true), ("comment", false), ("text", false)] {
            let path: Vec<String> = path.split('/').map(str::to_owned).collect();
            assert_eq!(text.has_member(&path), is, "{path:?}");
        }
        assert!(text.add(Source::Header("x".into())).is_err());
    }
}
