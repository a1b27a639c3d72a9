//! Values that were hidden in an answer, in every other form that they may have in it (mission 1.5): with and
//! without country code, without blanks, in links, in names of files.

use std::collections::{HashMap, HashSet};

use super::{Edit, FieldId};
use crate::detect::{Detectors, FieldKind, digits};

/// The most values that are remembered of one answer.
const MOST: usize = 4_096;
/// The most literal texts.
const MOST_LITERALS: usize = 64;
/// Digits that are too few to be told from others.
const FEWEST_DIGITS: usize = 7;
/// Letters that are too few.
const FEWEST_LETTERS: usize = 6;
/// The most digits a form has.
const MOST_DIGITS: usize = 40;

/// What was hidden.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned {
    /// Digits in a row, as some form has them.
    numbers: HashMap<Box<str>, FieldId>,
    /// The lengths that `numbers` has, as bits.
    lengths: u64,
    addresses: HashMap<Box<str>, FieldId>,
    literals: Vec<(Box<str>, FieldId)>,
    seen: HashSet<Box<str>>,
}

impl Learned {
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.addresses.is_empty() && self.literals.is_empty()
    }

    pub(super) fn has_literals(&self) -> bool {
        !self.literals.is_empty()
    }

    pub(super) fn learn(&mut self, field: FieldId, kind: Option<FieldKind>, value: &str, detectors: &Detectors) {
        let value = value.trim();
        if self.seen.len() >= MOST || !self.seen.insert(value.into()) {
            return;
        }
        if value.contains('@') {
            if value.len() >= FEWEST_LETTERS && !value.contains(char::is_whitespace) {
                self.addresses.insert(value.to_lowercase().into(), field);
            }
            return;
        }
        let plain = digits(value);
        if kind == Some(FieldKind::Phone)
            && let Some(forms) = detectors.phone_forms(value)
        {
            forms.all().for_each(|form| self.number(&form, field));
        }
        if plain.len() >= FEWEST_DIGITS {
            self.number(&plain, field);
        } else if value.chars().count() >= FEWEST_LETTERS && self.literals.len() < MOST_LITERALS {
            self.literals.push((value.into(), field));
        }
    }

    fn number(&mut self, form: &str, field: FieldId) {
        let form = form.trim_start_matches('+');
        if (FEWEST_DIGITS..=MOST_DIGITS).contains(&form.len()) {
            self.lengths |= 1 << form.len();
            self.numbers.insert(form.into(), field);
        }
    }

    /// Whether any of it may be in `bytes`, escaped or not.
    pub(super) fn reappears(&self, bytes: &[u8]) -> bool {
        let mut text = String::from_utf8_lossy(bytes);
        if text.contains(['%', '\\', '&']) {
            text = super::Unescaped::of(bytes, super::Escapes::Json).innermost().to_owned().into();
        }
        !self.find(&text).is_empty()
    }

    /// Where any of it is, from left to right.
    pub(super) fn find(&self, text: &str) -> Vec<Edit> {
        let mut found = Vec::new();
        if !self.numbers.is_empty() {
            self.find_numbers(text, &mut found);
        }
        if !self.addresses.is_empty() {
            self.find_addresses(text, &mut found);
        }
        for (literal, field) in &self.literals {
            let places = memchr::memmem::find_iter(text.as_bytes(), literal.as_bytes());
            found.extend(places.map(|at| Edit { range: at..at + literal.len(), field: *field }));
        }
        found.sort_by_key(|e| (e.range.start, std::cmp::Reverse(e.range.end)));
        found.dedup_by(|b, a| b.range.start < a.range.end);
        found
    }

    fn find_numbers(&self, text: &str, found: &mut Vec<Edit>) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if !bytes[at].is_ascii_digit() {
                at += 1;
                continue;
            }
            // A row with small gaps, and where each of its digits is.
            let mut row: Vec<usize> = vec![at];
            let mut next = at + 1;
            let mut gap = 0;
            while let Some(&b) = bytes.get(next) {
                if b.is_ascii_digit() {
                    row.push(next);
                    gap = 0;
                } else if gap < 2 && matches!(b, b' ' | b'-' | b'.' | b'/' | b'(' | b')') {
                    gap += 1;
                } else {
                    break;
                }
                next += 1;
            }
            self.in_row(bytes, &row, found);
            at = next;
        }
    }

    /// Numbers begin and end where a group of digits does.
    fn in_row(&self, bytes: &[u8], row: &[usize], found: &mut Vec<Edit>) {
        let starts = |i: usize| i == 0 || row[i] != row[i - 1] + 1;
        let mut i = 0;
        while i < row.len() {
            let longest = (row.len() - i).min(MOST_DIGITS);
            let hit =
                (FEWEST_DIGITS..=longest).rev().filter(|l| starts(i) && self.lengths >> l & 1 == 1).find_map(|l| {
                    let ends = i + l == row.len() || row[i + l] != row[i + l - 1] + 1;
                    let digits: String = row[i..i + l].iter().map(|&p| char::from(bytes[p])).collect();
                    let field = *self.numbers.get(digits.as_str()).filter(|_| ends)?;
                    Some((l, field))
                });
            match hit {
                Some((l, field)) => {
                    let start = row[i];
                    let plus = start.checked_sub(1).is_some_and(|p| bytes[p] == b'+');
                    found.push(Edit { range: start - usize::from(plus)..row[i + l - 1] + 1, field });
                    i += l;
                }
                None => i += 1,
            }
        }
    }

    fn find_addresses(&self, text: &str, found: &mut Vec<Edit>) {
        let word = |c: char| {
            c.is_alphanumeric()
                || matches!(
                    c,
                    '.' | '_'
                        | '-'
                        | '+'
                        | '\''
                        | '='
                        | '&'
                        | '~'
                        | '!'
                        | '#'
                        | '$'
                        | '*'
                        | '/'
                        | '?'
                        | '^'
                        | '{'
                        | '|'
                        | '}'
                        | '`'
                )
        };
        for (at, _) in text.match_indices('@') {
            let start = text[..at].char_indices().rev().take_while(|(_, c)| word(*c)).last().map_or(at, |(i, _)| i);
            let behind = &text[at + 1..];
            let end = at
                + 1
                + behind.find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-'))).unwrap_or(behind.len());
            let candidate = text[start..end].trim_end_matches(['.', '-']);
            let end = start + candidate.len();
            let whole = candidate.to_lowercase();
            // A link puts names and signs before an address.
            let hit = whole
                .char_indices()
                .filter(|(i, _)| *i <= at - start && !(whole[..*i].ends_with(char::is_alphanumeric)))
                .find_map(|(i, _)| self.addresses.get(&whole[i..]).map(|field| (i, *field)));
            if let Some((skipped, field)) = hit
                && whole.len() == candidate.len()
            {
                found.push(Edit { range: start + skipped..end, field });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Settings;

    #[test]
    fn other_forms_of_a_number_are_known() {
        let detectors =
            Detectors::new(&Settings { phone: true, regions: vec!["DE".into()], ..Settings::default() }).ok().unwrap();
        let mut learned = Learned::default();
        learned.learn(FieldId(0), Some(FieldKind::Phone), "+49 30 23125-123", &detectors);
        learned.learn(FieldId(1), Some(FieldKind::Email), "Anna@Example.com", &detectors);
        for (text, expected) in [
            ("https://wa.me/493023125123?x", "493023125123"),
            ("call_03023125123.mp3", "03023125123"),
            ("0049 30 23125 123", "0049 30 23125 123"),
            ("to=anna@example.com;", "anna@example.com"),
            ("<ANNA@EXAMPLE.COM>.", "ANNA@EXAMPLE.COM"),
        ] {
            let found = learned.find(text);
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(&text[found[0].range.clone()], expected);
        }
        for other in ["1493023125123", "49302312512", "joanna@example.com", "2026-11-22 10:00:00"] {
            assert!(learned.find(other).is_empty(), "{other}");
        }
    }
}
