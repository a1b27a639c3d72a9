//! What a role sees instead of a value that is hidden from it.
//!
//! A [`Plan`] is compiled when the policy is: which fields are hidden from one role, and what takes their
//! place. A [`Masker`] applies it to one answer. It is told of values whose place says what they are
//! ([`Masker::value`]) and of free text ([`Masker::text`]), each with the escapes of its format; it remembers
//! what it hid, so that other forms of the same value are hidden as well.

mod escapes;
pub mod example;
mod fingerprints;
mod form;
mod learned;
mod literal;
pub mod memory;
mod places;
mod plain;
mod region;
mod shown;
mod simple;
mod texts;
mod trace;

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::detect::{Detectors, FieldKind, Settings};

pub use escapes::{Escapes, character_reference, write_escaped};
pub use form::{Form, Pseudonyms, REMOVED};
pub use memory::{Memory, Originals};
pub use places::{Places, Step};
pub use plain::Plain;
pub use region::Region;
pub use shown::Shown;

use escapes::Unescaped;
use learned::Learned;
use plain::is_plain;
use simple::simple;

/// A kind of personal data, by its place in the policy's list of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub u16);

/// What JSON gets instead of a number whose digits are hidden: text would change its type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberBecomes {
    /// `null`
    #[default]
    Null,
    /// `0`
    Zero,
}

/// A field that is hidden from a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// What takes its place.
    pub form: Form,
    /// The rule that says so, by its place in the policy.
    pub rule: u16,
}

/// What is hidden from one role on one kind of page.
pub struct Plan {
    /// By [`FieldId`]; `None` where the field is shown.
    pub hidden: Vec<Option<Hidden>>,
    /// What finds hidden fields in free text.
    pub detectors: Arc<Detectors>,
    /// Whether free text is searched; when not, only places are trusted.
    pub everywhere: bool,
    /// Which field a detector's find is.
    pub kinds: Vec<(FieldKind, FieldId)>,
    /// Where the app has its fields.
    pub places: Arc<Places>,
    /// What a number becomes.
    pub numbers: NumberBecomes,
}

impl Plan {
    /// A plan by which nothing is hidden; `None` when detectors cannot be made at all.
    #[must_use]
    pub fn nothing() -> Option<Self> {
        Some(Self {
            hidden: Vec::new(),
            detectors: Arc::new(Detectors::new(&Settings::default()).ok()?),
            everywhere: false,
            kinds: Vec::new(),
            places: Arc::default(),
            numbers: NumberBecomes::Null,
        })
    }

    /// Whether nothing is hidden by it.
    #[must_use]
    pub fn hides_nothing(&self) -> bool {
        self.hidden.iter().all(Option::is_none)
    }

    /// Whether a hidden value may leave a hole that looks like a value which is not there.
    #[must_use]
    pub fn leaves_holes(&self) -> bool {
        self.hidden.iter().flatten().any(|hidden| matches!(hidden.form, Form::Remove | Form::Null))
    }

    /// What takes the place of `field`, if it is hidden.
    #[must_use]
    pub fn form(&self, field: FieldId) -> Option<&Form> {
        self.hidden.get(usize::from(field.0))?.as_ref().map(|hidden| &hidden.form)
    }

    fn kind_of(&self, field: FieldId) -> Option<FieldKind> {
        self.kinds.iter().find(|(_, f)| *f == field).map(|(kind, _)| *kind)
    }

    fn field_of(&self, kind: FieldKind) -> Option<FieldId> {
        let (_, field) = self.kinds.iter().find(|(k, _)| *k == kind)?;
        self.form(*field).map(|_| *field)
    }
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrote {
    /// It stands as it was.
    Same,
    /// A mask stands in its place.
    Mask,
}

/// Masks one answer.
pub struct Masker {
    plan: Arc<Plan>,
    pseudonyms: Pseudonyms,
    counts: Vec<u32>,
    learned: Learned,
    /// Whether texts are searched for what was learned although they are not searched otherwise.
    searches_again: bool,
    remembers: bool,
    shown: Shown,
}

/// What a masker had counted at some place of an answer.
#[derive(Clone, Debug)]
pub struct Mark {
    counts: Vec<u32>,
    shown: (usize, usize),
}

/// A piece of text to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Edit {
    range: Range<usize>,
    field: FieldId,
}

