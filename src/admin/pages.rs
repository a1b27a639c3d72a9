//! The admin listener. It is on loopback and has no password, so it takes nothing from a browser:
//! the `Host` must be an address or `localhost` (DNS rebinding), and whatever changes something
//! needs a header that a foreign page cannot send. A `metrics:` listener has none of what changes something, and takes
//! any `Host`.

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Version, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;

use super::readiness::readiness;
use super::{Operations, tasks};
use crate::decision::event::What;
use crate::policy::types::Duration;
use crate::proxy::end_in_app;
use crate::store::{Effect, EndReason, Store, StoreError, UserName};

/// Where balancers look.
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];

/// The header that every change needs.
pub const ADMIN_HEADER: &str = "x-deskgate-admin";

/// What can only be read, and tells of nobody.
fn readable() -> Router<Operations> {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
}

/// Everything that a `metrics:` listener answers. Who asks may know it by any name.
pub fn readers(operations: Operations) -> Router {
    readable().layer(from_fn(no_web_pages)).with_state(operations)
}

/// Everything the admin listener answers.
pub fn router(operations: Operations) -> Router {
    readable()
        .route("/sessions", get(sessions))
        .route("/sessions/end", post(end_sessions))
        .route("/people", get(people))
        .route("/people/{user}/reactivate", post(reactivate))
        .route("/reload", post(reload))
        .route("/rehearsal/advance", post(advance))
        .layer(from_fn(only_operators))
        .with_state(operations)
}

async fn only_operators(request: Request, next: Next) -> Response {
    let headers = request.headers();
    // Balancers ask in HTTP/1.0, which needs no Host; a browser always sends one.
    let old = request.version() == Version::HTTP_10 && !headers.contains_key(header::HOST);
    let is_health = *request.method() == Method::GET && HEALTH.contains(&request.uri().path());
    if !(is_local_name(headers) || old && is_health) {
        return (StatusCode::MISDIRECTED_REQUEST, "use the address of the admin listener\n").into_response();
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && !headers.contains_key(ADMIN_HEADER) {
        return (StatusCode::FORBIDDEN, "send X-Deskgate-Admin: 1 with every change\n").into_response();
    }
    no_web_pages(request, next).await
}

/// Browsers say where a request comes from; `deskgate` and scrapers do not.
async fn no_web_pages(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let foreign = |name: &str| headers.get(name).is_some_and(|v| v != "none" && v != "same-origin");
    if headers.contains_key(header::ORIGIN) || foreign("sec-fetch-site") {
        return (StatusCode::FORBIDDEN, "not for web pages\n").into_response();
    }
    next.run(request).await
}

fn is_local_name(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
    let bare = || host.split(':').next().unwrap_or_default().to_owned();
    let name = host.parse::<std::net::SocketAddr>().map_or_else(|_| bare(), |a| a.ip().to_string());
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok()
}

async fn metrics(State(o): State<Operations>) -> impl IntoResponse {
    tasks::refresh_gauges(&o.gate).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], o.gate.metrics.render())
}

async fn ready(State(o): State<Operations>) -> impl IntoResponse {
    let (status, body) = readiness(&o.gate, &o.app).await;
    (status, Json(body))
}

fn failed(e: &StoreError) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{e}\n")).into_response()
}

async fn sessions(State(o): State<Operations>) -> Response {
    match o.gate.store.sessions().await {
        Err(e) => failed(&e),
        Ok(all) => {
            let rows: Vec<_> = all
                .iter()
                .map(|(key, r)| {
                    json!({
                        "session": key.short(), "user": r.user, "realm": &*r.realm, "groups": r.groups,
                        "started": r.started.to_string(), "last_seen": r.last_seen.to_string(), "address": r.address,
                    })
                })
                .collect();
            Json(rows).into_response()
        }
    }
}

#[derive(Deserialize)]
struct Which {
    user: Option<String>,
    session: Option<String>,
}

