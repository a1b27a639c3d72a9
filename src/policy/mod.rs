//! The policy and the profile: as written ([`file`](mod@file), [`profile`]) and as compiled
//! ([`compile::Policy`]), with one function between the two.

pub mod archive;
pub mod channels;
pub mod compile;
pub mod difference;
pub mod file;
pub mod live;
pub mod names;
pub mod phrase;
pub mod problem;
pub mod profile;
pub mod schema;
pub mod source;
pub mod structure;
pub mod summary;
pub mod types;
pub mod yaml;

pub use compile::{Policy, Upstream};
