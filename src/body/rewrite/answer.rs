//! One answer on its way: decoded if it came coded, rewritten, and coded again for the client if that is safe.
//!
//! The first part is held back until it was read to its end: what was hidden in it may have stood before in another
//! form, and then it is read a second time, knowing what to look for. Of a longer answer the rest
//! streams, knowing what came before.

use std::sync::Arc;

use super::html::Refreshes;
use super::{Broken, Format, Rewrite, Rewriters};
use crate::addresses::OwnAddresses;
use crate::body::coding::{Coding, Decoder, Encoder};
use crate::masking::{Masker, Shown};

/// How much is held back at the start.
const HELD: usize = 64 << 10;

/// An answer on its way.
pub struct Answer {
    format: Format,
    rewriters: Arc<Rewriters>,
    addresses: Option<Arc<OwnAddresses>>,
    masker: Masker,
    rewriter: Box<dyn Rewrite>,
    decoder: Option<Decoder>,
    encoder: Option<Encoder>,
    /// What was decoded and not yet rewritten, at the start.
    held: Option<Vec<u8>>,
}

impl Answer {
    /// An answer of that format and coding.
    ///
    /// # Errors
    /// When it cannot be decoded.
    pub fn new(
        format: Format,
        coding: Option<Coding>,
        rewriters: Arc<Rewriters>,
        masker: Masker,
        encoder: Option<Encoder>,
    ) -> Result<Self, Broken> {
        let decoder = coding.map(Decoder::new).transpose()?;
        let rewriter = rewriters.of_format(format, None);
        // Of a stream of events nothing is held: each is an answer of its own.
        let held = (format != Format::Events).then(Vec::new);
        Ok(Self { format, rewriters, addresses: None, masker, rewriter, decoder, encoder, held })
    }

    /// A page, not coded, in which nothing is hidden by the plan of `rewriters`: it only sends nobody to the addresses
    /// of the app's own. It is not held back, and passes whatever it is.
    #[must_use]
    pub fn unmasked(rewriters: Arc<Rewriters>, addresses: Arc<OwnAddresses>, encoder: Option<Encoder>) -> Self {
        let plan = rewriters.plan().clone();
        let rewriter = Box::new(Refreshes::new(&plan, addresses));
        let (format, masker) = (Format::Html { charset_declared: true }, Masker::new(plan).forgetting());
        Self { format, rewriters, addresses: None, masker, rewriter, decoder: None, encoder, held: None }
    }

    /// The same of an app with these addresses, to which no page sends anybody.
    #[must_use]
    pub fn naming(mut self, addresses: Arc<OwnAddresses>) -> Self {
        self.rewriter = self.rewriters.of_format(self.format, Some(&addresses));
        self.addresses = Some(addresses);
        self
    }

    /// More of it, and whether that was the end. Returns what can be sent.
    ///
    /// # Errors
    /// When it cannot be read: nothing more of it may be sent.
    pub fn write(&mut self, input: &[u8], end: bool) -> Result<Vec<u8>, Broken> {
        let mut decoded = Vec::new();
        let plain = match &mut self.decoder {
            None => input,
            Some(decoder) => {
                decoder.write(input, &mut decoded)?;
                if end && let Some(decoder) = self.decoder.take() {
                    decoder.finish(&mut decoded)?;
                }
                &decoded
            }
        };
        let mut out = Vec::with_capacity(self.held.as_ref().map_or(0, Vec::len) + plain.len() + 64);
        match self.held.take() {
            Some(mut held) if !end && held.len() + plain.len() < HELD => {
                // At once, since growing copies.
                held.reserve(HELD - held.len());
                held.extend_from_slice(plain);
                self.held = Some(held);
            }
            Some(held) => self.first([&held, plain], end, &mut out)?,
            None => self.streamed(plain, end, &mut out)?,
        }
        self.coded(out, end)
    }

    /// The first part, twice if what was hidden in it is still there. In two pieces, since joining them would be one more
    /// copy of nearly all.
    fn first(&mut self, held: [&[u8]; 2], end: bool, out: &mut Vec<u8>) -> Result<(), Broken> {
        // Others call a table of HTML so.
        let begins = held.iter().find_map(|piece| piece.trim_ascii_start().first());
        if self.format == Format::Sheet && begins == Some(&b'<') {
            return Err(Broken("a sheet that is markup"));
        }
        self.pass(held, end, out)?;
        if self.masker.reappears(out) {
            out.clear();
            self.masker.start_again();
            self.rewriter = self.rewriters.of_format(self.format, self.addresses.as_ref());
            self.pass(held, end, out)?;
        }
        Ok(())
    }

    /// What follows: a piece is read again only when something that was hidden may be in it.
    fn streamed(&mut self, piece: &[u8], end: bool, out: &mut Vec<u8>) -> Result<(), Broken> {
        if self.rewriters.plan().hides_nothing() {
            return self.pass([piece], end, out);
        }
        let Some(before) = self.rewriter.snapshot() else {
            self.masker.search_again();
            return self.pass([piece], end, out);
        };
        let mark = self.masker.mark();
        self.pass([piece], end, out)?;
        if self.masker.reappears(out) {
            out.clear();
            self.masker.back_to(mark);
            self.masker.search_again();
            self.rewriter = before;
            self.pass([piece], end, out)?;
        }
        Ok(())
    }

    fn pass<const N: usize>(&mut self, input: [&[u8]; N], end: bool, out: &mut Vec<u8>) -> Result<(), Broken> {
        input.iter().try_for_each(|piece| self.rewriter.write(piece, &mut self.masker, out))?;
        if end {
            self.rewriter.finish(&mut self.masker, out)?;
        }
        Ok(())
    }

