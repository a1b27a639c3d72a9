//! Whether it is JSON, 64 bytes at a time, and where its parts are.
//!
//! Every rule is one of which token may follow which, told by bits: the first byte behind the white space behind
//! each comma must begin a value, and so on. Only brackets are visited one by one, for what is open.

use fearless_simd::{Level, Simd, dispatch};

use super::blocks::{Raw, between, escaped};
use super::nesting::{Nesting, ROOT, Wrong};
use super::scalar::Scalar;
use crate::body::rewrite::Broken;
use crate::text::lanes::{BLOCK, behind};

/// Where the parts of a block are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Both quotes of every string.
    pub(super) quotes: u64,
    /// The opening quotes of all strings.
    pub(super) strings: u64,
    /// The opening quotes of keys.
    pub(super) keys: u64,
    /// Where numbers, `true`, `false` and `null` begin.
    pub(super) scalars: u64,
    pub(super) brackets: u64,
    pub(super) commas: u64,
    pub(super) backslashes: u64,
}

/// What is known between two blocks.
#[derive(Clone, Debug)]
pub(super) struct Grammar {
    /// The vectors of this machine.
    level: Level,
    /// Whether documents may follow each other.
    many: bool,
    carry: Carry,
    nesting: Nesting,
    /// How many hex digits of an escape are still to come.
    hex: usize,
    scalar: Option<Scalar>,
}

/// The part of it that changes with every block, and stays in registers.
#[derive(Clone, Copy, Debug)]
struct Carry {
    seen: bool,
    escape: bool,
    /// All ones within a string.
    inside: u64,
    in_key: bool,
    /// The innermost levels of what is open.
    innermost: u64,
    /// What the next block comes behind, a bit for each.
    after: u64,
}

/// Behind a `[`, `{` or comma, but for white space.
const START: u64 = 1;
/// Where that was a comma.
const COMMA: u64 = 1 << 1;
const COLON: u64 = 1 << 2;
const KEY: u64 = 1 << 3;
const SPACE: u64 = 1 << 4;

/// What is open at each byte of a block.
struct Open {
    in_object: u64,
    at_root: u64,
}

impl Grammar {
    pub(super) fn new(many: bool) -> Self {
        Self::with(Level::new(), many)
    }

    fn with(level: Level, many: bool) -> Self {
        Self {
            level,
            many,
            // A document is what would follow a comma.
            carry: Carry {
                seen: false,
                escape: false,
                inside: 0,
                in_key: false,
                innermost: ROOT,
                after: START | COMMA | SPACE,
            },
            nesting: Nesting::default(),
            hex: 0,
            scalar: None,
        }
    }

    /// Reads the next blocks.
    pub(super) fn read(&mut self, blocks: &[[u8; BLOCK]], marks: &mut Vec<Marks>) -> Result<(), Broken> {
        marks.reserve(blocks.len());
        dispatch!(self.level, simd => {
            let mut carry = self.carry;
            for block in blocks {
                marks.push(self.block(simd, block, &mut carry)?);
            }
            self.carry = carry;
            Ok(())
        })
    }

