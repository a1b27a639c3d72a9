//! Numbers of payment cards: 13 to 19 digits, a known issuer, Luhn's check digit.

use super::chars::{Mark, begins, digit, ends, mark};

const LONGEST: usize = 19;

/// A number as read: its digits and where groups of them end.
struct Card {
    digits: [u8; LONGEST],
    count: usize,
    end: usize,
    groups: [usize; 8],
    grouped: usize,
}

/// The end of the card number that begins with the run of digits from `at` to `run`, and whether it is written in groups as on cards.
pub(super) fn end(text: &str, at: usize, run: usize) -> Option<(usize, bool)> {
    // A first group of 4 or 6, or all digits in a row; other scripts have longer digits.
    let first = matches!(run - at, 4 | 6 | 13..=19) || !text.as_bytes().get(at)?.is_ascii();
    if !first || !begins(text, at) {
        return None;
    }
    let card = read(text, at)?;
    let digits = &card.digits[..card.count];
    let fine = is_issued(digits) && well_grouped(&card) && luhn(digits) && ends(text, card.end);
    fine.then_some((card.end, card.grouped > 1))
}

fn read(text: &str, at: usize) -> Option<Card> {
    let mut card = Card { digits: [0; LONGEST], count: 0, end: at, groups: [0; 8], grouped: 0 };
    let (mut pos, mut between) = (at, None);
    loop {
        while let Some((value, length)) = digit(text.as_bytes(), pos) {
            *card.digits.get_mut(card.count)? = value;
            *card.groups.get_mut(card.grouped)? += 1;
            card.count += 1;
            pos += length;
        }
        card.end = pos;
        card.grouped += 1;
        let Some((next, length)) = mark(text, pos).filter(|(m, _)| matches!(m, Mark::Blank | Mark::Hyphen)) else {
            break;
        };
        // One kind of mark, once, between two groups.
        if between.is_some_and(|b| b != next) || digit(text.as_bytes(), pos + length).is_none() || is_whole(&card) {
            break;
        }
        between = Some(next);
        pos += length;
    }
    (card.count >= 13).then_some(card)
}

/// What follows a whole number in groups of four is something else, such as a date.
fn is_whole(card: &Card) -> bool {
    card.grouped == 4 && card.groups[3] == 4 && luhn(&card.digits[..card.count])
}

fn well_grouped(card: &Card) -> bool {
    match &card.groups[..card.grouped.min(8)] {
        [_] | [4, 6, 4 | 5] | [4, 4, 4, 1 | 2 | 4] => true,
        [4, 4, 4, 4, last] => *last <= 3,
        [6, last] => *last >= 7,
        _ => false,
    }
}

fn is_issued(digits: &[u8]) -> bool {
    let head = digits.iter().take(6).fold(0_u32, |n, &d| n * 10 + u32::from(d));
    let (two, three, four) = (head / 10_000, head / 1_000, head / 100);
    let long = digits.len() >= 16;
    match digits.len() {
        13 | 19 if two / 10 == 4 => true,
        14 => matches!(two, 36 | 38 | 39) || matches!(three, 300..=305),
        15 => matches!(two, 34 | 37),
        16 if two / 10 == 4 || matches!(two, 51..=55) || matches!(four, 2221..=2720) => true,
        _ => {
            long && (matches!(two, 36 | 38 | 39 | 62 | 65 | 81 | 82)
                || matches!(three, 300..=305 | 508 | 644..=649)
                || matches!(four, 2200..=2204 | 3528..=3589 | 6011 | 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763))
        }
    }
}

/// Luhn's check: every second digit from the right is doubled.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &d)| {
            let doubled = u32::from(d) * (1 + u32::from(place % 2 == 1));
            doubled / 10 + doubled % 10
        })
        .sum();
    // Zeroes alone pass the sum.
    sum.is_multiple_of(10) && digits.iter().any(|&d| d != digits[0])
}
