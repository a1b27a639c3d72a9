//! Goes from key to key of what the grammar has read, and masks what the rules say.

mod hit;
mod within;

use std::ops::Range;
use std::sync::Arc;

use super::base64;
use super::input::{Input, is_space};
use super::rules::{Meaning, NOWHERE, ROOT, Rules};
use crate::body::rewrite::Broken;
use crate::masking::{Escapes, FieldId, Masker, Plain, Region, Wrote};
use crate::text::lanes::BLOCK;

/// The longest key, and the longest number that is hidden.
const MOST_KEY: usize = 4 << 10;
/// The longest white space within a member that may have to go.
const MOST_SPACE: usize = 64 << 10;
/// What is held of a string before it is handed on in pieces.
const LONG: usize = 4 << 10;
/// The longest text in Base64.
const MOST_BASE64: usize = 64 << 10;

/// How it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Go {
    On,
    /// More of the answer is needed.
    Wait,
}

/// How a value is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drop {
    /// `null` stands for it.
    Null,
    /// The member goes; when it is the first, so does the comma behind it.
    Member { first: bool },
}

/// A hidden array or object.
#[derive(Clone, Copy, Debug)]
struct Within {
    field: FieldId,
    depth: u32,
    drop: Option<Drop>,
}

/// A long string.
#[derive(Clone, Debug)]
enum Long {
    Masked(Region),
    Dropped { field: FieldId, start: Vec<u8>, drop: Option<Drop> },
}

/// An open array or object, by where paths lead.
#[derive(Clone, Copy, Debug)]
struct Place {
    state: u16,
    index: u32,
    is_array: bool,
}

/// What is known of the document where the walk is.
#[derive(Clone, Debug)]
pub(super) struct Walker {
    rules: Arc<Rules>,
    /// Where it goes on.
    at: usize,
    /// What is written already.
    done: usize,
    within: Option<Within>,
    long: Option<Long>,
    /// Whether the comma that follows has to go.
    eats: bool,
    /// Whether it went.
    ate: bool,
    places: Vec<Place>,
    /// Where the next value is.
    next: u16,
    /// Whether elements of the open array matter.
    minds_commas: bool,
    key: Option<Range<usize>>,
    /// The last key, once it is no longer held.
    kept_key: Vec<u8>,
    /// Of each block the keys that matter, where most need not be looked at.
    names: Vec<u64>,
    /// Where texts are not worth a second look.
    plain: Plain,
}

impl Walker {
    pub(super) fn new(rules: Arc<Rules>) -> Self {
        Self {
            rules,
            at: 0,
            done: 0,
            within: None,
            long: None,
            eats: false,
            ate: false,
            places: Vec::new(),
            next: ROOT,
            minds_commas: false,
            key: None,
            kept_key: Vec::new(),
            names: Vec::new(),
            plain: Plain::default(),
        }
    }

    /// Goes as far as it can, and writes what is settled.
    pub(super) fn walk(&mut self, input: Input<'_>, masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.look_at(input, masker);
        while self.at < input.end() {
            let go = if self.long.is_some() {
                self.long(input, masker, out)
            } else if self.within.is_some() {
                self.within(input, masker, out)?
            } else if self.eats {
                self.eat(input, out)
            } else if self.rules.has_paths() {
                self.members::<true>(input, masker, out)?
            } else {
                let go = self.members::<false>(input, masker, out)?;
                self.note_key(input, self.at);
                go
            };
            if go == Go::Wait {
                break;
            }
        }
        Ok(())
    }

    /// Looks at all that is there at once.
    fn look_at(&mut self, input: Input<'_>, masker: &Masker) {
        self.names.clear();
        // Paths lead over any key, and a member that is taken away has neighbours.
        if !self.rules.has_paths()
            && !self.rules.removes()
            && let Some(names) = self.rules.names()
        {
            names.keys(input, &mut self.names);
        }
        if masker.wants_text() && !masker.reads_everything() {
            self.plain.look_at(&input.bytes[..input.end()]);
        } else {
            self.plain.forget();
        }
    }

    /// Writes what is settled, up to `most`; says how many blocks are no longer needed.
    pub(super) fn settle(&mut self, input: Input<'_>, most: usize, out: &mut Vec<u8>) -> Result<usize, Broken> {
        let is_silent =
            matches!(self.long, Some(Long::Dropped { .. })) || self.within.is_some_and(|w| w.drop.is_some());
        if is_silent {
            self.done = self.at;
        } else {
            let settled = self.before_comma(input, self.at);
            self.flush(input, settled.min(most), out);
        }
        if input.end().saturating_sub(self.done) > MOST_SPACE + MOST_BASE64 + MOST_KEY {
            return Err(Broken("JSON with too much white space"));
        }
        if let Some(key) = self.key.take() {
            self.kept_key.clear();
            self.kept_key.extend_from_slice(&input.bytes[key]);
        }
        let blocks = self.done.min(self.at) / BLOCK;
        self.at -= blocks * BLOCK;
        self.done -= blocks * BLOCK;
        Ok(blocks)
    }

