//! Free text: what is hidden in it, however a reader takes its tags.

use std::ops::Range;

use smallvec::{SmallVec, smallvec};

use super::escapes::{self, Escapes, Unescaped, write_escaped};
use super::{Edit, FieldId, Masker, Wrote, in_charset};
use crate::detect::FieldKind;
use crate::text::inline::sets_apart;

/// What is hidden in a text.
struct Piece {
    /// In the reading that it was found in.
    edit: Edit,
    reading: usize,
    /// In the raw bytes.
    at: Range<usize>,
    in_url: bool,
}

/// What is hidden in more than one piece of a text.
struct Over {
    field: FieldId,
    at: Range<usize>,
    original: String,
    in_url: bool,
}

impl Masker {
    /// Free text in the raw bytes of its format. Writes it with what is hidden in it masked.
    pub fn text(&mut self, raw: &[u8], escapes: Escapes, place: &[u8], out: &mut Vec<u8>) -> Wrote {
        self.text_until(raw, raw.len(), escapes, place, out).0
    }

    /// The same for a text that goes on: what is hidden is looked for in all of `raw`, which is written up to `until`, or
    /// up to a value that goes on there. Returns how far.
    pub(super) fn text_until(
        &mut self,
        raw: &[u8],
        mut until: usize,
        escapes: Escapes,
        place: &[u8],
        out: &mut Vec<u8>,
    ) -> (Wrote, usize) {
        if self.skips(raw) {
            out.extend_from_slice(&raw[..until]);
            return (Wrote::Same, until);
        }
        let mut readings: Readings<'_> = smallvec![Unescaped::of(raw, escapes)];
        let (mut done, mut wrote) = (0, Wrote::Same);
        for Piece { edit, reading, at, in_url } in self.pieces(&mut readings) {
            if at.start < done {
                continue;
            }
            if at.end > until {
                if at.start > 0 {
                    until = until.min(at.start);
                    break;
                }
                until = at.end;
            }
            let text = &readings[reading];
            let original = &text.innermost()[edit.range.clone()];
            let Some(mask) = self.mask(edit.field, original) else { continue };
            out.extend_from_slice(&raw[done..at.start]);
            let mask = in_charset(mask, text);
            // What comes back comes as it was shown, with the escapes of a link.
            let (mask, shown_for) = if in_url {
                (escapes::percent(&mask), Unescaped::of(&raw[at.clone()], escapes).without_layers().to_owned())
            } else {
                (mask, original.to_owned())
            };
            write_escaped(&mask, escapes, out);
            // Without its tags what stands around them would not end.
            text.tags(&edit.range).into_iter().for_each(|tag| out.extend_from_slice(&raw[tag]));
            done = at.end;
            match self.plan.kind_of(edit.field) {
                Some(kind @ (FieldKind::Phone | FieldKind::Email)) => {
                    self.add(edit.field);
                    self.learned.found(edit.field, kind, original, &self.plan.detectors);
                }
                _ => self.count(edit.field, original),
            }
            if !text.is_foreign() {
                self.show(place, &mask, &shown_for);
            }
            wrote = Wrote::Mask;
        }
        out.extend_from_slice(&raw[done..until]);
        (wrote, until)
    }

    fn mask(&self, field: FieldId, original: &str) -> Option<String> {
        self.plan.form(field)?.apply(original, field, &self.plan, &self.pseudonyms, true)
    }

