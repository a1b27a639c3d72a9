//! Downloads: all customers, and the weekly report.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use maud::html;
use serde::Deserialize;

use super::App;
use super::files;
use super::layout;
use super::session::Staff;
use super::store::Store;

/// Query of the weekly report.
#[derive(Deserialize)]
pub(super) struct Format {
    #[serde(default)]
    format: String,
}

/// `GET /agent/customers/export.csv`.
pub(super) async fn customers(State(app): State<Arc<App>>, _: Staff) -> Response {
    let mut csv = row(&["id", "name", "company", "phone", "email"]);
    for c in app.store.lock().customers.values() {
        let id = c.id.to_string();
        csv += &row(&[&id, &c.name, &c.company, &c.phone, &c.email]);
    }
    download("customers.csv", csv)
}

/// `GET /agent/reports/weekly`, as a page or with `format=csv` as a download.
pub(super) async fn weekly(State(app): State<Arc<App>>, Staff(who): Staff, Query(query): Query<Format>) -> Response {
    let store = app.store.lock();
    if query.format == "csv" {
        return download("weekly-report.csv", weekly_csv(&store));
    }
    let count = |status: &str| store.tickets.values().filter(|t| t.status == status).count();
    let body = html! {
        table {
            tr { th { "Open" } td { (count("open")) } }
            tr { th { "Pending" } td { (count("pending")) } }
            tr { th { "Closed" } td { (count("closed")) } }
        }
        p { a href="/agent/reports/weekly?format=csv" { "Details as CSV" } }
    };
    layout::ok("Weekly report", who, &body)
}

/// Every ticket with whom to call back.
fn weekly_csv(store: &Store) -> String {
    let mut csv = row(&["ticket", "subject", "status", "customer", "phone", "email"]);
    for (ticket, c) in store.newest() {
        let id = ticket.id.to_string();
        let cells = [&id, &ticket.subject, &ticket.status, &c.name, &c.phone, &c.email];
        csv += &row(&cells.map(String::as_str));
    }
    csv
}

/// One line of CSV.
fn row(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|c| cell(c)).collect();
    cells.join(",") + "\r\n"
}

/// A value, quoted where needed.
fn cell(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// A CSV file the browser saves.
fn download(name: &str, csv: String) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (CONTENT_DISPOSITION, files::disposition("attachment", name)),
    ];
    (headers, csv).into_response()
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn cells_are_quoted_where_needed() {
        assert_eq!(row(&["a", "b, c", "\"d\""]), "a,\"b, c\",\"\"\"d\"\"\"\r\n");
    }
}