    /// Whether it waits for more.
    pub(super) fn is_waiting(&self, input: Input<'_>) -> bool {
        self.at < input.end() || self.long.is_some() || self.within.is_some()
    }

    /// A comma that must wait for the key behind it.
    fn before_comma(&self, input: Input<'_>, at: usize) -> usize {
        if !self.rules.removes() || self.long.is_some() || self.within.is_some() {
            return at;
        }
        let start = self.done.min(at);
        let behind = input.bytes[start..at].iter().rposition(|b| !is_space(*b));
        behind.map(|i| start + i).filter(|i| input.bytes[*i] == b',').unwrap_or(at)
    }

    #[inline]
    fn flush(&mut self, input: Input<'_>, to: usize, out: &mut Vec<u8>) {
        if to > self.done {
            out.extend_from_slice(&input.bytes[self.done..to]);
            self.done = to;
        }
    }

    fn wait(&mut self, at: usize) -> Go {
        self.at = at;
        Go::Wait
    }

    fn go_on(&mut self, at: usize) -> Go {
        self.at = at;
        Go::On
    }

    /// The name of the last key.
    fn name<'k>(key: Option<&Range<usize>>, kept: &'k [u8], input: Input<'k>) -> &'k [u8] {
        key.map_or(kept, |key| &input.bytes[key.clone()])
    }

