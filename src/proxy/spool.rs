//! Where a body waits for its verdict: one of 64 KiB in memory, a larger one in a file without a
//! name, which nobody else can open and which is gone when the last reader is, also after a crash.
//! What is read and forwarded is the file itself, mapped: the kernel keeps as much of it in memory
//! as there is room for.

use std::fs::File;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use memmap2::{Mmap, MmapOptions};
use tokio::sync::Semaphore;

use super::budget::{Budget, Exhausted, Held};

/// What of a body is held in memory before it goes to a file.
const IN_MEMORY: usize = 64 << 10;
/// What is worth a write of its own.
const BATCH: usize = 32 << 10;
/// Smaller pieces are copied together: each by itself would take more than it holds.
const SMALL: usize = 4 << 10;

/// The room that bodies under inspection may take.
#[derive(Clone)]
pub struct Room {
    memory: Budget,
    disk: Budget,
    directory: Arc<Path>,
    threads: Arc<Semaphore>,
}

impl Room {
    /// So many bytes of memory, and of disk in `directory`.
    pub fn new(memory: u64, disk: u64, directory: PathBuf) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = Arc::new(Semaphore::new(2 * cores));
        Self { memory: Budget::new(memory), disk: Budget::new(disk), directory: directory.into(), threads }
    }

    /// Runs work that would hold up other requests, on one of a few threads: more would take memory of
    /// their own, and the cores from everybody else.
    ///
    /// # Errors
    /// When it stopped.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let turn = self.threads.acquire().await.map_err(io::Error::other)?;
        let done = tokio::task::spawn_blocking(work).await.map_err(io::Error::other);
        drop(turn);
        done
    }
}

/// Why a body cannot be kept.
#[derive(Debug)]
pub enum Full {
    /// There is no room for it.
    Budget(Exhausted),
    /// The disk does not take it.
    Disk(io::Error),
}

impl From<Exhausted> for Full {
    fn from(exhausted: Exhausted) -> Self {
        Self::Budget(exhausted)
    }
}

impl From<io::Error> for Full {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// Takes a body in as it arrives.
pub struct Spool {
    room: Room,
    memory: Held,
    disk: Held,
    /// What is in memory: larger pieces as they came, smaller ones put together.
    pieces: Vec<Bytes>,
    small: BytesMut,
    waiting: usize,
    file: Option<File>,
    written: usize,
}

impl Spool {
    /// An empty one, for a body of `address`.
    pub fn new(room: &Room, address: IpAddr) -> Self {
        Self {
            room: room.clone(),
            memory: room.memory.hold(address),
            disk: room.disk.hold(address),
            pieces: Vec::new(),
            small: BytesMut::new(),
            waiting: 0,
            file: None,
            written: 0,
        }
    }

    /// How much has arrived.
    pub fn len(&self) -> usize {
        self.written + self.waiting
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// When there is no room for it.
    pub async fn push(mut self, mut piece: Bytes) -> Result<Self, Full> {
        while self.waiting + piece.len() > IN_MEMORY {
            self.keep(piece.split_to(IN_MEMORY - self.waiting))?;
            self = self.write().await?;
        }
        self.keep(piece)?;
        // Nothing waits beside the piece that is read next.
        if self.file.is_some() && self.waiting >= BATCH { self.write().await } else { Ok(self) }
    }

    async fn write(self) -> Result<Self, Full> {
        let (room, mut spool) = (self.room.clone(), self);
        let mut written = room.run(move || spool.flush().map(|()| spool)).await??;
        written.forget();
        Ok(written)
    }

    fn keep(&mut self, piece: Bytes) -> Result<(), Full> {
        self.memory.grow(self.waiting + piece.len())?;
        self.waiting += piece.len();
        if piece.len() < SMALL {
            self.small.extend_from_slice(&piece);
        } else {
            self.gather();
            self.pieces.push(piece);
        }
        Ok(())
    }

    /// Puts the small pieces behind those before them.
    fn gather(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(self.small.split().freeze());
        }
    }

