//! Values that were hidden in an answer, in every other form that they may have in it: with and
//! without country code, without blanks, in links, in names of files.
//!
//! There may be thousands of values, and hardly ever is one there a second time. So a value is only noted at first,
//! with a trace by which a text can be told that holds none of them. Whether it was seen before is asked of many at
//! once, and its forms are worked out when a text may hold one.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::ops::Range;

use smallvec::SmallVec;

use super::fingerprints::{Fingerprints, Spread};
use super::literal::Literal;
use super::simple::{Holds, simple};
use super::trace::Trace;
use super::{Edit, Escapes, FieldId, Unescaped};
use crate::detect::{Detectors, FieldKind, addresses, digits, mark_at};

/// The most values that are remembered of one answer.
const MOST: usize = 1_000;
/// The most literal texts.
const MOST_LITERALS: usize = 64;
/// Digits that are too few to be told from others.
pub(super) const FEWEST_DIGITS: usize = 7;
/// Letters that are too few.
const FEWEST_LETTERS: usize = 6;
/// How many are noted before it is asked whether they were seen before.
const MOST_FRESH: usize = MOST;
/// How much text of theirs.
const MOST_FRESH_TEXT: usize = 32 << 10;
/// The most marks between two digits of one number, such as in `30 / 23125`.
const MOST_MARKS: usize = 8;
/// The most digits a form has.
const MOST_DIGITS: usize = 40;
/// The most that one number has, E.164.
const MOST_OF_ONE: usize = 15;

/// What was hidden.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned {
    seen: HashSet<u64, BuildHasherDefault<Spread>>,
    fingerprints: Fingerprints,
    trace: Trace,
    literals: Vec<(Literal, FieldId)>,
    /// In the trace, but not asked yet whether they were seen before.
    fresh: List,
    /// Of which the forms are not worked out yet.
    noted: List,
    forms: Forms,
}

/// Values in one row of text.
#[derive(Clone, Debug, Default)]
struct List {
    texts: Vec<u8>,
    /// Where each ends.
    values: Vec<Noted>,
}

impl List {
    fn push(&mut self, field: FieldId, kind: Option<FieldKind>, value: &[u8]) {
        self.texts.extend_from_slice(value);
        self.values.push(Noted { field, kind, end: self.texts.len() });
    }

    fn each(&self, mut act: impl FnMut(FieldId, Option<FieldKind>, &[u8])) {
        let mut start = 0;
        for Noted { field, kind, end } in &self.values {
            act(*field, *kind, &self.texts[start..*end]);
            start = *end;
        }
    }

    fn clear(&mut self) {
        self.texts.clear();
        self.values.clear();
    }
}

#[derive(Clone, Copy, Debug)]
struct Noted {
    field: FieldId,
    kind: Option<FieldKind>,
    end: usize,
}

type Fields = HashMap<u64, FieldId, BuildHasherDefault<Spread>>;

#[derive(Clone, Debug, Default)]
struct Forms {
    fingerprints: Fingerprints,
    /// Digits in a row, as some form has them, by their fingerprints.
    numbers: Fields,
    /// The lengths that they have, as bits.
    lengths: u64,
    addresses: Fields,
}

impl Learned {
    pub(super) fn is_empty(&self) -> bool {
        self.seen.is_empty() && self.fresh.values.is_empty()
    }

    pub(super) fn has_literals(&self) -> bool {
        !self.literals.is_empty()
    }

    /// The same as [`Learned::learn`] for a simple value, of which nearly all that takes time is left for later. Whether
    /// it is a number or an address; others are not noted so.
    pub(super) fn note(&mut self, field: FieldId, kind: Option<FieldKind>, value: &[u8], holds: Holds) -> bool {
        if self.seen.len() >= MOST {
            return true;
        }
        let is_address = holds.ats == 1 && holds.blanks == 0 && value.len() >= FEWEST_LETTERS;
        let may_have_several = holds.slashes > 0 || (holds.hyphens > 0 && holds.blanks > 1);
        let is_number =
            holds.is_number() && holds.digits <= MOST_OF_ONE && !(may_have_several && numbers(value).len() > 1);
        if is_address {
            self.trace.address(value);
        } else if !is_number || !self.trace.number(value) {
            return false;
        }
        self.fresh.push(field, kind, value);
        if self.fresh.values.len() >= MOST_FRESH || self.fresh.texts.len() >= MOST_FRESH_TEXT {
            self.settle();
        }
        true
    }

