//! International bank account numbers (ISO 13616): the country's length and the remainder modulo 97.

use super::chars::{Mark, ends, mark};

/// Lengths by country, of the registry (release 99).
const LENGTHS: [([u8; 2], usize); 89] = [
    (*b"AD", 24),
    (*b"AE", 23),
    (*b"AL", 28),
    (*b"AT", 20),
    (*b"AZ", 28),
    (*b"BA", 20),
    (*b"BE", 16),
    (*b"BG", 22),
    (*b"BH", 22),
    (*b"BI", 27),
    (*b"BR", 29),
    (*b"BY", 28),
    (*b"CH", 21),
    (*b"CR", 22),
    (*b"CY", 28),
    (*b"CZ", 24),
    (*b"DE", 22),
    (*b"DJ", 27),
    (*b"DK", 18),
    (*b"DO", 28),
    (*b"EE", 20),
    (*b"EG", 29),
    (*b"ES", 24),
    (*b"FI", 18),
    (*b"FK", 18),
    (*b"FO", 18),
    (*b"FR", 27),
    (*b"GB", 22),
    (*b"GE", 22),
    (*b"GI", 23),
    (*b"GL", 18),
    (*b"GR", 27),
    (*b"GT", 28),
    (*b"HN", 28),
    (*b"HR", 21),
    (*b"HU", 28),
    (*b"IE", 22),
    (*b"IL", 23),
    (*b"IQ", 23),
    (*b"IS", 26),
    (*b"IT", 27),
    (*b"JO", 30),
    (*b"KW", 30),
    (*b"KZ", 20),
    (*b"LB", 28),
    (*b"LC", 32),
    (*b"LI", 21),
    (*b"LT", 20),
    (*b"LU", 20),
    (*b"LV", 21),
    (*b"LY", 25),
    (*b"MC", 27),
    (*b"MD", 24),
    (*b"ME", 22),
    (*b"MK", 19),
    (*b"MN", 20),
    (*b"MR", 27),
    (*b"MT", 31),
    (*b"MU", 30),
    (*b"NI", 28),
    (*b"NL", 18),
    (*b"NO", 15),
    (*b"OM", 23),
    (*b"PK", 24),
    (*b"PL", 28),
    (*b"PS", 29),
    (*b"PT", 25),
    (*b"QA", 29),
    (*b"RO", 24),
    (*b"RS", 22),
    (*b"RU", 33),
    (*b"SA", 24),
    (*b"SC", 31),
    (*b"SD", 18),
    (*b"SE", 24),
    (*b"SI", 19),
    (*b"SK", 24),
    (*b"SM", 27),
    (*b"SO", 23),
    (*b"ST", 25),
    (*b"SV", 28),
    (*b"TL", 23),
    (*b"TN", 24),
    (*b"TR", 26),
    (*b"UA", 29),
    (*b"VA", 22),
    (*b"VG", 24),
    (*b"XK", 20),
    (*b"YE", 30),
];

/// The end of the number that begins with the two letters at `at`.
pub(super) fn end(text: &str, at: usize) -> Option<usize> {
    let wanted = length(text.as_bytes().get(at..at + 2)?)?;
    let (mut rest, mut count, mut end) = (0, 0, at);
    let mut first = [0; 4];
    while count < wanted {
        let c = *text.as_bytes().get(end)?;
        if !c.is_ascii_alphanumeric() {
            let (mark, length) = mark(text, end)?;
            // Blanks stand one by one, and not at the end.
            let between = matches!(mark, Mark::Blank | Mark::Hyphen) && count >= 2;
            if !between || !text.as_bytes().get(end + length)?.is_ascii_alphanumeric() {
                return None;
            }
            end += length;
            continue;
        }
        // The country and the check digits are counted last.
        match first.get_mut(count) {
            Some(place) => *place = c,
            None => rest = remainder(rest, c),
        }
        (count, end) = (count + 1, end + 1);
    }
    let check = first.iter().fold(rest, |rest, &c| remainder(rest, c));
    (check == 1 && ends(text, end)).then_some(end)
}

fn length(country: &[u8]) -> Option<usize> {
    let country = <[u8; 2]>::try_from(country).ok()?.map(|c| c.to_ascii_uppercase());
    LENGTHS.binary_search_by_key(&country, |entry| entry.0).ok().and_then(|at| LENGTHS.get(at)).map(|entry| entry.1)
}

/// Letters count as 10 to 35.
fn remainder(before: u32, c: u8) -> u32 {
    if c.is_ascii_digit() {
        (before * 10 + u32::from(c - b'0')) % 97
    } else {
        (before * 100 + u32::from(c.to_ascii_uppercase() - b'A') + 10) % 97
    }
}