    /// Writes what is in memory to the file.
    fn flush(&mut self) -> Result<(), Full> {
        self.disk.grow(self.len())?;
        self.gather();
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.room.directory)?),
        };
        for piece in &self.pieces {
            file.write_all(piece)?;
        }
        self.written += std::mem::take(&mut self.waiting);
        Ok(())
    }

    /// Gives back the memory of what was written, on the thread that took it: only there is it soon taken again.
    fn forget(&mut self) {
        self.pieces.clear();
    }

    /// The whole body, and the memory that it holds.
    ///
    /// # Errors
    /// When there is no room for the last piece.
    pub async fn finish(self) -> Result<(Bytes, Held), Full> {
        if self.file.is_none() {
            return self.close();
        }
        let room = self.room.clone();
        room.run(move || self.close()).await?
    }

    fn close(mut self) -> Result<(Bytes, Held), Full> {
        if self.file.is_some() {
            self.flush()?;
        }
        self.gather();
        if let Some(file) = self.file {
            let nothing = self.memory.nothing();
            return Ok((Bytes::from_owner(Spooled { map: map(&file)?, _disk: self.disk }), nothing));
        }
        let whole = match &self.pieces[..] {
            [whole] => whole.clone(),
            pieces => pieces.concat().into(),
        };
        Ok((whole, self.memory))
    }

    /// A body that was read already, of these pieces. Takes time in the order of its length.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn rewrite(room: &Room, address: IpAddr, pieces: &[Bytes]) -> Result<(Bytes, Held), Full> {
        let mut spool = Self::new(room, address);
        for piece in pieces {
            let mut piece = piece.clone();
            while spool.waiting + piece.len() > IN_MEMORY {
                spool.keep(piece.split_to(IN_MEMORY - spool.waiting))?;
                spool.flush()?;
                spool.forget();
            }
            spool.keep(piece)?;
        }
        spool.close()
    }
}

/// A body in a file.
struct Spooled {
    map: Mmap,
    _disk: Held,
}

impl AsRef<[u8]> for Spooled {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

#[allow(unsafe_code)] // docs/adr/0007-bodies-in-mapped-files.md
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the file has no name, its only handle is this process's, and it is neither written to
    // nor cut from here on: the bytes of the map do not change, and all of them are there.
    unsafe { MmapOptions::new().populate().map(file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn room(memory: u64, disk: u64) -> (tempfile::TempDir, Room) {
        let directory = tempfile::tempdir().unwrap();
        let room = Room::new(memory, disk, directory.path().to_owned());
        (directory, room)
    }

    fn sample(length: usize) -> Vec<u8> {
        (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect()
    }

    async fn keep(room: &Room, body: &[u8], piece: usize) -> Result<(Bytes, Held), Full> {
        let mut spool = Spool::new(room, HERE);
        for piece in body.chunks(piece) {
            spool = spool.push(Bytes::copy_from_slice(piece)).await?;
        }
        assert_eq!(spool.len(), body.len());
        spool.finish().await
    }

    #[tokio::test]
    async fn what_went_in_comes_out() {
        let (_directory, room) = room(16 << 20, 64 << 20);
        for length in [0, 1, IN_MEMORY - 1, IN_MEMORY, IN_MEMORY + 1, 2 * IN_MEMORY, 2 * IN_MEMORY + 1, 3_000_000] {
            let body = sample(length);
            for piece in [1_000, 65_536, IN_MEMORY] {
                let (kept, _held) = keep(&room, &body, piece).await.unwrap();
                assert!(kept[..] == body[..], "{length} in pieces of {piece}");
            }
            let pieces = body.chunks(70_001).map(Bytes::copy_from_slice).collect::<Vec<_>>();
            assert!(Spool::rewrite(&room, HERE, &pieces).unwrap().0[..] == body[..], "{length} written anew");
        }
    }

    #[tokio::test]
    async fn room_is_bounded_and_given_back() {
        let (_directory, room) = room(4 << 20, 8 << 20);
        let body = sample(1 << 20);
        let one = keep(&room, &body, 65_536).await.unwrap();
        let two = keep(&room, &body, 65_536).await.unwrap();
        assert!(
            matches!(keep(&room, &body, 65_536).await, Err(Full::Budget(Exhausted::ByOthers))),
            "a quarter is taken"
        );
        drop(one.1);
        assert!(
            matches!(keep(&room, &body, 65_536).await, Err(Full::Budget(Exhausted::ByOthers))),
            "the bytes are still there"
        );
        drop(two);
        assert!(keep(&room, &body, 65_536).await.is_ok());
    }

    #[tokio::test]
    async fn a_disk_that_takes_nothing_is_told() {
        let (directory, room) = room(4 << 20, 8 << 20);
        drop(directory);
        assert!(matches!(keep(&room, &sample(IN_MEMORY + 1), 65_536).await, Err(Full::Disk(_))));
        assert!(keep(&room, &sample(IN_MEMORY), 65_536).await.is_ok(), "a small one needs none");
    }
}
