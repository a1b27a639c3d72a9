//! End to end: the real program in front of the sample helpdesk and of two real ones, over loopback.
//!
//! The real apps must have been set up: `tests/run.sh` does that, or `tests/apps/*/setup.sh`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests
#![allow(missing_docs)]

mod addresses;
mod cancelled;
mod copies;
mod crawl;
mod demo;
mod django;
mod every_upload;
mod framing;
mod harness;
mod http2;
mod incoming;
mod masking;
mod panics;
mod protocol;
mod records;
mod refusals;
mod reload;
mod rt;
mod scanner;
mod slow;
mod soak;
mod start;
mod strangers;
mod tinydesk;
mod tunnels;
mod watching;
mod wire;
