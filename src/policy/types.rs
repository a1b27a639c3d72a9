//! The values that policies and profiles are written with: `15m`, `20MB`, `30 per 1m`, lists that
//! may be one word. Each type parses itself, says what it takes, and describes itself to the JSON
//! Schema with a `format` that `checks` knows.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::clock::Timestamp;

const DAY: &[BorrowedFormatItem<'static>] = format_description!("[year]-[month]-[day]");

/// A length of time: `500ms`, `15m`, `10h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub std::time::Duration);

/// A number of bytes: `500 B`, `64KB`, `20MB`, `1GB` (powers of 1024, as upload limits are meant).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// So many in so long a time: `30 per 1m`, `50 per 1s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many; at least 1.
    pub most: u32,
    /// In how long a time.
    pub per: std::time::Duration,
}

/// A count, or the word `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// No limit.
    Unlimited,
    /// At most so many; at least 1.
    Most(u32),
}

/// A day of the calendar, in UTC: `2027-01-31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub time::Date);

impl Day {
    /// When it is over: the first moment of the next day, in UTC.
    #[must_use]
    pub fn end(self) -> Timestamp {
        let seconds = self.0.midnight().assume_utc().unix_timestamp().saturating_add(86_400);
        Timestamp(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000))
    }
}

/// One thing, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(untagged)]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// A list.
    Many(#[schemars(length(min = 1))] Vec<T>),
}

impl<T> OneOrMany<T> {
    /// The things, one or many.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    /// The things, each with its path in the file when they stand at `path`.
    pub fn placed(&self, path: &str) -> Vec<(String, &T)> {
        match self {
            Self::One(one) => vec![(path.to_owned(), one)],
            Self::Many(many) => many.iter().enumerate().map(|(i, thing)| (format!("{path}[{i}]"), thing)).collect(),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        if value.is_array() {
            Vec::<T>::deserialize(value).map(Self::Many).map_err(de::Error::custom)
        } else {
            T::deserialize(value).map(Self::One).map_err(de::Error::custom)
        }
    }
}

/// Texts, one or many, or the word `any`. An empty list is an error: absent means "not restricted",
/// `any` means "open on purpose".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnyOrListed {
    /// `any`
    Any,
    /// Everything that is listed.
    Listed(OneOrMany<String>),
}

impl<'de> Deserialize<'de> for AnyOrListed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match OneOrMany::<String>::deserialize(deserializer)? {
            OneOrMany::One(word) if word == "any" => Ok(Self::Any),
            list => Ok(Self::Listed(list)),
        }
    }
}

impl Serialize for AnyOrListed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => serializer.serialize_str("any"),
            Self::Listed(list) => list.serialize(serializer),
        }
    }
}

impl JsonSchema for AnyOrListed {
    fn schema_name() -> Cow<'static, str> {
        "AnyOrListed".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        <OneOrMany<String>>::json_schema(generator)
    }
}

/// A mapping whose keys are names that the author chose, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T>(pub Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Named<T> {
    /// The thing of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, thing)| thing)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Names and things, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, thing)| (name.as_str(), thing))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = serde_json::Map::deserialize(deserializer)?;
        map.into_iter()
            .map(|(name, value)| T::deserialize(value).map(|thing| (name, thing)).map_err(de::Error::custom))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Named{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let inner = generator.subschema_for::<T>();
        json_schema!({ "type": "object", "additionalProperties": inner })
    }
}

fn split_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    number.parse().ok().map(|n| (n, unit.trim()))
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not a length of time; write a number and ms, s, m, h or d, such as 15m");
        let (number, unit) = split_unit(text).ok_or_else(wrong)?;
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(wrong()),
        };
        std::time::Duration::try_from_secs_f64(number * seconds).map(Self).map_err(|_| wrong())
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        match ms {
            0 => f.write_str("0s"),
            _ if ms.is_multiple_of(86_400_000) => write!(f, "{}d", ms / 86_400_000),
            _ if ms.is_multiple_of(3_600_000) => write!(f, "{}h", ms / 3_600_000),
            _ if ms.is_multiple_of(60_000) => write!(f, "{}m", ms / 60_000),
            _ if ms.is_multiple_of(1000) => write!(f, "{}s", ms / 1000),
            _ => write!(f, "{ms}ms"),
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n > 0 && n.is_multiple_of(1 << 30) => write!(f, "{}GB", n >> 30),
            n if n > 0 && n.is_multiple_of(1 << 20) => write!(f, "{}MB", n >> 20),
            n if n > 0 && n.is_multiple_of(1 << 10) => write!(f, "{}KB", n >> 10),
            n => write!(f, "{n} B"),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {}", self.most, Duration(self.per))
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::Most(most) => write!(f, "{most}"),
        }
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not a size; write a number and B, KB, MB or GB, such as 20MB");
        let (number, unit) = split_unit(text).ok_or_else(wrong)?;
        let shift = match unit {
            "B" => 0,
            "KB" | "KiB" | "kB" => 10,
            "MB" | "MiB" => 20,
            "GB" | "GiB" => 30,
            _ => return Err(wrong()),
        };
        let bytes = number * f64::from(1_u32 << shift);
        if bytes > 1e15 {
            return Err(wrong());
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // bounded just above; digits have no sign
        Ok(Self(bytes as u64))
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not a rate; write \"so many per so long\", such as 30 per 1m");
        let (most, per) = text.split_once(" per ").ok_or_else(wrong)?;
        let most = most.trim().parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?;
        let per = Duration::from_str(per.trim()).map_err(|_| wrong())?.0;
        if per.is_zero() { Err(wrong()) } else { Ok(Self { most, per }) }
    }
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "unlimited" => Ok(Self::Unlimited),
            number => number
                .parse()
                .ok()
                .filter(|n| *n > 0)
                .map(Self::Most)
                .ok_or_else(|| format!("\"{text}\" is not a count; write a number from 1 up, or unlimited")),
        }
    }
}

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Ten bytes: a year with a sign or five digits is no year of keys.
        let date = (text.len() == 10).then(|| time::Date::parse(text, DAY).ok()).flatten();
        date.map(Self).ok_or_else(|| format!("\"{text}\" is not a day; write year, month and day, such as 2027-01-31"))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Reads a scalar through its text, so that `at_once: 2` and `at_once: unlimited` are one type.
