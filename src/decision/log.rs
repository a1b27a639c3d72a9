//! The decision log: a bounded queue and one writer. Whether there is a place in the queue is asked
//! *before* a request is let through; what happens when there is none is the policy's choice (O13).
//! What was let through is recorded in any case: requests under way hold no places, or slow ones
//! could keep all others out, so the queue may outgrow its length by as many as were under way.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Where records go.
#[derive(Clone, Debug)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file, made with mode 0640 and appended to.
    File(PathBuf),
    /// Lines handed to a function, which the demo prints readably; and to a file as well, if there is one.
    Lines(fn(&str), Option<PathBuf>),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("on standard output"),
            Self::File(path) => path.display().fmt(f),
            Self::Lines(_, Some(path)) => path.display().fmt(f),
            Self::Lines(_, None) => f.write_str("on the terminal"),
        }
    }
}

impl Target {
    /// Reads `stdout` or `file PATH`; what else there is was refused when the policy was compiled.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix("file ") {
            Some(path) => Self::File(path.trim().into()),
            None => Self::Stdout,
        }
    }

    /// The same with `show` in the place of standard output, beside a file.
    #[must_use]
    pub fn shown_by(self, show: fn(&str)) -> Self {
        match self {
            Self::File(path) => Self::Lines(show, Some(path)),
            _ => Self::Lines(show, None),
        }
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Lines(_, Some(path)) => Some(path),
            Self::Stdout | Self::Lines(_, None) => None,
        }
    }
}

/// The decision log. Cheap to clone.
#[derive(Clone)]
pub struct Log(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Records that wait to be written.
    waiting: AtomicUsize,
    failing: AtomicBool,
    lost: AtomicU64,
    seq: AtomicU64,
    node: String,
}

#[derive(Default)]
struct Queue {
    lines: Vec<u8>,
    records: usize,
    target: Option<Target>,
    reopen: bool,
    closing: bool,
}

/// Leave to put a record.
pub struct Place(());

/// Ends the writer when it is dropped, after everything queued was written.
pub struct Writer {
    log: Log,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.log.0.queue.lock().closing = true;
        self.log.0.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How long records may wait so that they are written together.
const GATHER: Duration = Duration::from_millis(5);
/// How often it is looked whether the file is still there.
const LOOK: Duration = Duration::from_millis(500);
/// How long to wait before a failed write is tried again.
const RETRY: Duration = Duration::from_millis(500);

impl Log {
    /// Opens the log at `target` and starts its writer. `node` names this process in records.
    ///
    /// # Errors
    /// When the target cannot be opened.
    pub fn open(target: Target, node: String) -> io::Result<(Self, Writer)> {
        let sink = Sink::open(&target)?;
        let shared = Shared {
            queue: Mutex::default(),
            wake: Condvar::new(),
            waiting: AtomicUsize::new(0),
            failing: AtomicBool::new(false),
            lost: AtomicU64::new(0),
            seq: AtomicU64::new(0),
            node,
        };
        let log = Self(Arc::new(shared));
        let shared = log.0.clone();
        let thread =
            std::thread::Builder::new().name("decision-log".into()).spawn(move || write_loop(&shared, target, sink))?;
        Ok((log.clone(), Writer { log, thread: Some(thread) }))
    }

    /// A place in the queue of `length`; `None` when it is full or cannot be written.
    #[must_use]
    pub fn place(&self, length: u32) -> Option<Place> {
        let room = self.waiting() < length as usize && !self.0.failing.load(Ordering::Relaxed);
        room.then_some(Place(()))
    }

    /// Puts a record into its place. `write` appends one line; it gets the node's name and the
    /// record's number.
    pub fn put(&self, _: Place, write: impl FnOnce(&str, u64, &mut Vec<u8>)) {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        let seq = self.0.seq.fetch_add(1, Ordering::Relaxed);
        let mut queue = self.0.queue.lock();
        write(&self.0.node, seq, &mut queue.lines);
        queue.records += 1;
        let first = queue.records == 1;
        drop(queue);
        if first {
            self.0.wake.notify_one();
        }
    }

