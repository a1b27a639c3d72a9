//! Content codings (RFC 9110 section 8.4.1): what an app sends coded although it was asked not to is decoded, with a
//! bound on how much may come out of how little; what is sent on may be coded again.

use std::io::{self, Write};

use brotli::{CompressorWriter, DecompressorWriter};
use flate2::Compression;
use flate2::write::{DeflateDecoder, GzEncoder, MultiGzDecoder, ZlibDecoder};

use zstd::stream::raw::Operation;

use super::rewrite::Broken;

/// How a body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// gzip
    Gzip,
    /// br
    Brotli,
    /// zstd
    Zstd,
    /// deflate: zlib, or what some servers send for it.
    Deflate,
}

impl Coding {
    /// The coding that `Content-Encoding` names: none, one, or `Err` when it is unknown or there are several.
    ///
    /// # Errors
    /// When it cannot be undone.
    pub fn of(header: &str) -> Result<Option<Self>, Broken> {
        match header.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(None),
            "gzip" | "x-gzip" => Ok(Some(Self::Gzip)),
            "br" => Ok(Some(Self::Brotli)),
            "zstd" => Ok(Some(Self::Zstd)),
            "deflate" => Ok(Some(Self::Deflate)),
            _ => Err(Broken("a coding that is not known")),
        }
    }

    /// Its name in headers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Deflate => "deflate",
        }
    }
}

/// So many times as large as what came in may come out.
const MOST_RATIO: u64 = 200;
/// So much may come out in any case.
const FREE: u64 = 1 << 20;
/// What is decoded at a time, so that little in never becomes much out before it is counted.
const PIECE: usize = 1 << 10;

