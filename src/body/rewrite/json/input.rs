//! What is held of the answer, and where its parts are.

use std::ops::Range;

use super::grammar::Marks;
use crate::masking::Plain;
use crate::text::lanes::BLOCK;

/// The part of an answer that was read by the grammar and is not yet written.
#[derive(Clone, Copy)]
pub(super) struct Input<'b> {
    pub(super) bytes: &'b [u8],
    pub(super) marks: &'b [Marks],
}

/// A value, as far as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A string, up to its closing quote.
    Text(usize),
    /// A number or a word, up to what follows.
    Scalar(usize),
    /// An array or object.
    Container,
    /// A string or number that goes on.
    Unfinished,
}

impl Input<'_> {
    /// How far the grammar has read.
    pub(super) fn end(&self) -> usize {
        self.marks.len() * BLOCK
    }

    /// The quote that closes the string that begins at `open`.
    #[inline]
    pub(super) fn string_end(&self, open: usize) -> Option<usize> {
        self.closing(open + 1)
    }

    /// The first quote at or behind `from`.
    #[inline]
    pub(super) fn closing(&self, from: usize) -> Option<usize> {
        let mut block = from / BLOCK;
        let mut quotes = self.marks.get(block)?.quotes & (u64::MAX << (from % BLOCK));
        while quotes == 0 {
            block += 1;
            quotes = self.marks.get(block)?.quotes;
        }
        Some(block * BLOCK + quotes.trailing_zeros() as usize)
    }

    /// Where the last string begins, if its end is not here.
    pub(super) fn open_string(&self) -> Option<usize> {
        let mut blocks = self.marks.iter().enumerate().rev();
        let (block, last) = blocks.find_map(|(block, marks)| Some((block, marks.quotes.checked_ilog2()?)))?;
        (self.marks[block].strings >> last & 1 == 1).then(|| block * BLOCK + last as usize)
    }

    /// The first byte from `at` on that is no white space.
    #[inline]
    pub(super) fn skip_space(&self, at: usize) -> Option<usize> {
        let rest = self.bytes.get(at..self.end())?;
        rest.iter().position(|b| !is_space(*b)).map(|i| at + i)
    }

    /// Where the value of the member is whose key ends at `key_end`.
    #[inline]
    pub(super) fn value_of(&self, key_end: usize) -> Option<usize> {
        let colon = self.skip_space(key_end + 1)?;
        self.skip_space(colon + 1)
    }

    #[inline]
    pub(super) fn value(&self, at: usize) -> Value {
        match self.bytes[at] {
            b'"' => self.string_end(at).map_or(Value::Unfinished, Value::Text),
            b'{' | b'[' => Value::Container,
            _ => {
                let is_end = |b: &u8| is_space(*b) || matches!(b, b',' | b']' | b'}');
                let end = self.bytes[at..self.end()].iter().position(is_end);
                end.map_or(Value::Unfinished, |length| Value::Scalar(at + length))
            }
        }
    }

    /// Whether a backslash is in a string.
    #[inline]
    pub(super) fn has_escapes(&self, open: usize, close: usize) -> bool {
        self.marks[open / BLOCK..=close / BLOCK].iter().any(|marks| marks.backslashes != 0)
            && memchr::memchr(b'\\', &self.bytes[open..close]).is_some()
    }

    /// The last key that begins in a range.
    pub(super) fn last_key(&self, range: Range<usize>) -> Option<usize> {
        let (first, last) = (range.start / BLOCK, range.end / BLOCK);
        (first..self.marks.len().min(last + 1)).rev().find_map(|block| {
            let from = if block == first { u64::MAX << (range.start % BLOCK) } else { u64::MAX };
            let to = if block == last { !(u64::MAX << (range.end % BLOCK)) } else { u64::MAX };
            let keys = self.marks[block].keys & from & to;
            keys.checked_ilog2().map(|last| block * BLOCK + last as usize)
        })
    }

    /// The strings that begin in a block, unless nothing can be in them.
    #[inline]
    pub(super) fn texts(&self, block: usize, plain: &Plain) -> u64 {
        let Marks { strings, quotes, .. } = self.marks[block];
        if strings == 0 {
            return 0;
        }
        if !plain.is_plain_block(block) {
            return strings;
        }
        // One that goes on may hold something further on.
        let last = strings & !(u64::MAX >> 1 >> strings.leading_zeros());
        if quotes >> 1 >= last { 0 } else { last }
    }
}

pub(super) fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r')
}
