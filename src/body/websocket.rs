//! The text messages that a client sends over a WebSocket (RFC 6455, section 5), as far as they say whether a person did
//! something.

/// The longest message that is looked at. Whatever a script sends by itself is short; what is longer is passed on unread.
const LONGEST: usize = 64 << 10;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;

/// Reads the frames that a client sends, in any pieces.
#[derive(Debug, Default)]
pub struct Messages {
    /// The head of the frame that is read: at most two bytes, eight of length and four of the mask.
    head: Vec<u8>,
    frame: Option<Frame>,
    message: Vec<u8>,
    /// Whether the message that is read is one of text that can be looked at.
    is_text: bool,
}

#[derive(Debug)]
struct Frame {
    opcode: u8,
    is_last: bool,
    mask: [u8; 4],
    read: usize,
    left: u64,
}

impl Messages {
    /// Reads on, and hands each whole text message to `seen`.
    pub fn read(&mut self, mut bytes: &[u8], seen: &mut dyn FnMut(&str)) {
        while !bytes.is_empty() || self.is_whole() {
            let Some(frame) = &mut self.frame else {
                let Some((first, rest)) = bytes.split_first() else { return };
                self.head.push(*first);
                bytes = rest;
                self.begin();
                continue;
            };
            let taken = usize::try_from(frame.left).unwrap_or(usize::MAX).min(bytes.len());
            let (piece, rest) = bytes.split_at(taken);
            // Pings and closing frames may stand between the parts of a message.
            if frame.opcode <= TEXT && self.is_text {
                if self.message.len() + taken > LONGEST {
                    self.is_text = false;
                } else {
                    self.message.extend(piece.iter().zip(frame.read..).map(|(b, at)| b ^ frame.mask[at % 4]));
                }
            }
            frame.read += taken;
            frame.left -= taken as u64;
            bytes = rest;
            self.end(seen);
        }
    }

    /// Whether the frame that is read has come to its end.
    fn is_whole(&self) -> bool {
        self.frame.as_ref().is_some_and(|frame| frame.left == 0)
    }

    /// Begins a frame when its head is whole.
    fn begin(&mut self) {
        let [first, second, ..] = self.head[..] else { return };
        let length_bytes = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let masked = second & 0x80 != 0;
        if self.head.len() < 2 + length_bytes + if masked { 4 } else { 0 } {
            return;
        }
        let length = self.head[2..2 + length_bytes].iter().fold(0_u64, |length, b| length << 8 | u64::from(*b));
        let left = if length_bytes == 0 { u64::from(second & 0x7f) } else { length };
        let mask = self.head.last_chunk::<4>().filter(|_| masked).copied().unwrap_or_default();
        let (opcode, is_last) = (first & 0x0f, first & 0x80 != 0);
        if matches!(opcode, 1..=2) {
            self.message.clear();
            // The reserved bits belong to extensions, such as compression.
            self.is_text = opcode == TEXT && first & 0x70 == 0;
        }
        self.head.clear();
        self.frame = Some(Frame { opcode, is_last, mask, read: 0, left });
    }

    fn end(&mut self, seen: &mut dyn FnMut(&str)) {
        let Some(frame) = self.frame.take_if(|frame| frame.left == 0) else { return };
        if frame.is_last && matches!(frame.opcode, CONTINUATION | TEXT) && self.is_text {
            if let Ok(text) = std::str::from_utf8(&self.message) {
                seen(text);
            }
            self.message = Vec::new();
            self.is_text = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        const MASK: [u8; 4] = [1, 2, 3, 250];
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
            length @ 126..65_536 => {
                frame.push(0xfe);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                frame.push(0xff);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(payload.iter().zip(0..).map(|(b, at): (&u8, usize)| b ^ MASK[at % 4]));
        frame
    }

    #[test]
    fn text_messages_are_seen_in_whatever_pieces_they_come() {
        let long = "ü".repeat(10_000);
        let sent = [
            frame(0x81, "{\"type\":\"message\"}".as_bytes()),
            frame(0x89, b"ping"),
            frame(0x82, b"binary"),
            frame(0x01, b"in "),
            frame(0x89, b""),
            frame(0x00, b"two "),
            frame(0x80, b"parts"),
            frame(0x81, b""),
            frame(0xc1, b"compressed"),
            frame(0x81, long.as_bytes()),
            frame(0x81, &vec![b'x'; LONGEST + 1]),
            frame(0x81, b"\xff\xfe"),
            frame(0x81, b"last"),
            frame(0x88, b"\x03\xe8"),
        ]
        .concat();
        for piece in [1, 2, 3, 7, 100, 4096, sent.len()] {
            let (mut messages, mut seen) = (Messages::default(), Vec::new());
            for bytes in sent.chunks(piece) {
                messages.read(bytes, &mut |text| seen.push(text.to_owned()));
            }
            assert_eq!(seen, ["{\"type\":\"message\"}", "in two parts", "", &long, "last"], "pieces of {piece}");
        }
    }
}
