//! Which rewriter reads an answer, by its declared type and charset. What is not listed here cannot be read.

use std::sync::Arc;

use super::{Rewrite, card, charset, csv, events, html, json, text, xml};
use crate::addresses::OwnAddresses;
use crate::masking::Plan;

/// A format that can be rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON document, RFC 8259.
    Json,
    /// One after the other.
    JsonLines,
    /// HTML.
    Html {
        /// Whether the header names its charset. When not, browsers look for it in the page.
        charset_declared: bool,
    },
    /// XML of any kind: RSS, Atom, SVG.
    Xml,
    /// Values separated by commas or semicolons, RFC 4180.
    Csv,
    /// Values separated by tabs.
    Tsv,
    /// What says that it is a workbook of Excel's, as apps call their CSV so that it opens there. A workbook has zero
    /// bytes, and is refused as no CSV.
    Sheet,
    /// Plain text.
    Text,
    /// vCard and iCalendar.
    Card,
    /// A stream of events.
    Events,
}

/// What can be done with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readable {
    /// It is read and rewritten.
    As(Format),
    /// It holds nothing that could be read as text: an image, a font, a sound. The content is compared.
    Picture,
    /// It cannot be read.
    No,
}

impl Readable {
    /// By `Content-Type`.
    #[must_use]
    pub fn of(content_type: &str) -> Self {
        let (essence, parameters) = content_type.split_once(';').map_or((content_type, ""), |(e, p)| (e, p));
        let essence = essence.trim().to_ascii_lowercase();
        // A list of types, or a parameter that is two, is read differently by every client.
        if content_type.contains(',')
            || charsets(parameters).count() > 1
            || charsets(parameters).any(|label| !charset::is_readable(label.as_bytes()))
        {
            return Self::No;
        }
        let charset_declared = charsets(parameters).next().is_some();
        let format = match essence.as_str() {
            "application/json" | "text/json" => Format::Json,
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/json-seq" => {
                Format::JsonLines
            }
            "text/html" | "application/xhtml+xml" => Format::Html { charset_declared },
            "text/csv" | "application/csv" | "text/x-csv" | "text/comma-separated-values" => Format::Csv,
            "text/tab-separated-values" | "text/tsv" => Format::Tsv,
            "application/vnd.ms-excel" | "application/excel" | "application/x-msexcel" => Format::Sheet,
            "text/plain" => Format::Text,
            "text/xml" | "application/xml" => Format::Xml,
            "text/vcard" | "text/x-vcard" | "text/directory" | "text/calendar" => Format::Card,
            "text/event-stream" => Format::Events,
            e if e.ends_with("+json") => Format::Json,
            e if e.ends_with("+xml") => Format::Xml,
            e if is_picture(e) => return Self::Picture,
            _ => return Self::No,
        };
        Self::As(format)
    }
}

fn is_picture(essence: &str) -> bool {
    matches!(
        essence,
        "image/png"
            | "image/jpeg"
            | "image/gif"
            | "image/webp"
            | "image/avif"
            | "image/bmp"
            | "image/x-icon"
            | "image/vnd.microsoft.icon"
            | "font/woff"
            | "font/woff2"
            | "audio/mpeg"
            | "audio/ogg"
            | "video/mp4"
            | "video/webm"
    )
}

/// The charsets that a type names.
fn charsets(parameters: &str) -> impl Iterator<Item = &str> {
    parameters.split(';').filter_map(|p| {
        let (name, value) = p.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']))
    })
}

/// What rewriters need of a plan, made ready when the policy is compiled.
pub struct Rewriters {
    plan: Arc<Plan>,
    json: Arc<json::Rules>,
}

impl Rewriters {
    /// Makes a plan ready.
    #[must_use]
    pub fn of(plan: Arc<Plan>) -> Self {
        let json = Arc::new(json::Rules::of(&plan));
        Self { plan, json }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// A rewriter of a format, for an app with these addresses.
    pub(super) fn of_format(&self, format: Format, addresses: Option<&Arc<OwnAddresses>>) -> Box<dyn Rewrite> {
        match format {
            Format::Json => Box::new(json::Json::new(self.json.clone())),
            Format::JsonLines => Box::new(json::Json::lines(self.json.clone())),
            Format::Html { charset_declared } => {
                Box::new(html::Html::new(&self.plan, charset_declared).naming(addresses.cloned()))
            }
            Format::Xml => Box::new(xml::Xml::new()),
            Format::Csv | Format::Sheet => Box::new(csv::Csv::new()),
            Format::Tsv => Box::new(csv::Csv::tabs()),
            Format::Text => Box::new(text::Text::new()),
            Format::Card => Box::new(card::Card::new()),
            Format::Events => Box::new(events::Events::new(self.json.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_charsets() {
        for (content_type, expected) in [
            ("text/html; charset=utf-8", Readable::As(Format::Html { charset_declared: true })),
            ("Application/Problem+JSON", Readable::As(Format::Json)),
            ("application/rss+xml", Readable::As(Format::Xml)),
            ("image/svg+xml", Readable::As(Format::Xml)),
            ("text/csv", Readable::As(Format::Csv)),
            ("application/vnd.ms-excel", Readable::As(Format::Sheet)),
            ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Readable::No),
            ("text/plain;charset=ISO-8859-1", Readable::As(Format::Text)),
            ("image/png", Readable::Picture),
            ("text/html; charset=utf-7", Readable::No),
            ("text/html; charset=utf-16", Readable::No),
            ("text/html; charset=utf-8; charset=utf-16", Readable::No),
            ("text/html, application/pdf", Readable::No),
            ("text/javascript", Readable::No),
            ("application/pdf", Readable::No),
            ("application/octet-stream", Readable::No),
            ("", Readable::No),
        ] {
            assert_eq!(Readable::of(content_type), expected, "{content_type}");
        }
    }
}
