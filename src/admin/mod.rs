//! What operators see: metrics, health, sessions, people, reload. One thread with its own runtime,
//! so that nothing here can slow a request down.

mod pages;
mod readiness;
mod tasks;

use std::io;
use std::sync::Arc;

use crate::gate::Gate;

pub use readiness::Reachability;

/// What operations work on.
#[derive(Clone)]
pub struct Operations {
    /// The gateway.
    pub gate: Arc<Gate>,
    /// Whether the clock may be turned.
    pub rehearsal: bool,
    /// Whether the app can be reached.
    pub app: Reachability,
}

/// Starts the admin listener, if there is to be one, and the tasks that go on by themselves.
///
/// # Errors
/// When the address cannot be listened on.
pub fn start(operations: Operations, address: Option<&str>) -> io::Result<()> {
    let listener = address.map(std::net::TcpListener::bind).transpose()?;
    if let Some(listener) = &listener {
        listener.set_nonblocking(true)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || {
        runtime.block_on(async move {
            let tasks = tasks::run(operations.gate.clone());
            match listener.map(tokio::net::TcpListener::from_std) {
                Some(Ok(listener)) => {
                    let served = axum::serve(listener, pages::router(operations));
                    tokio::select! { () = tasks => {}, _ = served => {} }
                }
                Some(Err(e)) => {
                    log::error!("the admin listener does not work: {e}");
                    tasks.await;
                }
                None => tasks.await,
            }
        });
        log::error!("nothing watches over sessions any more: the process ends");
        std::process::exit(1);
    };
    std::thread::Builder::new().name("operations".into()).spawn(run)?;
    Ok(())
}