    #[allow(clippy::inline_always)] // into what is compiled for the vectors of a machine
    #[inline(always)]
    fn block<S: Simd>(&mut self, simd: S, block: &[u8; BLOCK], carry: &mut Carry) -> Result<Marks, Broken> {
        let raw = Raw::of(simd, block);
        let mut quotes = raw.quotes;
        if carry.inside != 0 && quotes | raw.backslashes | raw.control == 0 && !carry.escape && self.hex == 0 {
            // Text from end to end.
            return Ok(Marks::default());
        }
        if raw.backslashes != 0 || carry.escape || self.hex != 0 {
            let escaped = escaped(raw.backslashes, &mut carry.escape);
            quotes &= !escaped;
            self.check_escapes(block, escaped)?;
        }
        let inside = between(quotes) ^ carry.inside;
        carry.inside = (inside.cast_signed() >> 63).cast_unsigned();
        let outside = !(inside | quotes);
        let strings = quotes & inside;
        let (open, close) = (raw.open & outside, raw.close & outside);
        let (colons, commas, space) = (raw.colons & outside, raw.commas & outside, raw.space & outside);

        let Open { in_object, at_root } = self.brackets(carry, raw.objects, open, close)?;
        let mut scalars = outside & !(open | close | colons | commas | space);
        let begins = scalars & !(scalars << 1);
        let odd = (scalars & !raw.digits) | (begins & raw.zeros & (scalars >> 1)) | (scalars & 1 << 63);
        if odd != 0 || self.scalar.is_some() {
            scalars = self.scalars(block, scalars)?;
        } else {
            // Whole numbers, as nearly all are.
            scalars = begins;
        }
        let values = strings | open | scalars;

        let after = |what: u64| u64::from(carry.after & what != 0);
        let (first, starts) = behind(open | commas, space, after(START));
        let (told, colon) = behind(colons, space, after(COLON));
        // What is in an object and behind no colon is a key.
        let keys = strings & in_object & !told;
        // Added to the bytes of a string, its first bit becomes its closing quote.
        let (ends, over) = (keys | u64::from(carry.in_key)).overflowing_add(inside);
        carry.in_key = over;
        let (expected, key) = behind(ends & !inside, space, after(KEY));

        let mut stray = values & !(first | told);
        if self.many && stray != 0 {
            stray &= !(at_root & (space << 1 | after(SPACE)));
        }
        carry.seen |= values != 0;
        let wrong = stray
            | (first & !(values | close))
            | (told & !values)
            | (values & in_object & !(told | strings))
            | (colons ^ expected)
            | (commas & at_root)
            | (raw.control & (inside | quotes));
        // An end where something begins is that of an empty array or object, unless there is a comma.
        let comma = carry.after & COMMA != 0;
        let unfinished =
            if first & close == 0 { 0 } else { behind(commas, space, after(START) & u64::from(comma)).0 & close };
        let comma = if open | commas == 0 { comma } else { commas > open };
        let bit = |what: u64, is: u64| what * is;
        carry.after =
            bit(START, starts) | bit(COMMA, comma.into()) | bit(COLON, colon) | bit(KEY, key) | bit(SPACE, space >> 63);
        if wrong | unfinished != 0 {
            return Err(Broken("what is not JSON"));
        }
        Ok(Marks { quotes, strings, keys, scalars, brackets: open | close, commas, backslashes: raw.backslashes })
    }

    /// Its end.
    pub(super) fn end(&self) -> Result<(), Broken> {
        if self.carry.inside != 0 {
            return Err(Broken("a string of JSON without its end"));
        }
        let unfinished = self.carry.after & (COLON | KEY | if self.carry.seen { START } else { 0 });
        if self.carry.innermost != ROOT || unfinished != 0 || self.scalar.is_some() {
            return Err(Broken("JSON without its end"));
        }
        Ok(())
    }

    #[allow(clippy::inline_always)] // as above
    #[inline(always)]
    fn brackets(&mut self, carry: &mut Carry, objects: u64, open: u64, close: u64) -> Result<Open, Broken> {
        let all = |yes: bool| 0_u64.wrapping_sub(u64::from(yes));
        let (mut in_object, mut at_root) = (all(carry.innermost & 1 == 0), all(carry.innermost == ROOT));
        let mut rest = open | close;
        while rest != 0 {
            let bit = rest & rest.wrapping_neg();
            rest ^= bit;
            carry.innermost = self.nesting.turn(carry.innermost, open & bit != 0, objects & bit != 0).map_err(
                |wrong| match wrong {
                    Wrong::TooDeep => Broken("JSON that nests too deep"),
                    Wrong::NoMatch => Broken("brackets of JSON that do not match"),
                },
            )?;
            // From the next byte on.
            let before = bit | (bit - 1);
            in_object = (in_object & before) | (all(carry.innermost & 1 == 0) & !before);
            if carry.innermost == ROOT || at_root & !before != 0 {
                at_root = (at_root & before) | (all(carry.innermost == ROOT) & !before);
            }
        }
        Ok(Open { in_object, at_root })
    }