/// What was decoded, and how much it may be.
#[derive(Default)]
struct Bounded {
    out: Vec<u8>,
    total: u64,
    most: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.total += bytes.len() as u64;
        if self.total > self.most {
            return Err(io::Error::other("more than it may be"));
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Frames of zstd (RFC 8878). The library's own writer does not say whether the last frame is whole.
struct Zstd {
    decoder: zstd::stream::raw::Decoder<'static>,
    sink: Bounded,
    whole: bool,
}

impl Zstd {
    fn new() -> io::Result<Self> {
        let mut decoder = zstd::stream::raw::Decoder::new()?;
        // 8 MiB, what RFC 9659 lets a sender use.
        decoder.set_parameter(zstd::stream::raw::DParameter::WindowLogMax(23))?;
        Ok(Self { decoder, sink: Bounded::default(), whole: false })
    }

    fn write_all(&mut self, mut input: &[u8]) -> io::Result<()> {
        let mut out = [0; 16 << 10];
        loop {
            let status = self.decoder.run_on_buffers(input, &mut out)?;
            input = &input[status.bytes_read..];
            self.whole = status.remaining == 0;
            self.sink.write_all(&out[..status.bytes_written])?;
            // Of a full buffer there may be more to come.
            if input.is_empty() && status.bytes_written < out.len() {
                return Ok(());
            }
        }
    }

    fn end(&self) -> io::Result<()> {
        if self.whole { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

enum Undo {
    Gzip(MultiGzDecoder<Bounded>),
    Brotli(Box<DecompressorWriter<Bounded>>),
    Zstd(Box<Zstd>),
    Zlib(ZlibDecoder<Bounded>),
    Raw(DeflateDecoder<Bounded>),
    /// Deflate, before its first two bytes are there that tell which of two it is.
    Deflate(Vec<u8>),
}

/// Decodes a body in pieces.
pub struct Decoder {
    undo: Undo,
    fed: u64,
}

const CODED: Broken = Broken("a body that is not coded as it says");
const BOMB: Broken = Broken("a body that is larger than its coding should make it");

impl Decoder {
    /// A decoder at the start of a body.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new(coding: Coding) -> Result<Self, Broken> {
        let sink = Bounded::default();
        let undo = match coding {
            Coding::Gzip => Undo::Gzip(MultiGzDecoder::new(sink)),
            Coding::Brotli => Undo::Brotli(Box::new(DecompressorWriter::new(sink, 4 << 10))),
            Coding::Zstd => Undo::Zstd(Box::new(Zstd::new().map_err(|_| CODED)?)),
            Coding::Deflate => Undo::Deflate(Vec::new()),
        };
        Ok(Self { undo, fed: 0 })
    }

    /// Decodes more of it.
    ///
    /// # Errors
    /// When it is not coded so, or becomes too large.
    pub fn write(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        for piece in input.chunks(PIECE) {
            self.fed += piece.len() as u64;
            let most = FREE.max(self.fed.saturating_mul(MOST_RATIO));
            if let Undo::Deflate(head) = &mut self.undo {
                head.extend_from_slice(piece);
                if head.len() < 2 {
                    continue;
                }
                let head = std::mem::take(head);
                // RFC 1950: method 8, and a check over both bytes.
                let zlib = head[0] & 0x0f == 8 && (u16::from(head[0]) << 8 | u16::from(head[1])) % 31 == 0;
                self.undo = if zlib {
                    Undo::Zlib(ZlibDecoder::new(Bounded::default()))
                } else {
                    Undo::Raw(DeflateDecoder::new(Bounded::default()))
                };
                self.step(&head, most, out)?;
            } else {
                self.step(piece, most, out)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, piece: &[u8], most: u64, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.sink(|sink| sink.most = most);
        let wrote = match &mut self.undo {
            Undo::Gzip(d) => d.write_all(piece).and_then(|()| d.flush()),
            Undo::Brotli(d) => d.write_all(piece).and_then(|()| d.flush()),
            Undo::Zstd(d) => d.write_all(piece),
            Undo::Zlib(d) => d.write_all(piece).and_then(|()| d.flush()),
            Undo::Raw(d) => d.write_all(piece).and_then(|()| d.flush()),
            Undo::Deflate(_) => Ok(()),
        };
        let mut over = false;
        self.sink(|sink| {
            over = sink.total > sink.most;
            out.append(&mut sink.out);
        });
        if over { Err(BOMB) } else { wrote.map_err(|_| CODED) }
    }

    fn sink(&mut self, each: impl FnOnce(&mut Bounded)) {
        match &mut self.undo {
            Undo::Gzip(d) => each(d.get_mut()),
            Undo::Brotli(d) => each(d.get_mut()),
            Undo::Zstd(d) => each(&mut d.sink),
            Undo::Zlib(d) => each(d.get_mut()),
            Undo::Raw(d) => each(d.get_mut()),
            Undo::Deflate(_) => {}
        }
    }

    /// Its end.
    ///
    /// # Errors
    /// When it ended too early.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        if self.fed == 0 {
            // An empty body is coded as nothing at all.
            return Ok(());
        }
        let ended = match &mut self.undo {
            Undo::Gzip(d) => d.try_finish(),
            Undo::Brotli(d) => d.close(),
            Undo::Zstd(d) => d.end(),
            Undo::Zlib(d) => d.try_finish(),
            Undo::Raw(d) => d.try_finish(),
            Undo::Deflate(_) => return Err(CODED),
        };
        self.sink(|sink| out.append(&mut sink.out));
        ended.map_err(|_| CODED)
    }
}

// The lowest levels: somebody waits for the answer. A page of 47 KB is a sixth longer than with brotli's 4 and gzip's 4,
// and takes a third of the time.
const ZSTD: i32 = 1;
const BROTLI: u32 = 1;
const GZIP: u32 = 1;

/// Codes a body in pieces.
pub enum Encoder {
    /// gzip
    Gzip(GzEncoder<Vec<u8>>),
    /// br
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    /// zstd
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

impl Encoder {
    /// An encoder for the best coding that `accepts` (an `Accept-Encoding`) names; `None` when it names none.
    #[must_use]
    pub fn accepted(accepts: &str) -> Option<(Coding, Self)> {
        let accepted = |name: &str| {
            accepts.split(',').any(|part| {
                let mut words = part.split(';');
                let same = words.next().is_some_and(|c| c.trim().eq_ignore_ascii_case(name));
                same && !words.any(|p| {
                    p.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse::<f32>().is_ok_and(|q| q == 0.0))
                })
            })
        };
        if accepted("zstd") {
            let encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD).ok()?;
            return Some((Coding::Zstd, Self::Zstd(Box::new(encoder))));
        }
        if accepted("br") {
            let encoder = CompressorWriter::new(Vec::new(), 4 << 10, BROTLI, 18);
            return Some((Coding::Brotli, Self::Brotli(Box::new(encoder))));
        }
        accepted("gzip").then(|| (Coding::Gzip, Self::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP)))))
    }

