//! The agents' view of customers.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::html;

use super::App;
use super::agent_pages::{customer_table, tel};
use super::id::Id;
use super::layout;
use super::problem::Problem;
use super::session::Staff;

/// `GET /agent/customers`.
pub(super) async fn list(State(app): State<Arc<App>>, Staff(who): Staff) -> Response {
    let store = app.store.lock();
    let customers: Vec<_> = store.customers.values().collect();
    let body = html! {
        p { a #export href="/agent/customers/export.csv" { "Export as CSV" } }
        (customer_table(&customers))
    };
    layout::ok("Customers", who, &body)
}

/// `GET /agent/customers/{id}`.
pub(super) async fn show(State(app): State<Arc<App>>, Staff(who): Staff, Id(id): Id) -> Result<Response, Problem> {
    let store = app.store.lock();
    let customer = store.customers.get(&id);
    let customer = customer.ok_or_else(|| Problem::missing("customer"))?;
    let body = html! {
        section.card {
            "Company " b { (customer.company) } br;
            "Phone " a #phone href=(tel(&customer.phone)) { (customer.phone) } br;
            "E-mail " a #email href={ "mailto:" (customer.email) } { (customer.email) }
        }
        h2 { "Tickets" }
        ul {
            @for (ticket, _) in store.newest().filter(|(t, _)| t.requester == id) {
                li { a href={ "/agent/tickets/" (ticket.id) } { "#" (ticket.id) " " (ticket.subject) } " (" (ticket.status) ")" }
            }
        }
    };
    Ok(layout::ok(&customer.name, who, &body))
}
