//! What may be searched for by somebody from whom numbers are hidden: who could ask digit by digit would know
//! them in the end.

use super::{Masked, NO_SEARCH, SEARCH, Searching};
use crate::decision::Reason;
use crate::detect::{FieldKind, digits};

/// Why a term is refused, if it is.
pub(super) fn refuses(masked: &Masked, term: &str) -> Option<&'static Reason> {
    let term = term.trim();
    if term.is_empty() || masked.searching == Searching::Free {
        return None;
    }
    if masked.searching == Searching::Deny {
        return Some(NO_SEARCH);
    }
    (!is_whole(masked, term) && could_probe(masked, term)).then_some(SEARCH)
}

/// Whether the term is one whole value that is hidden, and nothing else.
fn is_whole(masked: &Masked, term: &str) -> bool {
    let mut whole = false;
    masked.plan.detectors.find(term, &mut |found| whole |= found.range == (0..term.len()));
    whole
}

/// Whether the answers to such terms could tell a hidden value piece by piece.
fn could_probe(masked: &Masked, term: &str) -> bool {
    let hidden = |kind: fn(FieldKind) -> bool| {
        masked.plan.kinds.iter().any(|(k, field)| kind(*k) && masked.plan.form(*field).is_some())
    };
    let wild = term.contains(['*', '%', '?', '[', '\\', '^', '$', '|']);
    let numbers = hidden(|kind| kind != FieldKind::Email);
    let addresses = hidden(|kind| kind == FieldKind::Email);
    // Three digits at a time are enough to put a number together.
    (numbers && (!digits(term).is_empty() || term.starts_with(['+', '('])))
        || (addresses && (wild || term.contains(['@', '.', '_'])))
}