    /// Counts a record that had no place. Its number is left out, so that the records show that one is missing.
    pub fn lose(&self) {
        self.0.seq.fetch_add(1, Ordering::Relaxed);
        self.0.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that had no place since this was last asked.
    #[must_use]
    pub fn take_lost(&self) -> u64 {
        self.0.lost.swap(0, Ordering::Relaxed)
    }

    /// Records that wait to be written.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// Whether the last write failed.
    #[must_use]
    pub fn failing(&self) -> bool {
        self.0.failing.load(Ordering::Relaxed)
    }

    /// Opens the file anew, as after a rotation, and goes on at `target`. What [`Target::Lines`] shows, it goes on
    /// showing: no policy names that.
    pub fn reopen(&self, target: Target) {
        let mut queue = self.0.queue.lock();
        queue.target = Some(target);
        queue.reopen = true;
        drop(queue);
        self.0.wake.notify_one();
    }
}

enum Sink {
    Stdout,
    File(File),
    Lines(fn(&str), Option<File>),
}

impl Sink {
    fn open(target: &Target) -> io::Result<Self> {
        match target {
            Target::Stdout => Ok(Self::Stdout),
            Target::File(path) => open(path).map(Self::File),
            Target::Lines(show, path) => Ok(Self::Lines(*show, path.as_deref().map(open).transpose()?)),
        }
    }

    fn file(&self) -> Option<&File> {
        match self {
            Self::File(file) | Self::Lines(_, Some(file)) => Some(file),
            Self::Stdout | Self::Lines(_, None) => None,
        }
    }

