//! Drives the whole app over real connections.

mod desk;
mod limits;
mod look;
mod who;
mod work;
