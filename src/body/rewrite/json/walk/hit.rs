//! A value that a rule is for.

use std::ops::Range;

use super::{Drop, Go, LONG, Long, MOST_BASE64, MOST_KEY, MOST_SPACE, Place, Walker, Within, base64};
use crate::body::rewrite::Broken;
use crate::body::rewrite::json::input::{Input, Value, is_space};
use crate::body::rewrite::json::rules::Meaning;
use crate::masking::{Escapes, FieldId, Form, Masker, NumberBecomes, Region};

/// What is told of a long string that is taken away.
const TOLD: usize = 4 << 10;

impl Walker {
    /// The member whose key is at `key`, between its quotes.
    #[inline]
    pub(super) fn member(
        &mut self,
        input: Input<'_>,
        key: Range<usize>,
        meaning: Meaning,
        is_text: bool,
        masker: &mut Masker,
        out: &mut Vec<u8>,
    ) -> Result<Go, Broken> {
        let at = input.value_of(key.end);
        if at.unwrap_or(input.end()) - key.end > MOST_SPACE {
            return Err(Broken("JSON with too much white space"));
        }
        let Some(at) = at else { return Ok(self.wait(key.start)) };
        let value = input.value(at);
        let most = if meaning == Meaning::Base64 { MOST_BASE64 } else { LONG };
        if must_wait(input, at, value, most)? {
            return Ok(self.wait(key.start));
        }
        let drop = match meaning {
            Meaning::Base64 => None,
            Meaning::Field(field) => match masker.plan().form(field) {
                Some(Form::Remove) => {
                    let (cut, first) = self.cut(input, key.start);
                    self.flush(input, cut, out);
                    Some(Drop::Member { first })
                }
                Some(Form::Null) => Some(Drop::Null),
                _ => None,
            },
        };
        self.key = Some(key.start + 1..key.end);
        self.ate = false;
        if is_text && !matches!(drop, Some(Drop::Member { .. })) {
            self.text(input, key.start, key.end, masker, out);
        }
        match meaning {
            Meaning::Field(field) => self.value(input, at, value, field, drop, masker, out),
            Meaning::Base64 => self.base64(input, at, value, masker, out),
        }
    }

    /// The element behind the `[` or comma at `sign`.
    pub(super) fn element(
        &mut self,
        input: Input<'_>,
        sign: usize,
        place: Place,
        field: FieldId,
        masker: &mut Masker,
        out: &mut Vec<u8>,
    ) -> Result<Option<Go>, Broken> {
        let found = input.skip_space(sign + 1);
        let value = found.map(|at| input.value(at));
        let must_wait = match (found, value) {
            (Some(at), Some(_)) if input.bytes[at] == b']' => false,
            (Some(at), Some(value)) => must_wait(input, at, value, LONG)?,
            _ if input.end() - sign > MOST_SPACE => return Err(Broken("JSON with too much white space")),
            _ => true,
        };
        if must_wait {
            if input.bytes[sign] == b',' {
                // It comes here once more.
                self.places.push(Place { index: place.index.saturating_sub(1), ..place });
            }
            return Ok(Some(self.wait(sign)));
        }
        self.places.push(place);
        self.note_commas();
        let (Some(at), Some(value)) = (found, value) else { return Ok(None) };
        if input.bytes[at] == b']' {
            return Ok(None);
        }
        let drop = matches!(masker.plan().form(field), Some(Form::Remove | Form::Null)).then_some(Drop::Null);
        self.value(input, at, value, field, drop, masker, out).map(Some)
    }

    /// Where a member is cut out, and whether it was the first.
    fn cut(&self, input: Input<'_>, key: usize) -> (usize, bool) {
        let start = self.done.min(key);
        let before = input.bytes[start..key].iter().rposition(|b| !is_space(*b)).map(|i| start + i);
        match before {
            Some(comma) if !self.ate && input.bytes[comma] == b',' => (comma, false),
            _ => (key, true),
        }
    }

    #[allow(clippy::too_many_arguments)] // where and what, and where to
    #[inline]
    pub(super) fn value(
        &mut self,
        input: Input<'_>,
        at: usize,
        value: Value,
        field: FieldId,
        drop: Option<Drop>,
        masker: &mut Masker,
        out: &mut Vec<u8>,
    ) -> Result<Go, Broken> {
        if drop == Some(Drop::Null) {
            self.flush(input, at, out);
            out.extend_from_slice(b"null");
        }
        let end = match value {
            Value::Container => {
                self.within = Some(Within { field, depth: 0, drop });
                return Ok(self.go_on(at));
            }
            Value::Unfinished => return Ok(self.begin_long(input, at, Some(field), drop, out)),
            Value::Text(end) => {
                self.hidden_text(input, at, end, field, drop.is_some(), masker, out);
                end + 1
            }
            Value::Scalar(end) => {
                self.hidden_scalar(input, at, end, field, drop.is_some(), masker, out);
                end
            }
        };
        if let Some(drop) = drop {
            self.dropped(end, drop);
        }
        Ok(self.go_on(end))
    }

    /// What is behind a value that was taken away is written again.
    #[inline]
    pub(super) fn dropped(&mut self, end: usize, drop: Drop) {
        self.done = end;
        self.eats = drop == Drop::Member { first: true };
    }

