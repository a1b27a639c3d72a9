//! How many files and sockets the process may have open at once (`RLIMIT_NOFILE`, getrlimit(2)).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open besides the two sockets of each connection: listeners, the store, logs, idle connections to the app.
const BESIDES: u64 = 512;

/// Raises the soft limit to the hard one, and says how many that are. The soft one is low on most systems for the
/// sake of programs that use select(2).
pub fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(e) => {
            log::warn!("the limit of open files cannot be raised: {e}");
            limit.current.unwrap_or(u64::MAX)
        }
    }
}

/// What to say when so many connections cannot be reached with `files` open files: each needs one to the client and
/// one to the app.
#[must_use]
pub fn too_few(connections: u64, files: u64) -> Option<String> {
    let needed = connections.saturating_mul(2).saturating_add(BESIDES);
    let message = || {
        let reached = files.saturating_sub(BESIDES) / 2;
        format!(
            "limits.connections is {connections}, but {files} open files are enough for about {reached}; allow {needed} \
             (LimitNOFILE= of systemd, ulimit -Hn), or write a smaller number"
        )
    };
    (files < needed).then(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_files_are_told_with_how_many_are_needed() {
        assert_eq!(too_few(1000, 2512), None);
        assert_eq!(too_few(1000, u64::MAX), None);
        let told = too_few(1000, 1024).unwrap();
        assert!(told.contains("enough for about 256; allow 2512 "), "{told}");
        assert!(too_few(1000, 100).unwrap().contains("about 0"));
    }
}
