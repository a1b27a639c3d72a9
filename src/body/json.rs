//! JSON (RFC 8259), read strictly: UTF-8 without a mark, no duplicate keys, bounded depth, nothing
//! after the document. A document that passes has one reading, so its bytes are forwarded.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::Unreadable;
use crate::text::folded;

/// How deep arrays and objects may nest.
const MAX_DEPTH: usize = 32;

/// What a value and its key take besides their text.
pub(super) const PER_VALUE: usize = 160;

/// What an object takes besides its values.
const PER_OBJECT: usize = 400;

/// The memory that the document takes at most when it is parsed, with the files in its strings.
pub(super) fn cost(raw: &[u8]) -> usize {
    // Before every value but the first there is one of these.
    let values = 1 + memchr::memchr3_iter(b',', b':', b'[', raw).count();
    let objects = memchr::memchr_iter(b'{', raw).count();
    let records = values.saturating_mul(PER_VALUE).saturating_add(objects.saturating_mul(PER_OBJECT));
    raw.len().saturating_mul(2).saturating_add(records)
}

/// Parses one document.
///
/// # Errors
/// When it is not JSON, or apps could read it in two ways.
pub fn parse(raw: &[u8]) -> Result<Value, Unreadable> {
    let text = std::str::from_utf8(raw).map_err(|_| Unreadable::Malformed("JSON that is not UTF-8"))?;
    if text.starts_with('\u{feff}') {
        return Err(Unreadable::Malformed("JSON with a byte order mark"));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict(MAX_DEPTH).deserialize(&mut deserializer).map_err(|e| {
        Unreadable::Malformed(match e.to_string() {
            e if e.starts_with("duplicate") => "JSON with a key that stands twice",
            e if e.starts_with("prototype") => "JSON with a key that some apps take for the object itself",
            _ => "JSON that is malformed or nests too deep",
        })
    })?;
    deserializer.end().map_err(|_| Unreadable::Malformed("JSON with something after the document"))?;
    Ok(value)
}

/// Writes a document that was parsed again after strings in its value were changed or members taken out. What was
/// not changed keeps its bytes: numbers have more digits than most languages keep.
///
/// # Errors
/// When the document is not the one that the value was read from.
pub fn rewrite(raw: &[u8], value: &Value) -> Result<Vec<u8>, Unreadable> {
    let mut writer = Writer { raw, at: 0, out: Vec::with_capacity(raw.len() + 64) };
    writer.value(Some(value)).ok_or(Unreadable::Malformed("JSON that cannot be written again"))?;
    Ok(writer.out)
}

struct Writer<'r> {
    raw: &'r [u8],
    at: usize,
    out: Vec<u8>,
}

impl<'r> Writer<'r> {
    fn peek(&mut self) -> Option<u8> {
        let blanks = self.raw[self.at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
        self.at += blanks;
        self.raw.get(self.at).copied()
    }

    fn take(&mut self, expected: u8) -> Option<()> {
        (self.peek()? == expected).then(|| self.at += 1)
    }

    fn string(&mut self) -> Option<&'r [u8]> {
        let start = self.at;
        self.take(b'"')?;
        loop {
            let found = memchr::memchr2(b'"', b'\\', &self.raw[self.at..])?;
            let is_end = self.raw[self.at + found] == b'"';
            self.at += found + if is_end { 1 } else { 2 };
            if is_end {
                return self.raw.get(start..self.at);
            }
        }
    }

    /// Writes what stands here as `value` has it; `None` writes it as it is.
    fn value(&mut self, value: Option<&Value>) -> Option<()> {
        match self.peek()? {
            b'"' => {
                let token = self.string()?;
                let before: String = serde_json::from_slice(token).ok()?;
                match value {
                    Some(Value::String(text)) if *text != before => {
                        self.out.extend_from_slice(serde_json::to_string(text).ok()?.as_bytes());
                    }
                    _ => self.out.extend_from_slice(token),
                }
                Some(())
            }
            open @ (b'{' | b'[') => self.container(open, value),
            _ => {
                let rest = &self.raw[self.at..];
                let end = rest.iter().position(|b| matches!(b, b',' | b'}' | b']') || b.is_ascii_whitespace());
                let end = end.unwrap_or(rest.len());
                self.out.extend_from_slice(&rest[..end]);
                self.at += end;
                Some(())
            }
        }
    }

    fn container(&mut self, open: u8, value: Option<&Value>) -> Option<()> {
        let close = open + 2;
        self.at += 1;
        self.out.push(open);
        let (mut place, mut written) = (0, false);
        while self.peek()? != close {
            if place > 0 {
                self.take(b',')?;
            }
            let start = self.out.len();
            if written {
                self.out.push(b',');
            }
            let (mut inner, mut stays) = (value.and_then(|v| v.get(place)), true);
            if open == b'{' {
                self.peek()?;
                let token = self.string()?;
                let key: String = serde_json::from_slice(token).ok()?;
                self.take(b':')?;
                inner = value.and_then(|v| v.get(&key));
                stays = value.is_none() || inner.is_some();
                self.out.extend_from_slice(token);
                self.out.push(b':');
            }
            self.value(inner)?;
            if !stays {
                self.out.truncate(start);
            }
            written |= stays;
            place += 1;
        }
        self.at += 1;
        self.out.push(close);
        Some(())
    }
}

#[derive(Clone, Copy)]
struct Strict(usize);

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("too deep"))
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Number::from_f64(v).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(deeper)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut object = Map::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(key) = map.next_key::<Key>()? {
            let value = map.next_value_seed(deeper)?;
            if key.0 == "__proto__" {
                return Err(A::Error::custom("prototype"));
            }
            // Apps that fold case must not find a second reading of a key that was judged.
            if !seen.insert(folded(&key.0)) || object.insert(key.0, value).is_some() {
                return Err(A::Error::custom("duplicate key"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[derive(Deserialize)]
struct Key(String);

#[cfg(test)]
mod tests {
    use super::*;

    /// What was not changed keeps every digit and every escape.
    #[test]
    fn written_again() {
        let raw = br#"{ "big": 12345678901234567890.10, "phone": "XX\u0041", "list": [ 1e5, "a", {"drop": [1]} ], "t": "\/" }"#;
        let mut value = parse(raw).unwrap();
        value["phone"] = "+49 \"1\"".into();
        value["list"][2].as_object_mut().unwrap().remove("drop");
        assert_eq!(
            String::from_utf8(rewrite(raw, &value).unwrap()).unwrap(),
            r#"{"big":12345678901234567890.10,"phone":"+49 \"1\"","list":[1e5,"a",{}],"t":"\/"}"#
        );
    }

    #[test]
    fn strictly_rfc_8259() {
        for good in ["{}", "[1,2.5e3,\"\\u00e9\",null]", " {\"a\":{\"b\":[]}} ", "\"x\"", "12345678901234567890123"] {
            assert!(parse(good.as_bytes()).is_ok(), "{good}");
        }
        let deep = "[".repeat(33) + &"]".repeat(33);
        for bad in [
            "",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1,\"\\u0061\":2}",
            "{\"as\":1,\"A\u{17f}\":2}",
            "{\"__pr\\u006fto__\":{}}",
            "{} {}",
            "{}x",
            "{'a':1}",
            "[1,]",
            "// c\n{}",
            "NaN",
            "1e999",
            "\u{feff}{}",
            "\"\\ud800\"",
            "{\"a\":\"\u{0}\"}",
            ")]}',\n{}",
            &deep,
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(parse(b"{\0\"\0a\0\"\0").is_err() && parse(b"\"\xff\"").is_err());
    }
}
