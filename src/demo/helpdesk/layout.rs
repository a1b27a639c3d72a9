//! The frame around every page.

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, X_FRAME_OPTIONS};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use time::OffsetDateTime;

use super::account::Account;

/// A whole page, with the navigation that fits `who`.
pub(super) fn page(status: StatusCode, title: &str, who: Option<&Account>, body: &Markup) -> Response {
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " - Tinydesk" }
                link rel="stylesheet" href="/static/style.css";
                script src="/static/app.js" defer {}
            }
            body {
                (header(who))
                main {
                    h1 { (title) }
                    (body)
                }
            }
        }
    };
    let headers = [(X_FRAME_OPTIONS, "DENY"), (CACHE_CONTROL, "no-cache")];
    (status, headers, Html(whole.into_string())).into_response()
}

/// An ordinary page.
pub(super) fn ok(title: &str, who: &Account, body: &Markup) -> Response {
    page(StatusCode::OK, title, Some(who), body)
}

/// The bar at the top.
fn header(who: Option<&Account>) -> Markup {
    html! {
        header {
            a.brand href="/" { "Tinydesk" }
            @if let Some(who) = who {
                nav { (links(who)) }
                form.sign-out method="post" action="/logout" {
                    span #whoami data-user=(who.name) { (who.full_name) " (" (who.role) ")" }
                    button.quiet type="submit" { "Sign out" }
                }
            }
        }
    }
}

/// Links for the role.
fn links(who: &Account) -> Markup {
    html! {
        @if who.is_staff() {
            a href="/agent/" { "Tickets " span #queue-count.badge { "" } }
            a href="/agent/customers" { "Customers" }
            a href="/agent/reports/weekly" { "Weekly report" }
            a href="/outbox" { "Outbox" }
        }
        @if who.is_manager() {
            a href="/admin/settings" { "Settings" }
        }
        @if who.is_customer() {
            a href="/portal/" { "My tickets" }
        }
    }
}

/// A heading for a page that reports a problem.
pub(super) fn title_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::BAD_REQUEST => "Please check your entry",
        StatusCode::PAYLOAD_TOO_LARGE => "Too large",
        _ => "That did not work",
    }
}

/// A moment as people read it.
pub(super) fn moment(at: OffsetDateTime) -> String {
    format!("{:04}-{:02}-{:02} {:02}:{:02}", at.year(), u8::from(at.month()), at.day(), at.hour(), at.minute())
}
