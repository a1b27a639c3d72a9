//! Rewriters: what changes an answer while it passes. Each reads one format, in pieces of any size, hands
//! values and texts to a [`Masker`] and leaves every other byte as it came. What cannot be read ends the answer;
//! nothing raw is let out instead.

mod answer;
pub mod card;
mod charset;
pub mod csv;
pub mod events;
mod format;
pub mod html;
pub mod json;
#[cfg(test)]
mod splits;
pub mod text;
pub mod xml;

use crate::masking::Masker;

pub use answer::Answer;
pub use format::{Format, Readable, Rewriters};

/// How an answer cannot be read, in fixed words that are safe to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken(pub &'static str);

/// Rewrites one answer. However the input is cut, the output is the same.
pub trait Rewrite: Send {
    /// More of the answer. What can be told already is added to `out`.
    ///
    /// # Errors
    /// When it cannot be read: nothing of it may be sent any more.
    fn write(&mut self, input: &[u8], masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken>;

    /// The rewriter as it is now, to go back to, if that costs next to nothing.
    fn snapshot(&self) -> Option<Box<dyn Rewrite>> {
        None
    }

    /// Its end.
    ///
    /// # Errors
    /// When it ended too early.
    fn finish(&mut self, masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken>;
}
