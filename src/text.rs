//! Characters that people do not see, or that apps do not tell apart; and texts looked at 64 bytes at a time.

pub(crate) mod inline;
pub(crate) mod lanes;

/// `text` as apps see it that do not tell upper from lower case, or that fold letters as Unicode does.
#[must_use]
pub fn folded(text: &str) -> String {
    text.to_lowercase().replace('\u{17f}', "s")
}

/// Whether `c` does not show, or turns the direction of what follows: a text with it looks like
/// another one.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

const TOKEN: [bool; 256] = {
    let mut token = [false; 256];
    let mut b = 0_u8;
    while b < 128 {
        token[b as usize] = b.is_ascii_alphanumeric();
        b += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < others.len() {
        token[others[at] as usize] = true;
        at += 1;
    }
    token
};

/// Whether a name of a header or cookie may have it (`token`, RFC 9110, 5.6.2).
#[must_use]
pub fn is_token(b: u8) -> bool {
    TOKEN[usize::from(b)]
}
