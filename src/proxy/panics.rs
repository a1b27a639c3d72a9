//! A panic ends the exchange in which it happens, and nothing else: it is answered, recorded and counted.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;
use pingora_core::{Error, ErrorType};

use super::exchange::{Exchange, Pending};
use crate::decision::{Denial, Evidence, protocol};
use crate::gate::Gate;

/// What ended in a panic.
#[derive(Debug)]
pub struct Panicked;

/// Waits for `work`, which is abandoned where it panics. What it had changed until then stays: whatever else reads
/// that must hold for an exchange that ends half-way. It is pinned by whoever calls: a future is moved whole.
///
/// # Errors
/// When it panicked.
pub async fn caught<T>(work: impl Future<Output = T> + Unpin) -> std::result::Result<T, Panicked> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| Panicked)
}

/// The same for work that waits for nothing.
///
/// # Errors
/// When it panicked.
pub fn caught_at_once<T>(work: impl FnOnce() -> T) -> std::result::Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}

/// What Pingora is told of a panic in a hook: the refusal waits for the hook that can send it.
pub fn refusal(gate: &Gate, exchange: &mut Exchange) -> Box<Error> {
    gate.metrics.panics.inc();
    exchange.trail.refuse("gateway", protocol::PANIC, Evidence::None);
    exchange.pending = Some(Pending(Box::new(Denial::new(protocol::PANIC))));
    // Nothing of an answer that was half looked at may go out.
    *exchange.outgoing.get_mut() = Some(super::outgoing::Outgoing::Ended);
    Error::explain(ErrorType::InternalError, "a panic")
}

/// Panics where a test says so, in builds with debug assertions only.
#[cfg(debug_assertions)]
pub fn inject(request: &pingora_http::RequestHeader, place: &str) {
    let wanted = request.headers.get("x-deskgate-fault").is_some_and(|wanted| wanted == place);
    assert!(!wanted, "a fault at {place}, as asked");
}

/// Panics where a test says so, in builds with debug assertions only.
#[cfg(not(debug_assertions))]
pub const fn inject(_: &pingora_http::RequestHeader, _: &str) {}
