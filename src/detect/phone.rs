//! Telephone numbers: how they are written, which of them exist, and what else looks like one.
//!
//! What exists is known from [`numbering`]. How sure a number is by its form decides what the words
//! before it may change: `+49 30 23125123` is one wherever it stands, `202-555-0143` unless it is called
//! an order, and `2025550143` only where something says that it is a telephone.

mod forms;
mod numbering;
mod reading;

use std::ops::Range;

pub use forms::{Forms, digits};
pub(super) use numbering::Region;
use numbering::{Reading, international};
use reading::Written;

use super::chars::{Mark, char_at, char_before, digit, is_currency, is_word, mark, run_end};
use super::words::Words;

/// Fewer digits are an extension or a short code.
const SHORTEST: usize = 7;

/// How much the form of a number says by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    /// Digits that could be anything: only behind a word that names a telephone.
    Weak,
    /// Grouped as numbers are in a region: unless it is called something else.
    Usual,
    /// With `+` and a country: always.
    Sure,
}

/// What a policy says about telephone numbers.
pub(super) struct Phones {
    regions: Vec<Region>,
}

impl Phones {
    pub(super) fn new(regions: Vec<Region>) -> Self {
        Self { regions }
    }

    /// The number whose first digit is at `at`, where it begins at `floor` or later.
    pub(super) fn at(&self, text: &str, at: usize, floor: usize, words: &Words) -> Option<Range<usize>> {
        let start = Start::before(text, at, floor);
        if !start.plus && !Self::may_begin(text, at) {
            return None;
        }
        if !start.is_free(text, floor, words) || (!start.plus && reading::date(text, at).is_some()) {
            return None;
        }
        // Digits behind other digits, and digits in a row, say nothing by themselves.
        let end = run_end(text.as_bytes(), at);
        let bare = !start.plus && (start.follows_digits || first_is_not_zero(text, at)) && !is_marked(text, end);
        if bare && (start.follows_digits || !goes_on(text, end)) && !words.say_phone(text, start.lead) {
            return None;
        }
        let written = Written::read(text, at, start.open);
        let cut = |count| self.cut(text, &start, &written, count, words);
        // Another number behind it begins with a zero; if none does, the longest counts that exists.
        let groups = written.groups().len();
        let early = (1..groups).filter(|&count| written.goes_on_with_zero(count)).find_map(cut);
        early.or_else(|| (1..=groups).rev().find_map(cut))
    }

    /// A digit that stands alone begins a number only where somebody dials it first.
    fn may_begin(text: &str, at: usize) -> bool {
        let Some((first, length)) = digit(text.as_bytes(), at) else { return false };
        if digit(text.as_bytes(), at + length).is_some() || char_before(text, at) == Some('(') {
            return true;
        }
        let next = mark(text, at + length).map_or(at, |(_, gap)| at + length + gap);
        matches!(first, 0 | 1 | 8) && (run_end(text.as_bytes(), next) >= next + 3 || mark(text, next).is_some())
    }

    /// The first `count` groups, if they are a number and nothing speaks against it.
    fn cut(&self, text: &str, start: &Start, written: &Written, count: usize, words: &Words) -> Option<Range<usize>> {
        let whole = count == written.groups().len();
        let end = written.groups().get(count - 1)?.end;
        if written.digits_in(count) < 7
            || !written.is_closed_at(count)
            || !(whole || written.may_cut(count, start.plus))
            || (start.is_glued(text) && !start.plus && !written.closes_first(count))
        {
            return None;
        }
        let (form, _) = self.classify(start.plus, written, count)?;
        let extended = reading::extension(text, end).unwrap_or(end);
        if !ends_here(text, extended, whole) {
            return None;
        }
        let begin = start.begin(written, count);
        let amount = form < Form::Sure && is_amount(text, begin, extended, written, count);
        let form = if amount || (form < Form::Sure && start.follows_digits && !written.is_marked()) {
            Form::Weak
        } else {
            form
        };
        let fine = match form {
            Form::Sure => true,
            Form::Usual => !words.say_other(text, begin),
            Form::Weak => words.say_phone(text, begin),
        };
        fine.then_some(begin..extended)
    }

