//! The types of files that policies speak of.

/// A type of file.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name in policies.
    pub name: &'static str,
    extensions: &'static [&'static str],
    /// What clients declare it as, besides nothing and `application/octet-stream`.
    declared: &'static [&'static str],
    /// What its content is found to be.
    found: &'static [&'static str],
    shape: Shape,
}

#[derive(Debug, PartialEq, Eq)]
enum Shape {
    Plain,
    Image,
    /// A ZIP archive of any files.
    Archive,
    /// A ZIP archive of a known make-up.
    Document,
}

macro_rules! kinds {
    ($($shape:ident $name:literal $extensions:expr, $declared:expr, $found:expr;)*) => {
        /// All of them.
        pub const KINDS: &[Kind] = &[$(Kind {
            name: $name, extensions: &$extensions, declared: &$declared, found: &$found, shape: Shape::$shape,
        }),*];
    };
}

kinds! {
    Plain "pdf" ["pdf"], ["application/pdf", "application/x-pdf"], ["application/pdf"];
    Image "png" ["png"], ["image/png", "image/x-png"], ["image/png"];
    Image "jpeg" ["jpg", "jpeg", "jpe", "jfif"], ["image/jpeg", "image/jpg", "image/pjpeg"], ["image/jpeg"];
    Image "gif" ["gif"], ["image/gif"], ["image/gif"];
    Image "webp" ["webp"], ["image/webp"], ["image/webp"];
    Image "bmp" ["bmp"], ["image/bmp", "image/x-ms-bmp"], ["image/bmp"];
    Image "tiff" ["tif", "tiff"], ["image/tiff"], ["image/tiff"];
    Image "heic" ["heic", "heif"], ["image/heic", "image/heif"], ["image/heif", "image/heic"];
    Plain "mp4" ["mp4", "m4v"], ["video/mp4", "video/x-m4v"], ["video/mp4", "video/x-m4v"];
    Plain "mov" ["mov", "qt"], ["video/quicktime"], ["video/quicktime"];
    Plain "webm" ["webm"], ["video/webm", "audio/webm"], ["video/webm"];
    Plain "mp3" ["mp3"], ["audio/mpeg", "audio/mp3"], ["audio/mpeg"];
    Plain "m4a" ["m4a"], ["audio/mp4", "audio/x-m4a", "audio/m4a"], ["audio/m4a", "audio/mp4", "audio/x-m4a"];
    Plain "wav" ["wav"], ["audio/wav", "audio/x-wav", "audio/wave"], ["audio/x-wav", "audio/wav"];
    Plain "ogg" ["ogg", "oga", "opus"], ["audio/ogg", "application/ogg", "audio/opus"], ["audio/ogg", "application/ogg", "audio/opus"];
    Document "docx" ["docx"], ["application/vnd.openxmlformats-officedocument.wordprocessingml.document", "application/zip", "application/msword"],
        ["application/vnd.openxmlformats-officedocument.wordprocessingml.document", "application/zip"];
    Document "xlsx" ["xlsx"], ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application/zip", "application/vnd.ms-excel"],
        ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application/zip"];
    Document "pptx" ["pptx"], ["application/vnd.openxmlformats-officedocument.presentationml.presentation", "application/zip", "application/vnd.ms-powerpoint"],
        ["application/vnd.openxmlformats-officedocument.presentationml.presentation", "application/zip"];
    Document "odt" ["odt"], ["application/vnd.oasis.opendocument.text"], ["application/vnd.oasis.opendocument.text"];
    Document "ods" ["ods"], ["application/vnd.oasis.opendocument.spreadsheet"], ["application/vnd.oasis.opendocument.spreadsheet"];
    Document "odp" ["odp"], ["application/vnd.oasis.opendocument.presentation"], ["application/vnd.oasis.opendocument.presentation"];
    Plain "doc" ["doc"], ["application/msword"], ["application/msword"];
    Plain "xls" ["xls"], ["application/vnd.ms-excel"], ["application/vnd.ms-excel"];
    Plain "ppt" ["ppt"], ["application/vnd.ms-powerpoint"], ["application/vnd.ms-powerpoint"];
    Plain "rtf" ["rtf"], ["application/rtf", "text/rtf"], ["application/rtf", "text/rtf"];
    Archive "zip" ["zip"], ["application/zip", "application/x-zip-compressed"], ["application/zip"];
    Plain "txt" ["txt", "log", "md"], ["text/plain", "text/markdown"], ["text/plain"];
    Plain "csv" ["csv", "tsv"], ["text/csv", "text/comma-separated-values", "text/plain", "text/tab-separated-values", "application/csv", "application/vnd.ms-excel"], ["text/plain"];
    Plain "eml" ["eml"], ["message/rfc822", "text/plain"], ["text/plain"];
}

impl Kind {
    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|k| k.name == name)
    }

    /// The kind of files whose names end so, in lower case.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<&'static Self> {
        KINDS.iter().find(|k| k.extensions.contains(&extension))
    }

    /// Whether clients declare it as `media_type`, in lower case.
    #[must_use]
    pub fn declares(&self, media_type: &str) -> bool {
        // Some clients declare how it should be handled, not what it is.
        let nothing = [
            "",
            "application/octet-stream",
            "binary/octet-stream",
            "application/x-download",
            "application/force-download",
        ];
        let text = self.holds("text/plain") && matches!(media_type, "text/x-log" | "text/comma-separated-values");
        text || nothing.contains(&media_type) || self.declared.contains(&media_type)
    }

    /// Whether its content may be of `media_type`.
    #[must_use]
    pub fn holds(&self, media_type: &str) -> bool {
        self.found.contains(&media_type)
    }

    /// Whether it is an image.
    #[must_use]
    pub fn is_image(&self) -> bool {
        self.shape == Shape::Image
    }

    /// Whether it is an archive by its make-up.
    #[must_use]
    pub fn is_archive(&self) -> bool {
        matches!(self.shape, Shape::Archive | Shape::Document)
    }

    /// The member without which it is not what its name says; signatures tell only how some programs
    /// order the members.
    #[must_use]
    pub fn marker(&self) -> Option<&'static str> {
        match self.name {
            "docx" => Some("word/document.xml"),
            "xlsx" => Some("xl/workbook.xml"),
            "pptx" => Some("ppt/presentation.xml"),
            _ => None,
        }
    }

    /// Whether it is an archive of known make-up.
    #[must_use]
    pub fn is_document(&self) -> bool {
        self.shape == Shape::Document
    }
}
