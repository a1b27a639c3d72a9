//! Text that is Base64.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, Encoding};

use crate::masking::{Escapes, Masker, Wrote};

/// Writes a string with what is hidden in its text masked. What is no text stays.
pub(super) fn rewrite(raw: &[u8], name: &[u8], masker: &mut Masker, out: &mut Vec<u8>) {
    let Some((encoding, decoded)) = decode(raw) else {
        masker.text(raw, Escapes::Json, name, out);
        return;
    };
    let mut masked = Vec::with_capacity(decoded.len());
    if std::str::from_utf8(&decoded).is_ok() && masker.text(&decoded, Escapes::None, name, &mut masked) == Wrote::Mask {
        out.extend_from_slice(encoding.encode(&masked).as_bytes());
    } else {
        out.extend_from_slice(raw);
    }
}

/// In the alphabet that it is written in.
fn decode(raw: &[u8]) -> Option<(Encoding, Vec<u8>)> {
    let mut plain = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(&b) = bytes.next() {
        match b {
            b'\\' => match bytes.next()? {
                b'/' => plain.push(b'/'),
                b'n' | b'r' => {}
                _ => return None,
            },
            _ => plain.push(b),
        }
    }
    let known = [BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD];
    known.into_iter().find_map(|encoding| Some((encoding.clone(), encoding.decode(&plain).ok()?)))
}
