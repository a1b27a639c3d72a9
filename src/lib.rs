//! Deskgate: a reverse proxy that enforces a policy in front of a helpdesk app that cannot be
//! changed. `docs/architecture.md` tells how the pieces fit; start reading at [`pipeline`].

pub mod addresses;
pub mod admin;
pub mod body;
pub mod certificate;
pub mod cli;
pub mod clock;
pub mod controls;
pub mod decision;
pub mod demo;
pub mod detect;
pub mod gate;
pub mod identity;
pub mod mail;
pub mod masking;
pub mod metrics;
pub mod pipeline;
pub mod policy;
pub mod portal;
pub mod proxy;
pub mod request;
pub mod route;
pub mod scan;
pub mod store;
pub mod text;
pub mod upload;
