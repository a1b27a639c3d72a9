//! Which arrays and objects are open.

/// The levels that are in one word.
const LEVELS: u32 = 32;
/// How many words there are besides the innermost: 512 levels in all.
const OUTER: usize = 15;

/// What is open, one bit for each level, the innermost last: one for an array, behind a one for what is around all.
#[derive(Clone, Debug)]
pub(super) struct Nesting {
    innermost: u64,
    /// Words of levels further out; hardly any document has so many.
    outer: Vec<u64>,
}

/// What a bracket may be that must not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    TooDeep,
    NoMatch,
}

impl Nesting {
    pub(super) fn new() -> Self {
        Self { innermost: 1, outer: Vec::new() }
    }

    #[inline]
    pub(super) fn is_root(&self) -> bool {
        self.innermost == 1
    }

    #[inline]
    pub(super) fn in_object(&self) -> bool {
        self.innermost & 1 == 0
    }

    /// One bracket. Which one it is cannot be guessed, so that nothing branches on it.
    #[allow(clippy::inline_always, clippy::needless_bitwise_bool)] // for the vectors of a machine, and without branches
    #[inline(always)]
    pub(super) fn turn(&mut self, opens: bool, is_object: bool) -> Result<(), Wrong> {
        let array = u64::from(!is_object);
        let all = 0_u64.wrapping_sub(u64::from(opens));
        let (opened, closed) = (self.innermost << 1 | array, self.innermost >> 1);
        if !opens & (self.is_root() | (self.innermost & 1 != array)) {
            return Err(Wrong::NoMatch);
        }
        self.innermost = (opened & all) | (closed & !all);
        if self.innermost >> (LEVELS + 1) != 0 {
            return self.begin_word(array);
        }
        if self.is_root()
            && let Some(word) = self.outer.pop()
        {
            self.innermost = word;
        }
        Ok(())
    }

    #[cold]
    fn begin_word(&mut self, array: u64) -> Result<(), Wrong> {
        if self.outer.len() == OUTER {
            return Err(Wrong::TooDeep);
        }
        self.outer.push(self.innermost >> 1);
        self.innermost = 0b10 | array;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_kept() {
        let is_object = |level: usize| level.is_multiple_of(3);
        let mut nesting = Nesting::new();
        for level in 0..512 {
            assert_eq!(nesting.turn(true, is_object(level)), Ok(()), "{level}");
            assert_eq!((nesting.is_root(), nesting.in_object()), (false, is_object(level)));
        }
        assert_eq!(nesting.clone().turn(true, true), Err(Wrong::TooDeep));
        for level in (0..512).rev() {
            assert_eq!(nesting.clone().turn(false, !is_object(level)), Err(Wrong::NoMatch));
            assert_eq!(nesting.turn(false, is_object(level)), Ok(()), "{level}");
            assert_eq!(nesting.is_root(), level == 0);
            assert_eq!(nesting.in_object(), level > 0 && is_object(level - 1));
        }
        assert_eq!(nesting.turn(false, false), Err(Wrong::NoMatch));
    }
}
