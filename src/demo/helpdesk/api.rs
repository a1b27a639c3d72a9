//! The JSON API. Staff and programs see everything, customers read their own tickets.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::App;
use super::account::Account;
use super::data::{Customer, Message, Ticket};
use super::files;
use super::id::Id;
use super::problem::Problem;
use super::session::{ApiStaff, ApiUser};
use super::store::{Store, TicketChange};

/// `GET /api/tickets`.
pub(super) async fn tickets(State(app): State<Arc<App>>, ApiUser(who): ApiUser) -> Json<Value> {
    let store = app.store.lock();
    let seen = store.newest().filter(|(_, c)| may_read(who, c));
    let tickets: Vec<Value> = seen.map(|(t, c)| summary(t, c)).collect();
    Json(json!({ "count": tickets.len(), "tickets": tickets }))
}

/// `GET /api/tickets/{id}`.
pub(super) async fn ticket(
    State(app): State<Arc<App>>,
    ApiUser(who): ApiUser,
    Id(id): Id,
) -> Result<Json<Value>, Problem> {
    let store = app.store.lock();
    let found = store.ticket(id).filter(|(_, c)| may_read(who, c));
    let (ticket, customer) = found.ok_or_else(missing)?;
    Ok(Json(full(&store, ticket, customer)))
}

/// `PATCH /api/tickets/{id}`.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    _: ApiStaff,
    Id(id): Id,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let bad = |why: &str| Problem::json(StatusCode::BAD_REQUEST, why);
    let sent: Value = serde_json::from_slice(&body).map_err(|_| bad("the body must be JSON"))?;
    let text = |name: &str| sent.get(name).and_then(Value::as_str).map(str::to_owned);
    let change = TicketChange { subject: text("subject"), status: text("status"), phone: text("phone") };
    let mut store = app.store.lock();
    store.ticket(id).ok_or_else(missing)?;
    store.change_ticket(id, change).map_err(bad)?;
    let (ticket, customer) = store.ticket(id).ok_or_else(missing)?;
    Ok(Json(full(&store, ticket, customer)))
}

/// `DELETE /api/tickets/{id}`.
pub(super) async fn delete(State(app): State<Arc<App>>, _: ApiStaff, Id(id): Id) -> Result<Json<Value>, Problem> {
    if app.store.lock().delete_ticket(id) { Ok(Json(json!({ "deleted": id }))) } else { Err(missing()) }
}

/// `GET /api/customers`.
pub(super) async fn customers(State(app): State<Arc<App>>, _: ApiStaff) -> Json<Value> {
    let store = app.store.lock();
    let customers: Vec<Value> = store.customers.values().map(person).collect();
    Json(json!({ "count": customers.len(), "customers": customers }))
}

/// Whether the account may read tickets of this customer.
fn may_read(who: &Account, customer: &Customer) -> bool {
    who.has_full_api() || customer.account == Some(who.name)
}

/// A ticket in a list.
fn summary(ticket: &Ticket, customer: &Customer) -> Value {
    json!({
        "id": ticket.id,
        "subject": ticket.subject,
        "status": ticket.status,
        "assigned_to": ticket.assigned_to,
        "created_at": moment(ticket.created),
        "requester": person(customer),
    })
}

/// A ticket with its conversation.
fn full(store: &Store, ticket: &Ticket, customer: &Customer) -> Value {
    let messages: Vec<Value> = ticket.messages.iter().map(|m| entry(store, m)).collect();
    let mut whole = summary(ticket, customer);
    if let Some(fields) = whole.as_object_mut() {
        fields.insert("messages".into(), messages.into());
    }
    whole
}

/// One entry of a conversation.
fn entry(store: &Store, message: &Message) -> Value {
    let attachments: Vec<Value> = store
        .files_of(message)
        .map(|f| json!({ "name": f.name, "type": f.kind, "size": f.bytes.len(), "url": files::link(f) }))
        .collect();
    json!({
        "author": message.author,
        "text": message.text,
        "at": moment(message.at),
        "attachments": attachments,
    })
}

/// A customer.
fn person(customer: &Customer) -> Value {
    json!({
        "id": customer.id,
        "name": customer.name,
        "company": customer.company,
        "phone": customer.phone,
        "email": customer.email,
    })
}

/// A moment as programs read it.
fn moment(at: OffsetDateTime) -> Option<String> {
    let whole = at.replace_nanosecond(0).unwrap_or(at);
    whole.format(&Rfc3339).ok()
}

/// There is no such ticket (or not for this account).
fn missing() -> Problem {
    Problem::json(StatusCode::NOT_FOUND, "no such ticket")
}
