//! Digits in groups, with what is between them.

use crate::detect::chars::{Mark, char_at, digit, is_word, mark};

/// Two numbers in a row are read together, and told apart after that.
const MAX_DIGITS: usize = 24;
const MAX_GROUPS: usize = 10;

/// What is between two groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gap {
    /// A hyphen, a dot or a slash.
    pub(super) mark: Option<Mark>,
    pub(super) blanks: usize,
    pub(super) open: bool,
    pub(super) close: bool,
}

/// Digits without anything between them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Group {
    /// What is before it.
    gap: Gap,
    /// Digits up to its end.
    digits: usize,
    /// Its end in the text.
    pub(super) end: usize,
    /// A bracket is open at its end that began inside.
    inside: bool,
    /// The bracket before the number is still open.
    outside: bool,
}

/// A number as it is written.
pub(super) struct Written {
    digits: [u8; MAX_DIGITS],
    groups: [Group; MAX_GROUPS],
    count: usize,
}

impl Written {
    /// Reads from the first digit on; `open` says that a bracket is before it.
    pub(super) fn read(text: &str, at: usize, open: bool) -> Self {
        let mut written = Self { digits: [0; MAX_DIGITS], groups: [Group::default(); MAX_GROUPS], count: 0 };
        let mut group = Group { end: at, outside: open, ..Group::default() };
        while written.take(text, &mut group) {
            let Some((gap, next)) = gap(text, group.end) else { break };
            if !group.pass(&gap) || group.stops(text, &gap, next) {
                break;
            }
            (group.gap, group.end) = (gap, next);
        }
        written
    }

    /// Takes one group of digits; not where there is none, or no place.
    fn take(&mut self, text: &str, group: &mut Group) -> bool {
        let start = group.digits;
        while let Some((value, length)) = digit(text.as_bytes(), group.end) {
            let Some(place) = self.digits.get_mut(group.digits) else { return false };
            *place = value;
            group.digits += 1;
            group.end += length;
        }
        let Some(place) = self.groups.get_mut(self.count).filter(|_| group.digits > start) else { return false };
        *place = *group;
        self.count += 1;
        true
    }

    pub(super) fn groups(&self) -> &[Group] {
        self.groups.get(..self.count).unwrap_or_default()
    }

    pub(super) fn digits_in(&self, count: usize) -> usize {
        self.groups.get(count.wrapping_sub(1)).map_or(0, |group| group.digits)
    }

    /// The digits of the first `count` groups.
    pub(super) fn digits(&self, count: usize) -> &[u8] {
        self.digits.get(..self.digits_in(count)).unwrap_or_default()
    }

    /// The lengths of the first `count` groups.
    pub(super) fn sizes(&self, count: usize) -> impl Iterator<Item = usize> + '_ {
        (1..=count).map(|count| self.digits_in(count) - self.digits_in(count - 1))
    }

    /// What is before the group at `place`.
    pub(super) fn gap(&self, place: usize) -> Option<&Gap> {
        self.groups().get(place).map(|group| &group.gap)
    }

    pub(super) fn has_brackets(&self) -> bool {
        self.groups().iter().any(|group| group.gap.close)
    }

    /// Whether no bracket that began inside is open behind so many groups.
    pub(super) fn is_closed_at(&self, count: usize) -> bool {
        self.groups.get(count - 1).is_some_and(|group| !group.inside)
    }

    /// Whether the bracket before the number closes within so many groups.
    pub(super) fn closes_first(&self, count: usize) -> bool {
        self.groups.get(count - 1).is_some_and(|group| !group.outside)
    }

    /// Whether the number may end behind so many groups though more follow: these look like something else.
    pub(super) fn may_cut(&self, count: usize, plus: bool) -> bool {
        let Some(next) = self.groups().get(count) else { return true };
        let (own, rest) = (self.digits_in(count), self.digits_in(self.count) - self.digits_in(count));
        let own_marks = self.groups().iter().take(count).skip(1).map(|group| group.gap.mark);
        let marked =
            own_marks.clone().any(|mark| mark.is_some()) || self.groups().iter().take(count).any(|g| g.gap.close);
        let wide = next.gap.blanks > 1 || next.gap.mark.is_some();
        if next.gap.blanks == 0 {
            // `202-555-0186/202-555-0187`
            return next.gap.mark == Some(Mark::Slash)
                && rest >= own
                && own_marks.clone().all(|m| m != Some(Mark::Slash));
        }
        plus || wide || marked || rest >= own || self.digits.get(own) == Some(&0)
    }

    /// Whether a blank and a zero follow so many groups, and then enough for another number.
    pub(super) fn goes_on_with_zero(&self, count: usize) -> bool {
        let own = self.digits_in(count);
        let blank = self.gap(count).is_some_and(|gap| gap.blanks > 0);
        blank && own >= 9 && self.digits.get(own) == Some(&0) && self.digits_in(self.count) >= own + 9
    }

    /// Whether anything but blanks is behind the first group.
    pub(super) fn is_marked(&self) -> bool {
        self.gap(1).is_some_and(|gap| gap.mark.is_some() || gap.close)
    }
}

