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
