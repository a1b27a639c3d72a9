//! The glue to Pingora: the only folder that names it. Everything that decides lives elsewhere; here
//! bytes become a [`RequestHead`](crate::request::RequestHead), verdicts become HTTP, and nothing
//! reaches the app without a [`Permit`](crate::pipeline::Permit).

mod answer;
mod body;
mod budget;
mod call;
mod client_stream;
mod copies;
mod doorway;
mod exchange;
mod gateway;
mod headers;
mod http2;
mod incoming;
mod issued;
mod judge;
mod listening;
mod outgoing;
mod panics;
mod request_head;
mod respond;
mod serve;
mod sessions;
mod shares;
mod sign_in;
mod spool;
mod tunnel;
mod untaken;
mod upstream;

/// Where messages come from that are errors to Pingora and none to operators: two threads reached
/// for the same idle connection to the app, and a new one is made; a client or the app broke off. An app
/// that cannot be reached is told by the gateway itself, and what becomes of an exchange is in its record.
pub const TOO_LOUD: [&str; 3] = ["pingora_core::connectors", "pingora_core::protocols", "pingora_proxy"];

pub use headers::check_raw_head;
pub use serve::{Bound, ServeError, bind};
pub use sessions::end_in_app;
pub use tunnel::close_ended;
