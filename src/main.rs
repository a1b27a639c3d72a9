//! The `deskgate` program.

use std::process::ExitCode;

/// Every exchange makes and drops many small things, on all threads at once: what this one is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    deskgate::cli::main()
}
