//! What the first lines say of the others: the separator, and which field each column is.

use crate::masking::{FieldId, Plan};

/// The separators that are told by looking at the first record.
const KNOWN: [u8; 3] = [b',', b';', b'\t'];

/// What a file begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// How much of it is no record.
    pub(super) skip: usize,
    pub(super) separator: u8,
}

/// Looks at the first lines; `None` when more of them is needed.
pub(super) fn start(bytes: &[u8], declared: Option<u8>, is_end: bool, plan: &Plan) -> Option<Start> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    if !is_end && bytes.len() < MARK.len() && MARK.starts_with(bytes) {
        return None;
    }
    let mut skip = if bytes.starts_with(MARK) { MARK.len() } else { 0 };
    let mut declared = declared;
    loop {
        let line = &bytes[skip..];
        let end = record_end(line).or_else(|| is_end.then_some(line.len()))?;
        let text = line[..end].trim_ascii_end();
        if let Some(separator) = by_line(&line[..end]) {
            declared = Some(separator);
        } else if !text.is_empty() || skip + end >= bytes.len() {
            let separator = declared.unwrap_or_else(|| detect(text, plan));
            return Some(Start { skip, separator });
        }
        skip = (skip + end + 1).min(bytes.len());
    }
}

/// The end of the first record: a line end that is not within quotes.
fn record_end(bytes: &[u8]) -> Option<usize> {
    let mut quoted = false;
    bytes.iter().position(|b| {
        quoted ^= *b == b'"';
        *b == b'\n' && !quoted
    })
}

/// `sep=;`, as Excel writes it.
fn by_line(line: &[u8]) -> Option<u8> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line {
        [s, e, p, b'=', separator] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") && *separator != b'"' => {
            Some(*separator)
        }
        _ => None,
    }
}

/// The separator that makes most names known, and most cells.
fn detect(record: &[u8], plan: &Plan) -> u8 {
    let score = |separator: &u8| {
        let mut quoted = false;
        let cells = record.split(|b| {
            quoted ^= *b == b'"';
            b == separator && !quoted
        });
        cells.fold((0, 0), |(known, count), cell| (known + u32::from(field(cell, plan).is_some()), count + 1))
    };
    // Of those that are alike the first.
    KNOWN.into_iter().rev().max_by_key(score).unwrap_or(b',')
}

/// The name in a cell of the header, without what people write in different ways.
fn name(cell: &[u8]) -> String {
    let text = String::from_utf8_lossy(cell);
    let text = text.trim();
    let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    let alike = |c| if matches!(c, '_' | '-') { ' ' } else { c };
    text.replace("\"\"", "\"").trim().to_ascii_lowercase().chars().map(alike).collect()
}

/// Which field a column is, by the cell at its head.
pub(super) fn field(cell: &[u8], plan: &Plan) -> Option<FieldId> {
    let name = name(cell);
    let mut names = plan.places.names.iter().filter(|(_, field)| plan.form(**field).is_some());
    names.find(|(known, _)| self::name(known.as_bytes()) == name).map(|(_, field)| *field)
}
