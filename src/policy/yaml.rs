//! YAML read into a tree that remembers where everything stood, so that every later check can name
//! `file:line:col`. Duplicate keys are refused; size, depth and aliases are bounded.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use super::problem::Problem;

/// A line and a column of a file, both counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// A YAML value and where it starts.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where the value starts.
    pub at: Position,
    /// What it is.
    pub kind: Kind,
}

/// The shapes a YAML value can have.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number or a fraction.
    Number(serde_json::Number),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping and where it stands.
#[derive(Clone, Debug)]
pub struct Key {
    /// Where.
    pub at: Position,
    /// The text of the key; numbers and booleans are read as their text.
    pub name: String,
}

/// The largest policy or profile that is read: a list of 10,000 networks has room in it.
const MAX_BYTES: usize = 4 << 20;

impl Node {
    /// Reads one YAML document.
    ///
    /// # Errors
    /// The first thing that is not YAML, is a duplicate key, or is over a bound.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.len() > MAX_BYTES {
            let size = text.len() >> 20;
            return Err(Problem::new("", format!("the file has {size} MiB; at most 4 MiB are read")));
        }
        // YAML begins a line there; editors, and what finds places here, do not.
        if let Some(at) = lone_return(text) {
            return Err(Problem::at("", at, "a line ends in a carriage return alone; end it with a line feed"));
        }
        // The parser ignores what it cannot read behind the end of the first document.
        if let Some(line) = second_document(text) {
            let at = Position { line, column: 1 };
            return Err(Problem::at("", at, "a second document begins here; write one document in one file"));
        }
        let budget = serde_saphyr::budget! {
            max_events: 500_000,
            max_nodes: 250_000,
            max_depth: 64,
            max_documents: 1,
            max_aliases: 100,
            max_anchors: 100,
            max_merge_keys: 100,
        };
        let options = serde_saphyr::options! {
            strict_booleans: true,
            with_snippet: false,
            budget: budget,
        };
        let node = serde_saphyr::from_str_with_options::<Spanned<Loose>>(text, options)
            .map(Self::from)
            .map_err(|e| unreadable(text, &e))?;
        match node.second_key() {
            Some(key) => Err(Problem::at("", key.at, key_twice(&key.name))),
            None => Ok(node),
        }
    }

    /// A key that its mapping has already: to the parser two keys differ when their tags do.
    fn second_key(&self) -> Option<&Key> {
        match &self.kind {
            Kind::List(items) => items.iter().find_map(Self::second_key),
            Kind::Map(entries) => {
                let mut seen = HashSet::new();
                let mut entries = entries.iter();
                entries.find_map(|(key, value)| if seen.insert(&key.name) { value.second_key() } else { Some(key) })
            }
            _ => None,
        }
    }

    /// The value at a path such as `access.management.allow_from[2]`; the nearest ancestor that
    /// exists when the path itself does not.
    #[must_use]
    pub fn nearest(&self, path: &str) -> &Self {
        let mut node = self;
        for step in Steps::of(path) {
            match node.step(step) {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }

    /// Where to point a person who looks for `path`: its key if it has one, else its value.
    #[must_use]
    pub fn position_of(&self, path: &str) -> Position {
        let mut at = self.at;
        let mut node = self;
        for step in Steps::of(path) {
            let Some(next) = node.step(step) else { break };
            at = match (&node.kind, step) {
                (Kind::Map(entries), Step::Key(name)) if matches!(next.kind, Kind::Map(_) | Kind::List(_)) => {
                    entries.iter().find(|(key, _)| key.name == name).map_or(next.at, |(key, _)| key.at)
                }
                _ => next.at,
            };
            node = next;
        }
        at
    }

    fn step(&self, step: Step<'_>) -> Option<&Self> {
        match (&self.kind, step) {
            (Kind::Map(entries), Step::Key(name)) => entries.iter().find(|(k, _)| k.name == name).map(|(_, v)| v),
            (Kind::List(items), Step::Index(index)) => items.get(index),
            _ => None,
        }
    }

    /// The same value without positions.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(b) => Value::Bool(*b),
            Kind::Number(n) => Value::Number(n.clone()),
            Kind::Text(t) => Value::String(t.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Kind::Map(entries) => {
                Value::Object(entries.iter().map(|(k, v)| (k.name.clone(), v.to_json())).collect::<Map<_, _>>())
            }
        }
    }
}

