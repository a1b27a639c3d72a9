//! CSV (RFC 4180) and what programs write in its place: other separators, a mark before it, blank lines.
//!
//! The first record names the columns. A cell of a named column is a value, any other is text. Only quotes at the
//! start of a cell quote it; others are data, as spreadsheets read them. What does not change is written as it came.

mod header;

use super::{Broken, Rewrite};
use crate::masking::{Escapes, FieldId, Form, Masker, Wrote, write_escaped};
use crate::text::lanes::{BLOCK, Lanes, is};

/// How much is read before it is written.
const PIECE: usize = 16 << 10;
/// The longest cell.
const MOST_CELL: usize = 1 << 20;
const LONG_CELL: Broken = Broken("a cell of CSV that is too long");

/// Rewrites CSV.
#[derive(Clone, Debug)]
pub struct Csv {
    declared: Option<u8>,
    separator: Option<u8>,
    /// What is not written yet; it begins with a block.
    bytes: Vec<u8>,
    /// Where quotes, separators and line ends are.
    signs: Vec<u64>,
    /// The last cell that was masked; it is kept for its room.
    masked: Vec<u8>,
    /// What is looked at next, where the cell begins, and what is written.
    at: usize,
    cell: usize,
    done: usize,
    state: State,
    column: usize,
    columns: Vec<Column>,
    in_header: bool,
    broken: Option<Broken>,
}

/// Where in a cell it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Plain,
    Quoted,
    /// Behind a quote within quotes, which may end them.
    Closed(usize),
    /// Behind quotes that something follows.
    Odd,
}

#[derive(Clone, Debug)]
struct Column {
    name: Box<str>,
    field: Option<FieldId>,
}

impl Default for Csv {
    fn default() -> Self {
        Self::new()
    }
}

impl Csv {
    /// Separated by what the first record is separated by.
    #[must_use]
    pub fn new() -> Self {
        Self::with(None)
    }

    /// Separated by tabs.
    #[must_use]
    pub fn tabs() -> Self {
        Self::with(Some(b'\t'))
    }

