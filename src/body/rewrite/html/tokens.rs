//! What is text and what is markup in a page. Where selectors of a profile are in play, `lol_html` tells
//! ([`super::selected`]); else our own reader ([`super::reader`]), which is many times quicker. Only places are taken
//! from either; what is sent are the bytes of the page, so that nothing is decoded, encoded or written anew.

use lol_html::html_content::TextType;

use super::reader::Reader;
use super::selected::Selected;
use crate::body::rewrite::Broken;
use crate::masking::{FieldId, Plan};

/// The longest tag or comment. Pictures inside of mails are attributes of this kind.
pub(super) const LONGEST: usize = 1 << 20;
/// Which page has one that is longer.
pub(super) const TOO_LONG: Broken = Broken("a page with a tag or comment over 1 MiB");
/// Which page has raw text where browsers may or may not read it so.
pub(super) const AMBIGUOUS: Broken = Broken("a page whose text cannot be told from its markup");

/// A piece that is no tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// `None` is a comment.
    pub text: Option<TextType>,
    /// In the page.
    pub start: usize,
    pub end: usize,
    /// Whether nothing follows in the same text node.
    pub last: bool,
}

/// What was seen since it was last asked for.
#[derive(Default)]
pub(super) struct Seen {
    pub tokens: Vec<Token>,
    /// Up to here all is told: what lies between tokens are whole tags.
    pub told: usize,
    /// Where whole tags begin and end, as far as it is known.
    pub whole: Vec<(usize, usize)>,
    /// Where tags begin that a selector matches.
    pub tags: Vec<(usize, FieldId)>,
    /// Where texts begin inside of such elements.
    pub texts: Vec<(usize, FieldId)>,
}

impl Seen {
    /// More of a text, up to `end`.
    pub(super) fn text(&mut self, kind: TextType, end: usize, last: bool) {
        let start = self.told;
        self.told = end;
        match self.tokens.last_mut() {
            Some(before) if !before.last => (before.end, before.last) = (end, last),
            _ => self.tokens.push(Token { text: Some(kind), start, end, last }),
        }
    }

    /// Forgets the first tokens, and what stands before `until`.
    pub(super) fn forget(&mut self, tokens: usize, until: usize) {
        self.tokens.drain(..tokens);
        self.whole.retain(|(at, _)| *at >= until);
        self.tags.retain(|(at, _)| *at >= until);
        self.texts.retain(|(at, _)| *at >= until);
    }
}

/// Tells the pieces of one page.
pub(super) enum Tokens {
    Read(Box<Reader>, Seen),
    Selected(Box<Selected>),
}

impl Tokens {
    /// For a page that is masked by `plan`.
    pub(super) fn new(plan: &Plan) -> Self {
        if plan.places.css.iter().any(|(_, field)| plan.form(*field).is_some()) {
            Self::Selected(Box::new(Selected::new(plan)))
        } else {
            Self::Read(Box::default(), Seen::default())
        }
    }

    /// More of the page: `all` is what is held of it, from `base` on, and ends with `fresh`, which is `None` at the
    /// page's end. Shows what was seen.
    pub(super) fn read<T>(
        &mut self,
        fresh: Option<&[u8]>,
        all: &[u8],
        base: usize,
        show: impl FnOnce(&mut Seen) -> Result<T, Broken>,
    ) -> Result<T, Broken> {
        match (self, fresh) {
            (Self::Read(reader, seen), _) => {
                reader.read(all, base, fresh.is_none(), seen)?;
                show(seen)
            }
            (Self::Selected(selected), Some(fresh)) => show(&mut selected.write(fresh)?.lock()),
            (Self::Selected(selected), None) => show(&mut selected.end()?.lock()),
        }
    }
}