/// The first carriage return without a line feed.
fn lone_return(text: &str) -> Option<Position> {
    (1..).zip(text.split('\n')).find_map(|(line, content)| {
        let content = content.strip_suffix('\r').unwrap_or(content);
        let before = content.split_once('\r')?.0.chars().count();
        Some(Position { line, column: u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1) })
    })
}

/// The line on which something follows the first document.
fn second_document(text: &str) -> Option<u32> {
    let is_marker = |line: &str, marker| {
        line.strip_prefix(marker).is_some_and(|rest: &str| rest.is_empty() || rest.starts_with([' ', '\t']))
    };
    let (mut begun, mut ended) = (false, false);
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let says_nothing = line.trim().is_empty() || line.trim_start().starts_with('#');
        if is_marker(line, "...") {
            ended = begun;
        } else if begun && is_marker(line, "---") || ended && !says_nothing {
            return Some(number);
        } else if !says_nothing && !line.starts_with('%') {
            begun = true;
        }
    }
    None
}

fn key_twice(key: &str) -> String {
    format!("\"{key}\" is here for the second time; keep one of them")
}

fn unreadable(text: &str, error: &serde_saphyr::Error) -> Problem {
    let at = error.location().map_or_else(Position::default, position);
    // The parser's message carries the location again; it is ours to print.
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message).trim_end_matches([':', ',']);
    if let Some(key) = message.strip_prefix("duplicate mapping key: ") {
        // What follows is advice to who calls the parser.
        let key = key.split(", set DuplicateKeyPolicy").next().unwrap_or(key);
        return Problem::at("", at, key_twice(key));
    }
    if message.contains("budget breached") {
        let wrong = "this is nested too deeply, or aliases repeat too much of it; write it plainly";
        return Problem::at("", at, wrong);
    }
    if let Some(tab) = first_tab(text) {
        return Problem::at("", tab, "a tab stands before the text; indent with spaces");
    }
    let hint = hint(text, at, message);
    Problem::at("", at, format!("this is not readable YAML: {message}{hint}"))
}

/// The first tab that indents a line.
fn first_tab(text: &str) -> Option<Position> {
    (1..).zip(text.lines()).find_map(|(line, content)| {
        let indent = content.split(|c: char| !c.is_whitespace()).next().unwrap_or_default();
        let column = indent.find('\t').filter(|_| !content.trim().is_empty())?;
        Some(Position { line, column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1) })
    })
}

/// What is usually behind an error of the parser.
fn hint(text: &str, at: Position, message: &str) -> String {
    let line = text.lines().nth((at.line as usize).saturating_sub(1)).unwrap_or_default();
    match line.chars().nth((at.column as usize).saturating_sub(1)) {
        Some(c @ ('*' | '&' | '@' | '`' | '%')) => format!("; text that begins with {c} needs quotes"),
        _ if message.contains("unclosed quote") => "; write the quote that closes it".into(),
        _ if message.contains("unclosed bracket") => "; write the bracket that closes it".into(),
        _ if message.contains("quoted scalar") => "; is a quote not closed?".into(),
        _ if message.contains("flow") => "; is a { or [ not closed?".into(),
        _ if message.contains("mapping values") => {
            "; indent the line as its neighbours are, and put text that holds \": \" in quotes".into()
        }
        _ => String::new(),
    }
}

fn position(location: serde_saphyr::Location) -> Position {
    let fit = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Position { line: fit(location.line()), column: fit(location.column()) }
}

/// Joins a path and a key, quoting nothing: keys with dots are written as they stand in the file.
#[must_use]
pub fn join(path: &str, key: &str) -> String {
    match (path.is_empty(), key.contains(['.', '['])) {
        (true, false) => key.to_owned(),
        (true, true) => format!("[\"{key}\"]"),
        (false, false) => format!("{path}.{key}"),
        (false, true) => format!("{path}[\"{key}\"]"),
    }
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

struct Steps<'a>(&'a str);

impl<'a> Steps<'a> {
    fn of(path: &'a str) -> Self {
        Self(path)
    }
}

impl<'a> Iterator for Steps<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        let rest = self.0.strip_prefix('.').unwrap_or(self.0);
        if rest.is_empty() {
            return None;
        }
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (key, after) = quoted.split_once("\"]")?;
            self.0 = after;
            return Some(Step::Key(key));
        }
        if let Some(bracketed) = rest.strip_prefix('[') {
            let (index, after) = bracketed.split_once(']')?;
            self.0 = after;
            return index.parse().ok().map(Step::Index);
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        self.0 = after;
        Some(Step::Key(key))
    }
}