    fn coded(&mut self, out: Vec<u8>, end: bool) -> Result<Vec<u8>, Broken> {
        let Some(encoder) = &mut self.encoder else { return Ok(out) };
        let mut coded = Vec::new();
        encoder.write(&out, false, &mut coded)?;
        if end && let Some(encoder) = self.encoder.take() {
            encoder.finish(&mut coded)?;
        }
        Ok(coded)
    }

    /// How many values were masked, by field.
    #[must_use]
    pub fn counts(&self) -> &[u32] {
        self.masker.counts()
    }

    /// What was shown instead of what.
    #[must_use]
    pub fn shown(&self) -> &Shown {
        self.masker.shown()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masking::example::plan;

    /// An export of Request Tracker's says that it is Excel's, and is text.
    #[test]
    fn sheets_that_are_text_are_masked_and_others_refused() {
        let plan = Arc::new(plan(true));
        let rewriters = Arc::new(Rewriters::of(plan.clone()));
        for (sheet, expected) in [
            ("id\tphone\n1\t030 1\n", Some("id\tphone\n1\tXXX X\n")),
            ("\n <html><td>030 23125123", None),
            ("\u{d0}\u{11}\0\0", None),
        ] {
            let mut answer =
                Answer::new(Format::Sheet, None, rewriters.clone(), Masker::new(plan.clone()), None).unwrap();
            let written = answer.write(sheet.as_bytes(), true).ok();
            assert_eq!(written.as_deref(), expected.map(str::as_bytes), "{sheet:?}");
        }
    }

    /// Wherever an answer is cut on its way, no number in it is.
    #[test]
    fn what_was_hidden_is_found_across_pieces() {
        let plan = Arc::new(plan(false));
        let rewriters = Arc::new(Rewriters::of(plan.clone()));
        for long in [10, 5_000, 40_000] {
            let start = format!("{{\"phone\": \"030 23125123\",\"a\": [{}],\"b\":\"", "1,".repeat(35_000) + "1");
            let text = format!("{start}{} 0049 30 23125-123 {}\"}}", "x ".repeat(long), "y ".repeat(40));
            let number = start.len() + 2 * long;
            for cut in number - 60..number + 60 {
                let mut answer =
                    Answer::new(Format::Json, None, rewriters.clone(), Masker::new(plan.clone()), None).unwrap();
                let mut out = Vec::new();
                for (piece, end) in [(&text[..66_000], false), (&text[66_000..cut], false), (&text[cut..], true)] {
                    out.extend(answer.write(piece.as_bytes(), end).unwrap());
                }
                let out = String::from_utf8(out).unwrap();
                assert_eq!(out.len(), text.len());
                assert!(out.contains("XXXX XX XXXXX-XXX"), "{long} {cut} {}", &out[number - 40..number + 40]);
            }
        }
    }

    /// Another form that comes in the same piece as the value, and before it.
    #[test]
    fn a_piece_is_looked_through_as_a_whole_however_texts_are_searched() {
        for everywhere in [false, true] {
            let plan = Arc::new(plan(everywhere));
            let rewriters = Arc::new(Rewriters::of(plan.clone()));
            let start = format!("{{\"f\":\"{}\"", "x y ".repeat(17_000));
            let rest = ",\"a\":\"files/493023125123.vcf\",\"phone\":\"030 23125123\"}";
            let mut answer =
                Answer::new(Format::Json, None, rewriters.clone(), Masker::new(plan.clone()), None).unwrap();
            let mut out = answer.write(start.as_bytes(), false).unwrap();
            out.extend(answer.write(rest.as_bytes(), true).unwrap());
            let out = String::from_utf8(out).unwrap();
            assert!(out.ends_with(",\"a\":\"files/XXXXXXXXXXXX.vcf\",\"phone\":\"XXX XXXXXXXX\"}"), "{everywhere}");
        }
    }

    /// What was hidden by name is hidden in every form that it has further on, where an answer streams; and what only
    /// looks like it does not make the rest of it be searched.
    #[test]
    fn what_was_hidden_is_looked_for_where_an_answer_streams() {
        let plan = Arc::new(plan(false));
        let rewriters = Arc::new(Rewriters::of(plan.clone()));
        let filler: String = (0..4_000).map(|n| format!("2026-01-02 10:{n:05} {}\n", n * 7_919)).collect();
        let json = format!(
            "[{{\"phone\": \"+49 30 23125123\", \"email\": \"anna@example.com\"}},\"{}\"",
            filler.replace('\n', " ")
        );
        let csv = format!("id,phone,email\n1,+49 30 23125123,anna@example.com\n{}", filler.replace('\n', ",,\n"));
        for form in [
            "call 030 23125123 now",
            "https://wa.me/493023125123?x=1",
            "0049 30 23125-123",
            "to=anna%40example.com",
            "&#43;49 30 23125123",
            "ANNA@EXAMPLE.COM",
        ] {
            for (format, text) in
                [(Format::Json, format!("{json},\"{form}\"]")), (Format::Csv, format!("{csv}2,,{form}\n"))]
            {
                let mut answer = Answer::new(format, None, rewriters.clone(), Masker::new(plan.clone()), None).unwrap();
                let pieces: Vec<&[u8]> = text.as_bytes().chunks(20_000).collect();
                let mut out = Vec::new();
                for (i, piece) in pieces.iter().enumerate() {
                    out.extend(answer.write(piece, i + 1 == pieces.len()).unwrap());
                }
                let out = String::from_utf8(out).unwrap();
                assert!(
                    !out[out.len() - 120..].contains("23125") && !out.to_lowercase().contains("anna"),
                    "{format:?} {form}"
                );
                assert!(out.contains("2026-01-02 10:03999"), "{format:?}");
            }
        }
    }
}
