//! What a hidden value looks like.

use sha2::{Digest, Sha256};

use super::simple::Holds;
use super::{FieldId, Plan};
use crate::detect::{FieldKind, digits};

/// What takes the place of a value. In order of strictness, the strictest first: when several rules hide the
/// same field, the first of these wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Nothing: the field is not there. Where a format cannot leave a field out, it is empty.
    Remove,
    /// JSON's `null`; empty elsewhere.
    Null,
    /// A text of the policy's.
    Fixed(Box<str>),
    /// A name that stands for the value, the same each time, from which the value cannot be told.
    Pseudonym,
    /// Every digit is an X but the last few.
    DigitsToX {
        /// How many digits stay at the end. Of a value that is hardly longer, none.
        keep_last: u8,
    },
    /// The first letter of a mail address, and the end of its domain: `a***@***.com`.
    Partly,
}

/// What stands in a text for something that is removed.
pub const REMOVED: &str = "[removed]";

/// Makes pseudonyms. Who does not have the key cannot try values.
#[derive(Clone, Default)]
pub struct Pseudonyms(pub [u8; 32]);

impl Pseudonyms {
    fn of(&self, field: FieldId, value: &str) -> String {
        let id = field.0.to_be_bytes();
        let inner =
            Sha256::new().chain_update(self.0).chain_update(b"masking").chain_update(id).chain_update(value).finalize();
        let outer = Sha256::new().chain_update(self.0).chain_update(inner).finalize();
        // Letters only: digits of a pseudonym would look like what it hides.
        let mut name = letters(&outer, NAMING);
        name.push_str(&self.mark(&name));
        name
    }

    /// What tells a name made here from any other word.
    fn mark(&self, name: &str) -> String {
        let mark = Sha256::new().chain_update(self.0).chain_update(b"pseudonym").chain_update(name).finalize();
        letters(&mark, MARKING)
    }

    /// Whether a name made here stands in a text.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        let words = text.split(|c: char| !c.is_ascii_lowercase()).filter(|word| word.len() == NAMING + MARKING);
        words.map(|word| word.split_at(NAMING)).any(|(name, mark)| self.mark(name) == mark)
    }
}

/// How many letters of a pseudonym name a value.
const NAMING: usize = 11;
/// How many letters say that it is one: one word in eleven million of its length is taken for it.
const MARKING: usize = 5;

fn letters(digest: &[u8], count: usize) -> String {
    digest.iter().take(count).map(|b| char::from(b'a' + b % 26)).collect()
}

impl Form {
    /// Writes what stands for a plain value, if that is easily told; whether it was.
    pub(super) fn apply_simply(&self, value: &[u8], holds: Holds, out: &mut Vec<u8>) -> bool {
        match self {
            Self::DigitsToX { keep_last } if holds.digits > 0 => {
                let start = out.len();
                out.extend_from_slice(value);
                x_in_place(&mut out[start..], holds.digits, *keep_last);
                true
            }
            Self::Partly if holds.ats == 1 && holds.blanks == 0 => {
                write_partly(value, value.first().is_some_and(u8::is_ascii_alphanumeric).into(), out);
                true
            }
            _ => false,
        }
    }

    /// What stands for `value`; `None` when there is nothing in it to hide.
    pub(super) fn apply(
        &self,
        value: &str,
        field: FieldId,
        plan: &Plan,
        keyed: &Pseudonyms,
        found: bool,
    ) -> Option<String> {
        if value.trim().is_empty() {
            return None;
        }
        match self {
            // In a text a hole could not be told from what the app has, and would be saved over it.
            Self::Remove | Self::Null if found => Some(REMOVED.to_owned()),
            Self::Remove | Self::Null => Some(String::new()),
            Self::Fixed(text) => Some(text.to_string()),
            Self::Pseudonym => {
                let kind = plan.kinds.iter().find(|(_, f)| *f == field).map(|(kind, _)| *kind);
                Some(keyed.of(field, &canonical(value, kind, plan)))
            }
            Self::DigitsToX { keep_last } => digits_to_x(value, *keep_last),
            Self::Partly if found => Some(partly(value)),
            Self::Partly => Some(each_address(value, plan)),
        }
    }
}

/// The same for every way to write the same value.
fn canonical(value: &str, kind: Option<FieldKind>, plan: &Plan) -> String {
    match kind {
        Some(FieldKind::Phone) => {
            plan.detectors.phone_forms(value).and_then(|f| f.e164).unwrap_or_else(|| digits(value))
        }
        Some(FieldKind::Email) | None => value.trim().to_lowercase(),
        Some(_) => value.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect(),
    }
}