    fn with(declared: Option<u8>) -> Self {
        Self {
            declared,
            separator: None,
            bytes: Vec::new(),
            signs: Vec::new(),
            masked: Vec::new(),
            at: 0,
            cell: 0,
            done: 0,
            state: State::Plain,
            column: 0,
            columns: Vec::new(),
            in_header: true,
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

    fn piece(&mut self, piece: &[u8], masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        if memchr::memchr(0, piece).is_some() {
            return Err(Broken("a zero byte in CSV"));
        }
        self.bytes.extend_from_slice(piece);
        self.step(self.bytes.len(), false, masker, out)
    }

    /// Reads all whole blocks, and writes what can be told.
    fn step(&mut self, most: usize, is_end: bool, masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        if self.separator.is_none() {
            let Some(start) = header::start(&self.bytes[..most], self.declared, is_end, masker.plan()) else {
                let fits = self.bytes.len() <= MOST_CELL;
                return if fits { Ok(()) } else { Err(Broken("a record of CSV that is too long")) };
            };
            if is_part_of_values(start.separator) {
                return Err(Broken("a separator of CSV that values have in them"));
            }
            self.separator = Some(start.separator);
            (self.at, self.cell) = (start.skip, start.skip);
        }
        let separator = self.separator.unwrap_or(b',');
        let (blocks, _) = self.bytes.as_chunks::<BLOCK>();
        if blocks.len() == self.signs.len() {
            return Ok(());
        }
        let read = self.signs.len();
        self.signs.extend(blocks[read..].iter().map(|block| signs(block, separator)));
        self.records(most, separator, masker, out)?;
        if self.at.saturating_sub(self.cell) > MOST_CELL {
            return Err(LONG_CELL);
        }
        self.flush(self.cell.min(most), out);
        let blocks = self.cell.min(self.at) / BLOCK;
        self.signs.drain(..blocks);
        self.bytes.drain(..blocks * BLOCK);
        self.at -= blocks * BLOCK;
        self.cell -= blocks * BLOCK;
        self.done -= blocks * BLOCK;
        if let State::Closed(quote) = &mut self.state {
            *quote -= blocks * BLOCK;
        }
        Ok(())
    }

    fn flush(&mut self, to: usize, out: &mut Vec<u8>) {
        if to > self.done {
            out.extend_from_slice(&self.bytes[self.done..to]);
            self.done = to;
        }
    }

    fn records(&mut self, most: usize, separator: u8, masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        let wants_text = masker.wants_text();
        let mut from = u64::MAX << (self.at % BLOCK);
        for block in self.at / BLOCK..self.signs.len() {
            let mut signs = self.signs[block] & from;
            from = u64::MAX;
            while signs != 0 {
                let at = block * BLOCK + signs.trailing_zeros() as usize;
                signs &= signs - 1;
                let sign = self.bytes[at];
                if self.state == State::Plain && sign == separator && !wants_text && !self.is_special() {
                    if at - self.cell > MOST_CELL {
                        return Err(LONG_CELL);
                    }
                    self.cell = at + 1;
                    self.column += 1;
                    continue;
                }
                if let State::Closed(quote) = self.state
                    && at > quote + 1
                {
                    self.state = State::Odd;
                }
                match (self.state, sign) {
                    (State::Quoted, b'"') => self.state = State::Closed(at),
                    (State::Quoted, _) => {}
                    (State::Closed(_), b'"') => self.state = State::Quoted,
                    (State::Plain, b'"') if at == self.cell => self.state = State::Quoted,
                    (_, b'"') => {}
                    (_, b'\r') if separator != b'\r' => {
                        let Some(next) = self.bytes.get(at + 1) else {
                            self.at = at;
                            return Ok(());
                        };
                        if *next != b'\n' && at + 1 < most {
                            return Err(Broken("a line end of CSV that is read in two ways"));
                        }
                    }
                    (_, sign) => {
                        let cr = sign == b'\n' && at > self.cell && self.bytes[at - 1] == b'\r';
                        let end = at - usize::from(cr);
                        if end - self.cell > MOST_CELL {
                            return Err(LONG_CELL);
                        }
                        if wants_text || self.is_special() {
                            self.cell(end, separator, masker, out);
                        }
                        self.next(at, sign == b'\n');
                    }
                }
            }
        }
        self.at = self.at.max(self.signs.len() * BLOCK);
        Ok(())
    }

    /// Whether the cell has to be looked at in any case.
    #[inline]
    fn is_special(&self) -> bool {
        self.in_header || self.columns.get(self.column).is_some_and(|column| column.field.is_some())
    }

    /// Goes to the cell behind the sign at `at`.
    #[inline]
    fn next(&mut self, at: usize, is_line: bool) {
        self.state = State::Plain;
        self.cell = at + 1;
        self.column += 1;
        if is_line {
            self.column = 0;
            self.in_header = false;
        }
    }

    fn cell(&mut self, end: usize, separator: u8, masker: &mut Masker, out: &mut Vec<u8>) {
        let start = self.cell;
        let is_quoted = matches!(self.state, State::Closed(_));
        let raw = &self.bytes[start..end];
        let raw = if is_quoted { &raw[1..raw.len() - 1] } else { raw };
        if self.in_header {
            let name = String::from_utf8_lossy(raw).trim().into();
            self.columns.push(Column { name, field: header::field(raw, masker.plan()) });
        }
        let column = self.columns.get(self.column);
        let field = column.and_then(|column| column.field).filter(|_| !self.in_header);
        let name = column.map_or("", |column| &*column.name).as_bytes();
        let escapes = if is_quoted { Escapes::Csv } else { Escapes::None };
        let mut masked = std::mem::take(&mut self.masked);
        masked.clear();
        let wrote = match field {
            Some(field) if matches!(masker.plan().form(field), Some(Form::Remove | Form::Null)) => {
                if raw.trim_ascii().is_empty() {
                    return;
                }
                masker.hid(field, raw, escapes, b"");
                Wrote::Mask
            }
            Some(field) => masker.value(field, raw, escapes, name, &mut masked),
            None if !masker.skips(raw) => masker.text(raw, escapes, name, &mut masked),
            None => Wrote::Same,
        };
        if wrote == Wrote::Same {
            self.masked = masked;
            return;
        }
        self.flush(if is_quoted { start + 1 } else { start }, out);
        let needs_quotes = |b: &u8| *b == separator || matches!(b, b'"' | b'\n' | b'\r');
        if !is_quoted && masked.iter().any(needs_quotes) {
            out.push(b'"');
            write_escaped(&String::from_utf8_lossy(&masked), Escapes::Csv, out);
            out.push(b'"');
        } else {
            out.extend_from_slice(&masked);
        }
        self.masked = masked;
        self.done = if is_quoted { end - 1 } else { end };
    }

    fn end(&mut self, masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        let most = self.bytes.len();
        self.bytes.resize((most / BLOCK + 1) * BLOCK, b' ');
        let padding = self.bytes.len() - most;
        self.step(most, true, masker, out)?;
        let most = self.bytes.len() - padding;
        match self.state {
            State::Quoted => return Err(Broken("a quoted cell of CSV without its end")),
            State::Closed(quote) if quote + 1 != most => self.state = State::Odd,
            _ => {}
        }
        let cr = most > self.cell && self.bytes[most - 1] == b'\r';
        if self.cell < most {
            self.cell(most - usize::from(cr), self.separator.unwrap_or(b','), masker, out);
        }
        self.flush(most, out);
        Ok(())
    }
}

impl Rewrite for Csv {
    fn write(&mut self, input: &[u8], masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.guard(out, |csv, out| input.chunks(PIECE).try_for_each(|piece| csv.piece(piece, masker, out)))
    }

    fn snapshot(&self) -> Option<Box<dyn Rewrite>> {
        Some(Box::new(self.clone()))
    }

    fn finish(&mut self, masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.guard(out, |csv, out| csv.end(masker, out))
    }
}

/// Whether a number or an address may be cut where this byte is, so that it is in no cell.
fn is_part_of_values(separator: u8) -> bool {
    separator.is_ascii_alphanumeric()
        || matches!(separator, b' ' | b'+' | b'-' | b'.' | b'/' | b'(' | b')' | b'@' | b'_' | b'%' | b'&' | 0x80..)
}

#[inline]
fn signs(block: &[u8; BLOCK], separator: u8) -> u64 {
    Lanes::of(block).bits(|part| (is(part, b'"') | is(part, separator)) | (is(part, b'\n') | is(part, b'\r')))
}

#[cfg(test)]
mod tests;