    /// What is hidden in a text as it is, and what goes on behind its tags; from left to right.
    fn pieces(&mut self, readings: &mut Readings<'_>) -> SmallVec<[Piece; 4]> {
        let piece = |text: &Unescaped<'_>, edit: Edit, reading| {
            let (at, in_url) = text.raw(edit.range.clone());
            Piece { edit, reading, at, in_url }
        };
        let found = self.find(readings[0].innermost());
        let mut pieces: SmallVec<[Piece; 4]> = found.into_iter().map(|edit| piece(&readings[0], edit, 0)).collect();
        for apart in [false, true] {
            let Some(text) = readings[0].without_tags(apart) else { break };
            for edit in self.find(text.innermost()) {
                let new = piece(&text, edit, readings.len());
                if text.tags(&new.edit.range).is_empty() {
                    continue;
                }
                // They are in order, and none is in another.
                let first = pieces.partition_point(|p| p.at.end <= new.at.start);
                let last = pieces.partition_point(|p| p.at.start < new.at.end);
                let whole = |p: &Piece| p.reading == 0 && is_between_tags(readings[0].innermost(), &p.edit.range);
                let others = pieces[first..last].iter().map(|p| (&p.at, whole(p)));
                if self.takes_their_place(new.edit.field, &new.at, others) {
                    pieces.drain(first..last);
                    pieces.insert(first, new);
                }
            }
            readings.push(text);
        }
        pieces
    }

    /// Whether what was found over tags is more than what was found between them. `others` are told with whether they
    /// are all that stands between two tags: an address there is one, whatever its neighbours are.
    fn takes_their_place<'p>(
        &self,
        field: FieldId,
        at: &Range<usize>,
        others: impl Iterator<Item = (&'p Range<usize>, bool)>,
    ) -> bool {
        let is_address = self.plan.kind_of(field) == Some(FieldKind::Email);
        let mut others = others.filter(|(other, _)| overlap(other, at));
        others.all(|(other, whole)| at.start <= other.start && other.end <= at.end && !(is_address && whole))
    }

    /// What is hidden in a text that was put together from pieces and lies in more than one of them, from left to
    /// right: where it is in `raw`, and its mask. `cuts` is where pieces begin.
    pub fn across(&mut self, raw: &[u8], cuts: &[usize], escapes: Escapes) -> Vec<(Range<usize>, Vec<u8>)> {
        let mut found = self.over_cuts(raw, &[], cuts, escapes);
        let blanks: SmallVec<[usize; 8]> =
            cuts.iter().copied().filter(|cut| sets_apart(&raw[..*cut], &raw[*cut..])).collect();
        if !blanks.is_empty() {
            for new in self.over_cuts(raw, &blanks, cuts, escapes) {
                let mut others = found.iter().filter(|other| overlap(&other.at, &new.at));
                if others
                    .all(|other| new.at.start <= other.at.start && other.at.end <= new.at.end && new.at != other.at)
                {
                    found.retain(|other| !overlap(&other.at, &new.at));
                    found.push(new);
                }
            }
            found.sort_by_key(|over| over.at.start);
        }
        if found.is_empty() {
            return Vec::new();
        }
        let alone = self.alone(raw, cuts, escapes);
        found.retain(|over| self.takes_their_place(over.field, &over.at, alone.iter().map(|(at, whole)| (at, *whole))));
        let mut masks = Vec::new();
        for Over { field, at, original, in_url } in found {
            let Some(mask) = self.mask(field, &original) else { continue };
            let mut written = Vec::new();
            write_escaped(&if in_url { escapes::percent(&mask) } else { mask.clone() }, escapes, &mut written);
            masks.push((at, written));
            self.remember(field, &original, &mask, b"");
        }
        masks
    }

    /// What lies in more than one piece when it is read with a blank at each place of `blanks`.
    fn over_cuts(&mut self, raw: &[u8], blanks: &[usize], cuts: &[usize], escapes: Escapes) -> Vec<Over> {
        let mut apart = Vec::with_capacity(raw.len() + blanks.len());
        let mut done = 0;
        for &blank in blanks {
            apart.extend_from_slice(&raw[done..blank]);
            apart.push(b' ');
            done = blank;
        }
        apart.extend_from_slice(&raw[done..]);
        let text = Unescaped::of(&apart, escapes);
        // Behind how many blanks a place is.
        let outside = |place: usize| place - blanks.iter().zip(0..).take_while(|&(blank, i)| blank + i < place).count();
        let mut found: Vec<Over> = Vec::new();
        for Edit { range, field } in self.find(text.innermost()) {
            let (at, in_url) = text.raw(range.clone());
            let at = outside(at.start)..outside(at.end);
            let done = found.last().map_or(0, |over| over.at.end);
            if at.start >= done && cuts.iter().any(|cut| at.start < *cut && *cut < at.end) {
                found.push(Over { field, at, original: text.innermost()[range].to_owned(), in_url });
            }
        }
        found
    }

    /// What is found in each piece by itself, and whether it is all of it.
    fn alone(&mut self, raw: &[u8], cuts: &[usize], escapes: Escapes) -> Vec<(Range<usize>, bool)> {
        let mut all = Vec::new();
        for (i, start) in cuts.iter().enumerate() {
            let piece = &raw[*start..cuts.get(i + 1).copied().unwrap_or(raw.len())];
            let text = Unescaped::of(piece, escapes);
            for edit in self.find(text.innermost()) {
                let at = text.raw(edit.range).0;
                let whole = piece[at.clone()].trim_ascii() == piece.trim_ascii();
                all.push((start + at.start..start + at.end, whole));
            }
        }
        all
    }
}

/// A text as it is, and without its tags.
type Readings<'r> = SmallVec<[Unescaped<'r>; 1]>;

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

/// Whether a piece is all that stands between two tags.
fn is_between_tags(text: &str, piece: &Range<usize>) -> bool {
    let (before, behind) = (text[..piece.start].trim_end(), text[piece.end..].trim_start());
    (before.is_empty() || before.ends_with('>')) && (behind.is_empty() || behind.starts_with('<'))
}
