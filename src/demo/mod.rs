//! The sample helpdesk that `deskgate demo` puts the gateway in front of. It is a stranger to the
//! gateway: it keeps its own time.
#![allow(clippy::disallowed_methods)]

pub mod helpdesk;
