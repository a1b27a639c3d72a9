//! The fuzz targets' part that does not need a fuzzer; the gateway's own tests have it, too.

pub mod checks;

/// Runs the check of that name.
///
/// # Panics
/// When it does not hold.
pub fn run(name: &str, input: &[u8]) {
    let (_, check) =
        checks::CHECKS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no check {name}"));
    check(input);
}