/// What serde sees: the tree before positions are folded in.
enum Loose {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Spanned<Loose>>),
    Map(Vec<(Spanned<LooseKey>, Spanned<Loose>)>),
}

struct LooseKey(String);

impl From<Spanned<Loose>> for Node {
    fn from(loose: Spanned<Loose>) -> Self {
        let kind = match loose.value {
            Loose::Null => Kind::Null,
            Loose::Bool(b) => Kind::Bool(b),
            Loose::Number(n) => Kind::Number(n),
            Loose::Text(t) => Kind::Text(t),
            Loose::List(items) => Kind::List(items.into_iter().map(Self::from).collect()),
            Loose::Map(entries) => Kind::Map(entries.into_iter().map(|(k, v)| (Key::from(k), Self::from(v))).collect()),
        };
        Self { at: position(loose.referenced), kind }
    }
}

impl From<Spanned<LooseKey>> for Key {
    fn from(key: Spanned<LooseKey>) -> Self {
        Self { at: position(key.referenced), name: key.value.0 }
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

impl<'de> Deserialize<'de> for LooseKey {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Loose, E> {
        Ok(Loose::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Loose, E> {
        Ok(Loose::Number(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Loose, E> {
        Ok(Loose::Number(v.into()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Loose, E> {
        Ok(serde_json::Number::from_f64(v).map_or_else(|| Loose::Text(v.to_string()), Loose::Number))
    }

    fn visit_str<E>(self, v: &str) -> Result<Loose, E> {
        Ok(Loose::Text(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Loose, E> {
        Ok(Loose::Text(v))
    }

    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose::Null)
    }

    fn visit_none<E>(self) -> Result<Loose, E> {
        Ok(Loose::Null)
    }

    fn visit_some<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Loose, D::Error> {
        Loose::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Loose, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Loose::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Loose::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a: 1\nb:\n  - x\n  - y: [true, 15m]\n\"dotted.key\": {z: null}\nn: \"NO\"\nv: 1.5\nw: no\n";

    #[test]
    fn positions_and_values() {
        let node = Node::parse(TEXT).unwrap();
        for (path, line, column) in [
            ("a", 1, 4),
            ("b", 2, 1),
            ("b[0]", 3, 5),
            ("b[1].y[1]", 4, 15),
            ("[\"dotted.key\"].z", 5, 19),
            ("b[1].missing", 4, 5),
        ] {
            assert_eq!(node.position_of(path), Position { line, column }, "{path}");
        }
        let json = node.to_json();
        assert_eq!(json["b"][1]["y"], serde_json::json!([true, "15m"]));
        assert_eq!((&json["n"], &json["w"]), (&Value::from("NO"), &Value::from("no")), "no YAML 1.1 booleans");
    }

    #[test]
    fn bounds_and_duplicates() {
        let duplicate = Node::parse("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!(duplicate.at.line, 3, "{duplicate:?}");
        assert!(Node::parse(&"[".repeat(200)).is_err());
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
        assert!(Node::parse(bomb).is_err());
    }

    #[test]
    fn one_document_and_nothing_behind_it() {
        for fine in ["a: 1\n", "%YAML 1.2\n---\na: 1\n", "# x\n---\na: 1\n...\n# the end\n", "a: |\n  ---\n  x\n"] {
            assert!(Node::parse(fine).is_ok(), "{fine:?}");
        }
        for (text, line) in [("a: 1\n---\nb: 2\n", 2), ("a: 1\n...\n@ not YAML", 3), ("---\na: 1\n--- # again\n%%", 3)]
        {
            assert_eq!(Node::parse(text).unwrap_err().at.line, line, "{text:?}");
        }
    }

    #[test]
    fn says_what_is_usually_behind_an_error() {
        for (text, line, expected) in [
            ("a: 1\n\tb: 2\n", 2, "indent with spaces"),
            ("a: * /x\n", 1, "begins with * needs quotes"),
            ("a: 1\na: 2\n", 2, "second time"),
            ("b:\n  - 1: 2\n    !!str 1: 3\n", 3, "second time"),
            ("a: 1\r\nb: 2\r...\r@ not YAML", 2, "a carriage return alone"),
            ("a: \"x\nb: 1\n", 1, "the quote that closes it"),
        ] {
            let problem = Node::parse(text).unwrap_err();
            assert_eq!(problem.at.line, line, "{problem:?}");
            assert!(problem.message.contains(expected), "{problem:?}");
        }
    }
}
