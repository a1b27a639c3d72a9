//! Which arrays and objects are open.

/// The levels that are in one word.
const LEVELS: u32 = 32;
/// How many words there are besides the innermost: 512 levels in all.
const OUTER: usize = 15;

/// What is open, one bit for each level, the innermost last: one for an array, behind a one for what is around all.
/// The word of the innermost levels is its user's, who keeps it at hand; here are those further out, of which hardly any
/// document has any.
#[derive(Clone, Debug, Default)]
pub(super) struct Nesting {
    outer: Vec<u64>,
}

/// Nothing is open.
pub(super) const ROOT: u64 = 1;

/// What a bracket may be that must not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    TooDeep,
    NoMatch,
}

impl Nesting {
    /// What is open behind one more bracket. Which one it is cannot be guessed, so that nothing branches on it.
    #[allow(clippy::inline_always, clippy::needless_bitwise_bool)] // for the vectors of a machine, and without branches
    #[inline(always)]
    pub(super) fn turn(&mut self, innermost: u64, opens: bool, is_object: bool) -> Result<u64, Wrong> {
        let array = u64::from(!is_object);
        let all = 0_u64.wrapping_sub(u64::from(opens));
        if !opens & ((innermost == ROOT) | (innermost & 1 != array)) {
            return Err(Wrong::NoMatch);
        }
        let turned = ((innermost << 1 | array) & all) | (innermost >> 1 & !all);
        if turned >> (LEVELS + 1) != 0 {
            return self.begin_word(turned, array);
        }
        if turned == ROOT
            && let Some(word) = self.outer.pop()
        {
            return Ok(word);
        }
        Ok(turned)
    }

    #[cold]
    fn begin_word(&mut self, full: u64, array: u64) -> Result<u64, Wrong> {
        if self.outer.len() == OUTER {
            return Err(Wrong::TooDeep);
        }
        self.outer.push(full >> 1);
        Ok(0b10 | array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_kept() {
        let is_object = |level: usize| level.is_multiple_of(3);
        let (mut nesting, mut open) = (Nesting::default(), ROOT);
        for level in 0..512 {
            open = nesting.turn(open, true, is_object(level)).unwrap();
            assert!(open != ROOT && (open & 1 == 0) == is_object(level), "{level}");
        }
        assert_eq!(nesting.clone().turn(open, true, true), Err(Wrong::TooDeep));
        for level in (0..512).rev() {
            assert_eq!(nesting.clone().turn(open, false, !is_object(level)), Err(Wrong::NoMatch));
            open = nesting.turn(open, false, is_object(level)).unwrap();
            assert_eq!(open == ROOT, level == 0);
            assert!(level == 0 || (open & 1 == 0) == is_object(level - 1), "{level}");
        }
        assert_eq!(nesting.turn(open, false, false), Err(Wrong::NoMatch));
    }
}
