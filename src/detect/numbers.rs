//! Whatever begins with digits, or with a few letters before digits.

use std::ops::Range;

use super::chars::{begins, run_end};
use super::ids::Ids;
use super::phone::{Forms, Phones, Region};
use super::scan::{Digits, enough};
use super::words::Words;
use super::{FieldKind, Found, Problem, Settings, card, iban};

/// Letters before the first digit: six in an Italian tax code.
const MAX_LETTERS: usize = 7;
/// No number has more digits in a row.
const MAX_RUN: usize = 19;

/// Which kinds of numbers are looked for.
pub(super) struct Kinds {
    iban: bool,
    card: bool,
    phones: Option<Phones>,
    ids: Ids,
    words: Words,
}

impl Kinds {
    pub(super) fn new(settings: &Settings) -> Result<Self, Problem> {
        let own = |error: regex::Error| Problem::Pattern("built in".into(), error.to_string());
        let region = |name: &String| Region::named(name).ok_or_else(|| Problem::Region(name.clone()));
        let regions = settings.regions.iter().map(region).collect::<Result<_, _>>()?;
        Ok(Self {
            iban: settings.iban,
            card: settings.card,
            phones: settings.phone.then(|| Phones::new(regions)),
            ids: Ids::new(&settings.ids).map_err(own)?,
            words: Words::new().map_err(own)?,
        })
    }

    fn any(&self) -> bool {
        self.iban || self.card || self.phones.is_some() || !self.ids.is_empty()
    }

    pub(super) fn phone_forms(&self, found: &str) -> Option<Forms> {
        self.phones.as_ref()?.forms(found)
    }

    /// What begins with the run of digits at `at`; the strictest kind first.
    fn at(&self, text: &str, at: usize, end: usize, floor: usize) -> Option<Found> {
        let found = |field, range: Range<usize>| Some(Found { field, range });
        if is_tail(text.as_bytes(), at, floor) {
            return None;
        }
        if let Some(start) = letters_before(text, at, floor) {
            return self.behind_letters(text, start..at, end).and_then(|(field, end)| found(field, start..end));
        }
        if let Some(start) = pair_before(text, at, floor)
            && let Some((field, end)) = self.behind_letters(text, start..start + 2, end)
        {
            return found(field, start..end);
        }
        if end - at > 3 * MAX_RUN || enough(text.as_bytes(), at).is_err() {
            return None;
        }
        if let Some(end) = self.card.then(|| self.card(text, at, end)).flatten() {
            return found(FieldKind::Card, at..end);
        }
        if let Some((kind, end)) = self.ids.with_digits_first(text, at, end) {
            return found(FieldKind::Id(kind), at..end);
        }
        let range = self.phones.as_ref()?.at(text, at, floor, &self.words)?;
        found(FieldKind::Phone, range)
    }

    /// A card; in one run of digits it may be something else that has a check digit of the same kind.
    fn card(&self, text: &str, at: usize, run: usize) -> Option<usize> {
        let (end, grouped) = card::end(text, at, run)?;
        (grouped || !self.words.say_other(text, at)).then_some(end)
    }

    fn behind_letters(&self, text: &str, letters: Range<usize>, run: usize) -> Option<(FieldKind, usize)> {
        let (start, letters) = (letters.start, letters.len());
        if !begins(text, start) {
            return None;
        }
        if self.iban
            && letters == 2
            && let Some(end) = iban::end(text, start)
        {
            return Some((FieldKind::Iban, end));
        }
        let (kind, end) = self.ids.with_letters_first(text, start, letters, run)?;
        Some((FieldKind::Id(kind), end))
    }
}

/// Whether the digits at `at` go on what other digits began: `-01-15`, `:30`. Most digits in dates and times do.
#[inline]
fn is_tail(bytes: &[u8], at: usize, floor: usize) -> bool {
    let Some(&[before, tie]) = at.checked_sub(2).and_then(|start| bytes.get(start..at)) else { return false };
    before.is_ascii_digit() && matches!(tie, b'-' | b'.' | b':' | b'/') && at - 1 > floor
}

/// Where the letters begin that are before the digit at `at`, None: the digits stand for themselves.
fn letters_before(text: &str, at: usize, floor: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut start = at;
    while start > floor && at - start <= MAX_LETTERS && bytes[start - 1].is_ascii_alphabetic() {
        start -= 1;
    }
    (start < at).then_some(start)
}

/// Where two letters and a blank are before the digit at `at`: `JG 10 37 59 A`.
fn pair_before(text: &str, at: usize, floor: usize) -> Option<usize> {
    let start = at.checked_sub(3).filter(|&start| start >= floor)?;
    matches!(text.as_bytes().get(start..at)?, [a, b, b' '] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic())
        .then_some(start)
}

/// Numbers from left to right.
pub(super) struct Numbers<'d, 't> {
    kinds: &'d Kinds,
    text: &'t str,
    digits: Digits<'t>,
    next: usize,
}

impl<'d, 't> Numbers<'d, 't> {
    pub(super) fn new(kinds: &'d Kinds, text: &'t str) -> Self {
        Self { kinds, text, digits: Digits::new(text), next: if kinds.any() { 0 } else { text.len() } }
    }

    /// The next one, not before `floor`.
    pub(super) fn after(&mut self, floor: usize) -> Option<Found> {
        self.next = self.next.max(floor);
        while let Some(at) = self.digits.next_digit(self.next) {
            let end = run_end(self.text.as_bytes(), at);
            self.next = end;
            if let Some(found) = self.kinds.at(self.text, at, end, floor) {
                self.next = found.range.end;
                return Some(found);
            }
        }
        None
    }
}
