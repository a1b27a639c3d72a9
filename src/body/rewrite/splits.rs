//! For the tests of rewriters: however an answer is cut, the same comes out.

use std::sync::Arc;

use super::{Broken, Rewrite};
use crate::masking::{Masker, Plan};

/// What becomes of `pieces`.
fn rewritten<'p>(
    mut rewriter: Box<dyn Rewrite>,
    masker: &mut Masker,
    pieces: impl Iterator<Item = &'p [u8]>,
) -> Result<Vec<u8>, Broken> {
    let mut out = Vec::new();
    for piece in pieces {
        rewriter.write(piece, masker, &mut out)?;
    }
    rewriter.finish(masker, &mut out)?;
    Ok(out)
}

/// What becomes of `input`, in one piece, in any two, and byte by byte.
pub(super) fn every_split(
    new: &dyn Fn() -> Box<dyn Rewrite>,
    plan: &Arc<Plan>,
    input: &[u8],
) -> Result<String, Broken> {
    let run = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut masker = Masker::new(plan.clone());
        let out = rewritten(new(), &mut masker, pieces);
        (out, masker.counts().to_vec(), masker.shown().clone())
    };
    let whole = run(&mut std::iter::once(input));
    assert!(run(&mut input.chunks(1)) == whole, "byte by byte: {}", String::from_utf8_lossy(input));
    for at in 1..input.len() {
        let (first, second) = input.split_at(at);
        assert!(run(&mut [first, second].into_iter()) == whole, "at {at}: {}", String::from_utf8_lossy(input));
    }
    whole.0.map(|out| String::from_utf8_lossy(&out).into_owned())
}
