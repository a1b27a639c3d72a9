//! Names of files. Names in any language pass; what apps, servers and file systems read in different
//! ways is refused (rows C10x to C127 of the adversary's list).

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization;

use crate::text::is_invisible;

/// The longest name, in characters.
const MAX_NAME: usize = 150;

/// What servers and desktops run, wherever in a name it stands: some look at every extension.
const RUN: &[&str] = &[
    "php", "php3", "php4", "php5", "php7", "phar", "phtml", "pht", "asp", "aspx", "ashx", "asmx", "cer", "jsp", "jspx",
    "war", "cgi", "pl", "py", "rb", "sh", "bash", "exe", "dll", "com", "scr", "pif", "cpl", "msi", "msp", "bat", "cmd",
    "ps1", "psm1", "vbs", "vbe", "js", "jse", "mjs", "wsf", "wsh", "hta", "lnk", "url", "reg", "jar", "app", "apk",
    "htm", "html", "xhtml", "shtml", "svg", "svgz", "xml", "xsl", "swf", "htaccess", "htpasswd", "docm", "xlsm",
    "pptm", "dotm", "iso", "img", "vhd", "one",
];

/// The extension of `name` in lower case; empty when it has none.
///
/// # Errors
/// What is wrong with the name.
pub(super) fn extension(name: &str) -> Result<String, &'static str> {
    let folded: String = name.nfkc().collect();
    let decoded = percent_decode_str(name).decode_utf8().map_err(|_| "a name with odd percent signs")?;
    let found = extension_of(name)?;
    // Whichever of these an app reads, it must find the same.
    for other in [folded.as_str(), &decoded] {
        if extension_of(other)? != found {
            return Err("a name whose end is read in different ways");
        }
    }
    Ok(found)
}

fn extension_of(name: &str) -> Result<String, &'static str> {
    if name.is_empty() {
        return Err("a file without a name");
    }
    if name.chars().count() > MAX_NAME {
        return Err("a name of more than 150 characters");
    }
    if name.chars().any(|c| c.is_control() || (is_invisible(c) && !matches!(c, '\u{200c}' | '\u{200d}'))) {
        return Err("a name with characters that do not show");
    }
    if name.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|']) {
        return Err("a name with characters that file systems do not allow");
    }
    if name.starts_with('.') || name.ends_with(['.', ' ']) || name.starts_with(' ') {
        return Err("a name that begins or ends with a dot or a blank");
    }
    if has_entity(name) {
        return Err("a name with an HTML entity");
    }
    let pieces: Vec<String> = name.to_lowercase().split('.').skip(1).map(|p| p.trim().to_owned()).collect();
    if pieces.iter().any(|p| RUN.contains(&p.as_str())) {
        return Err("a name under which it would be run");
    }
    Ok(pieces.last().cloned().unwrap_or_default())
}

/// `&amp;`, `&#101;`: one stack undoes them in names.
fn has_entity(name: &str) -> bool {
    name.split('&').skip(1).any(|after| {
        after.split_once(';').is_some_and(|(word, _)| {
            !word.is_empty() && word.len() < 32 && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'#')
        })
    })
}

#[cfg(test)]
mod tests {
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
        ] {
            assert_eq!(extension(name).as_deref(), Ok(expected), "{name}");
        }
    }

    #[test]
    fn names_with_two_readings_do_not() {
        for name in [
            "",
            "evil.php.png",
            "evil.php .png",
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