impl Group {
    /// Goes over the brackets of a gap, if they fit.
    fn pass(&mut self, gap: &Gap) -> bool {
        if gap.close {
            if self.inside {
                self.inside = false;
            } else if self.outside {
                self.outside = false;
            } else {
                return false;
            }
        }
        if gap.open {
            if self.inside {
                return false;
            }
            self.inside = true;
        }
        true
    }

    /// Whether another number or a date begins at `next`.
    fn stops(&self, text: &str, gap: &Gap, next: usize) -> bool {
        (gap.open && self.digits >= 6) || (gap.blanks > 0 && date(text, next).is_some())
    }
}

/// What is between two groups, and where the second one begins.
fn gap(text: &str, mut at: usize) -> Option<(Gap, usize)> {
    let mut gap = Gap::default();
    for _ in 0..8 {
        if digit(text.as_bytes(), at).is_some() {
            return (gap != Gap::default()).then_some((gap, at));
        }
        let (mark, length) = mark(text, at)?;
        match mark {
            Mark::Blank if gap.blanks < 3 => gap.blanks += 1,
            Mark::Hyphen | Mark::Dot | Mark::Slash if gap.mark.is_none() => gap.mark = Some(mark),
            Mark::Open if !gap.open => gap.open = true,
            Mark::Close if !gap.close && !gap.open => gap.close = true,
            Mark::Invisible => {}
            _ => return None,
        }
        at += length;
    }
    None
}

/// The end of the date or address of four bytes that begins at `at`.
pub(super) fn date(text: &str, at: usize) -> Option<usize> {
    let (mut parts, mut sizes, mut count, mut end) = ([0_u32; 4], [0_usize; 4], 0, at);
    let mut between = None;
    loop {
        let start = end;
        while let Some((value, length)) = digit(text.as_bytes(), end) {
            let part = parts.get_mut(count)?;
            *part = part.checked_mul(10)?.checked_add(u32::from(value))?;
            sizes[count] += 1;
            end += length;
        }
        count += usize::from(end > start);
        let Some(c @ ('.' | '-' | '/')) = char_at(text, end) else { break };
        let blank = usize::from(c == '.' && char_at(text, end + 1) == Some(' '));
        if count >= 4 || between.is_some_and(|b| b != c) || digit(text.as_bytes(), end + 1 + blank).is_none() {
            break;
        }
        between = Some(c);
        end += 1 + blank;
    }
    // A fourth or fifth part makes it something else.
    let goes_on = between.is_some_and(|c| char_at(text, end) == Some(c)) && digit(text.as_bytes(), end + 1).is_some();
    let day = |day: u32, month: u32| (1..=31).contains(&day) && (1..=12).contains(&month);
    let year = |place: usize| sizes[place] == 2 || (sizes[place] == 4 && (1800..=2199).contains(&parts[place]));
    let short = |place: usize| sizes[place] <= 2;
    let found = match count {
        3 if short(0) && short(1) && year(2) => day(parts[0], parts[1]) || day(parts[1], parts[0]),
        3 if sizes[0] == 4 && year(0) && short(1) && short(2) => day(parts[2], parts[1]),
        4 => between == Some('.') && parts.iter().zip(sizes).all(|(&part, size)| part <= 255 && size <= 3),
        _ => false,
    };
    (found && !goes_on).then_some(end)
}

/// Words before an extension, in small letters.
const EXTENSION: [&str; 26] = [
    "x",
    "ext",
    "extn",
    "extension",
    "durchwahl",
    "dw",
    "app",
    "apparat",
    "poste",
    "int",
    "interno",
    "anexo",
    "ramal",
    "extensión",
    "toestel",
    "tst",
    "wew",
    "klapka",
    "anknytning",
    "lokal",
    "доб",
    "вн",
    "分机",
    "内線",
    "내선",
    "تحويلة",
];

/// The end of the extension that follows a number.
pub(super) fn extension(text: &str, at: usize) -> Option<usize> {
    let mut from = at;
    let mut bracket = false;
    while let Some(c) =
        char_at(text, from).filter(|c| matches!(c, ' ' | '\u{a0}' | ',' | ';' | '(' | '-')).filter(|_| from < at + 4)
    {
        bracket |= c == '(';
        from += c.len_utf8();
    }
    let word = text.get(from..)?.split(|c: char| !c.is_alphabetic()).next()?;
    let mut end = from + word.len();
    let sign = char_at(text, end) == Some('#');
    let known = word.len() <= 16 && EXTENSION.iter().any(|e| e.chars().eq(word.chars().flat_map(char::to_lowercase)));
    if !(known || (word.is_empty() && sign)) {
        return None;
    }
    while let Some(c) = char_at(text, end)
        .filter(|c| matches!(c, ' ' | '\u{a0}' | '.' | ':' | '#'))
        .filter(|_| end < from + word.len() + 4)
    {
        end += c.len_utf8();
    }
    let digits = end;
    while let Some((_, length)) = digit(text.as_bytes(), end) {
        end += length;
    }
    let count = (end - digits).min(99);
    let fine = (1..=6).contains(&count) && !char_at(text, end).is_some_and(is_word);
    let closed = usize::from(bracket && char_at(text, end) == Some(')'));
    (fine && (closed == 1 || !bracket)).then_some(end + closed)
}
