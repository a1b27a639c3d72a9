//! Every seed of the fuzz targets by the same checks, so that neither rots: `fuzz/run` goes on from
//! there with inputs that it makes up.

#![allow(clippy::unwrap_used, clippy::panic)] // what tests share is test code too

use std::path::{Path, PathBuf};

#[path = "../fuzz/src/checks/mod.rs"]
mod checks;

fn folder(path: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(path);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_seed_passes_its_check() {
    for (name, check) in checks::CHECKS {
        let seeds = folder(&format!("seeds/{name}"));
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in seeds {
            let input = std::fs::read(&seed).unwrap();
            // A panic does not say by itself which seed it was.
            let passed = std::panic::catch_unwind(|| check(&input)).is_ok();
            assert!(passed, "the check fails for {}", seed.display());
        }
    }
}

#[test]
fn every_check_has_a_target() {
    let names: Vec<_> = checks::CHECKS.iter().map(|(name, _)| format!("{name}.rs")).collect();
    let targets: Vec<_> = folder("targets").iter().map(|p| p.file_name().unwrap().display().to_string()).collect();
    assert_eq!(targets, names);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    for name in &names {
        assert!(manifest.contains(&format!("path = \"targets/{name}\"")), "{name} is not in fuzz/Cargo.toml");
    }
}
