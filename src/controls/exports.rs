//! Who may take data out in bulk.
//!
//! 1. A request of class `export` is refused to roles that `allow` does not name, before the app
//!    is asked: some apps deliver by e-mail, and then there is no download to stop.
//! 2. On every route that is not there to deliver files, an answer that *is* a bulk file (CSV,
//!    TSV, spreadsheet, archive, or anything with `Content-Disposition: attachment`) counts as an
//!    export too, whatever the route is called.

use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Armed, ControlSpec, Facts, RequestControl, ResponseControl, ResponseHead};
use crate::decision::{Denial, Evidence, RuleAt, Verdict, reasons};
use crate::policy::compile::Arming;
use crate::policy::file::Mode;
use crate::policy::names::RoleSet;
use crate::policy::profile::Class;
use crate::request::RequestHead;

/// Who may take data out in bulk.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Exports")]
pub struct File {
    /// `enforce`, `shadow` or `off`; absent: as the policy.
    pub mode: Option<Mode>,
    /// The roles that may export. Everybody else is refused.
    #[schemars(length(min = 1))]
    pub allow: Vec<String>,
    /// Classes that count as exports besides `export`, such as `bulk_read`.
    #[serde(default)]
    pub also: Vec<Class>,
}

reasons! {
    /// Rule 1.
    ROLE = "exports.role", 403, "Your role does not allow taking data out in bulk.", "Ask somebody whose role allows it.";
    /// Rule 2.
    FILE = "exports.file", 403, "This page would download data in bulk, which your role does not allow.",
        "Ask somebody whose role allows it.";
}

/// The control's entry in the table.
pub const SPEC: ControlSpec = ControlSpec {
    name: "exports",
    summary: "Refuses bulk downloads to roles that may not export, by route and by what the app answers.",
    reasons: REASONS,
    arm,
};

#[derive(Clone)]
struct Exports {
    allow: RoleSet,
    rule: RuleAt,
    also: Vec<Class>,
}

fn arm(arming: &mut Arming<'_>) -> Option<Armed> {
    let file = arming.file.exports.as_ref()?;
    let allow = arming.names.role_set("exports.allow", &file.allow, arming.problems);
    for (index, class) in file.also.iter().enumerate() {
        if !arming.names.has_class(*class) {
            let message = format!("the profile has no route of class {}, so this never applies", class.as_str());
            arming.problems.warning(format!("exports.also[{index}]"), message);
        }
    }
    let control = Exports { allow, rule: arming.rule("exports.allow"), also: file.also.clone() };
    let mode = arming.mode(file.mode);
    let (request, response) = (Box::new(control.clone()), Box::new(control));
    Some(Armed { request: Some(request), response: Some(response), ..Armed::new("exports", mode) })
}

impl RequestControl for Exports {
    fn decide(&self, request: &RequestHead, _: &Facts) -> Verdict {
        let Some(class) = request.route.classes().find(|c| *c == Class::Export || self.also.contains(c)) else {
            return Verdict::NotApplicable;
        };
        if self.allow.contains(request.role) {
            Verdict::Allow
        } else {
            Denial::because(ROLE, Evidence::Asked(class, None)).by(&self.rule).into()
        }
    }
}

impl ResponseControl for Exports {
    fn decide(&self, request: &RequestHead, response: &mut ResponseHead<'_>) -> Verdict {
        let delivers_files = |c| matches!(c, Class::Media | Class::Export | Class::SubjectExport | Class::Static);
        if !response.status.is_success() || request.route.classes().any(delivers_files) {
            return Verdict::NotApplicable;
        }
        match bulk_kind(response.text(&CONTENT_TYPE), response.text(&CONTENT_DISPOSITION)) {
            None => Verdict::NotApplicable,
            Some(_) if self.allow.contains(request.role) => Verdict::Allow,
            Some(kind) => Denial::because(FILE, Evidence::Type(kind)).by(&self.rule).into(),
        }
    }
}

/// What kind of bulk file an answer is, by its `Content-Type` and `Content-Disposition`.
#[must_use]
pub fn bulk_kind(content_type: &str, disposition: &str) -> Option<&'static str> {
    let essence = content_type.split_once(';').map_or(content_type, |(essence, _)| essence).trim();
    let lower = essence.bytes().any(|b| b.is_ascii_uppercase()).then(|| essence.to_ascii_lowercase());
    let by_type = match lower.as_deref().unwrap_or(essence) {
        // What nearly every answer is.
        "text/html" | "application/json" | "text/plain" | "text/css" | "text/javascript" | "application/javascript" => {
            None
        }
        "text/csv" | "application/csv" | "text/x-csv" | "text/comma-separated-values" => Some("csv"),
        "text/tab-separated-values" | "text/tsv" => Some("tsv"),
        "application/zip" | "application/x-zip-compressed" | "application/gzip" | "application/x-tar" => {
            Some("archive")
        }
        "text/vcard" | "text/x-vcard" => Some("vcard"),
        e if e.contains("excel") || e.contains("spreadsheet") => Some("spreadsheet"),
        _ => None,
    };
    let attachment = disposition.split(';').next().is_some_and(|d| d.trim().eq_ignore_ascii_case("attachment"));
    by_type.or(attachment.then_some("attachment"))
}

#[cfg(test)]
mod tests {
    use super::bulk_kind;

    #[test]
    fn bulk_files_by_type_and_disposition() {
        for (content_type, disposition, kind) in [
            ("text/csv; charset=utf-8", "", Some("csv")),
            ("Application/VND.ms-excel", "", Some("spreadsheet")),
            ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "inline", Some("spreadsheet")),
            ("text/html", "Attachment; filename=x.html", Some("attachment")),
            ("text/html", "inline; filename=attachment", None),
            ("application/json", "", None),
        ] {
            assert_eq!(bulk_kind(content_type, disposition), kind, "{content_type} {disposition}");
        }
    }
}