    /// Codes more. What is ready is added to `out`; all of it when `flush`.
    ///
    /// # Errors
    /// When it cannot be coded.
    pub fn write(&mut self, input: &[u8], flush: bool, out: &mut Vec<u8>) -> Result<(), Broken> {
        let wrote = match self {
            Self::Gzip(e) => e.write_all(input).and_then(|()| if flush { e.flush() } else { Ok(()) }),
            Self::Brotli(e) => e.write_all(input).and_then(|()| if flush { e.flush() } else { Ok(()) }),
            Self::Zstd(e) => e.write_all(input).and_then(|()| if flush { e.flush() } else { Ok(()) }),
        };
        wrote.map_err(|_| CODED)?;
        match self {
            Self::Gzip(e) => out.append(e.get_mut()),
            Self::Brotli(e) => out.append(e.get_mut()),
            Self::Zstd(e) => out.append(e.get_mut()),
        }
        Ok(())
    }

    /// Its end.
    ///
    /// # Errors
    /// When it cannot be coded.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), Broken> {
        let rest = match self {
            Self::Gzip(e) => e.finish().map_err(|_| CODED)?,
            Self::Brotli(e) => e.into_inner(),
            Self::Zstd(e) => e.finish().map_err(|_| CODED)?,
        };
        out.extend_from_slice(&rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(coding: Coding, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        // As dense as whoever sends a bomb would have it.
        if coding == Coding::Deflate {
            let mut e = flate2::write::ZlibEncoder::new(Vec::new(), Compression::best());
            e.write_all(text).unwrap();
            return e.finish().unwrap();
        }
        if coding == Coding::Gzip {
            let mut e = GzEncoder::new(Vec::new(), Compression::best());
            e.write_all(text).unwrap();
            return e.finish().unwrap();
        }
        let (_, mut encoder) = Encoder::accepted(coding.as_str()).unwrap();
        encoder.write(text, false, &mut out).unwrap();
        encoder.finish(&mut out).unwrap();
        out
    }

    fn decoded(coding: Coding, input: &[u8], step: usize) -> Result<Vec<u8>, Broken> {
        let mut out = Vec::new();
        let mut decoder = Decoder::new(coding)?;
        for piece in input.chunks(step) {
            decoder.write(piece, &mut out)?;
        }
        decoder.finish(&mut out)?;
        Ok(out)
    }

    const ALL: [Coding; 4] = [Coding::Gzip, Coding::Brotli, Coding::Zstd, Coding::Deflate];

    #[test]
    fn every_coding_is_undone_at_every_split() {
        let text: Vec<u8> = (0..3_000_u32).flat_map(|i| format!("line {} ", i * 7919 % 1000).into_bytes()).collect();
        for coding in ALL {
            let coded = coded(coding, &text);
            for step in [1, 7, 1_000, usize::MAX] {
                assert!(decoded(coding, &coded, step).unwrap() == text, "{coding:?} {step}");
            }
            assert!(decoded(coding, &[], 1).unwrap().is_empty());
        }
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(&text).unwrap();
        assert!(decoded(Coding::Deflate, &raw.finish().unwrap(), 5).unwrap() == text);
        let two = [coded(Coding::Gzip, b"one "), coded(Coding::Gzip, b"two")].concat();
        assert_eq!(decoded(Coding::Gzip, &two, 3).unwrap(), b"one two");
    }

    /// What is cut off, damaged, or would fill memory is no body.
    #[test]
    fn what_is_broken_is_refused() {
        for coding in ALL {
            let whole = coded(coding, &b"some text, which is long enough to be cut ".repeat(50));
            for cut in [1, whole.len() / 2, whole.len() - 1] {
                assert!(decoded(coding, &whole[..cut], 16).is_err(), "{coding:?} cut at {cut}");
            }
            assert!(decoded(coding, b"plain text is not coded at all", 16).is_err(), "{coding:?}");
            let bomb = coded(coding, &vec![b'a'; 16 << 20]);
            assert_eq!(decoded(coding, &bomb, usize::MAX).err(), Some(BOMB), "{coding:?}");
        }
        for (header, fine) in [("", true), ("identity", true), ("GZIP", true), ("gzip, br", false), ("compress", false)]
        {
            assert_eq!(Coding::of(header).is_ok(), fine, "{header}");
        }
    }

    #[test]
    fn clients_get_what_they_accept() {
        for (accepts, expected) in [
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip;q=1.0, br;q=0", Some(Coding::Gzip)),
            ("br", Some(Coding::Brotli)),
            ("identity", None),
            ("", None),
        ] {
            assert_eq!(Encoder::accepted(accepts).map(|(coding, _)| coding), expected, "{accepts}");
        }
    }
}
