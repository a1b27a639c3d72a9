//! Signing in and out, on pages and through the API.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::header::{HeaderValue, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use maud::html;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::account::Account;
use super::form::Posted;
use super::layout;
use super::problem::{Problem, found};
use super::session::{self, ApiUser, COOKIE_NAME};

/// Query of the sign-in page.
#[derive(Deserialize)]
pub(super) struct Start {
    #[serde(default)]
    next: String,
}

/// `GET /login`.
pub(super) async fn form(Query(start): Query<Start>) -> Response {
    sign_in_page(&start.next, "", None)
}

/// `POST /login`.
pub(super) async fn submit(State(app): State<Arc<App>>, headers: HeaderMap, form: Posted) -> Result<Response, Problem> {
    let (user, next) = (form.text("user").trim(), form.text("next"));
    let Some(who) = Account::check(user, form.text("password")) else {
        return Ok(sign_in_page(next, user, Some("Wrong user name or password")));
    };
    let secret = {
        let mut sessions = app.sessions.lock();
        if let Some(old) = session::cookie(&headers) {
            sessions.close(old);
        }
        sessions.open(who)?
    };
    let target = if is_local(next) { next } else { who.home() };
    with_cookie(found(target), &secret, "")
}

/// `POST /logout`.
pub(super) async fn logout(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(secret) = session::cookie(&headers) {
        app.sessions.lock().close(secret);
    }
    with_cookie(found("/login"), "", "; Max-Age=0")
}

/// `GET /me`.
pub(super) async fn me(ApiUser(who): ApiUser) -> Json<Value> {
    Json(json!({ "user": who.name, "name": who.full_name, "groups": who.groups() }))
}

/// `POST /api/login`.
pub(super) async fn api_login(State(app): State<Arc<App>>, body: Bytes) -> Result<Json<Value>, Problem> {
    let sent: Value =
        serde_json::from_slice(&body).map_err(|_| Problem::json(StatusCode::BAD_REQUEST, "the body must be JSON"))?;
    let text = |name: &str| sent.get(name).and_then(Value::as_str).unwrap_or_default();
    let who = Account::check(text("user"), text("password"))
        .ok_or_else(|| Problem::json(StatusCode::UNAUTHORIZED, "wrong user name or password"))?;
    let token = app.sessions.lock().open(who)?;
    Ok(Json(json!({ "token": token, "user": who.name })))
}

/// Adds the session cookie to a response.
fn with_cookie(response: Response, secret: &str, more: &str) -> Result<Response, Problem> {
    let value = format!("{COOKIE_NAME}={secret}; Path=/; HttpOnly; SameSite=Lax{more}");
    let value = HeaderValue::from_str(&value).map_err(|_| Problem::broken())?;
    Ok(([(SET_COOKIE, value)], response).into_response())
}

/// Whether a path stays on this site.
fn is_local(path: &str) -> bool {
    let inner = path.strip_prefix('/');
    inner.is_some_and(|rest| !rest.starts_with(['/', '\\']))
        && path.chars().all(|c| c.is_ascii_graphic())
        && path != "/"
}

/// The sign-in form.
fn sign_in_page(next: &str, user: &str, wrong: Option<&str>) -> Response {
    let body = html! {
        @if let Some(wrong) = wrong {
            p.notice role="alert" { (wrong) }
        }
        form.card method="post" action="/login" {
            input type="hidden" name="next" value=(next);
            label for="user" { "User name" }
            input #user name="user" value=(user) autocomplete="username" autofocus required;
            label for="password" { "Password" }
            input #password type="password" name="password" autocomplete="current-password" required;
            button type="submit" { "Sign in" }
        }
    };
    layout::page(StatusCode::OK, "Sign in", None, &body)
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_local_paths_are_followed() {
        assert!(is_local("/agent/tickets/1001?x=1"));
        for bad in ["", "/", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb"] {
            assert!(!is_local(bad), "{bad:?}");
        }
    }
}
