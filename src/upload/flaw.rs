//! What can be wrong with a file, each with what its sender can do about it: a name wants another advice than a
//! program, and a program another than a document.

/// What is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Flaw {
    /// In fixed words, for the person and for records.
    pub what: &'static str,
    /// What the person can do, as a sentence.
    pub advice: &'static str,
}

impl Flaw {
    /// Whether it would be run or opened in what runs it, whatever it is called.
    #[must_use]
    pub fn runs(&self) -> bool {
        [PROGRAM, MARKUP, DRAWING, MACRO_DOCUMENT, SHORTCUT, CONTAINER].contains(&self)
    }
}

macro_rules! flaws {
    ($($(#[$doc:meta])* $name:ident = $what:literal, $advice:literal;)*) => {
        $($(#[$doc])* pub const $name: &Flaw = &Flaw { what: $what, advice: $advice };)*
        /// Every flaw.
        pub const FLAWS: &[&Flaw] = &[$($name),*];
    };
}

flaws! {
    /// An empty name.
    NAMELESS = "a file without a name", "Give it a name with an ending, such as offer.pdf, and send it again.";
    /// A name without an extension.
    NO_ENDING = "a name without an ending, such as .png", "Add the ending of its type to its name, such as .pdf, and send it again.";
    /// More characters than file systems and apps take.
    LONG_NAME = "a name of more than 150 characters", "Give it a shorter name and send it again.";
    /// Characters that do not show, or turn the direction of text.
    HIDDEN = "a name with characters that do not show", "Type its name anew instead of pasting it, and send it again.";
    /// Separators of paths, wildcards.
    ODD_CHARACTERS = "a name with characters that file systems do not allow",
        "Take these characters out of its name and send it again: / \\ : * \" < > |";
    /// A dot or a blank where file systems drop it.
    EDGES = "a name that begins or ends with a dot or a blank",
        "Take the dot or blank at the beginning or end of its name away and send it again.";
    /// RFC 2047.
    ENCODED_WORD = "a name with an encoded word", "Take =? out of its name and send it again.";
    /// `&amp;` and the like.
    ENTITY = "a name with an HTML entity", "Take & and ; out of its name and send it again.";
    /// Apps read different extensions in it.
    TWO_ENDINGS = "a name whose end is read in different ways",
        "Give it a plain name with one ending, such as offer.pdf, and send it again.";
    /// An extension that servers run, before the last one.
    ENDING_INSIDE = "a name with the ending of a program before its own",
        "Take every dot but the last out of its name and send it again.";
    /// An extension of a program, or content that is one.
    PROGRAM = "a program or script", "Programs and scripts are not accepted under any name. Ask the contact below how else to hand it over.";
    /// HTML, XML and the like, by name or content.
    MARKUP = "a web page", "Web pages are not accepted under any name. Save it as a PDF, or paste its text.";
    /// SVG.
    DRAWING = "a drawing that can hold a script", "Save the picture as PNG and send that.";
    /// Documents with macros, by name.
    MACRO_DOCUMENT = "a document with macros", "Save it without macros, as docx, xlsx or pptx, and send that.";
    /// Links and settings that a desktop follows.
    SHORTCUT = "a shortcut or settings file", "Paste into the text where it leads or what it says.";
    /// Images of disks, notebooks.
    CONTAINER = "an image of a disk, or a notebook", "Send the files in it one by one.";
    /// Markup in an image.
    SCRIPT_IN_IMAGE = "an image that holds a script", "Save the picture again in an image program, or send a screenshot of it.";
    /// Archives without one reading.
    ODD_ARCHIVE = "an archive that programs read in different ways",
        "Pack it anew as a plain ZIP file, or open the document and save it again, then send that.";
    /// A document without its main part.
    NO_DOCUMENT = "an archive that is no document", "Open it in its program, save it again and send that.";
    /// A decompression bomb.
    BOMB = "an archive that is far larger when it is unpacked", "Send the files in it one by one.";
    /// Too many members.
    MANY_MEMBERS = "an archive of more than 2000 files", "Send only the files that are needed.";
    /// Encrypted.
    PASSWORD = "an archive with a password", "Pack it without a password: what is in it cannot be checked.";
    /// `..` and absolute paths.
    PATH_OUTSIDE = "a member whose path leads out of the archive", "Pack the files anew from within their own folder, and send that.";
    /// A program in an archive.
    MEMBER_RUNS = "a member that a desktop would run", "Take programs, scripts and shortcuts out of it, and send the rest.";
    /// A name in an archive.
    MEMBER_NAME = "a member with a name that is not accepted", "Give the files in it plain names, pack them anew and send that.";
    /// An archive in an archive.
    NESTED = "an archive inside of an archive", "Unpack the archives in it, and pack all files into one.";
    /// Macros and embedded programs of a document.
    MACROS = "a document with macros or programs", "Save it without macros and embedded objects, and send that.";
}

/// What content of this media type is that nobody may send under any name.
#[must_use]
pub fn of_content(found: &str) -> Option<&'static Flaw> {
    match found {
        "application/vnd.microsoft.portable-executable"
        | "application/x-executable"
        | "application/x-mach-binary"
        | "application/java"
        | "application/wasm"
        | "application/x-llvm"
        | "application/vnd.android.dex"
        | "application/vnd.android.dey"
        | "text/x-shellscript" => Some(PROGRAM),
        "text/html" | "text/xml" | "text/markup" => Some(MARKUP),
        _ => None,
    }
}

/// What a file is whose name ends so, in lower case, when that is run or opened in what runs it.
#[must_use]
pub fn of_ending(ending: &str) -> &'static Flaw {
    match ending {
        "htm" | "html" | "xhtml" | "shtml" | "xml" | "xsl" => MARKUP,
        "svg" | "svgz" => DRAWING,
        "docm" | "xlsm" | "pptm" | "dotm" => MACRO_DOCUMENT,
        "lnk" | "url" | "reg" | "htaccess" | "htpasswd" | "cer" => SHORTCUT,
        "iso" | "img" | "vhd" | "one" => CONTAINER,
        _ => PROGRAM,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flaw_has_words_and_advice_of_its_own_kind() {
        for flaw in FLAWS {
            assert!(flaw.advice.ends_with(['.', '|']) && !flaw.what.is_empty(), "{flaw:?}");
            assert_eq!(FLAWS.iter().filter(|f| f.what == flaw.what).count(), 1, "{flaw:?}");
        }
        // Another name makes nothing of these acceptable.
        for flaw in [PROGRAM, MARKUP, DRAWING, MACRO_DOCUMENT, SHORTCUT, CONTAINER, MEMBER_RUNS, MACROS] {
            for advice in ["its name", "a name", "shorter", "plain name", "simpler"] {
                assert!(!flaw.advice.contains(advice), "{flaw:?}");
            }
        }
    }
}
