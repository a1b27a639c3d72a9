//! Where an app has its fields, as its profile tells.

use std::collections::HashMap;

use super::FieldId;

/// One step of a path into JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The member of that name.
    Key(Box<str>),
    /// Any member or any element: `*`.
    Any,
}

/// Where fields are.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// By name, in ASCII lower case: a JSON key anywhere, a column of CSV, an XML element or attribute, a
    /// `Name: value` line, a vCard property, a form field.
    pub names: HashMap<Box<str>, FieldId>,
    /// Paths into JSON.
    pub paths: Vec<(Vec<Step>, FieldId)>,
    /// CSS selectors.
    pub css: Vec<(Box<str>, FieldId)>,
    /// Names whose text is Base64, in ASCII lower case.
    pub base64: Vec<Box<str>>,
}

impl Places {
    /// The field that has this name. Of `ticket[phone]` and `user.phone` the last piece counts.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<FieldId> {
        let of = |name: &str| {
            if name.bytes().any(|b| b.is_ascii_uppercase()) {
                return self.names.get(name.to_ascii_lowercase().as_str()).copied();
            }
            self.names.get(name).copied()
        };
        of(name).or_else(|| {
            let mut pieces = name.rsplit(['[', ']', '.']).filter(|piece| !piece.is_empty());
            pieces.next().filter(|piece| *piece != name).and_then(of)
        })
    }
}
