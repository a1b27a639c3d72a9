//! Whether a chunked body is framed as RFC 9112, section 7.1, has it, to the letter. Parsers differ in what they put up
//! with around a chunk's size: what one takes for an extension is the next request to another.

/// The most digits of a chunk's size.
const SIZE_DIGITS: usize = 15;
/// The most bytes of one line of extensions, and of all trailers.
const MOST: usize = 8 << 10;

/// A chunked body that is not framed as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Where in a body the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the digits of a size, of which there were so many.
    Size(usize),
    /// At the beginning of an extension's name.
    ExtensionStart,
    ExtensionName,
    /// At the beginning of its value.
    ValueStart,
    Value,
    Quoted,
    /// Behind a backslash in a quoted value.
    Escaped,
    /// Behind a quoted value.
    ValueEnd,
    /// Behind the CR of the size's line.
    SizeEnd,
    Data,
    /// Where the CR and the LF behind the data belong.
    DataCr,
    DataLf,
    /// At the beginning of a trailer's line, or of the empty one that ends all.
    TrailerStart,
    Trailer,
    TrailerLf,
    LastLf,
    Done,
}

/// Reads a body as it comes.
#[derive(Clone, Copy, Debug)]
pub struct Chunked {
    at: At,
    size: u64,
    /// Bytes of the line of extensions, or of all trailers.
    long: usize,
}

impl Default for Chunked {
    fn default() -> Self {
        Self { at: At::Size(0), size: 0, long: 0 }
    }
}

impl Chunked {
    /// Reads further bytes, and tells whether the body is whole; what comes behind its end is not read.
    ///
    /// # Errors
    /// When it is not framed as it must be.
    pub fn read(&mut self, bytes: &[u8]) -> Result<bool, Malformed> {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if self.at == At::Done {
                return Ok(true);
            }
            if self.at == At::Data {
                let here = usize::try_from(self.size).unwrap_or(usize::MAX).min(rest.len());
                self.size -= here as u64;
                rest = &rest[here..];
                if self.size == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            self.at = self.next(byte)?;
            rest = after;
        }
        Ok(self.at == At::Done)
    }

    fn next(&mut self, byte: u8) -> Result<At, Malformed> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let text = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        self.long += 1;
        if self.long > MOST {
            return Err(Malformed);
        }
        match (self.at, byte) {
            (At::Size(digits), _) if byte.is_ascii_hexdigit() && digits < SIZE_DIGITS => {
                self.long = 0;
                self.size = self.size * 16 + u64::from(char::from(byte).to_digit(16).unwrap_or(0));
                Ok(At::Size(digits + 1))
            }
            (At::Size(1..) | At::ExtensionName | At::Value | At::ValueEnd, b';') => Ok(At::ExtensionStart),
            (At::Size(1..) | At::ExtensionName | At::Value | At::ValueEnd, b'\r') => Ok(At::SizeEnd),
            (At::ExtensionStart | At::ExtensionName, _) if token(byte) => Ok(At::ExtensionName),
            (At::ExtensionName, b'=') => Ok(At::ValueStart),
            (At::ValueStart, b'"') => Ok(At::Quoted),
            (At::ValueStart | At::Value, _) if token(byte) => Ok(At::Value),
            (At::Quoted, b'"') => Ok(At::ValueEnd),
            (At::Quoted, b'\\') => Ok(At::Escaped),
            (At::Quoted | At::Escaped, _) if text(byte) => Ok(At::Quoted),
            (At::SizeEnd, b'\n') if self.size == 0 => {
                self.long = 0;
                Ok(At::TrailerStart)
            }
            (At::SizeEnd, b'\n') => Ok(At::Data),
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataLf, b'\n') => {
                self.long = 0;
                Ok(At::Size(0))
            }
            (At::TrailerStart, b'\r') => Ok(At::LastLf),
            (At::TrailerStart, _) if token(byte) => Ok(At::Trailer),
            (At::Trailer, b'\r') => Ok(At::TrailerLf),
            (At::Trailer, _) if text(byte) => Ok(At::Trailer),
            (At::TrailerLf, b'\n') => Ok(At::TrailerStart),
            (At::LastLf, b'\n') => Ok(At::Done),
            _ => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict in one piece, after it was the same for every split.
    fn read(body: &[u8]) -> Result<bool, Malformed> {
        let whole = Chunked::default().read(body);
        for at in 0..=body.len() {
            let mut chunked = Chunked::default();
            let split = chunked.read(&body[..at]).and_then(|_| chunked.read(&body[at..]));
            assert_eq!(split, whole, "{at} {}", String::from_utf8_lossy(body));
        }
        whole
    }

    #[test]
    fn bodies_are_framed_to_the_letter() {
        for body in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "005\r\nhello\r\n00\r\n\r\n",
            "A\r\n\r\n0\r\n\r\nxyz\r\n0\r\n\r\n",
            "5;a=b\r\nhello\r\n0;last\r\n\r\n",
            "5;a=\"b \\\" ;\"\r\nhello\r\n0\r\n\r\n",
            "0\r\nX-Sum: 1\r\nY:\r\n\r\n",
            "0\r\n\r\nGET / HTTP/1.1\r\n",
        ] {
            assert_eq!(read(body.as_bytes()), Ok(true), "{body:?}");
        }
        for body in ["", "5", "5\r\nhel", "0\r\n", "0\r\n\r", "0\r\nX: 1\r\n"] {
            assert_eq!(read(body.as_bytes()), Ok(false), "{body:?}");
        }
        for body in [
            "\r\n",
            "x\r\n",
            "5 \r\nhello\r\n",
            " 5\r\nhello\r\n",
            "5\t\r\nhello\r\n",
            "5;\r\nhello\r\n",
            "5;;a\r\nhello\r\n",
            "5;a=\r\nhello\r\n",
            "5 ;a\r\nhello\r\n",
            "5; a\r\nhello\r\n",
            "5\0\r\nhello\r\n",
            "5;a\0\r\nhello\r\n",
            "5\nhello\n",
            "5;a\nhello\r\n",
            "5;a=\"x\ny\"\r\nhello\r\n",
            "5\r\nhelloX\r\n",
            "5\r\nhello\n",
            "5\r\rhello\r\n",
            "0x5\r\nhello\r\n",
            "+5\r\nhello\r\n",
            "5h\r\nhello\r\n",
            "1000000000000000\r\n",
            "0\r\n: 1\r\n\r\n",
            "0\r\nX: \0\r\n\r\n",
            "0\r\n\n",
            "0\r\n Folded: 1\r\n\r\n",
        ] {
            assert_eq!(read(body.as_bytes()), Err(Malformed), "{body:?}");
        }
        let long = format!("5;{}\r\nhello\r\n", "a".repeat(MOST));
        assert_eq!(Chunked::default().read(long.as_bytes()), Err(Malformed));
    }
}
