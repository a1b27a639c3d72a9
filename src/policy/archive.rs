//! Every policy that was in force, by its hash: records name the hash, and whoever reads them years later asks what it
//! said. Kept in the state directory, for its owner only; nothing here removes them.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::Policy;

/// Keeps the texts of `policy` in `directory`, as `policies/HASH/policy.yaml` and `profile.yaml`, unless they are there.
///
/// # Errors
/// When they can be neither found nor written.
pub fn keep(directory: &Path, policy: &Policy) -> io::Result<()> {
    let place = directory.join("policies").join(&policy.revision);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&place)?;
    for (name, text) in [("policy.yaml", &policy.texts.policy), ("profile.yaml", &policy.texts.profile)] {
        let (file, fresh) = (place.join(name), place.join(format!("{name}.new")));
        if fs::read(&file).is_ok_and(|kept| kept == text.as_bytes()) {
            continue;
        }
        let mut writing = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        writing.write_all(text.as_bytes())?;
        writing.sync_all()?;
        fs::rename(fresh, file)?;
    }
    fs::File::open(place)?.sync_all()
}
