//! Names of files. Names in any language pass; what apps, servers and file systems read in different
//! ways is refused (CWE-434).

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization;

use super::flaw::{self, Flaw};
use crate::text::is_invisible;

/// The longest name, in characters.
const MAX_NAME: usize = 150;

/// What servers run wherever in a name it stands: some look at every extension.
const RUN_ANYWHERE: &[&str] = &[
    "php", "php3", "php4", "php5", "php7", "phar", "phtml", "pht", "asp", "aspx", "ashx", "asmx", "cer", "jsp", "jspx",
    "cgi", "pl", "py", "rb", "shtml", "exe", "scr", "bat", "cmd", "vbs", "hta", "htaccess", "htpasswd",
];

/// What desktops and browsers run at the end of a name.
const RUN: &[&str] = &[
    "war", "sh", "bash", "dll", "com", "pif", "cpl", "msi", "msp", "ps1", "psm1", "vbe", "js", "jse", "mjs", "wsf",
    "wsh", "lnk", "url", "reg", "jar", "app", "apk", "htm", "html", "xhtml", "svg", "svgz", "xml", "xsl", "swf",
    "docm", "xlsm", "pptm", "dotm", "iso", "img", "vhd", "one",
];

/// The extension of `name` in lower case; empty when it has none.
///
/// # Errors
/// What is wrong with the name.
pub fn extension(name: &str) -> Result<String, &'static Flaw> {
    let found = extension_of(name)?;
    // Whichever of these an app reads, it must find the same.
    let shown: String = name.chars().filter(|c| !is_dropped(*c)).collect();
    let mut decoded = name.to_owned();
    for _ in 0..3 {
        decoded = percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
    }
    for other in [name.nfkc().collect(), shown, decoded.nfkc().collect::<String>()] {
        if extension_of(&other)? != found {
            return Err(flaw::TWO_ENDINGS);
        }
    }
    Ok(found)
}

/// What some apps drop from names, or take for a blank.
fn is_dropped(c: char) -> bool {
    let private = matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}');
    is_invisible(c) || private || (c.is_whitespace() && c != ' ')
}

fn extension_of(name: &str) -> Result<String, &'static Flaw> {
    if name.is_empty() {
        return Err(flaw::NAMELESS);
    }
    if name.chars().count() > MAX_NAME {
        return Err(flaw::LONG_NAME);
    }
    // Marks of direction and joiners belong to some languages; overrides to none.
    if name.chars().any(|c| c.is_control() || (is_invisible(c) && !matches!(c, '\u{200c}'..='\u{200f}'))) {
        return Err(flaw::HIDDEN);
    }
    let colon = name.split(':').skip(1).any(|after| !after.starts_with(' '));
    if colon || name.contains(['/', '\\', '*', '"', '<', '>', '|']) {
        return Err(flaw::ODD_CHARACTERS);
    }
    if name.starts_with('.') || name.ends_with(['.', ' ']) || name.starts_with(' ') {
        return Err(flaw::EDGES);
    }
    if name.contains("=?") {
        return Err(flaw::ENCODED_WORD);
    }
    if has_entity(name) {
        return Err(flaw::ENTITY);
    }
    let pieces: Vec<String> = name.to_lowercase().split('.').skip(1).map(str::to_owned).collect();
    let last = pieces.last().cloned().unwrap_or_default();
    // Some servers end a name at a semicolon, some file systems at a colon.
    let runs = |piece: &String| piece.split([';', ':']).next().is_some_and(|p| RUN_ANYWHERE.contains(&p.trim()));
    let is_program = RUN.contains(&last.as_str()) || RUN_ANYWHERE.contains(&last.as_str());
    if is_program {
        return Err(flaw::of_ending(&last));
    }
    if pieces.iter().any(runs) {
        return Err(flaw::ENDING_INSIDE);
    }
    if last.starts_with(char::is_whitespace) && !last.contains(' ') {
        return Err(flaw::TWO_ENDINGS);
    }
    Ok(last)
}

/// `&amp;`, `&#101;`: one stack undoes them in names.
fn has_entity(name: &str) -> bool {
    // Numbers are undone without the semicolon, too.
    name.contains("&#")
        || name.split('&').skip(1).any(|after| {
            after.split_once(';').is_some_and(|(word, _)| {
                !word.is_empty() && word.len() < 32 && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'#')
            })
        })
}