    /// Which number it is, and how sure its form makes that.
    fn classify(&self, plus: bool, written: &Written, count: usize) -> Option<(Form, Reading)> {
        let digits = written.digits(count);
        if plus {
            return international(digits).map(|reading| (Form::Sure, reading));
        }
        if let Some(rest) = digits.strip_prefix(&[0, 0])
            && let Some(reading) = international(rest)
        {
            return Some((Form::Usual, reading));
        }
        let abroad = |region: &Region| digits.strip_prefix(region.dials_abroad()?).and_then(international);
        if let Some(reading) = self.regions.iter().find_map(abroad) {
            return Some((Form::Usual, reading));
        }
        let national = self.regions.iter().filter_map(|region| national(region, written, count));
        // The first region counts that is surest.
        national.reduce(|best, next| if next.0 > best.0 { next } else { best }).or_else(|| {
            international(digits).filter(|_| count == 1 && digits.len() >= 10).map(|reading| (Form::Weak, reading))
        })
    }
}

/// The number in a region, dialled from inside.
fn national(region: &Region, written: &Written, count: usize) -> Option<(Form, Reading)> {
    let digits = written.digits(count);
    if let Some(reading) = region.with_trunk(digits) {
        return Some((trunk_form(region, written, count), reading));
    }
    if let Some(reading) = region.without_trunk(digits).filter(|_| digits.len() <= 11) {
        return Some((bare_form(region, written, count), reading));
    }
    region.local(digits).filter(|_| written.sizes(count).eq([3, 4])).map(|reading| (Form::Weak, reading))
}

/// Behind the digit that is dialled first. A lone 0 begins decimals and book numbers too.
fn trunk_form(region: &Region, written: &Written, count: usize) -> Form {
    let digits = written.digits(count).len();
    if region.is_north_american() {
        return if written.sizes(count).eq([1, 3, 3, 4]) { Form::Usual } else { Form::Weak };
    }
    let alone = written.sizes(count).next() == Some(1) && !written.has_brackets();
    let long = if count > 1 { digits >= 8 } else { (10..=12).contains(&digits) };
    // `0 501 234 56 78` is longer than any book number.
    let spaced = count >= 4 && digits >= 11 && !written.is_marked();
    if long && (!alone || spaced || region.trunk() == "8") { Form::Usual } else { Form::Weak }
}

/// Where nothing is dialled first only the groups tell.
fn bare_form(region: &Region, written: &Written, count: usize) -> Form {
    let digits = written.digits(count);
    let marked = written.gap(1).is_some_and(|gap| gap.mark.is_some() || gap.close);
    let tight = written.gap(1).is_some_and(|gap| gap.blanks == 0 && gap.mark != Some(Mark::Dot));
    let between = |least, most| written.sizes(count).all(|size| (least..=most).contains(&size));
    let usual = if region.is_north_american() {
        written.sizes(count).eq([3, 3, 4]) || (marked && written.sizes(count).eq([3, 7]))
    } else if region.trunk() == "-" && digits.first() == Some(&0) {
        return trunk_form(region, written, count);
    } else if region.trunk() == "-" {
        (count >= 3 && between(2, 4))
            || (count == 2 && marked && between(3, 7) && tight)
            || region.in_fours(digits, count)
    } else {
        (region.mobile_without_trunk(digits, written.sizes(count).next()) && count > 1 && between(2, 5))
            || (marked
                && written.has_brackets()
                && (9..=10).contains(&digits.len())
                && !written.sizes(count).eq([3, 3, 4]))
    };
    if usual { Form::Usual } else { Form::Weak }
}

fn first_is_not_zero(text: &str, at: usize) -> bool {
    digit(text.as_bytes(), at).is_some_and(|(value, _)| value != 0)
}

/// Whether a mark that is no blank follows a group.
fn is_marked(text: &str, end: usize) -> bool {
    mark(text, end).is_some_and(|(mark, _)| !matches!(mark, Mark::Blank | Mark::Invisible))
}

/// Whether more digits may follow.
fn goes_on(text: &str, end: usize) -> bool {
    mark(text, end)
        .is_some_and(|(_, length)| char_at(text, end + length).is_some_and(|c| !is_word(c) || c.is_ascii_digit()))
}

/// What is before the first digit.
struct Start {
    /// Where the `+` or the bracket is.
    lead: usize,
    plus: bool,
    /// Where the number begins if the bracket is not its own.
    inner: usize,
    /// A bracket is open.
    open: bool,
    /// Another number ends one blank before.
    follows_digits: bool,
}

impl Start {
    fn before(text: &str, at: usize, floor: usize) -> Self {
        let mut start = Self { lead: at, inner: at, plus: false, open: false, follows_digits: false };
        for _ in 0..3 {
            let c = char_before(text, start.lead).unwrap_or(' ');
            let taken = match c {
                '+' | '\u{ff0b}' if !start.plus => &mut start.plus,
                '(' | '[' | '\u{ff08}' if !start.open => &mut start.open,
                _ => break,
            };
            if start.lead - c.len_utf8() < floor {
                break;
            }
            *taken = true;
            start.lead -= c.len_utf8();
            if !start.open {
                start.inner = start.lead;
            }
        }
        let blank = char_before(text, start.lead).is_some_and(|c| matches!(c, ' ' | '\u{a0}'));
        let last = text.get(floor..start.lead).and_then(|t| t.trim_end_matches([' ', '\u{a0}']).bytes().next_back());
        start.follows_digits = blank && last.is_some_and(|b| b.is_ascii_digit());
        start
    }

