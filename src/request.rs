//! The head of a request, normalised once. Everything that decides reads this, and what is
//! forwarded is written from it: there is no second reading.

mod client;
mod cookies;
mod networks;
mod set_cookie;
mod target;
mod values;

use std::net::IpAddr;

use http::Method;

use crate::identity::Identity;
use crate::policy::names::RoleId;
use crate::route::{Area, Matched};
use crate::upload::FileFacts;

pub use self::client::{client_address, hops, one_address, write_address};
pub use self::cookies::{Cookies, Copies};
pub use self::networks::Networks;
pub use self::set_cookie::SetCookie;
pub use self::target::{PathRules, Target};
pub use self::values::{Values, is_key, lines};

/// Why a head has no single reading. Each is a reason of its own in the decision log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The target is not a path from `/`, or holds what servers read differently.
    Target,
    /// The query is not valid percent-encoded UTF-8.
    Query,
}

/// How the answer will be used, which decides the shape of a refusal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wants {
    /// A person's browser opens a page, in a window or in a frame.
    #[default]
    Page,
    /// A script or a program reads it.
    Data,
    /// A page embeds it: an image, a style sheet, a video.
    Part,
}

/// The head of a request as controls see it: normalised, identified, classified.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The client's address.
    pub client: IpAddr,
    /// Whether the client came over TLS.
    pub secure: bool,
    /// How the answer will be used.
    pub wants: Wants,
    /// The part of the app.
    pub area: Area,
    /// What it does.
    pub route: Matched,
    /// Who asks.
    pub identity: Identity,
    /// In which role.
    pub role: RoleId,
    /// Whether it asks for the connection to become another one, such as a WebSocket.
    pub upgrades: bool,
    /// The files that it sends, when a control wants to know.
    pub files: Vec<FileFacts>,
}

impl RequestHead {
    /// Whether it changes nothing, as far as its method and its route tell (RFC 9110, section 9.2.1).
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.method.is_safe() && self.route.changes().next().is_none()
    }

    /// Whether the thing belongs to the person who asks, as far as the request tells.
    #[must_use]
    pub fn owns_it(&self) -> bool {
        match (&self.route.owner, &self.identity) {
            (Some(owner), Identity::Session { record, .. }) => owner.is_exactly(&record.user),
            _ => false,
        }
    }

    /// Whether it could be theirs in an app that folds names.
    #[must_use]
    pub fn may_own_it(&self) -> bool {
        match (&self.route.owner, &self.identity) {
            (Some(owner), Identity::Session { record, .. }) => *owner == record.user,
            _ => false,
        }
    }
}

/// The user name and password of HTTP Basic; the password is not kept.
#[must_use]
pub fn basic_user(authorization: &str) -> Option<String> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = data_encoding::BASE64.decode(encoded.trim().as_bytes()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(user, _)| user.to_owned())
}

/// Whether `method` is one that is let through at all.
#[must_use]
pub fn is_known_method(method: &Method) -> bool {
    crate::policy::phrase::METHODS.contains(method)
}
