//! Texts in lines that are no wider than a terminal.

/// The width that every terminal has.
pub const COLUMNS: usize = 80;
/// Where a word was cut off.
const CUT: char = '…';
/// Under what the lines after the first begin.
pub const INDENT: usize = 9;

/// `begin`, and behind it the words of `text`, in as many lines as they need.
pub fn wrapped(begin: &str, text: &str) -> String {
    let mut out = begin.to_owned();
    let mut at = width(begin);
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let word = cut(word);
        let long = width(&word);
        if at + 1 + long > COLUMNS {
            out.push('\n');
            out.push_str(&" ".repeat(INDENT));
            at = INDENT;
        } else {
            out.push(' ');
            at += 1;
        }
        out.push_str(&word);
        at += long;
    }
    out.push('\n');
    out
}

/// A word that fits into one line.
fn cut(word: &str) -> String {
    let (mut out, mut left) = (String::new(), COLUMNS - INDENT - columns(CUT));
    for c in word.chars() {
        let Some(rest) = left.checked_sub(columns(c)) else {
            out.push(CUT);
            return out;
        };
        left = rest;
        out.push(c);
    }
    out
}

/// How many columns a text takes.
pub fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// How many columns a character may take: the scripts of East Asia and pictures take two.
fn columns(c: char) -> usize {
    if u32::from(c) < 0x1100 { 1 } else { 2 }
}