impl Masker {
    /// Masks an answer by a plan.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        Self::keyed(plan, Pseudonyms::default())
    }

    /// The same with the installation's key for pseudonyms.
    #[must_use]
    pub fn keyed(plan: Arc<Plan>, pseudonyms: Pseudonyms) -> Self {
        let counts = vec![0; plan.hidden.len()];
        let (learned, shown) = (Learned::default(), Shown::default());
        Self { plan, pseudonyms, counts, learned, searches_again: false, remembers: true, shown }
    }

    /// The same without a memory of what was shown: an answer that nobody edits.
    #[must_use]
    pub fn forgetting(self) -> Self {
        Self { remembers: false, ..self }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// How many values were masked, by [`FieldId`].
    #[must_use]
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// What was shown instead of what.
    #[must_use]
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// The same answer from its start: what was counted is forgotten, what was learned is looked for.
    pub fn start_again(&mut self) {
        self.search_again();
        self.counts.fill(0);
        self.shown.clear();
    }

    /// From now on, what was learned is looked for in every text.
    pub fn search_again(&mut self) {
        self.searches_again = true;
    }

    /// Whether every text is searched, for what was learned too.
    #[must_use]
    pub fn searches_all(&self) -> bool {
        self.plan.everywhere || self.searches_again
    }

    /// What was counted so far, to go [`Masker::back_to`].
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { counts: self.counts.clone(), shown: self.shown.mark() }
    }

    /// What was counted since is forgotten; what was learned is not.
    pub fn back_to(&mut self, mark: Mark) {
        self.counts = mark.counts;
        self.shown.back_to(mark.shown);
    }

    /// Whether what was hidden is still there in another form.
    #[must_use]
    pub fn reappears(&mut self, written: &[u8]) -> bool {
        self.learned.reappears(written, &self.plan.detectors)
    }

    /// Whether free text has to be shown to [`Masker::text`] at all.
    #[must_use]
    pub fn wants_text(&self) -> bool {
        self.searches_all()
    }

    /// A value that stands where the profile has `field`, in the raw bytes of its format. Writes it or its
    /// mask, with the same escapes. `place` is the name under which it would be sent back, or empty.
    ///
    /// Forms that take a whole member away ([`Form::Remove`], [`Form::Null`]) write nothing here; formats that
    /// can do better ask [`Plan::form`] first and tell [`Masker::hid`].
    pub fn value(&mut self, field: FieldId, raw: &[u8], escapes: Escapes, place: &[u8], out: &mut Vec<u8>) -> Wrote {
        let Some(form) = self.plan.form(field) else { return self.text(raw, escapes, place, out) };
        if let Some(holds) = simple(raw) {
            let start = out.len();
            if form.apply_simply(raw, holds, out) {
                self.add(field);
                let kind = self.plan.kind_of(field);
                if !self.learned.note(field, kind, raw, holds) {
                    let value = std::str::from_utf8(raw).unwrap_or_default();
                    self.learned.learn(field, kind, value, &self.plan.detectors);
                }
                if self.remembers && !place.is_empty() {
                    self.shown.add(place, &out[start..], raw);
                }
                return Wrote::Mask;
            }
        }
        let form = form.clone();
        let text = Unescaped::of(raw, escapes);
        let original = text.without_layers();
        let Some(mask) = form.apply(original, field, &self.plan, &self.pseudonyms, false) else {
            return self.text(raw, escapes, place, out);
        };
        let place = if text.is_foreign() { b"" } else { place };
        write_escaped(&in_charset(mask.clone(), &text), escapes, out);
        self.remember(field, original, &mask, place);
        Wrote::Mask
    }

    /// Notes that a value was hidden by other means than [`Masker::value`], which then need not be asked. At `place`
    /// nothing stands for it.
    pub fn hid(&mut self, field: FieldId, raw: &[u8], escapes: Escapes, place: &[u8]) {
        let text = Unescaped::of(raw, escapes);
        self.remember(field, text.without_layers(), "", place);
    }

    /// Whether [`Masker::text`] would find nothing in a text, nor in any piece of it. Quick; says no rather than yes.
    #[must_use]
    pub fn skips(&self, raw: &[u8]) -> bool {
        !self.wants_text() || (!self.reads_everything() && is_plain(raw))
    }

    /// The same for a piece of what was looked at before.
    #[must_use]
    pub fn skips_piece(&self, of: &Plain, piece: Range<usize>) -> bool {
        !self.wants_text() || (!self.reads_everything() && of.is_plain(piece))
    }

    /// Whether something is looked for that may be in any text, even one without digits, signs and escapes.
    #[must_use]
    pub fn reads_everything(&self) -> bool {
        self.learned.has_literals() || (self.plan.everywhere && !self.plan.detectors.only_builtin())
    }

    /// What is hidden in a text, from left to right and without overlaps.
    fn find(&mut self, text: &str) -> SmallVec<[Edit; 4]> {
        let mut edits: SmallVec<[Edit; 4]> = SmallVec::new();
        if self.plan.everywhere {
            self.plan.detectors.find(text, &mut |found| {
                if let Some(field) = self.plan.field_of(found.field) {
                    edits.push(Edit { range: found.range, field });
                }
            });
        }
        if !self.learned.is_empty() {
            let mut again = self.learned.find(text, &self.plan.detectors);
            again.retain(|a| !edits.iter().any(|e| e.range.start < a.range.end && a.range.start < e.range.end));
            edits.extend(again);
            edits.sort_by_key(|e| e.range.start);
        }
        edits
    }

    fn remember(&mut self, field: FieldId, original: &str, mask: &str, place: &[u8]) {
        self.count(field, original);
        self.show(place, mask, original);
    }

    fn show(&mut self, place: &[u8], mask: &str, original: &str) {
        if self.remembers && !place.is_empty() {
            self.shown.add(place, mask.as_bytes(), original.as_bytes());
        }
    }

    fn count(&mut self, field: FieldId, original: &str) {
        self.add(field);
        self.learned.learn(field, self.plan.kind_of(field), original, &self.plan.detectors);
    }

    fn add(&mut self, field: FieldId) {
        if let Some(count) = self.counts.get_mut(usize::from(field.0)) {
            *count += 1;
        }
    }
}