async fn end_sessions(State(o): State<Operations>, Query(which): Query<Which>) -> Response {
    let user = which.user.as_deref().and_then(UserName::new);
    if user.is_none() && which.session.is_none() {
        return (StatusCode::BAD_REQUEST, "say which: ?user=NAME or ?session=ID\n").into_response();
    }
    let all = match o.gate.store.sessions().await {
        Ok(all) => all,
        Err(e) => return failed(&e),
    };
    let now = o.gate.clock.now();
    let meant = all.iter().filter(|(key, r)| {
        user.as_ref().is_none_or(|u| r.user == *u) && which.session.as_ref().is_none_or(|s| key.short() == *s)
    });
    let keys: Vec<_> = meant.map(|(key, _)| *key).collect();
    if keys.is_empty() {
        let whose = if user.is_some() { "nobody of that name is signed in" } else { "no session has that id" };
        return (StatusCode::NOT_FOUND, format!("{whose}\n")).into_response();
    }
    let effects: Vec<_> =
        keys.iter().map(|key| Effect::Ended { key: *key, reason: EndReason::Revoked, at: now }).collect();
    if let Err(e) = o.gate.store.commit(&effects).await {
        return failed(&e);
    }
    let (user, session) = (user.as_ref().map(UserName::as_str), which.session.as_deref());
    o.gate.record(What::SessionsEnded { user, session, count: keys.len() });
    for key in &keys {
        o.gate.metrics.session_end(EndReason::Revoked.as_str());
        end_in_app(&o.gate, *key);
    }
    Json(json!({ "ended": keys.len() })).into_response()
}

#[derive(Deserialize)]
struct Unused {
    inactive: Option<String>,
}

async fn people(State(o): State<Operations>, Query(unused): Query<Unused>) -> Response {
    let longer = match unused.inactive.map(|t| t.parse::<Duration>()).transpose() {
        Ok(longer) => longer.map(|d| d.0),
        Err(e) => return (StatusCode::BAD_REQUEST, format!("{e}\n")).into_response(),
    };
    let now = o.gate.clock.now();
    match o.gate.store.people().await {
        Err(e) => failed(&e),
        Ok(all) => {
            let meant = all.iter().filter(|p| longer.is_none_or(|l| now.since(p.last_sign_in) > l));
            let rows: Vec<_> =
                meant.map(|p| json!({ "user": p.user, "last_sign_in": p.last_sign_in.to_string() })).collect();
            Json(rows).into_response()
        }
    }
}

async fn reactivate(State(o): State<Operations>, Path(user): Path<String>) -> Response {
    let Some(user) = UserName::new(&user) else {
        return (StatusCode::BAD_REQUEST, "no name\n").into_response();
    };
    let known = match o.gate.store.people().await {
        Ok(all) => all.iter().any(|p| p.user == user),
        Err(e) => return failed(&e),
    };
    if !known {
        return (StatusCode::NOT_FOUND, "nobody of that name ever signed in\n").into_response();
    }
    match o.gate.store.commit(&[Effect::Reactivated { user: user.clone(), at: o.gate.clock.now() }]).await {
        Ok(_) => {
            o.gate.record(What::Reactivated { user: user.as_str() });
            Json(json!({ "reactivated": user })).into_response()
        }
        Err(e) => failed(&e),
    }
}

async fn reload(State(o): State<Operations>) -> Response {
    match tasks::reload_in_background(&o.gate).await {
        Ok(revision) => {
            let needs_restart = o.gate.live.last().needs_restart;
            Json(json!({ "policy": revision, "needs_restart": needs_restart })).into_response()
        }
        Err(problems) => (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "problems": problems }))).into_response(),
    }
}

#[derive(Deserialize)]
struct Advance {
    by: String,
}

async fn advance(State(o): State<Operations>, Query(advance): Query<Advance>) -> Response {
    if !o.rehearsal {
        return (StatusCode::NOT_FOUND, "the clock can be turned only under --rehearsal\n").into_response();
    }
    match advance.by.parse::<Duration>() {
        Ok(by) => {
            o.gate.clock.advance(by.0);
            o.gate.record(What::ClockTurned);
            Json(json!({ "now": o.gate.clock.now().to_string() })).into_response()
        }
        Err(e) => (StatusCode::BAD_REQUEST, format!("{e}\n")).into_response(),
    }
}
