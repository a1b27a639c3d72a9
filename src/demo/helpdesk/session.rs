//! Who is asking: sign-ins, tokens and the checks in front of each area.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use data_encoding::HEXLOWER;

use super::App;
use super::account::{Account, ERP, ERP_KEY};
use super::limits;
use super::problem::Problem;

/// Name of the session cookie.
pub(super) const COOKIE_NAME: &str = "tinydesk";

/// The sign-ins that are open, by their secret.
#[derive(Default)]
pub(super) struct Sessions {
    open: HashMap<String, &'static Account>,
    oldest_first: VecDeque<String>,
}

impl Sessions {
    /// Opens a sign-in and returns its new secret.
    pub(super) fn open(&mut self, who: &'static Account) -> Result<String, Problem> {
        let secret = random_hex().ok_or_else(Problem::broken)?;
        self.open.insert(secret.clone(), who);
        self.oldest_first.push_back(secret.clone());
        while self.oldest_first.len() > limits::SESSIONS {
            if let Some(old) = self.oldest_first.pop_front() {
                self.open.remove(&old);
            }
        }
        Ok(secret)
    }

    /// Ends a sign-in.
    pub(super) fn close(&mut self, secret: &str) {
        if self.open.remove(secret).is_some() {
            self.oldest_first.retain(|s| s != secret);
        }
    }

    /// Whose sign-in this is.
    fn who(&self, secret: &str) -> Option<&'static Account> {
        self.open.get(secret).copied()
    }
}

/// 32 random hexadecimal digits.
pub(super) fn random_hex() -> Option<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(HEXLOWER.encode(&bytes))
}

/// The session cookie's value.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| value)
}

/// Who is signed in with the cookie.
pub(super) fn by_cookie(app: &App, headers: &HeaderMap) -> Option<&'static Account> {
    app.sessions.lock().who(cookie(headers)?)
}

/// Who calls the API: a key or a token when sent (they must then be right), else the cookie.
fn by_credential(app: &App, headers: &HeaderMap) -> Option<&'static Account> {
    if let Some(key) = headers.get("x-api-key") {
        return (key.as_bytes() == ERP_KEY.as_bytes()).then_some(&ERP);
    }
    if let Some(value) = headers.get(AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        let token = scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())?;
        return app.sessions.lock().who(token);
    }
    by_cookie(app, headers)
}

/// The signed-in visitor of a page, or a way to the sign-in form.
fn visitor(app: &App, parts: &Parts) -> Result<&'static Account, Problem> {
    by_cookie(app, &parts.headers).ok_or_else(|| {
        let read = matches!(parts.method, Method::GET | Method::HEAD);
        let path = parts.uri.path_and_query().filter(|_| read);
        Problem::SignIn(path.map_or("/", |p| p.as_str()).to_owned())
    })
}

/// An agent or the manager.
pub(super) struct Staff(pub(super) &'static Account);

impl FromRequestParts<Arc<App>> for Staff {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let who = visitor(app, parts)?;
        if who.is_staff() { Ok(Self(who)) } else { Err(Problem::forbidden()) }
    }
}

/// The manager.
pub(super) struct Manager(pub(super) &'static Account);

impl FromRequestParts<Arc<App>> for Manager {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let who = visitor(app, parts)?;
        if who.is_manager() { Ok(Self(who)) } else { Err(Problem::forbidden()) }
    }
}

/// A customer.
pub(super) struct PortalUser(pub(super) &'static Account);

impl FromRequestParts<Arc<App>> for PortalUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let who = visitor(app, parts)?;
        if who.is_customer() { Ok(Self(who)) } else { Err(Problem::forbidden()) }
    }
}

/// Anybody known to the API; others get 401 as JSON.
pub(super) struct ApiUser(pub(super) &'static Account);

impl FromRequestParts<Arc<App>> for ApiUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        by_credential(app, &parts.headers)
            .map(Self)
            .ok_or_else(|| Problem::json(StatusCode::UNAUTHORIZED, "not signed in"))
    }
}

/// Staff or a program, through the API; others get 401 or 403 as JSON.
pub(super) struct ApiStaff;

impl FromRequestParts<Arc<App>> for ApiStaff {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let ApiUser(who) = ApiUser::from_request_parts(parts, app).await?;
        if who.has_full_api() { Ok(Self) } else { Err(Problem::json(StatusCode::FORBIDDEN, "not allowed")) }
    }
}
