//! What the check digits of national ids say. Each gets digits and capital letters, without marks.

use crate::detect::card::luhn;

/// The values of digits.
fn values(read: &[u8]) -> impl DoubleEndedIterator<Item = u32> + '_ {
    read.iter().map(|c| u32::from(c.wrapping_sub(b'0')))
}

fn number(read: &[u8]) -> u64 {
    values(read).fold(0, |n, d| n * 10 + u64::from(d))
}

fn weighted(read: &[u8], weights: &[u32]) -> u32 {
    values(read).zip(weights).map(|(d, w)| d * w).sum()
}

/// Whether all are the same, as people type who have no number.
fn uniform(read: &[u8]) -> bool {
    read.windows(2).all(|pair| pair[0] == pair[1])
}

/// A day of a month, as far as it can be told without the year.
fn is_day(day: u64, month: u64) -> bool {
    (1..=12).contains(&month) && (1..=31).contains(&day) && !(month == 2 && day > 29)
}

pub(super) fn us_ssn(read: &[u8]) -> bool {
    let (area, group, serial) = (number(&read[..3]), number(&read[3..5]), number(&read[5..]));
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0
}

/// ISO 7064, mod 11, 10; one of the first ten digits is there twice or thrice.
pub(super) fn de_tax_id(read: &[u8]) -> bool {
    let mut times = [0_u8; 10];
    for c in &read[..10] {
        times[usize::from(c - b'0')] += 1;
    }
    let repeated = times.iter().filter(|&&n| n > 1).count() == 1 && times.iter().all(|&n| n <= 3);
    let product = values(&read[..10]).fold(10, |product, d| {
        let sum = (d + product) % 10;
        2 * if sum == 0 { 10 } else { sum } % 11
    });
    read[0] != b'0' && repeated && (11 - product) % 10 == u32::from(read[10] - b'0')
}

pub(super) fn nl_bsn(read: &[u8]) -> bool {
    let sum = weighted(&read[..8], &[9, 8, 7, 6, 5, 4, 3, 2]);
    !uniform(read) && sum % 11 == u32::from(read[8] - b'0')
}

pub(super) fn pl_pesel(read: &[u8]) -> bool {
    // The century is in the month.
    let month = number(&read[2..4]) % 20;
    let sum = weighted(read, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    is_day(number(&read[4..6]), month) && sum.is_multiple_of(10)
}

pub(super) fn es_dni(read: &[u8]) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let (Some((&last, rest)), first) = (read.split_last(), read[0]) else { return false };
    let value = match first {
        b'X' | b'Y' | b'Z' => u64::from(first - b'X') * 10_000_000 + number(&rest[1..]),
        b'0'..=b'9' => number(rest),
        _ => return false,
    };
    usize::try_from(value % 23).is_ok_and(|place| LETTERS[place] == last)
}

pub(super) fn fr_nir(read: &[u8]) -> bool {
    let month = number(&read[3..5]);
    let plausible = matches!(read[0], b'1' | b'2' | b'7' | b'8') && matches!(month, 1..=12 | 20..=42 | 50..=99);
    // Corsica has letters: 2A counts as 19, 2B as 18.
    let mut plain = [0; 13];
    plain.copy_from_slice(&read[..13]);
    match (plain[5], plain[6]) {
        (_, b'0'..=b'9') => {}
        (b'2', b'A') => plain[5..7].copy_from_slice(b"19"),
        (b'2', b'B') => plain[5..7].copy_from_slice(b"18"),
        _ => return false,
    }
    plausible && 97 - number(&plain) % 97 == number(&read[13..])
}

pub(super) fn uk_nino(read: &[u8]) -> bool {
    let (first, second) = (read[0], read[1]);
    let unused = matches!(&read[..2], b"BG" | b"GB" | b"NK" | b"KN" | b"TN" | b"NT" | b"ZZ");
    let fine = !b"DFIQUV".contains(&first) && !b"DFIOQUV".contains(&second) && !unused;
    // QQ is what examples have.
    (fine || &read[..2] == b"QQ") && (b'A'..=b'D').contains(&read[8])
}