    /// The same for a number or an address that was found, which is not looked into once more.
    pub(super) fn found(&mut self, field: FieldId, kind: FieldKind, value: &str, detectors: &Detectors) {
        if !simple(value.as_bytes()).is_some_and(|holds| self.note(field, Some(kind), value.as_bytes(), holds)) {
            self.settle();
            self.each(field, Some(kind), value.trim(), detectors);
        }
    }

    /// What was noted twice is forgotten once.
    fn settle(&mut self) {
        let Self { seen, fingerprints, fresh, noted, .. } = self;
        fresh.each(|field, kind, value| {
            // Only ASCII is noted so.
            let value = value.trim_ascii();
            if seen.len() < MOST && seen.insert(fingerprints.of(value)) {
                noted.push(field, kind, value);
            }
        });
        fresh.clear();
    }

    pub(super) fn learn(&mut self, field: FieldId, kind: Option<FieldKind>, value: &str, detectors: &Detectors) {
        self.settle();
        let value = value.trim();
        self.each(field, kind, value, detectors);
        // `Anna <anna@example.com>`, or two numbers.
        let mut inner: SmallVec<[(FieldKind, Range<usize>); 2]> =
            addresses(value).map(|range| (FieldKind::Email, range)).collect();
        detectors.find(value, &mut |found| {
            if found.field == FieldKind::Phone {
                inner.push((found.field, found.range));
            }
        });
        inner.retain(|(_, range)| *range != (0..value.len()));
        for (kind, range) in inner {
            self.whole(field, Some(kind), value[range].trim(), detectors);
        }
    }

    /// A value, and the numbers in it where it has several.
    fn each(&mut self, field: FieldId, kind: Option<FieldKind>, value: &str, detectors: &Detectors) {
        self.whole(field, kind, value, detectors);
        let numbers = numbers(value.as_bytes());
        for number in numbers.into_iter().filter(|number| is_long(&value.as_bytes()[number.clone()])) {
            self.whole(field, kind, value[number].trim(), detectors);
        }
    }

    /// A value as a whole.
    fn whole(&mut self, field: FieldId, kind: Option<FieldKind>, value: &str, detectors: &Detectors) {
        if self.seen.len() >= MOST || !self.seen.insert(self.fingerprints.of(value.as_bytes())) {
            return;
        }
        if value.contains('@') {
            if value.len() < FEWEST_LETTERS || value.contains(char::is_whitespace) {
                return;
            }
            self.trace.address(value.as_bytes());
        } else if !self.number(kind, value, detectors) {
            // One word is in many places where it means something else, in markup and scripts too.
            let words = value.split_whitespace().count();
            if words > 1 && value.chars().count() >= FEWEST_LETTERS && self.literals.len() < MOST_LITERALS {
                self.literals.push((Literal::new(value), field));
            }
            return;
        }
        self.noted.push(field, kind, value.as_bytes());
    }

    /// Leaves the trace of a number; whether it is one.
    fn number(&mut self, kind: Option<FieldKind>, value: &str, detectors: &Detectors) -> bool {
        // Words in it, such as for an extension, say where a number ends.
        let plain =
            value.is_ascii() && !value.bytes().any(|b| b.is_ascii_alphabetic() || matches!(b, b';' | b',' | b'#'));
        if plain {
            return self.trace.number(value.as_bytes());
        }
        if may_be_phone(kind)
            && let Some(forms) = detectors.phone_forms(value)
        {
            self.trace.number(forms.subscriber.as_bytes());
        }
        self.trace.number(digits(value).as_bytes())
    }

    /// Whether any of it is in `bytes`, however they are escaped.
    pub(super) fn reappears(&mut self, bytes: &[u8], detectors: &Detectors) -> bool {
        if !self.may_be_in(bytes) {
            return false;
        }
        let text = Unescaped::of(bytes, Escapes::Json);
        let without_tags = || [false, true].into_iter().filter_map(|apart| text.without_tags(apart));
        !self.find(text.innermost(), detectors).is_empty()
            || without_tags().any(|text| !self.find(text.innermost(), detectors).is_empty())
    }

    /// Whether any of it may be in a text; says yes rather than no.
    pub(super) fn may_be_in(&self, bytes: &[u8]) -> bool {
        self.trace.may_be_in(bytes) || self.literals.iter().any(|(literal, _)| literal.may_be_in(bytes))
    }

