//! What only the manager can set.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::html;

use super::App;
use super::form::Posted;
use super::layout;
use super::limits;
use super::problem::{Problem, found};
use super::session::Manager;

/// `GET /admin/settings`.
pub(super) async fn show(State(app): State<Arc<App>>, Manager(who): Manager) -> Response {
    let store = app.store.lock();
    let body = html! {
        form.card method="post" action="/admin/settings" {
            label for="desk_name" { "Name of the helpdesk" }
            input #desk_name name="desk_name" value=(store.settings.desk_name) required;
            label for="signature" { "Signature under replies" }
            textarea #signature name="signature" { (store.settings.signature) }
            button type="submit" { "Save" }
        }
    };
    layout::ok("Settings", who, &body)
}

/// `POST /admin/settings`.
pub(super) async fn change(State(app): State<Arc<App>>, _: Manager, form: Posted) -> Result<Response, Problem> {
    let name = form.required("desk_name", "The helpdesk needs a name.")?;
    let mut store = app.store.lock();
    store.settings.desk_name = limits::line(&name);
    if let Some(signature) = form.get("signature") {
        store.settings.signature = limits::cut(signature, limits::TEXT);
    }
    Ok(found("/admin/settings"))
}
