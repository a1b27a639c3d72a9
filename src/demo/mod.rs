//! The sample helpdesk that `deskgate demo` puts the gateway in front of.

pub mod helpdesk;