    /// Where any of it is, from left to right.
    pub(super) fn find(&mut self, text: &str, detectors: &Detectors) -> Vec<Edit> {
        if !self.may_be_in(text.as_bytes()) {
            return Vec::new();
        }
        self.settle();
        let Self { noted, forms, .. } = self;
        noted.each(|field, kind, value| {
            forms.add(field, kind, std::str::from_utf8(value).unwrap_or_default(), detectors);
        });
        noted.clear();
        let mut found = Vec::new();
        self.forms.find_numbers(text, &mut found);
        self.forms.find_addresses(text, &mut found);
        for (literal, field) in &self.literals {
            found.extend(literal.find(text).map(|range| Edit { range, field: *field }));
        }
        found.sort_by_key(|e| (e.range.start, std::cmp::Reverse(e.range.end)));
        found.dedup_by(|b, a| b.range.start < a.range.end);
        found
    }
}

impl Forms {
    fn add(&mut self, field: FieldId, kind: Option<FieldKind>, value: &str, detectors: &Detectors) {
        if value.contains('@') {
            self.addresses.insert(self.fingerprints.of(value.to_lowercase().as_bytes()), field);
            return;
        }
        if may_be_phone(kind)
            && let Some(forms) = detectors.phone_forms(value)
        {
            forms.all().for_each(|form| self.number(&form, field));
        }
        self.number(&digits(value), field);
    }

    fn number(&mut self, form: &str, field: FieldId) {
        let form = form.trim_start_matches('+');
        if (FEWEST_DIGITS..=MOST_DIGITS).contains(&form.len()) {
            self.lengths |= 1 << form.len();
            self.numbers.insert(self.fingerprints.of(form.as_bytes()), field);
        }
    }

    fn find_numbers(&self, text: &str, found: &mut Vec<Edit>) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if !bytes[at].is_ascii_digit() {
                at += 1;
                continue;
            }
            let (row, next) = row(text, at);
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
                    let digits: SmallVec<[u8; MOST_DIGITS]> = row[i..i + l].iter().map(|&p| bytes[p]).collect();
                    let field = *self.numbers.get(&self.fingerprints.of(&digits)).filter(|_| ends)?;
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
        let word = |c: char| c.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
        for (at, _) in text.match_indices('@') {
            let start = text[..at].char_indices().rev().take_while(|(_, c)| word(*c)).last().map_or(at, |(i, _)| i);
            let behind = &text[at + 1..];
            let end = at
                + 1
                + behind.find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-'))).unwrap_or(behind.len());
            let whole = text[start..end].to_lowercase();
            if whole.len() == end - start
                && let Some((range, field)) = self.address_in(&whole, at - start)
            {
                found.push(Edit { range: start + range.start..start + range.end, field });
            }
        }
    }

    /// The longest known address in what is around an `@`: a link puts names and signs before it, a file's name has
    /// more behind it.
    fn address_in(&self, whole: &str, at: usize) -> Option<(Range<usize>, FieldId)> {
        let starts =
            || whole[..at].char_indices().map(|(i, _)| i).filter(|i| !whole[..*i].ends_with(char::is_alphanumeric));
        let inner = whole.char_indices().rev().filter(|(i, c)| *i > at && matches!(c, '.' | '-')).map(|(i, _)| i);
        std::iter::once(whole.len()).chain(inner).find_map(|end| {
            starts().find_map(|start| {
                let field = self.addresses.get(&self.fingerprints.of(&whole.as_bytes()[start..end]))?;
                Some((start..end, *field))
            })
        })
    }
}

/// Whether a number in a field of that kind may be a telephone's: people are called by theirs, and write it anywhere.
fn may_be_phone(kind: Option<FieldKind>) -> bool {
    matches!(kind, None | Some(FieldKind::Phone | FieldKind::Email))
}

/// Where the numbers of a value are that has several: two in `030/231251 - 231252`, cut where what stands before is long
/// enough for one.
fn numbers(value: &[u8]) -> SmallVec<[Range<usize>; 2]> {
    let (mut found, mut start) = (SmallVec::new(), 0);
    for at in memchr::memchr2_iter(b'/', b'-', value) {
        let cuts = value[at] == b'/' || value[..=at].ends_with(b" -") && value[at + 1..].starts_with(b" ");
        if cuts && is_long(&value[start..at]) {
            found.push(start..at);
            start = at + 1;
        }
    }
    found.push(start..value.len());
    found
}

/// Whether there are digits enough for a number.
fn is_long(value: &[u8]) -> bool {
    value.iter().filter(|b| b.is_ascii_digit()).count() >= FEWEST_DIGITS
}