    #[allow(clippy::too_many_arguments)] // where and what, and where to
    #[inline]
    pub(super) fn hidden_text(
        &mut self,
        input: Input<'_>,
        at: usize,
        end: usize,
        field: FieldId,
        drops: bool,
        masker: &mut Masker,
        out: &mut Vec<u8>,
    ) {
        let raw = &input.bytes[at + 1..end];
        if drops {
            let name = Self::name(self.key.as_ref(), &self.kept_key, input);
            masker.hid(field, &raw[..raw.len().min(TOLD)], Escapes::Json, name);
            return;
        }
        self.flush(input, at + 1, out);
        let name = Self::name(self.key.as_ref(), &self.kept_key, input);
        // As a region, so that a long one is masked alike however it came.
        if raw.len() < LONG {
            masker.value(field, raw, Escapes::Json, name, out);
        } else {
            let mut region = Region::new(Some(field), Escapes::Json, name);
            region.push(raw, masker, out);
            region.end(masker, out);
        }
        self.done = end;
    }

    #[allow(clippy::too_many_arguments)] // where and what, and where to
    pub(super) fn hidden_scalar(
        &mut self,
        input: Input<'_>,
        at: usize,
        end: usize,
        field: FieldId,
        drops: bool,
        masker: &mut Masker,
        out: &mut Vec<u8>,
    ) {
        let raw = &input.bytes[at..end];
        if !matches!(raw, [b'-' | b'0'..=b'9', ..]) {
            return;
        }
        let name = Self::name(self.key.as_ref(), &self.kept_key, input);
        masker.hid(field, raw, Escapes::None, name);
        if !drops {
            self.flush(input, at, out);
            out.extend_from_slice(match masker.plan().numbers {
                NumberBecomes::Null => b"null",
                NumberBecomes::Zero => b"0",
            });
            self.done = end;
        }
    }

    fn base64(
        &mut self,
        input: Input<'_>,
        at: usize,
        value: Value,
        masker: &mut Masker,
        out: &mut Vec<u8>,
    ) -> Result<Go, Broken> {
        let Value::Text(end) = value else { return Ok(self.go_on(at)) };
        self.flush(input, at + 1, out);
        let name = Self::name(self.key.as_ref(), &self.kept_key, input);
        base64::rewrite(&input.bytes[at + 1..end], name, masker, out);
        self.done = end;
        Ok(self.go_on(end + 1))
    }

    /// A string at `at` that goes on: waits at `start`, or hands it on in pieces.
    pub(super) fn unfinished(
        &mut self,
        input: Input<'_>,
        start: usize,
        at: usize,
        field: Option<FieldId>,
        out: &mut Vec<u8>,
    ) -> Go {
        if input.end() - at > LONG { self.begin_long(input, at, field, None, out) } else { self.wait(start) }
    }

    pub(super) fn begin_long(
        &mut self,
        input: Input<'_>,
        at: usize,
        field: Option<FieldId>,
        drop: Option<Drop>,
        out: &mut Vec<u8>,
    ) -> Go {
        let is_silent = drop.is_some() || self.within.is_some_and(|within| within.drop.is_some());
        if let (true, Some(field)) = (is_silent, field) {
            self.long = Some(Long::Dropped { field, start: Vec::new(), drop });
        } else {
            self.flush(input, at + 1, out);
            let name = Self::name(self.key.as_ref(), &self.kept_key, input);
            self.long = Some(Long::Masked(Region::new(field, Escapes::Json, name)));
        }
        self.done = at + 1;
        self.go_on(at + 1)
    }

    /// More of a long string.
    pub(super) fn long(&mut self, input: Input<'_>, masker: &mut Masker, out: &mut Vec<u8>) -> Go {
        let Some(mut long) = self.long.take() else { return Go::On };
        let close = input.closing(self.at);
        let end = close.unwrap_or(input.end());
        let raw = &input.bytes[self.at..end];
        match &mut long {
            Long::Masked(region) => region.push(raw, masker, out),
            Long::Dropped { start, .. } => start.extend_from_slice(&raw[..raw.len().min(TOLD - start.len())]),
        }
        self.done = end;
        if close.is_none() {
            self.long = Some(long);
            return self.wait(end);
        }
        match long {
            Long::Masked(region) => region.end(masker, out),
            Long::Dropped { field, start, drop } => {
                masker.hid(field, &start, Escapes::Json, Self::name(None, &self.kept_key, input));
                if let Some(drop) = drop {
                    self.dropped(end + 1, drop);
                }
            }
        }
        self.go_on(end + 1)
    }
}

/// Whether a value has to be there as a whole and is not.
#[inline]
pub(super) fn must_wait(input: Input<'_>, at: usize, value: Value, most: usize) -> Result<bool, Broken> {
    let is_text = input.bytes[at] == b'"';
    let length = match value {
        Value::Text(end) | Value::Scalar(end) => end - at,
        Value::Container => 0,
        Value::Unfinished => input.end() - at,
    };
    if (!is_text && length > MOST_KEY) || (most == MOST_BASE64 && length > MOST_BASE64) {
        return Err(Broken("a value of JSON that is too long"));
    }
    Ok(value == Value::Unfinished && !(is_text && length > most))
}