    /// Where the number begins: a bracket that closes behind it is not its own.
    fn begin(&self, text: &Written, count: usize) -> usize {
        if self.open && !text.closes_first(count) { self.inner } else { self.lead }
    }

    /// Whether a letter is before its bracket: `Tel(030) 1234567`, or what is called in a program.
    fn is_glued(&self, text: &str) -> bool {
        self.open && char_before(text, self.lead).is_some_and(|c| c.is_ascii_alphabetic())
    }

    /// Whether nothing is glued to it that makes it a part of something else.
    fn is_free(&self, text: &str, floor: usize, words: &Words) -> bool {
        let Some(before) = char_before(text, self.lead) else { return true };
        if floor > 0 && floor + before.len_utf8() == self.lead && !is_word(before) {
            return true;
        }
        let further = char_before(text, self.lead - before.len_utf8());
        match before {
            '@' | '#' | '\u{2116}' | '\\' => false,
            c if is_word(c) => self.is_glued(text) || (c.is_ascii_alphabetic() && words.say_phone(text, self.lead)),
            c if is_currency(c) => false,
            '+' | '\u{ff0b}' => false,
            '-' | '\u{2013}' | '\u{2212}' | '*' | '^' => !further.is_some_and(is_word),
            '.' | '/' | ':' if further.is_some_and(|c| c.is_ascii_digit()) => false,
            '.' | '/' if further.is_some_and(is_word) => words.say_phone(text, self.lead),
            '=' | '&' if !self.plus && further.is_some_and(is_word) => !words.say_other(text, self.lead),
            _ => true,
        }
    }
}

/// Whether the number is whole at `at`. Where another one follows, that was looked at before.
fn ends_here(text: &str, at: usize, whole: bool) -> bool {
    let Some(next) = char_at(text, at) else { return true };
    let after = char_at(text, at + next.len_utf8());
    match next {
        c if is_word(c) || matches!(c, '@' | '%') => false,
        '-' | '\u{2013}' | '*' | '^' | '=' => !after.is_some_and(is_word),
        '.' | ':' => !after.is_some_and(|c| c.is_ascii_digit()),
        '/' => !whole || !after.is_some_and(|c| c.is_ascii_digit()),
        _ => true,
    }
}

/// Whether it is money or a quantity: `1 234 567,80`, `EUR 912 345 678`.
fn is_amount(text: &str, start: usize, end: usize, written: &Written, count: usize) -> bool {
    let next = text.get(end..).unwrap_or_default();
    let decimals = next.starts_with(',') && char_at(next, 1).is_some_and(|c| c.is_ascii_digit());
    let thousands = written.sizes(count).skip(1).all(|size| size == 3);
    let unit = |text: &str| {
        let word: &str = text.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
        text.starts_with(is_currency) || UNITS.contains(&word)
    };
    let before = text.get(..start).unwrap_or_default().trim_end();
    let word_before = before.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    (decimals && thousands)
        || unit(next.trim_start_matches([' ', '\u{a0}', '\u{202f}']))
        || before.ends_with(is_currency)
        || UNITS.contains(&word_before)
        || (thousands && count > 1 && written.gap(1).is_some_and(|gap| gap.mark == Some(Mark::Dot)))
}

const UNITS: [&str; 26] = [
    "EUR", "USD", "GBP", "CHF", "JPY", "CNY", "INR", "PLN", "CZK", "SEK", "NOK", "DKK", "BRL", "RUB", "kr", "Kč", "zł",
    "Euro", "euro", "euros", "dollars", "bytes", "Bytes", "ms", "km", "kg",
];

impl Phones {
    /// The forms in which the number of a found text may be elsewhere.
    pub(super) fn forms(&self, found: &str) -> Option<Forms> {
        let first = (0..found.len()).find(|&at| found.is_char_boundary(at) && digit(found.as_bytes(), at).is_some())?;
        let start = Start::before(found, first, 0);
        let written = Written::read(found, first, start.open);
        let mut counts = (1..=written.groups().len()).rev().filter(|&count| written.digits_in(count) >= SHORTEST);
        let reading = counts.find_map(|count| Some(self.classify(start.plus, &written, count)?.1));
        reading.as_ref().map(Forms::of)
    }
}