#[cfg(test)]
mod tests {
    use super::super::flaw;
    use super::extension;

    #[test]
    fn names_in_any_language_pass() {
        for (name, expected) in [
            ("Straße (final).v2.pdf", "pdf"),
            ("résumé.PDF", "pdf"),
            ("договор №5.docx", "docx"),
            ("合同 最终版.xlsx", "xlsx"),
            ("請求書（改）.pdf", "pdf"),
            ("계약서.pdf", "pdf"),
            ("عقد.pdf", "pdf"),
            ("חוזה.pdf", "pdf"),
            ("अनुबंध.pdf", "pdf"),
            ("สัญญา.pdf", "pdf"),
            ("συμβόλαιο.pdf", "pdf"),
            ("می\u{200c}خواهم.pdf", "pdf"),
            ("R&D, Q1 + Q2 - 100% [copy] {1} #2 @home!.png", "png"),
            ("O'Brien; draft=2.txt", "txt"),
            ("Offer%20final.pdf", "pdf"),
            ("no extension", ""),
            ("invoice from booking.com.pdf", "pdf"),
            ("Vue.js.pdf", "pdf"),
            ("1. Vertrag.pdf", "pdf"),
            ("Was ist das?.pdf", "pdf"),
            ("Re: Rechnung.pdf", "pdf"),
            ("\u{200e}חוזה.pdf", "pdf"),
            ("100%de.txt", "txt"),
        ] {
            assert_eq!(extension(name).as_deref(), Ok(expected), "{name}");
        }
    }

    #[test]
    fn each_wrong_name_is_told_as_what_it_is() {
        let long = format!("{}.png", "a".repeat(200));
        for (name, flaw) in [
            ("", flaw::NAMELESS),
            (long.as_str(), flaw::LONG_NAME),
            ("a\u{202e}gnp.exe", flaw::HIDDEN),
            ("a/b.png", flaw::ODD_CHARACTERS),
            ("a<b>.png", flaw::ODD_CHARACTERS),
            (".hidden", flaw::EDGES),
            ("a.png ", flaw::EDGES),
            ("=?utf-8?q?a?=.png", flaw::ENCODED_WORD),
            ("a&#46;png", flaw::ENTITY),
            ("evil.pn\u{ff47}", flaw::TWO_ENDINGS),
            ("evil.php.png", flaw::ENDING_INSIDE),
            ("evil.asp;.png", flaw::ENDING_INSIDE),
            ("setup.exe", flaw::PROGRAM),
            ("run.SH", flaw::PROGRAM),
            ("a.py", flaw::PROGRAM),
            ("page.html", flaw::MARKUP),
            ("logo.svg", flaw::DRAWING),
            ("list.xlsm", flaw::MACRO_DOCUMENT),
            ("desk.lnk", flaw::SHORTCUT),
            ("disk.iso", flaw::CONTAINER),
        ] {
            assert_eq!(extension(name), Err(flaw), "{name}");
        }
    }

    #[test]
    fn names_with_two_readings_do_not() {
        for name in [
            "",
            "evil.php.png",
            "evil.php .png",
            "evil.asp;.png",
            "evil.asp: x.png",
            "=?utf-8?q?evil=2Ephp?=.png",
            "evil.png.exe",
            "page.html",
            "x.SvG",
            ".htaccess",
            "evil.exe.",
            "evil.png ",
            "evil.asp::$DATA",
            "../../etc/passwd.png",
            "..\\evil.png",
            "evil.exe\0.png",
            "evil\u{202e}gnp.exe",
            "evil.\u{200b}png",
            "evil.ex&#101;",
            "evil&#46php.png",
            "evil.p\u{200c}hp.png",
            "evil.ph\u{e000}p.txt",
            "evil.\u{2003}txt",
            "a.txt\u{1680}",
            "evil.ph%EF%BD%90.txt",
            "evil%252ephp.txt",
            "evil.png&amp;.pdf",
            "evil.pn\u{ff47}",
            "evil\u{ff0e}php.png",
            "evil%2ephp",
            "evil.png%00",
            "evil%2f..%2fx.png",
            "evil.exe%2epng",
            "a\nb.png",
            "a<b>.png",
        ] {
            assert!(extension(name).is_err(), "{name:?}");
        }
        assert!(extension(&format!("{}.png", "a".repeat(5_000))).is_err());
    }
}
