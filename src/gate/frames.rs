//! The heads of HTTP/2 frames that a client sends (RFC 9113, section 4.1): how many requests it began, also those that
//! never become any.

/// What a client sends before its first frame: RFC 9113, section 3.4.
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
/// The head of a frame.
const HEAD: usize = 9;
/// The type of a frame that begins a request: HEADERS.
const HEADERS: u8 = 1;

/// Reads what a client sends, in any pieces.
#[derive(Debug)]
pub struct Frames {
    /// Bytes that are no head: of the preface, or of a frame.
    skip: usize,
    head: [u8; HEAD],
    have: usize,
    newest: u32,
    begun: u32,
}

impl Default for Frames {
    fn default() -> Self {
        Self { skip: PREFACE, head: [0; HEAD], have: 0, newest: 0, begun: 0 }
    }
}

impl Frames {
    /// Reads on; how many requests were begun until now. HEADERS of a stream that is known are its trailers.
    pub fn read(&mut self, mut bytes: &[u8]) -> u32 {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() {
                return self.begun;
            }
            let taken = (HEAD - self.have).min(bytes.len());
            self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have < HEAD {
                return self.begun;
            }
            self.have = 0;
            let [l0, l1, l2, kind, _, s0, s1, s2, s3] = self.head;
            self.skip = u32::from_be_bytes([0, l0, l1, l2]) as usize;
            let stream = u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]);
            if kind == HEADERS && stream > self.newest {
                self.newest = stream;
                self.begun += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, stream: u32, length: usize) -> Vec<u8> {
        let length_bytes = u32::try_from(length).unwrap().to_be_bytes();
        let mut frame = vec![length_bytes[1], length_bytes[2], length_bytes[3], kind, 0];
        frame.extend(stream.to_be_bytes());
        frame.extend(std::iter::repeat_n(HEADERS, length));
        frame
    }

    #[test]
    fn requests_are_counted_in_whatever_pieces_they_come() {
        let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        sent.extend(frame(4, 0, 18));
        sent.extend(frame(HEADERS, 1, 300));
        sent.extend(frame(9, 1, 0));
        sent.extend(frame(0, 1, 70_000));
        sent.extend(frame(HEADERS, 1, 5));
        sent.extend(frame(HEADERS, 5, 0));
        for piece in [1, 2, 7, 9, 10, 4096, sent.len()] {
            let mut frames = Frames::default();
            let begun = sent.chunks(piece).map(|bytes| frames.read(bytes)).last();
            assert_eq!(begun, Some(2), "pieces of {piece}");
        }
        assert_eq!(Frames::default().read(&sent[..24 + 27 + 8]), 0);
        assert_eq!(Frames::default().read(&sent[..24 + 27 + 9]), 1);
    }
}