    /// Goes over keys, and where they matter over brackets and texts.
    fn members<const PATHS: bool>(
        &mut self,
        input: Input<'_>,
        masker: &mut Masker,
        out: &mut Vec<u8>,
    ) -> Result<Go, Broken> {
        let wants_text = masker.wants_text();
        let (mut block, mut from) = (self.at / BLOCK, u64::MAX << (self.at % BLOCK));
        'blocks: while let Some(marks) = input.marks.get(block) {
            // What was learned may change what is looked for.
            let wants_all = wants_text && masker.reads_everything();
            let texts = match (wants_text, wants_all) {
                (false, _) => 0,
                (true, false) => input.texts(block, &self.plain),
                (true, true) => marks.strings,
            };
            let mut always = texts | self.names.get(block).copied().unwrap_or(marks.keys);
            if PATHS {
                always |= marks.brackets;
            }
            let all = |commas: bool| if PATHS && commas { always | marks.commas } else { always };
            let mut visit = all(self.minds_commas) & from;
            while visit != 0 {
                let bit = visit & visit.wrapping_neg();
                let at = block * BLOCK + bit.trailing_zeros() as usize;
                visit ^= bit;
                if marks.keys & bit != 0 {
                    // Most keys: they end soon, and nothing asks for them.
                    let end = (marks.quotes & !(bit | (bit - 1))).trailing_zeros() as usize + block * BLOCK;
                    if end < (block + 1) * BLOCK
                        && (marks.backslashes | (texts & bit)) == 0
                        && let Some(next) = self.aside::<PATHS>(end - at - 1, input.bytes[at + 1])
                    {
                        self.next = next;
                        self.ate = false;
                        self.key = Some(at + 1..end);
                        continue;
                    }
                    let is_text = texts & bit != 0
                        && (wants_all || input.string_end(at).is_some_and(|end| !self.plain.is_plain(at..end)));
                    if let Some(go) = self.key::<PATHS>(input, at, is_text, masker, out)? {
                        if go == Go::Wait || self.within.is_some() || self.long.is_some() || self.eats {
                            return Ok(go);
                        }
                        (block, from) = (self.at / BLOCK, u64::MAX << (self.at % BLOCK));
                        continue 'blocks;
                    }
                } else if !PATHS || marks.strings & bit != 0 {
                    if let Some(go) = self.string(input, at, wants_all, masker, out) {
                        return Ok(go);
                    }
                } else {
                    let before = self.minds_commas;
                    if let Some(go) = self.sign(input, at, masker, out)? {
                        return Ok(go);
                    }
                    if before != self.minds_commas {
                        visit = all(self.minds_commas) & !(bit | (bit - 1));
                    }
                }
            }
            (block, from) = (block + 1, u64::MAX);
        }
        // A text that goes on is not let through in parts: what is learned behind it may be in it as a whole.
        if !wants_text && let Some(open) = input.open_string() {
            self.at = open;
            self.note_key(input, open);
            return Ok(self.unfinished(input, open, open, None, out));
        }
        self.at = input.end();
        Ok(Go::Wait)
    }

    /// Notes the last key before `end`, which may have been left out.
    fn note_key(&mut self, input: Input<'_>, end: usize) {
        let noted = self.key.as_ref().map_or(0, |key| key.end);
        let Some(at) = input.last_key(noted..end) else { return };
        if let Some(end) = input.string_end(at) {
            self.key = Some(at + 1..end);
        }
    }

    /// Quickly, where the value of a key is that means nothing.
    #[inline]
    fn aside<const PATHS: bool>(&self, length: usize, first: u8) -> Option<u16> {
        if self.rules.may_name(length, first) {
            return None;
        }
        if PATHS { self.rules.aside(self.state(), length) } else { Some(NOWHERE) }
    }

    fn state(&self) -> u16 {
        self.places.last().map_or(NOWHERE, |place| place.state)
    }

    #[inline]
    fn key<const PATHS: bool>(
        &mut self,
        input: Input<'_>,
        at: usize,
        is_text: bool,
        masker: &mut Masker,
        out: &mut Vec<u8>,
    ) -> Result<Option<Go>, Broken> {
        let end = input.string_end(at);
        if end.unwrap_or(input.end()) - at > MOST_KEY {
            return Err(Broken("a key of JSON that is too long"));
        }
        let Some(end) = end else { return Ok(Some(self.wait(at))) };
        let raw = &input.bytes[at + 1..end];
        let has_escapes = input.has_escapes(at, end);
        let state = if PATHS { self.state() } else { NOWHERE };
        if has_escapes || state != NOWHERE || self.rules.may_name(raw.len(), input.bytes[at + 1]) {
            let plain = if has_escapes { unescaped(&input.bytes[at..=end]) } else { None };
            let name = plain.as_deref().map_or(raw, str::as_bytes);
            let next = if PATHS { self.rules.step(state, name) } else { NOWHERE };
            let meaning = self.rules.meaning(name).filter(|m| *m != Meaning::Base64 || masker.wants_text());
            let by_path = if PATHS { self.rules.field(next).map(Meaning::Field) } else { None };
            let field = match meaning {
                Some(Meaning::Field(_)) => meaning,
                other => by_path.or(other),
            };
            if let Some(meaning) = field {
                return self.member(input, at..end, meaning, is_text, masker, out).map(Some);
            }
            self.next = next;
        } else {
            self.next = NOWHERE;
        }
        self.ate = false;
        self.key = Some(at + 1..end);
        Ok((is_text && self.text(input, at, end, masker, out) == Wrote::Mask).then(|| self.go_on(end + 1)))
    }

    /// A string that no rule is for.
    fn string(
        &mut self,
        input: Input<'_>,
        at: usize,
        wants_all: bool,
        masker: &mut Masker,
        out: &mut Vec<u8>,
    ) -> Option<Go> {
        let end = input.string_end(at);
        if end.is_some_and(|end| !wants_all && self.plain.is_plain(at..end)) {
            return None;
        }
        self.note_key(input, at);
        let Some(end) = end else { return Some(self.unfinished(input, at, at, None, out)) };
        (self.text(input, at, end, masker, out) == Wrote::Mask).then(|| self.go_on(end + 1))
    }

    fn text(&mut self, input: Input<'_>, at: usize, end: usize, masker: &mut Masker, out: &mut Vec<u8>) -> Wrote {
        self.flush(input, at + 1, out);
        let name = Self::name(self.key.as_ref(), &self.kept_key, input);
        let wrote = masker.text(&input.bytes[at + 1..end], Escapes::Json, name, out);
        self.done = end;
        wrote
    }

    /// A bracket, or a comma between elements that matter.
    fn sign(
        &mut self,
        input: Input<'_>,
        at: usize,
        masker: &mut Masker,
        out: &mut Vec<u8>,
    ) -> Result<Option<Go>, Broken> {
        let sign = input.bytes[at];
        let place = match sign {
            b'{' | b'[' => Place { state: self.next, index: 0, is_array: sign == b'[' },
            b',' => self.places.pop().map_or(Place { state: NOWHERE, index: 0, is_array: true }, |place| Place {
                index: place.index.saturating_add(1),
                ..place
            }),
            _ => {
                self.places.pop();
                // Where the next element is, unless its comma will tell.
                self.next = match self.places.last() {
                    Some(place) if place.is_array => self.rules.element(place.state, place.index),
                    Some(_) => NOWHERE,
                    None => ROOT,
                };
                self.note_commas();
                return Ok(None);
            }
        };
        if place.is_array {
            let next = self.rules.element(place.state, place.index);
            if let Some(field) = self.rules.field(next) {
                return self.element(input, at, place, field, masker, out);
            }
            self.next = next;
        }
        self.places.push(place);
        self.note_commas();
        Ok(None)
    }

    fn note_commas(&mut self) {
        self.minds_commas =
            self.places.last().is_some_and(|place| place.is_array && self.rules.minds_elements(place.state));
    }

    /// A first member was taken away: its comma goes too.
    fn eat(&mut self, input: Input<'_>, out: &mut Vec<u8>) -> Go {
        let Some(next) = input.skip_space(self.at) else { return self.wait(input.end()) };
        self.eats = false;
        if input.bytes[next] != b',' {
            return self.go_on(next);
        }
        self.flush(input, next, out);
        self.done = next + 1;
        self.ate = true;
        self.go_on(next + 1)
    }
}

/// What a key says, with its quotes.
fn unescaped(quoted: &[u8]) -> Option<String> {
    serde_json::from_slice(quoted).ok()
}
