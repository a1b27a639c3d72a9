//! Character references of HTML, as browsers undo them (HTML standard, 13.2.5.72 on).

use super::single;

/// The named references that stand for what numbers and addresses are made of.
const NAMED: [(&str, char); 70] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{a0}'),
    ("commat", '@'),
    ("plus", '+'),
    ("lpar", '('),
    ("rpar", ')'),
    ("period", '.'),
    ("sol", '/'),
    ("num", '#'),
    ("colon", ':'),
    ("comma", ','),
    ("hyphen", '\u{2010}'),
    ("dash", '\u{2010}'),
    ("ndash", '\u{2013}'),
    ("mdash", '\u{2014}'),
    ("lowbar", '_'),
    ("percnt", '%'),
    ("ensp", '\u{2002}'),
    ("emsp", '\u{2003}'),
    ("thinsp", '\u{2009}'),
    ("shy", '\u{ad}'),
    ("Tab", '\t'),
    ("NewLine", '\n'),
    ("numsp", '\u{2007}'),
    ("puncsp", '\u{2008}'),
    ("hairsp", '\u{200a}'),
    ("emsp13", '\u{2004}'),
    ("emsp14", '\u{2005}'),
    ("ZeroWidthSpace", '\u{200b}'),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
    ("lrm", '\u{200e}'),
    ("rlm", '\u{200f}'),
    ("NonBreakingSpace", '\u{a0}'),
    ("minus", '\u{2212}'),
    ("horbar", '\u{2015}'),
    ("middot", '\u{b7}'),
    ("centerdot", '\u{b7}'),
    ("CenterDot", '\u{b7}'),
    ("bull", '\u{2022}'),
    ("bullet", '\u{2022}'),
    ("MediumSpace", '\u{205f}'),
    ("ThinSpace", '\u{2009}'),
    ("VeryThinSpace", '\u{200a}'),
    ("lsqb", '['),
    ("lbrack", '['),
    ("rsqb", ']'),
    ("rbrack", ']'),
    ("UnderBar", '_'),
    ("NoBreak", '\u{2060}'),
    ("af", '\u{2061}'),
    ("ApplyFunction", '\u{2061}'),
    ("it", '\u{2062}'),
    ("InvisibleTimes", '\u{2062}'),
    ("ic", '\u{2063}'),
    ("InvisibleComma", '\u{2063}'),
    ("NegativeMediumSpace", '\u{200b}'),
    ("NegativeThickSpace", '\u{200b}'),
    ("NegativeThinSpace", '\u{200b}'),
    ("NegativeVeryThinSpace", '\u{200b}'),
    ("QUOT", '"'),
    ("AMP", '&'),
    ("semi", ';'),
    ("equals", '='),
    ("quest", '?'),
    ("bsol", '\\'),
];
/// Those that are undone without their semicolon too, whatever follows.
const OLD: [(&str, char); 9] = [
    ("amp", '&'),
    ("AMP", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("QUOT", '"'),
    ("nbsp", '\u{a0}'),
    ("shy", '\u{ad}'),
    ("middot", '\u{b7}'),
];

/// The reference that `at` begins with, and its length: a number of any width, or a name.
#[must_use]
pub fn read(at: &str) -> Option<(char, usize)> {
    let bytes = at.as_bytes();
    if bytes.get(1) == Some(&b'#') {
        let hex = matches!(bytes.get(2), Some(b'x' | b'X'));
        let start = if hex { 3 } else { 2 };
        let is_digit = |b: &&u8| if hex { b.is_ascii_hexdigit() } else { b.is_ascii_digit() };
        let count = bytes.iter().skip(start).take_while(is_digit).count();
        let value = at[start..start + count].trim_start_matches('0');
        let code =
            u32::from_str_radix(if value.is_empty() && count > 0 { "0" } else { value }, if hex { 16 } else { 10 });
        let end = start + count;
        let length = end + usize::from(bytes.get(end) == Some(&b';'));
        let c = match code.ok()? {
            0 => '\u{fffd}',
            // Browsers read these as Windows-1252.
            code @ 0x80..=0x9f => u8::try_from(code).map_or('\u{fffd}', single),
            code => char::from_u32(code).unwrap_or('\u{fffd}'),
        };
        return Some((c, length));
    }
    let name = bytes.iter().skip(1).take_while(|b| b.is_ascii_alphanumeric()).take(24).count();
    let end = 1 + name;
    let named = NAMED.iter().find(|(known, _)| at.get(1..end) == Some(*known) && bytes.get(end) == Some(&b';'));
    let old = || OLD.iter().find(|(known, _)| at[1..].starts_with(known)).map(|(known, c)| (*c, 1 + known.len()));
    named.map(|(_, c)| (*c, end + 1)).or_else(old)
}
