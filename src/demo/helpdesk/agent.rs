//! The agents' area: the queue, tickets and what can be done to them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::account::Account;
use super::agent_pages as pages;
use super::data::{Customer, Ticket};
use super::form::Posted;
use super::id::Id;
use super::layout;
use super::mail;
use super::problem::{Problem, found};
use super::session::{ApiStaff, Staff};
use super::store::{TicketChange, message};

/// Query of the search page.
#[derive(Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
}

/// `GET /agent/`.
pub(super) async fn list(State(app): State<Arc<App>>, Staff(who): Staff) -> Response {
    let body = pages::list(&app.store.lock());
    layout::ok("Tickets", who, &body)
}

/// `GET /agent/search?q=`.
pub(super) async fn search(State(app): State<Arc<App>>, Staff(who): Staff, Query(search): Query<Search>) -> Response {
    let wanted = search.q.trim().to_lowercase();
    let store = app.store.lock();
    let tickets: Vec<_> = store
        .newest()
        .filter(|(t, c)| !wanted.is_empty() && (ticket_has(t, &wanted) || customer_has(c, &wanted)))
        .collect();
    let customers: Vec<_> =
        store.customers.values().filter(|c| !wanted.is_empty() && customer_has(c, &wanted)).collect();
    layout::ok("Search", who, &pages::found(&search.q, &tickets, &customers))
}

/// Whether a ticket's subject or messages contain the text.
fn ticket_has(ticket: &Ticket, wanted: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(wanted);
    has(&ticket.subject) || ticket.messages.iter().any(|m| has(&m.text))
}

/// Whether a customer's name, company, e-mail or phone number contains the text.
fn customer_has(customer: &Customer, wanted: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(wanted);
    has(&customer.name)
        || has(&customer.company)
        || has(&customer.email)
        || has(&customer.phone)
        || same_digits(&customer.phone, wanted)
}

/// Whether the text is a phone number whose digits occur in `phone`.
fn same_digits(phone: &str, wanted: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let only_phone = wanted.chars().all(|c| c.is_ascii_digit() || " +-/()".contains(c));
    let wanted = digits(wanted);
    only_phone && wanted.len() >= 3 && digits(phone).contains(&wanted)
}

/// `GET /agent/queue-count`.
pub(super) async fn queue_count(State(app): State<Arc<App>>, _: ApiStaff) -> Json<Value> {
    Json(json!({ "open": app.store.lock().open_tickets() }))
}

/// `GET /agent/tickets/{id}`.
pub(super) async fn show(State(app): State<Arc<App>>, Staff(who): Staff, Id(id): Id) -> Result<Response, Problem> {
    let store = app.store.lock();
    let (ticket, customer) = store.ticket(id).ok_or_else(|| Problem::missing("ticket"))?;
    let title = format!("#{} {}", ticket.id, ticket.subject);
    let body = pages::ticket(&store, ticket, customer);
    Ok(layout::ok(&title, who, &body))
}

/// `POST /agent/tickets/{id}/reply`.
pub(super) async fn reply(
    State(app): State<Arc<App>>,
    Staff(who): Staff,
    Id(id): Id,
    form: Posted,
) -> Result<Response, Problem> {
    let text = form.required("text", "Please write a reply.")?;
    let cc = mail::recipients(form.text("cc"))?;
    let mut store = app.store.lock();
    let (_, customer) = store.ticket(id).ok_or_else(|| Problem::missing("ticket"))?;
    let to_customer = customer.email.clone();
    let files = store.keep_files(form.files);
    store.add_message(id, message(who.full_name, true, text.clone(), files));
    mail::send_reply(&mut store, id, who, &to_customer, &cc, &text);
    Ok(back_to(id))
}

/// `POST /agent/tickets/{id}/edit`.
pub(super) async fn edit(State(app): State<Arc<App>>, _: Staff, Id(id): Id, form: Posted) -> Result<Response, Problem> {
    change(&app, id, &form)
}

/// `POST /agent/tickets/{id}/delete`.
pub(super) async fn delete(State(app): State<Arc<App>>, Staff(who): Staff, Id(id): Id) -> Result<Response, Problem> {
    remove(&app, who, id)
}

/// `POST /agent/tickets/{id}` with `_method`, for forms that cannot send other methods.
pub(super) async fn overridden(
    State(app): State<Arc<App>>,
    Staff(who): Staff,
    Id(id): Id,
    form: Posted,
) -> Result<Response, Problem> {
    match form.text("_method").to_ascii_uppercase().as_str() {
        "DELETE" => remove(&app, who, id),
        "PATCH" | "PUT" => change(&app, id, &form),
        _ => Err(Problem::Page(StatusCode::METHOD_NOT_ALLOWED, "This form needs a method.".into())),
    }
}

/// Applies the edit form; fields that were not sent stay as they are.
fn change(app: &App, id: u64, form: &Posted) -> Result<Response, Problem> {
    let field = |name: &str| form.get(name).map(str::to_owned);
    let change = TicketChange { subject: field("subject"), status: field("status"), phone: field("phone") };
    let mut store = app.store.lock();
    if store.ticket(id).is_none() {
        return Err(Problem::missing("ticket"));
    }
    store.change_ticket(id, change).map_err(Problem::bad)?;
    Ok(back_to(id))
}

/// Deletes a ticket and returns to where the account starts.
fn remove(app: &App, who: &Account, id: u64) -> Result<Response, Problem> {
    if app.store.lock().delete_ticket(id) { Ok(found(who.home())) } else { Err(Problem::missing("ticket")) }
}

/// Back to a ticket's page.
pub(super) fn back_to(id: u64) -> Response {
    found(&format!("/agent/tickets/{id}"))
}