pub(super) fn it_codice_fiscale(read: &[u8]) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let value = |c: u8| usize::from(if c.is_ascii_digit() { c - b'0' } else { c - b'A' });
    let sum: u32 = read[..15]
        .iter()
        .enumerate()
        .map(|(place, &c)| if place % 2 == 0 { ODD[value(c)] } else { u32::try_from(value(c)).unwrap_or(0) })
        .sum();
    b"ABCDEHLMPRST".contains(&read[8]) && sum % 26 == u32::from(read[15] - b'A')
}

pub(super) fn br_cpf(read: &[u8]) -> bool {
    let check = |count: usize| {
        let sum: u32 = values(&read[..count]).zip((2..=11).rev().skip(10 - count)).map(|(d, w)| d * w).sum();
        sum * 10 % 11 % 10 == u32::from(read[count] - b'0')
    };
    !uniform(read) && check(9) && check(10)
}

/// Verhoeff's check over the group of the pentagon.
pub(super) fn in_aadhaar(read: &[u8]) -> bool {
    const TURN: [[u8; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    let product = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a - 5 + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let check =
        read.iter().rev().enumerate().fold(0, |c, (place, &d)| product(c, TURN[place % 8][usize::from(d - b'0')]));
    matches!(read[0], b'2'..=b'9') && check == 0
}

pub(super) fn se_personnummer(read: &[u8]) -> bool {
    let short = &read[read.len() - 10..];
    let century = if read.len() == 12 { matches!(&read[..2], b"18" | b"19" | b"20") } else { true };
    let mut digits = [0; 10];
    for (digit, c) in digits.iter_mut().zip(short) {
        *digit = c - b'0';
    }
    // Sixty is added to the day of those who were not born there.
    century && is_day(number(&short[4..6]) % 60, number(&short[2..4])) && luhn(&digits)
}

pub(super) fn ch_ahv(read: &[u8]) -> bool {
    read.starts_with(b"756") && weighted(read, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
}

pub(super) fn be_national(read: &[u8]) -> bool {
    let (birth, check) = (number(&read[..9]), number(&read[9..]));
    let remainder = |n: u64| 97 - n % 97;
    // People born since 2000 count with a 2 before.
    is_day(number(&read[4..6]), number(&read[2..4]))
        && (remainder(birth) == check || remainder(birth + 2_000_000_000) == check)
}

pub(super) fn fi_hetu(read: &[u8]) -> bool {
    const LETTERS: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let (tail, century) = if read.len() == 11 { (&read[7..], Some(read[6])) } else { (&read[6..], None) };
    let value = number(&read[..6]) * 1_000 + number(&tail[..3]);
    century.is_none_or(|c| b"ABCDEFUVWXY".contains(&c))
        && is_day(number(&read[..2]), number(&read[2..4]))
        && usize::try_from(value % 31).is_ok_and(|place| LETTERS[place] == tail[3])
}

pub(super) fn no_fodselsnummer(read: &[u8]) -> bool {
    let first = weighted(read, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]);
    let second = weighted(read, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]);
    is_day(number(&read[..2]) % 40, number(&read[2..4])) && first.is_multiple_of(11) && second.is_multiple_of(11)
}

pub(super) fn dk_cpr(read: &[u8]) -> bool {
    is_day(number(&read[..2]), number(&read[2..4]))
}

pub(super) fn cn_resident(read: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let birth = is_day(number(&read[12..14]), number(&read[10..12])) && matches!(&read[6..8], b"18" | b"19" | b"20");
    let place = usize::try_from(weighted(&read[..17], &WEIGHTS) % 11).unwrap_or(0);
    birth && b"10X98765432"[place] == read[17]
}
