//! Drives the whole app over real connections.

mod desk;
mod limits;
mod who;
mod work;
