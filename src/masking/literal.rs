//! A name that was hidden, looked for word by word.

use std::ops::Range;

use memchr::memmem;

/// Letters that are too few to look for.
const FEWEST: usize = 3;
/// The most bytes between two words.
const MOST_GAP: usize = 8;

/// Words in a row.
#[derive(Clone, Debug)]
pub(super) struct Literal {
    words: Vec<Box<str>>,
    /// The longest piece of it that no format escapes; where it is too short, anything with escapes may hold it.
    telling: Box<str>,
}

impl Literal {
    pub(super) fn new(text: &str) -> Self {
        let runs = text.split(|c: char| !c.is_ascii_alphanumeric());
        let telling = runs.max_by_key(|run| run.len()).unwrap_or_default().into();
        Self { words: text.split_whitespace().map(Into::into).collect(), telling }
    }

    /// Whether it may be in a text, however it is escaped.
    pub(super) fn may_be_in(&self, bytes: &[u8]) -> bool {
        if self.telling.len() >= FEWEST {
            return memmem::find(bytes, self.telling.as_bytes()).is_some();
        }
        let whole = self.words.iter().all(|word| memmem::find(bytes, word.as_bytes()).is_some());
        whole || memchr::memchr3(b'\\', b'&', b'%', bytes).is_some()
    }

    /// Where it is, between whatever is no letter.
    pub(super) fn find<'l>(&'l self, text: &'l str) -> impl Iterator<Item = Range<usize>> + 'l {
        let first = self.words.first().map_or(&b""[..], |word| word.as_bytes());
        memmem::find_iter(text.as_bytes(), first).filter_map(|start| {
            let range = start..self.end(text, start)?;
            let is_whole = !text[..start].ends_with(char::is_alphanumeric)
                && !text[range.end..].starts_with(char::is_alphanumeric);
            is_whole.then_some(range)
        })
    }

    /// Where it ends that may begin at `start`.
    fn end(&self, text: &str, start: usize) -> Option<usize> {
        let mut at = start;
        for (i, word) in self.words.iter().enumerate() {
            if i > 0 {
                let rest = &text[at..];
                let behind = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '+');
                let gap = rest.len() - behind.len();
                if gap == 0 || gap > MOST_GAP {
                    return None;
                }
                at += gap;
            }
            at += text[at..].strip_prefix(&**word).map(|_| word.len())?;
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_whatever_blanks() {
        for (name, text, found) in [
            ("Anna Berg", "call Anna Berg now", Some(5..14)),
            ("Anna Berg", "n=Anna+Berg&x", Some(2..11)),
            ("Anna Berg", "Anna\u{a0}Berg", Some(0..10)),
            ("Anna Berg", "Johanna Berg, Anna Bergmann, AnnaBerg", None),
            ("J\u{fc}rgen M\u{fc}ller", "J\u{fc}rgen  M\u{fc}ller", Some(0..16)),
            ("\u{410}\u{43d} \u{411}\u{435}", "\u{410}\u{43d} \u{411}\u{435}", Some(0..9)),
        ] {
            let literal = Literal::new(name);
            assert_eq!(literal.find(text).next(), found, "{text}");
            assert!(found.is_none() || literal.may_be_in(text.as_bytes()), "{text}");
        }
        assert!(Literal::new("J\u{fc}rgen M\u{fc}ller").may_be_in(br"J\u00fcrgen M\u00fcller"));
        assert!(Literal::new("\u{410}\u{43d} \u{411}\u{435}").may_be_in(br"\u0410\u043d \u0411\u0435"));
        assert!(!Literal::new("Anna Berg").may_be_in(b"Bernd Anders"));
    }
}
