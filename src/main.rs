//! The `deskgate` program.

use std::process::ExitCode;

/// Measured against the system's allocator in `docs/performance.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    deskgate::cli::main()
}
