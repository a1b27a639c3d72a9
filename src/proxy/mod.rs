//! The glue to Pingora: the only folder that names it. Everything that decides lives elsewhere; here
//! bytes become a [`RequestHead`](crate::request::RequestHead), verdicts become HTTP, and nothing
//! reaches the app without a [`Permit`](crate::pipeline::Permit).

mod answer;
mod body;
mod call;
mod doorway;
mod exchange;
mod gateway;
mod headers;
mod issued;
mod judge;
mod respond;
mod serve;
mod sessions;
mod shares;
mod sign_in;
mod upstream;

pub use serve::{ServeError, serve};
pub use sessions::end_in_app;
