//! The customers' portal: their own tickets and nothing else.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::App;
use super::form::Posted;
use super::id::Id;
use super::layout;
use super::limits;
use super::portal_pages as pages;
use super::problem::{Problem, found};
use super::session::PortalUser;
use super::store::message;

/// `GET /portal/`.
pub(super) async fn list(State(app): State<Arc<App>>, PortalUser(who): PortalUser) -> Response {
    let store = app.store.lock();
    let own: Vec<_> = store.newest().filter(|(_, c)| c.account == Some(who.name)).map(|(t, _)| t).collect();
    layout::ok("My tickets", who, &pages::list(&store.settings.desk_name, &own))
}

/// `GET /portal/tickets/{id}`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    PortalUser(who): PortalUser,
    Id(id): Id,
) -> Result<Response, Problem> {
    let store = app.store.lock();
    let (ticket, _) = store.own_ticket(who.name, id).ok_or_else(missing)?;
    let title = format!("#{} {}", ticket.id, ticket.subject);
    Ok(layout::ok(&title, who, &pages::ticket(&store, ticket)))
}

/// `POST /portal/tickets`.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    PortalUser(who): PortalUser,
    form: Posted,
) -> Result<Response, Problem> {
    let subject = limits::line(&form.required("subject", "Please give a subject.")?);
    let text = form.required("text", "Please describe what you need.")?;
    let mut store = app.store.lock();
    let requester = store.customer_of(who.name).ok_or_else(Problem::broken)?.id;
    let files = store.keep_files(form.files);
    let first = message(who.full_name, false, text, files);
    let id = store.add_ticket(requester, subject, first);
    Ok(back_to(id))
}

/// `POST /portal/tickets/{id}/reply`.
pub(super) async fn reply(
    State(app): State<Arc<App>>,
    PortalUser(who): PortalUser,
    Id(id): Id,
    form: Posted,
) -> Result<Response, Problem> {
    let text = form.required("text", "Please write a reply.")?;
    let mut store = app.store.lock();
    store.own_ticket(who.name, id).ok_or_else(missing)?;
    let files = store.keep_files(form.files);
    store.add_message(id, message(who.full_name, false, text, files));
    Ok(back_to(id))
}

/// `POST /portal/tickets/{id}/delete`.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    PortalUser(who): PortalUser,
    Id(id): Id,
) -> Result<Response, Problem> {
    let mut store = app.store.lock();
    store.own_ticket(who.name, id).ok_or_else(missing)?;
    store.delete_ticket(id);
    Ok(found("/portal/"))
}

/// The same answer for other people's tickets as for those that never were.
fn missing() -> Problem {
    Problem::missing("ticket")
}

/// Back to a ticket's page.
fn back_to(id: u64) -> Response {
    found(&format!("/portal/tickets/{id}"))
}
