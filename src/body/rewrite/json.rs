//! JSON, masked in place: what is not hidden stays as it is, byte by byte, with its numbers, blanks and order.
//!
//! Three steps, of which only the last knows what is hidden. Blocks of 64 bytes become bits (`blocks`); the bits
//! are checked against the grammar (`grammar`); the walk goes from key to key and changes values (`walk`). What is
//! no JSON ends the answer before any of it is let through.

mod base64;
mod blocks;
mod grammar;
mod input;
mod keys;
mod nesting;
mod rules;
mod scalar;
mod walk;

use std::sync::Arc;

use super::{Broken, Rewrite};
use crate::masking::Masker;
use crate::text::lanes::BLOCK;
use grammar::{Grammar, Marks};
use input::Input;
use walk::Walker;

pub use rules::Rules;

/// How much is read before it is written: with its marks it stays in the nearest cache.
const PIECE: usize = 8 << 10;
/// The longest line before a document.
const MOST_PREFIX: usize = 16;

/// Rewrites JSON.
#[derive(Clone, Debug)]
pub struct Json {
    /// What is not written yet; it begins with a block.
    bytes: Vec<u8>,
    marks: Vec<Marks>,
    grammar: Grammar,
    walker: Walker,
    /// What may stand before the document is still to come.
    start: Start,
    broken: Option<Broken>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Mark,
    Prefix,
    Document,
}

impl Json {
    /// One document.
    #[must_use]
    pub fn new(rules: Arc<Rules>) -> Self {
        Self::with(rules, false)
    }

    /// Documents one after another, with white space between them.
    #[must_use]
    pub fn lines(rules: Arc<Rules>) -> Self {
        Self::with(rules, true)
    }

    fn with(rules: Arc<Rules>, many: bool) -> Self {
        Self {
            bytes: Vec::new(),
            marks: Vec::new(),
            grammar: Grammar::new(many),
            walker: Walker::new(rules),
            start: Start::Mark,
            broken: None,
        }
    }

    fn guard(
        &mut self,
        out: &mut Vec<u8>,
        act: impl FnOnce(&mut Self, &mut Vec<u8>) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let before = out.len();
        let acted = self.broken.map_or_else(|| act(self, out), Err);
        if let Err(broken) = acted {
            self.broken = Some(broken);
            out.truncate(before);
        }
        acted
    }

    /// Lets pass what may stand before a document. Says whether that is decided.
    fn start(&mut self, is_end: bool, out: &mut Vec<u8>) -> Result<bool, Broken> {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        if self.start == Start::Mark {
            let has = self.bytes.starts_with(MARK);
            if !has && !is_end && MARK.starts_with(&self.bytes) {
                return Ok(false);
            }
            if has {
                out.extend(self.bytes.drain(..MARK.len()));
            }
            self.start = Start::Prefix;
        }
        while self.start == Start::Prefix {
            let Some(first) = self.bytes.first() else { return Ok(false) };
            if *first != b')' {
                self.start = Start::Document;
                break;
            }
            let line = self.bytes.iter().take(MOST_PREFIX).position(|b| *b == b'\n');
            match line.map(|end| &self.bytes[..end]) {
                Some(b")]}'" | b")]}'," | b")]}'\r" | b")]}',\r") => {
                    out.extend(self.bytes.drain(..=line.unwrap_or_default()));
                }
                None if self.bytes.len() < MOST_PREFIX && !is_end => return Ok(false),
                _ => return Err(Broken("a prefix of JSON that is not known")),
            }
        }
        Ok(true)
    }

    fn piece(&mut self, piece: &[u8], masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.bytes.extend_from_slice(piece);
        if self.start != Start::Document && !self.start(false, out)? {
            return Ok(());
        }
        self.step(self.bytes.len(), masker, out)
    }

    /// Reads all whole blocks and writes what can be told, up to `most`.
    fn step(&mut self, most: usize, masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        let (blocks, _) = self.bytes.as_chunks::<BLOCK>();
        let read = self.marks.len();
        if blocks.len() == read {
            return Ok(());
        }
        self.grammar.read(&blocks[read..], &mut self.marks)?;
        let input = Input { bytes: &self.bytes, marks: &self.marks };
        self.walker.walk(input, masker, out)?;
        let done = self.walker.settle(input, most, out)?;
        self.marks.drain(..done);
        self.bytes.drain(..done * BLOCK);
        Ok(())
    }

    fn end(&mut self, masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        if self.start != Start::Document {
            self.start(true, out)?;
        }
        // White space, so that the last number has an end.
        let most = self.bytes.len();
        self.bytes.resize((most / BLOCK + 1) * BLOCK, b' ');
        self.step(most, masker, out)?;
        self.grammar.end()?;
        let input = Input { bytes: &self.bytes, marks: &self.marks };
        if self.walker.is_waiting(input) { Err(Broken("JSON without its end")) } else { Ok(()) }
    }
}

impl Rewrite for Json {
    fn write(&mut self, input: &[u8], masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.guard(out, |json, out| input.chunks(PIECE).try_for_each(|piece| json.piece(piece, masker, out)))
    }

    fn snapshot(&self) -> Option<Box<dyn Rewrite>> {
        Some(Box::new(self.clone()))
    }

    fn finish(&mut self, masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.guard(out, |json, out| json.end(masker, out))
    }
}

#[cfg(test)]
mod tests;
