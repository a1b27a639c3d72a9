//! The pages that people see of the gateway itself. They hold nothing of the request as it was sent, no script,
//! and one style sheet whose hash is in their Content-Security-Policy.

use std::sync::LazyLock;

use maud::{DOCTYPE, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::decision::Reason;
use crate::policy::Policy;

const STYLE: &str = include_str!("style.css");

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = data_encoding::BASE64.encode(&Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// The Content-Security-Policy of the gateway's own pages.
#[must_use]
pub fn content_security_policy() -> &'static str {
    &POLICY
}

/// The page that says why something is refused and what to do about it. `next` is the address of
/// the sign-in page; `details` are names and canonical values of what the refusal is about.
#[must_use]
pub fn refusal_page(
    policy: &Policy,
    reason: &Reason,
    id: &str,
    next: Option<&str>,
    details: &[(&str, String)],
) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title(reason.status)) " - " (policy.name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    p.name { (policy.name) }
                    h1 { (reason.summary) }
                    p { (reason.remedy) }
                    @if let Some(next) = next { p { a.button href=(next) { "Sign in" } } }
                    dl {
                        @for (name, value) in details { dt { (name) } dd { code { (value) } } }
                        @if let Some(contact) = &policy.contact { dt { "Contact" } dd { (contact) } }
                        dt { "Reference" } dd { code { (id) } }
                    }
                }
            }
        }
    }
    .into_string()
}

fn title(status: u16) -> &'static str {
    match status {
        401 => "Please sign in",
        429 => "Too many requests",
        403 => "Not allowed",
        500.. => "Not available",
        _ => "Not accepted",
    }
}