/// A mask as it can be written into a text: in a charset that is not known, in ASCII.
fn in_charset(mask: String, text: &Unescaped<'_>) -> String {
    if !text.is_foreign() || mask.is_ascii() {
        return mask;
    }
    let ascii = |c: char| match c {
        c if c.is_ascii() => c,
        '\u{2010}'..='\u{2015}' => '-',
        c if c.is_whitespace() => ' ',
        _ => '?',
    };
    mask.chars().map(ascii).collect()
}

#[cfg(test)]
mod tests {
    use super::example::{NAME, PHONE, plan};
    use super::*;

    fn text(masker: &mut Masker, raw: &str, escapes: Escapes) -> String {
        let mut out = Vec::new();
        masker.text(raw.as_bytes(), escapes, b"", &mut out);
        String::from_utf8(out).unwrap()
    }

    /// What is hidden in one place is hidden wherever else it is, in every form.
    #[test]
    fn texts_in_every_escape() {
        let mut masker = Masker::new(Arc::new(plan(true)));
        for (raw, escapes, expected) in [
            ("Call +49 30 23125123 now", Escapes::None, "Call +XX XX XXXXXXXX now"),
            ("Call &#43;49&nbsp;30&nbsp;23125123 now", Escapes::Html, "Call +XX\u{a0}XX\u{a0}XXXXXXXX now"),
            ("anna@example.com, tel:+493023125123", Escapes::None, "a***@***.com, tel:+XXXXXXXXXXXX"),
            ("/x?mail=anna%40example.com&y", Escapes::None, "/x?mail=a%2A%2A%2A%40%2A%2A%2A%2Ecom&y"),
            (r"\u002b49 30 23125123", Escapes::Json, "+XX XX XXXXXXXX"),
            ("https://wa.me/493023125123", Escapes::None, "https://wa.me/XXXXXXXXXXXX"),
            ("+49 30 <em>2312</em>5123", Escapes::Json, "+XX XX XXXXXXXX<em></em>"),
            (
                r"Call\u003cb\u003e+49 30 2312\u003c/b\u003e5123",
                Escapes::Json,
                r"Call\u003cb\u003e+XX XX XXXXXXXX\u003c/b\u003e",
            ),
            ("B. M <b.m@example.org>, <s:+493023125123>", Escapes::Json, "B. M <b***@***.org>, <s:+XXXXXXXXXXXX>"),
            ("<b>42</b><b>+49 30 23125123</b>", Escapes::Json, "<b>42</b><b>+XX XX XXXXXXXX</b>"),
            ("12<b>+49 30 23</b>125123", Escapes::Json, "12<b>+XX XX XXXXXXXX</b>"),
            ("<i>anna@example.org</i><i>bob@example.org</i>", Escapes::Json, "<i>a***@***.org</i><i>b***@***.org</i>"),
            ("<b>+49 30 23125123</b>_x", Escapes::Json, "<b>+XX XX XXXXXXXX</b>_x"),
            ("an<mark>na</mark>@example.com", Escapes::Json, "a***@***.com<mark></mark>"),
            ("030 <!-- -->23125123", Escapes::Json, "XXX XXXXXXXX<!-- -->"),
            ("Order 4711-2026, 1.234,00 EUR", Escapes::None, "Order 4711-2026, 1.234,00 EUR"),
        ] {
            assert_eq!(text(&mut masker, raw, escapes), expected, "{raw}");
        }
        assert_eq!(masker.counts()[usize::from(PHONE.0)], 12);
    }

    #[test]
    fn values_by_place_and_what_was_shown_for_them() {
        let mut masker = Masker::new(Arc::new(plan(true)));
        let mut out = Vec::new();
        assert_eq!(masker.value(NAME, b"Anna Schmidt", Escapes::None, b"name", &mut out), Wrote::Mask);
        assert_eq!(masker.value(PHONE, b"ext. none", Escapes::None, b"phone", &mut out), Wrote::Same);
        assert_eq!(out, b"[hidden]ext. none");
        let originals: Vec<_> = masker.shown().iter().collect();
        assert_eq!(originals, [("name", "[hidden]", "Anna Schmidt")]);
        assert_eq!(text(&mut masker, "Dear Anna Schmidt,", Escapes::None), "Dear [hidden],");
    }
}
