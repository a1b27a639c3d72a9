//! An array or object that is hidden: all in it is.

use super::hit::must_wait;
use super::{Go, MOST_KEY, Walker, Within};
use crate::body::rewrite::Broken;
use crate::body::rewrite::json::input::{Input, Value};
use crate::masking::Masker;
use crate::text::lanes::BLOCK;

impl Walker {
    pub(super) fn within(&mut self, input: Input<'_>, masker: &mut Masker, out: &mut Vec<u8>) -> Result<Go, Broken> {
        let Some(mut within) = self.within else { return Ok(Go::On) };
        let mut from = u64::MAX << (self.at % BLOCK);
        for block in self.at / BLOCK..input.marks.len() {
            let marks = input.marks[block];
            let mut visit = (marks.strings | marks.scalars | marks.brackets) & from;
            from = u64::MAX;
            while visit != 0 {
                let at = block * BLOCK + visit.trailing_zeros() as usize;
                let is_key = marks.keys & visit & visit.wrapping_neg() != 0;
                visit &= visit - 1;
                match input.bytes[at] {
                    b'{' | b'[' => within.depth += 1,
                    b'}' | b']' => {
                        within.depth -= 1;
                        if within.depth == 0 {
                            self.within = None;
                            if let Some(drop) = within.drop {
                                self.dropped(at + 1, drop);
                            }
                            return Ok(self.go_on(at + 1));
                        }
                    }
                    _ => {
                        self.within = Some(within);
                        if let Some(go) = self.inner(input, at, is_key, within, masker, out)? {
                            return Ok(go);
                        }
                    }
                }
            }
        }
        self.within = Some(within);
        Ok(self.wait(input.end()))
    }

    /// A string, number or word in it.
    fn inner(
        &mut self,
        input: Input<'_>,
        at: usize,
        is_key: bool,
        within: Within,
        masker: &mut Masker,
        out: &mut Vec<u8>,
    ) -> Result<Option<Go>, Broken> {
        let drops = within.drop.is_some();
        match input.value(at) {
            Value::Text(end) if is_key => {
                if end - at > MOST_KEY {
                    return Err(Broken("a key of JSON that is too long"));
                }
                self.key = Some(at + 1..end);
                if !drops && masker.wants_text() {
                    self.text(input, at, end, masker, out);
                }
            }
            Value::Text(end) => self.hidden_text(input, at, end, within.field, drops, masker, out),
            Value::Unfinished if is_key && input.end() - at > MOST_KEY => {
                return Err(Broken("a key of JSON that is too long"));
            }
            Value::Unfinished if is_key => return Ok(Some(self.wait(at))),
            Value::Unfinished if input.bytes[at] == b'"' => {
                return Ok(Some(self.unfinished(input, at, at, Some(within.field), out)));
            }
            value @ (Value::Scalar(_) | Value::Unfinished) => {
                if must_wait(input, at, value, MOST_KEY)? {
                    return Ok(Some(self.wait(at)));
                }
                if let Value::Scalar(end) = value {
                    self.hidden_scalar(input, at, end, within.field, drops, masker, out);
                }
            }
            Value::Container => {}
        }
        Ok(None)
    }
}
