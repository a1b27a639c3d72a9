//! The number in an address such as `/agent/tickets/1001`.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use super::home;
use super::problem::Problem;

/// The number; anything else is an address that does not exist.
pub(super) struct Id(pub(super) u64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<u64>::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(_) => Err(home::nothing_at(&parts.uri)),
        }
    }
}