/// A row of digits with small gaps, and where each of them is; and where it ends.
fn row(text: &str, at: usize) -> (Vec<usize>, usize) {
    let (mut row, mut next, mut gap) = (vec![at], at + 1, 0);
    while let Some(&b) = text.as_bytes().get(next) {
        if b.is_ascii_digit() {
            row.push(next);
            gap = 0;
            next += 1;
        } else if gap < MOST_MARKS
            && let Some(length) = mark_at(text, next).or(matches!(b, b'\t'..=b'\r').then_some(1))
        {
            gap += 1;
            next += length;
        } else {
            break;
        }
    }
    (row, next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Settings;

    #[test]
    fn other_forms_of_a_number_are_known() {
        let settings = Settings { phone: true, regions: vec!["DE".into()], ..Settings::default() };
        let detectors = Detectors::new(&settings).ok().unwrap();
        let mut learned = Learned::default();
        learned.learn(FieldId(0), Some(FieldKind::Phone), "+49 30 23125-123", &detectors);
        learned.learn(FieldId(0), Some(FieldKind::Phone), "+49 40 66969 552 ext. 12", &detectors);
        learned.learn(FieldId(1), Some(FieldKind::Email), "Anna@Example.com", &detectors);
        learned.learn(FieldId(1), Some(FieldKind::Email), "Bob S <bob@sample.org>", &detectors);
        learned.learn(FieldId(1), Some(FieldKind::Email), "mailto:carla@sample.org", &detectors);
        learned.learn(FieldId(0), Some(FieldKind::Phone), "030 23125123 / 0171 2345678", &detectors);
        learned.learn(FieldId(0), Some(FieldKind::Phone), "040 66969777 #12", &detectors);
        learned.learn(FieldId(1), None, "030 90248111", &detectors);
        learned.learn(FieldId(0), Some(FieldKind::Phone), "030 90248111", &detectors);
        learned.learn(FieldId(1), Some(FieldKind::Email), "030 90248222", &detectors);
        learned.learn(FieldId(0), Some(FieldKind::Phone), "089 12345 / 089 1236", &detectors);
        learned.learn(FieldId(0), Some(FieldKind::Phone), "0171 2345688/9", &detectors);
        learned.learn(FieldId(0), Some(FieldKind::Phone), "040/123457 - 123458", &detectors);
        learned.found(FieldId(0), FieldKind::Phone, "04421 1234 - 1235", &detectors);
        for (text, expected) in [
            ("https://wa.me/493023125123?x", "493023125123"),
            ("call_03023125123.mp3", "03023125123"),
            ("0049 30 23125 123", "0049 30 23125 123"),
            ("see 040 66969-552.", "040 66969-552"),
            ("040 / 66 - 969 - 552", "040 / 66 - 969 - 552"),
            ("+49 (0) 40 / 66969--552", "+49 (0) 40 / 66969--552"),
            ("wa.me/493090248111", "493090248111"),
            ("wa.me/493090248222", "493090248222"),
            ("08912345", "08912345"),
            ("089-12345", "089-12345"),
            ("+491712345688", "+491712345688"),
            ("Tel 044211234", "044211234"),
            ("Tel 040-123457", "040-123457"),
            ("anna@example.com.vcf", "anna@example.com"),
            ("call-anna@example.com-1.pdf", "anna@example.com"),
            ("040\u{a0}66\u{202f}969\u{2011}552", "040\u{a0}66\u{202f}969\u{2011}552"),
            ("to=anna@example.com;", "anna@example.com"),
            ("see bob@sample.org, or", "bob@sample.org"),
            ("carla@sample.org", "carla@sample.org"),
            ("+49 171 2345678", "+49 171 2345678"),
            ("040 66 969 777", "040 66 969 777"),
            ("<ANNA@EXAMPLE.COM>.", "ANNA@EXAMPLE.COM"),
        ] {
            let found = learned.find(text, &detectors);
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(&text[found[0].range.clone()], expected);
            assert!(learned.reappears(text.replace('@', "\\u0040").as_bytes(), &detectors), "{text}");
        }
        for escaped in [
            "040&nbsp;66&#8239;969-552",
            r"040\u00a066\u00a0969\u00a0552",
            "?to=040%2066%20969%20552",
            "040&nbsp66&nbsp969552",
            r#"040 <em>66</em><mark class=\"hit\">969</mark> 552"#,
            "anna@<b>example</b>.com",
        ] {
            assert!(learned.reappears(escaped.as_bytes(), &detectors), "{escaped}");
        }
        for other in ["1493023125123", "49302312512", "joanna@example.com", "2026-11-22 10:00:00"] {
            assert!(learned.find(other, &detectors).is_empty(), "{other}");
        }
    }
}