/// How many of so many digits are hidden. Of a short value the last ones would be most of it.
fn hidden_of(count: usize, keep_last: u8) -> usize {
    let keep = usize::from(keep_last);
    if count < keep * 2 + 2 { count } else { count - keep }
}

fn digits_to_x(value: &str, keep_last: u8) -> Option<String> {
    let count = value.chars().filter(|c| c.is_numeric()).count();
    if count == 0 {
        return None;
    }
    let hidden = hidden_of(count, keep_last);
    let mut seen = 0;
    Some(
        value
            .chars()
            .map(|c| {
                let is_digit = c.is_numeric();
                seen += usize::from(is_digit);
                if is_digit && seen <= hidden { 'X' } else { c }
            })
            .collect(),
    )
}

/// Digits of ASCII become X where they are.
fn x_in_place(bytes: &mut [u8], count: usize, keep_last: u8) {
    let mut hidden = hidden_of(count, keep_last);
    if hidden == count {
        // Without branches.
        for b in bytes {
            *b = if b.is_ascii_digit() { b'X' } else { *b };
        }
        return;
    }
    for b in bytes.iter_mut().filter(|b| b.is_ascii_digit()) {
        if hidden == 0 {
            return;
        }
        *b = b'X';
        hidden -= 1;
    }
}

/// Of an address, its first letter, which has so many bytes, and its end behind the last dot.
fn write_partly(address: &[u8], first: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&address[..first]);
    out.extend_from_slice(b"***@***");
    let end = memchr::memrchr2(b'.', b'@', address).filter(|end| address[*end] == b'.');
    out.extend_from_slice(end.map_or(b"", |dot| &address[dot..]));
}

fn partly(address: &str) -> String {
    let address = address.trim_start_matches('"');
    let first = address.chars().next().filter(|c| c.is_alphanumeric()).map_or(0, char::len_utf8);
    let mut out = Vec::with_capacity(address.len() + 8);
    write_partly(address.as_bytes(), first, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Masks each address of a list such as `Anna <anna@example.com>, bob@example.com`; what has none is hidden whole.
fn each_address(value: &str, plan: &Plan) -> String {
    let (mut out, mut done) = (String::new(), 0);
    plan.detectors.find(value, &mut |found| {
        if found.field == FieldKind::Email {
            out.push_str(&value[done..found.range.start]);
            out.push_str(&partly(&value[found.range.clone()]));
            done = found.range.end;
        }
    });
    let rest = &value[done..];
    if done == 0 || rest.contains('@') { "***".into() } else { out + rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stay_only_at_the_end_of_long_values() {
        for (value, keep, expected) in [
            ("+49 30 1234", 2, "+XX XX XX34"),
            ("030/1234567 ext 12", 0, "XXX/XXXXXXX ext XX"),
            ("1234", 2, "XXXX"),
            ("٠٣٠١٢٣٤٥٦", 0, "XXXXXXXXX"),
            ("(202) 555-0101", 4, "(XXX) XXX-0101"),
        ] {
            assert_eq!(digits_to_x(value, keep).as_deref(), Some(expected));
        }
        assert_eq!(digits_to_x("unknown", 2), None);
    }

    #[test]
    fn addresses_keep_a_letter_and_an_ending() {
        assert_eq!(partly("anna.lena@mail.example.com"), "a***@***.com");
        assert_eq!(partly("x@localhost"), "x***@***");
    }

    #[test]
    fn pseudonyms_are_known_again() {
        let (ours, others) = (Pseudonyms([1; 32]), Pseudonyms([2; 32]));
        let name = ours.of(FieldId(0), "Anna");
        assert!(ours.are_in(&name) && ours.are_in(&format!("to {name}, today")) && !others.are_in(&name));
        assert!(!ours.are_in("internationalise") && !ours.are_in(&name[1..]) && !ours.are_in(&format!("{name}s")));
    }

    #[test]
    fn the_strictest_form_wins() {
        let mut forms =
            [Form::Partly, Form::DigitsToX { keep_last: 4 }, Form::Remove, Form::DigitsToX { keep_last: 0 }];
        forms.sort();
        assert_eq!(forms[0], Form::Remove);
        assert_eq!(forms[1..3], [Form::DigitsToX { keep_last: 0 }, Form::DigitsToX { keep_last: 4 }]);
    }
}
