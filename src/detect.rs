//! Personal data in plain text: mail addresses, telephone numbers, accounts, cards, national ids, and what
//! a policy adds in patterns of its own.
//!
//! Two levels. The first goes over all bytes in wide steps and stops only at an `@` or where digits are close
//! together; the second looks at what is there with rules that are as strict as the kind allows: check digits,
//! the numbering plans of all countries, the words before a number. How well that works is in
//! `docs/detectors.md`, measured over `tests/detect`.

mod card;
mod chars;
mod email;
mod iban;
mod ids;
mod numbers;
mod phone;
mod scan;
mod words;

use std::ops::Range;

use memchr::memchr;
use regex::Regex;
use smallvec::SmallVec;

pub use ids::IdKind;
pub use phone::{Forms, digits};

use numbers::{Kinds, Numbers};

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FieldKind {
    /// A mail address.
    Email,
    /// A telephone number, with its extension.
    Phone,
    /// A bank account.
    Iban,
    /// A payment card.
    Card,
    /// A national id.
    Id(IdKind),
    /// One of the policy's own patterns, by its place in the settings.
    Own(u16),
}

/// Personal data at a place in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub field: FieldKind,
    /// Where it is, in bytes; always at characters.
    pub range: Range<usize>,
}

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Mail addresses.
    pub email: bool,
    /// Telephone numbers.
    pub phone: bool,
    /// Regions whose numbers are known without their country, such as `DE`; the first that fits counts.
    pub regions: Vec<String>,
    /// Bank accounts.
    pub iban: bool,
    /// Payment cards.
    pub card: bool,
    /// National ids.
    pub ids: Vec<IdKind>,
    /// Patterns of the policy's own, each with a name.
    pub own: Vec<(String, String)>,
}

/// Why settings do not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No region has this name.
    Region(String),
    /// The pattern of this name is none, and why.
    Pattern(String, String),
}

/// Detectors, compiled once.
pub struct Detectors {
    email: bool,
    kinds: Kinds,
    own: Vec<Regex>,
}

impl Detectors {
    /// Compiles settings.
    ///
    /// # Errors
    /// The first setting that does not work.
    pub fn new(settings: &Settings) -> Result<Self, Problem> {
        let own = settings.own.iter().map(|(name, pattern)| {
            Regex::new(pattern).map_err(|error| Problem::Pattern(name.clone(), error.to_string()))
        });
        Ok(Self { email: settings.email, kinds: Kinds::new(settings)?, own: own.collect::<Result<_, _>>()? })
    }

    /// Calls `each` for what is in `text`, from left to right and without overlaps. Of two that overlap the one that
    /// begins first counts, then the longer one. Of a pattern of one's own that overlaps the rest counts.
    pub fn find(&self, text: &str, each: &mut dyn FnMut(Found)) {
        let mut emails = Emails { text, next: 0 };
        let mut numbers = Numbers::new(&self.kinds, text);
        let mut own: SmallVec<[Own<'_, '_>; 4]> =
            self.own.iter().zip(0..).map(|(r, place)| Own::new(r, place, text)).collect();
        let mut email = self.email.then(|| emails.after(0)).flatten();
        let mut number = numbers.after(0);
        loop {
            let builtin = email.iter().chain(&number);
            let first = builtin.chain(own.iter().filter_map(|own| own.found.as_ref()));
            let Some(found) =
                first.min_by_key(|found| (found.range.start, std::cmp::Reverse(found.range.end))).cloned()
            else {
                return;
            };
            let end = found.range.end;
            each(found);
            if email.as_ref().is_some_and(|e| e.range.start < end) {
                email = emails.after(end);
            }
            if number.as_ref().is_some_and(|n| n.range.start < end) {
                number = numbers.after(end);
            }
            own.iter_mut().for_each(|own| own.go_on(end));
        }
    }

    /// Whether nothing is looked for but what has an `@` or at least six digits.
    #[must_use]
    pub fn only_builtin(&self) -> bool {
        self.own.is_empty()
    }

    /// The forms in which a telephone number that was found may be elsewhere.
    #[must_use]
    pub fn phone_forms(&self, found: &str) -> Option<Forms> {
        self.kinds.phone_forms(found)
    }
}

/// Mail addresses in a text, from left to right.
pub(crate) fn addresses(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut emails = Emails { text, next: 0 };
    std::iter::from_fn(move || emails.after(0).map(|found| found.range))
}

/// The length of the mark at `at`, if it may stand between the digits of one number.
pub(crate) fn mark_at(text: &str, at: usize) -> Option<usize> {
    chars::mark(text, at).map(|(_, length)| length)
}

/// Mail addresses from left to right.
struct Emails<'t> {
    text: &'t str,
    /// Behind the last `@` that was looked at.
    next: usize,
}

impl Emails<'_> {
    /// The next one, not before `floor`.
    fn after(&mut self, floor: usize) -> Option<Found> {
        self.next = self.next.max(floor);
        loop {
            let at = self.next + memchr(b'@', self.text.as_bytes().get(self.next..)?)?;
            self.next = at + 1;
            // Rows of them are drawn in texts.
            if self.text.as_bytes().get(self.next) == Some(&b'@') {
                self.next += self.text.as_bytes().iter().skip(self.next).take_while(|&&b| b == b'@').count();
                continue;
            }
            if let Some(range) = email::around(self.text, at, floor) {
                self.next = range.end;
                return Some(Found { field: FieldKind::Email, range });
            }
        }
    }
}

/// What a pattern of the policy's own matches, from left to right.
struct Own<'d, 't> {
    matches: regex::Matches<'d, 't>,
    field: FieldKind,
    found: Option<Found>,
}

impl<'d, 't> Own<'d, 't> {
    fn new(pattern: &'d Regex, place: u16, text: &'t str) -> Self {
        let mut own = Self { matches: pattern.find_iter(text), field: FieldKind::Own(place), found: None };
        own.next();
        own
    }

    fn next(&mut self) {
        let next = self.matches.find(|m| !m.is_empty());
        self.found = next.map(|m| Found { field: self.field, range: m.range() });
    }

    /// Goes on behind `end`. A match that reaches further keeps what is behind it: a policy that names a pattern
    /// wants all of it covered.
    fn go_on(&mut self, end: usize) {
        while let Some(found) = self.found.as_mut().filter(|found| found.range.start < end) {
            if found.range.end > end {
                found.range.start = end;
                return;
            }
            self.next();
        }
    }
}