    /// Writes as much as it can; tells how much that was.
    fn write(&mut self, bytes: &[u8]) -> (usize, io::Result<()>) {
        match self {
            Self::Stdout => write_all(&mut io::stdout().lock(), bytes),
            Self::File(file) => write_all(file, bytes),
            Self::Lines(show, file) => {
                let (written, result) = file.as_mut().map_or((bytes.len(), Ok(())), |file| write_all(file, bytes));
                String::from_utf8_lossy(&bytes[..written]).lines().for_each(*show);
                (written, result)
            }
        }
    }
}

/// Whether the file that is written is not the one of that name any more: it was removed, or moved without a word.
fn is_elsewhere(sink: &Sink, target: &Target) -> bool {
    let (Some(file), Some(path)) = (sink.file(), target.path()) else { return false };
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    // A device or a pipe has no other.
    let Ok(written) = file.metadata().map(identity) else { return false };
    !std::fs::metadata(path).map(identity).is_ok_and(|named| named == written)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

fn write_all(out: &mut dyn Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut done = 0;
    while done < bytes.len() {
        match out.write(&bytes[done..]) {
            Ok(0) => return (done, Err(io::ErrorKind::WriteZero.into())),
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return (done, Err(e)),
        }
    }
    (done, out.flush())
}

fn write_loop(shared: &Shared, mut target: Target, mut sink: Sink) {
    let mut batch: Vec<u8> = Vec::with_capacity(64 << 10);
    let mut records = 0;
    let mut done = 0;
    let mut looked = Instant::now();
    loop {
        let closing = {
            let mut queue = shared.queue.lock();
            if batch.is_empty() && queue.records == 0 && !queue.reopen && !queue.closing {
                shared.wake.wait(&mut queue);
            }
            if batch.is_empty() && !queue.closing && !queue.reopen {
                // Records come in bursts; one write for a burst costs what one record costs.
                shared.wake.wait_for(&mut queue, GATHER);
            }
            if batch.is_empty() {
                std::mem::swap(&mut batch, &mut queue.lines);
                records = std::mem::take(&mut queue.records);
                done = 0;
            }
            if std::mem::take(&mut queue.reopen) {
                target = match (queue.target.take(), &target) {
                    (Some(next), Target::Lines(show, _)) => next.shown_by(*show),
                    (next, _) => next.unwrap_or(target),
                };
                match Sink::open(&target) {
                    Ok(opened) => sink = opened,
                    Err(e) => log::error!("decision log {target} cannot be opened: {e}; the one before stays in use"),
                }
            }
            queue.closing
        };
        // Records in a file without a name are records that nobody finds.
        if looked.elapsed() >= LOOK && !batch.is_empty() {
            looked = Instant::now();
            if is_elsewhere(&sink, &target) {
                match Sink::open(&target) {
                    Ok(opened) => {
                        log::warn!("decision log {target} was removed or moved: it goes on in a new file of that name");
                        sink = opened;
                    }
                    Err(e) => log::error!("decision log {target} was removed, and cannot be opened: {e}"),
                }
            }
        }
        let (written, result) = sink.write(&batch[done..]);
        done += written;
        match result {
            Ok(()) => {
                shared.failing.store(false, Ordering::Relaxed);
                shared.waiting.fetch_sub(records, Ordering::Relaxed);
                records = 0;
                batch.clear();
                if closing && shared.queue.lock().records == 0 {
                    return;
                }
            }
            Err(e) => {
                if !shared.failing.swap(true, Ordering::Relaxed) {
                    log::error!("decision log {target} cannot be written: {e}; trying again until it can");
                }
                if closing {
                    log::error!("{records} decision records are lost");
                    return;
                }
                std::thread::sleep(RETRY);
                if let Ok(opened) = Sink::open(&target) {
                    sink = opened;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(log: &Log, text: &'static str) {
        let place = log.place(100).unwrap();
        log.put(place, |_, seq, out| out.extend_from_slice(format!("{seq} {text}\n").as_bytes()));
    }

    #[test]
    fn writes_in_order_and_finishes_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d.jsonl");
        let (log, writer) = Log::open(Target::File(path.clone()), "n".into()).unwrap();
        (0..50).for_each(|_| put(&log, "x"));
        drop(writer);
        let text = std::fs::read_to_string(path).unwrap();
        let expected: String = (0..50).map(|i| format!("{i} x\n")).collect();
        assert_eq!(text, expected);
        assert_eq!(log.waiting(), 0);
    }

    #[test]
    fn a_full_queue_has_no_place_and_what_was_let_through_is_recorded_all_the_same() {
        let (log, writer) = Log::open(Target::File("/dev/full".into()), "n".into()).unwrap();
        let under_way: Vec<_> = (0..5).map(|_| log.place(3).unwrap()).collect();
        assert_eq!(log.waiting(), 0, "slow requests keep nobody out");
        for place in under_way {
            log.put(place, |_, _, out| out.extend_from_slice(b"x\n"));
        }
        assert!(log.place(3).is_none());
        let dir = tempfile::tempdir().unwrap();
        log.reopen(Target::File(dir.path().join("d.jsonl")));
        drop(writer);
        assert_eq!(std::fs::read_to_string(dir.path().join("d.jsonl")).unwrap().matches('x').count(), 5);
    }

    #[test]
    fn a_disk_that_cannot_be_written_is_told_and_loses_nothing_when_it_can_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d.jsonl");
        let (log, writer) = Log::open(Target::File("/dev/full".into()), "n".into()).unwrap();
        put(&log, "kept");
        while !log.failing() {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(log.place(100).is_none(), "nothing is let through while records cannot be written");
        log.reopen(Target::File(path.clone()));
        while log.failing() {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(writer);
        assert_eq!(std::fs::read_to_string(path).unwrap(), "0 kept\n");
    }

    #[test]
    fn messages_name_the_file_and_not_its_type() {
        assert_eq!(Target::parse("file /var/log/d.jsonl").to_string(), "/var/log/d.jsonl");
        assert_eq!(Target::parse("stdout").to_string(), "on standard output");
    }

    #[test]
    fn lines_for_a_person_go_on_and_a_file_has_them_too_where_the_policy_says_so() {
        static SHOWN: Mutex<Vec<String>> = Mutex::new(Vec::new());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d");
        let target = Target::Stdout.shown_by(|line| SHOWN.lock().push(line.to_owned()));
        let (log, writer) = Log::open(target, "n".into()).unwrap();
        put(&log, "a");
        while log.waiting() > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        log.reopen(Target::File(path.clone()));
        std::thread::sleep(Duration::from_millis(50));
        put(&log, "b");
        while log.waiting() > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        log.reopen(Target::Stdout);
        std::thread::sleep(Duration::from_millis(50));
        put(&log, "c");
        drop(writer);
        assert_eq!(*SHOWN.lock(), ["0 a", "1 b", "2 c"]);
        assert_eq!(std::fs::read_to_string(path).unwrap(), "1 b\n");
    }

    #[test]
    fn a_file_that_was_removed_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d");
        let (log, writer) = Log::open(Target::File(path.clone()), "n".into()).unwrap();
        put(&log, "a");
        while log.waiting() > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::fs::remove_file(&path).unwrap();
        std::thread::sleep(LOOK + Duration::from_millis(50));
        put(&log, "b");
        drop(writer);
        assert_eq!(std::fs::read_to_string(path).unwrap(), "1 b\n");
    }

    #[test]
    fn what_is_lost_leaves_a_gap() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d");
        let (log, writer) = Log::open(Target::File(path.clone()), "n".into()).unwrap();
        put(&log, "a");
        log.lose();
        put(&log, "b");
        drop(writer);
        assert_eq!(std::fs::read_to_string(path).unwrap(), "0 a\n2 b\n");
        assert_eq!((log.take_lost(), log.take_lost()), (1, 0));
    }

    #[test]
    fn goes_on_in_a_new_file_after_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("d"), dir.path().join("d.1"));
        let (log, writer) = Log::open(Target::File(path.clone()), "n".into()).unwrap();
        put(&log, "a");
        while log.waiting() > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::fs::rename(&path, &moved).unwrap();
        log.reopen(Target::File(path.clone()));
        std::thread::sleep(Duration::from_millis(50));
        put(&log, "b");
        drop(writer);
        assert_eq!(std::fs::read_to_string(moved).unwrap(), "0 a\n");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "1 b\n");
    }
}