fn from_text<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(deserializer: D) -> Result<T, D::Error> {
    let text = match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    text.parse().map_err(de::Error::custom)
}

macro_rules! written {
    ($type:ident, $schema:tt) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                from_text(deserializer)
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}
written!(Duration, {
    "type": "string", "format": "duration", "pattern": r"^[0-9]+(\.[0-9]+)?\s*(ms|s|m|min|h|d)$",
    "description": "A length of time: 500ms, 30s, 15m, 10h, 7d"
});
written!(ByteSize, {
    "type": "string", "format": "size", "pattern": r"^[0-9]+(\.[0-9]+)?\s*(B|[kK]B|KiB|MB|MiB|GB|GiB)$",
    "description": "A size: 64KB, 20MB, 1GB"
});
written!(Rate, {
    "type": "string", "format": "rate",
    "pattern": r"^[0-9]*[1-9][0-9]* per ([1-9][0-9]*(\.[0-9]+)?|[0-9]+\.[0-9]*[1-9][0-9]*)\s*(ms|s|m|min|h|d)$",
    "description": "So many in so long: 30 per 1m"
});
written!(Count, {
    "type": ["string", "integer"], "format": "count", "pattern": r"^(unlimited|0*[1-9][0-9]*)$", "minimum": 1,
    "description": "A number from 1 up, or unlimited"
});
written!(Day, {
    "type": "string", "format": "date", "pattern": r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
    "description": "A day: 2027-01-31"
});

/// The parser behind a schema's `format`; what it says is the message the operator reads.
#[must_use]
pub fn check_format(format: &str, text: &str) -> Option<String> {
    match format {
        "duration" => text.parse::<Duration>().err(),
        "size" => text.parse::<ByteSize>().err(),
        "rate" => text.parse::<Rate>().err(),
        "count" => text.parse::<Count>().err(),
        "date" => text.parse::<Day>().err(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [("500ms", 500), ("15m", 900_000), ("1.5h", 5_400_000), ("7d", 604_800_000), ("30 s", 30_000)]
        {
            assert_eq!(text.parse::<Duration>().unwrap().0.as_millis(), ms, "{text}");
        }
        for text in ["", "15", "m", "15 minutes", "-5m", "1e9d", "5m5s"] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
        assert_eq!("90m".parse::<Duration>().unwrap().to_string(), "90m");
    }

    #[test]
    fn days() {
        let day = |text: &str| text.parse::<Day>();
        assert_eq!(day("2027-01-31").unwrap().end().to_string(), "2027-02-01T00:00:00.000Z");
        assert_eq!(day("2028-02-29").unwrap().to_string(), "2028-02-29");
        for text in [
            "",
            "20270131",
            "2027-13-01",
            "2027-02-29",
            "2027-1-31",
            "27-01-31",
            "2027-W04-7",
            "2027-031",
            " 2027-01-31",
            "+2027-01-3",
        ] {
            let wrong = day(text).unwrap_err();
            assert!(wrong.ends_with("is not a day; write year, month and day, such as 2027-01-31"), "{wrong}");
        }
    }

    #[test]
    fn sizes_rates_counts() {
        assert_eq!("20MB".parse::<ByteSize>().unwrap().0, 20 << 20);
        for text in ["7 B", "64KB", "20MB", "1GB"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
        assert!("20".parse::<ByteSize>().is_err());
        assert_eq!("30 per 1m".parse::<Rate>().unwrap().most, 30);
        assert!("0 per 1m".parse::<Rate>().is_err() && "5 per 0s".parse::<Rate>().is_err());
        assert_eq!("unlimited".parse::<Count>().unwrap(), Count::Unlimited);
        assert!("0".parse::<Count>().is_err());
    }
}
