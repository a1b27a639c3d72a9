//! Tinydesk, a small helpdesk: agents answer tickets, customers follow theirs in a portal,
//! and other programs use a JSON API. Everything lives in memory and starts from sample data.

mod account;
mod agent;
mod agent_pages;
mod api;
mod customers;
mod data;
mod export;
mod files;
mod form;
mod home;
mod id;
mod layout;
mod limits;
mod login;
mod mail;
mod png;
mod portal;
mod portal_pages;
mod problem;
mod samples;
mod seed;
mod session;
mod settings;
mod store;
#[cfg(test)]
mod tests;

use std::future::{Future, IntoFuture};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use account::{ACCOUNTS, Account, ERP_KEY};

/// How long open requests may take to finish once the server is told to stop.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Everything the running app keeps.
struct App {
    store: Mutex<store::Store>,
    sessions: Mutex<session::Sessions>,
}

impl App {
    /// An app with the sample data and nobody signed in.
    fn seeded() -> Self {
        Self { store: Mutex::new(seed::store()), sessions: Mutex::new(session::Sessions::default()) }
    }
}

/// Serves the helpdesk on `listener` until `shutdown` resolves.
///
/// Requests under way then get a short grace period before the call returns.
///
/// # Errors
///
/// When the listener fails in a way that accepting cannot continue.
pub async fn serve(listener: TcpListener, shutdown: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
    let (stopping, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, router()).with_graceful_shutdown(async move {
        shutdown.await;
        let _ = stopping.send(());
    });
    let deadline = async move {
        let _ = stopped.await;
        tokio::time::sleep(STOP_GRACE).await;
    };
    tokio::select! {
        result = server.into_future() => result,
        () = deadline => Ok(()),
    }
}

/// The whole app as a router, each with its own freshly seeded state.
pub fn router() -> Router {
    Router::new()
        .merge(common_routes())
        .merge(agent_routes())
        .merge(portal_routes())
        .merge(api_routes())
        .fallback(home::not_found)
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES))
        .with_state(Arc::new(App::seeded()))
}

/// Signing in and out, files and static content.
fn common_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(home::home))
        .route("/static/style.css", get(home::style))
        .route("/static/app.js", get(home::script))
        .route("/login", get(login::form).post(login::submit))
        .route("/logout", post(login::logout))
        .route("/me", get(login::me))
        .route("/files/{token}/{name}", get(files::open))
}

/// What agents and the manager use.
fn agent_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/agent", get(home::to_agent))
        .route("/agent/", get(agent::list))
        .route("/agent/search", get(agent::search))
        .route("/agent/queue-count", get(agent::queue_count))
        .route("/agent/tickets/{id}", get(agent::show).post(agent::overridden))
        .route("/agent/tickets/{id}/reply", post(agent::reply))
        .route("/agent/tickets/{id}/edit", post(agent::edit))
        .route("/agent/tickets/{id}/delete", post(agent::delete))
        .route("/agent/tickets/{id}/forward", post(mail::forward))
        .route("/agent/customers", get(customers::list))
        .route("/agent/customers/export.csv", get(export::customers))
        .route("/agent/customers/{id}", get(customers::show))
        .route("/agent/reports/weekly", get(export::weekly))
        .route("/outbox", get(mail::outbox))
        .route("/admin/settings", get(settings::show).post(settings::change))
}

/// What customers use.
fn portal_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/portal", get(home::to_portal))
        .route("/portal/", get(portal::list))
        .route("/portal/tickets", post(portal::create))
        .route("/portal/tickets/{id}", get(portal::show))
        .route("/portal/tickets/{id}/reply", post(portal::reply))
        .route("/portal/tickets/{id}/delete", post(portal::delete))
}

/// What other programs use.
fn api_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/login", post(login::api_login))
        .route("/api/tickets", get(api::tickets))
        .route("/api/tickets/{id}", get(api::ticket).patch(api::change).delete(api::delete))
        .route("/api/customers", get(api::customers))
}