    /// Reads what is neither string nor sign, and says where each begins.
    #[inline(never)]
    fn scalars(&mut self, block: &[u8; BLOCK], bits: u64) -> Result<u64, Broken> {
        let (mut rest, mut starts) = (bits, 0);
        let mut state = self.scalar.take();
        if state.is_none() && rest != 0 {
            starts |= rest & rest.wrapping_neg();
        }
        let mut start = if state.is_some() { 0 } else { rest.trailing_zeros() };
        loop {
            let length = rest.checked_shr(start).unwrap_or(0).trailing_ones();
            let end = start + length;
            let read = state.take().unwrap_or(Scalar::Start).push(&block[start as usize..end as usize]);
            if end == 64 {
                self.scalar = Some(read);
                return Ok(starts);
            }
            if !read.is_whole() {
                return Err(Broken("a number of JSON that is none"));
            }
            rest &= u64::MAX << end;
            if rest == 0 {
                return Ok(starts);
            }
            start = rest.trailing_zeros();
            starts |= 1 << start;
        }
    }

    #[cold]
    fn check_escapes(&mut self, block: &[u8; BLOCK], escaped: u64) -> Result<(), Broken> {
        const WRONG: Broken = Broken("an escape that JSON does not have");
        let hex = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
        let due = std::mem::take(&mut self.hex);
        if !hex(&block[..due]) {
            return Err(WRONG);
        }
        let mut rest = escaped;
        while rest != 0 {
            let at = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            match block[at] {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                b'u' => {
                    let here = (at + 5).min(BLOCK);
                    if !hex(&block[at + 1..here]) {
                        return Err(WRONG);
                    }
                    self.hex = at + 5 - here;
                }
                _ => return Err(WRONG),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(level: Level, text: &[u8]) -> Result<Vec<Marks>, Broken> {
        let (mut grammar, mut marks) = (Grammar::with(level, true), Vec::new());
        grammar.read(text.as_chunks().0, &mut marks)?;
        Ok(marks)
    }

    /// What every machine has, and what this one has.
    fn levels() -> Vec<Level> {
        let here = Level::new();
        #[allow(unused_mut)]
        let mut levels = vec![Level::baseline(), here];
        #[cfg(target_arch = "x86_64")]
        levels.extend(here.as_sse4_2().map(Level::Sse4_2).into_iter().chain(here.as_avx2().map(Level::Avx2)));
        levels
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop::sample::select(vec![
            "{\"a\":",
            "}",
            "[",
            "]",
            ",",
            "\"b\"",
            "1",
            " ",
            "\n",
            "\\",
            "\\\"",
            "\"c",
            "null",
            "\t",
            "\u{1}",
            ": ",
            "{}",
            "[1, 2]",
            "{\"d\": [\"e\\\"\", {\"f\": -1.5e3}], \"g\": true}",
            "\u{fc}",
        ]);
        let valid = Just("{\"d\": [\"e\\\"\", {\"f\": -1.5e3}], \"g\": true}\n".repeat(9).into_bytes());
        prop_oneof![
            prop::collection::vec(any::<u8>(), 64..200),
            prop::collection::vec(piece, 30..90).prop_map(|pieces| pieces.concat().into_bytes()),
            (valid, 0_usize..200, any::<u8>()).prop_map(|(mut text, at, byte)| {
                text[at] = byte;
                text
            }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

        #[test]
        fn every_machine_reads_alike(text in text()) {
            let all: Vec<_> = levels().into_iter().map(|level| read(level, &text)).collect();
            prop_assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }
}
