//! Holds a YAML tree against the JSON Schema that is generated from the written form, and reports
//! *every* key and value that does not fit, each in its place and in words. Serde would stop at
//! the first.

use serde_json::{Map, Value};

use super::problem::{Problem, Problems, closest, did_you_mean};
use super::types::check_format;
use super::yaml::{Kind, Node, join};

/// Reports all that `node` has and `schema` does not allow, and all that is missing.
pub fn check(node: &Node, schema: &Value, problems: &mut Problems) {
    Checker { root: schema, problems }.value(node, schema, "");
}

struct Checker<'a> {
    root: &'a Value,
    problems: &'a mut Problems,
}

impl<'a> Checker<'a> {
    fn value(&mut self, node: &Node, schema: &'a Value, path: &str) {
        let schema = self.resolve(schema);
        if matches!(node.kind, Kind::Null) {
            return self.misfit(node, schema, path);
        }
        if let Some(choices) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            return self.one_of(node, schema, choices, path);
        }
        if !self.type_fits(node, schema) {
            return self.misfit(node, schema, path);
        }
        if let Some(word) = schema.get("const") {
            if node.to_json() != *word {
                self.misfit(node, schema, path);
            }
            return;
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            return self.word(node, words, path);
        }
        match &node.kind {
            Kind::Map(entries) => self.map(entries, schema, path),
            Kind::List(items) => {
                if let Some(item_schema) = schema.get("items") {
                    for (index, item) in items.iter().enumerate() {
                        self.value(item, item_schema, &format!("{path}[{index}]"));
                    }
                }
            }
            _ => self.format(node, schema, path),
        }
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        while let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            match self.root.pointer(name.trim_start_matches('#')) {
                Some(target) => schema = target,
                None => break,
            }
        }
        schema
    }

    fn map(&mut self, entries: &[(super::yaml::Key, Node)], schema: &'a Value, path: &str) {
        static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&EMPTY);
        let others = schema.get("additionalProperties");
        let mut meant = Vec::new();
        for (key, value) in entries {
            let here = join(path, &key.name);
            match (properties.get(&key.name), others) {
                (Some(known), _) => self.value(value, known, &here),
                (None, Some(Value::Object(_))) => self.value(value, others.unwrap_or(&Value::Null), &here),
                (None, Some(Value::Bool(false))) => {
                    let hint = did_you_mean(&key.name, properties.keys().map(String::as_str));
                    meant.extend(closest(&key.name, properties.keys().map(String::as_str)));
                    self.problems.push(Problem::at(path, key.at, format!("unknown key \"{}\"{hint}", key.name)));
                }
                _ => self.nulls(value, &here),
            }
        }
        for required in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            // A key that is only misspelt is not missing as well.
            if !entries.iter().any(|(key, _)| key.name == required) && !meant.contains(&required) {
                let about = properties.get(required).map(|p| about(self.resolve(p), p)).unwrap_or_default();
                self.problems.push(Problem::new(path, format!("\"{required}\" is missing{about}")));
            }
        }
    }

    /// Reports every key without a value in what is checked later, or not at all.
    fn nulls(&mut self, node: &Node, path: &str) {
        static ANYTHING: Value = Value::Null;
        match &node.kind {
            Kind::Null => self.misfit(node, &ANYTHING, path),
            Kind::List(items) => {
                items.iter().enumerate().for_each(|(index, item)| self.nulls(item, &format!("{path}[{index}]")));
            }
            Kind::Map(entries) => entries.iter().for_each(|(key, value)| self.nulls(value, &join(path, &key.name))),
            _ => {}
        }
    }

    fn one_of(&mut self, node: &Node, schema: &'a Value, choices: &'a [Value], path: &str) {
        let resolved: Vec<&Value> = choices.iter().map(|c| self.resolve(c)).collect();
        let words: Vec<Value> = resolved.iter().flat_map(|c| words_of(c)).collect();
        if matches!(node.kind, Kind::Text(_) | Kind::Bool(_) | Kind::Number(_))
            && !words.is_empty()
            && resolved.iter().all(|c| !words_of(c).is_empty() || is_null(c) || !self.type_fits(node, c))
        {
            return self.word(node, &words, path);
        }
        let fitting = resolved.iter().find(|c| words_of(c).is_empty() && self.type_fits(node, c));
        match fitting {
            Some(choice) => self.value(node, choice, path),
            None => self.misfit(node, schema, path),
        }
    }

    fn word(&mut self, node: &Node, words: &[Value], path: &str) {
        let found = node.to_json();
        if words.contains(&found) {
            return;
        }
        let known: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        let meant = found.as_str().and_then(|word| closest(word, known.iter().copied()));
        let hint = match meant {
            Some(word) => format!("did you mean \"{word}\"?"),
            None => format!("write {}", or(&known)),
        };
        self.problems.push(Problem::at(path, node.at, format!("{} is not known here; {hint}", show(node))));
    }

    fn format(&mut self, node: &Node, schema: &Value, path: &str) {
        let Some(format) = schema.get("format").and_then(Value::as_str) else { return };
        if let (Kind::Number(number), Some(most)) = (&node.kind, largest(format)) {
            if number.as_u64().is_none_or(|n| n > most) {
                let wrong = format!("{number} cannot stand here; write a whole number from 0 to {most}");
                self.problems.push(Problem::at(path, node.at, wrong));
            }
            return;
        }
        let text = match &node.kind {
            Kind::Text(text) => text.clone(),
            Kind::Number(number) => number.to_string(),
            _ => return,
        };
        if let Some(wrong) = check_format(format, &text) {
            self.problems.push(Problem::at(path, node.at, wrong));
        }
    }

    fn type_fits(&self, node: &Node, schema: &'a Value) -> bool {
        if let Some(choices) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            return choices.iter().any(|c| self.type_fits(node, self.resolve(c)));
        }
        let fits = |word: &str| match (&node.kind, word) {
            (Kind::Null, "null") | (Kind::Bool(_), "boolean") | (Kind::List(_), "array") | (Kind::Map(_), "object") => {
                true
            }
            (Kind::Number(n), "integer") => n.is_u64() || n.is_i64(),
            (Kind::Number(_), "number" | "string") | (Kind::Text(_), "string") => true,
            _ => false,
        };
        match schema.get("type") {
            Some(Value::String(word)) => fits(word),
            Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).any(fits),
            _ => true,
        }
    }

    fn misfit(&mut self, node: &Node, schema: &'a Value, path: &str) {
        let mut wanted = Vec::new();
        self.wanted(schema, &mut wanted);
        wanted.dedup();
        let wanted = wanted.join(" or ");
        let message = match (path, &node.kind) {
            ("", Kind::Null) => format!("the file is empty; write {wanted}"),
            // Whoever wants the default leaves the key out; what stands there was meant to say something.
            (_, Kind::Null) if wanted.is_empty() => "nothing stands here; write a value, or take the key out".into(),
            (_, Kind::Null) => format!("nothing stands here; write {wanted}, or take the key out"),
            _ => format!("{} cannot stand here; write {wanted}", show(node)),
        };
        self.problems.push(Problem::at(path, node.at, message));
    }

    fn wanted(&self, schema: &'a Value, wanted: &mut Vec<String>) {
        let schema = self.resolve(schema);
        for choice in
            schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array).into_iter().flatten()
        {
            self.wanted(choice, wanted);
        }
        let words = words_of(schema);
        if !words.is_empty() {
            wanted.extend(words.iter().filter_map(Value::as_str).map(|w| format!("\"{w}\"")));
            return;
        }
        if let Some(written) = schema.get("format").and_then(Value::as_str).and_then(form_of) {
            wanted.push(written.to_owned());
            return;
        }
        let types = schema.get("type");
        let types: Vec<&str> = match types {
            Some(Value::String(word)) => vec![word],
            Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        };
        for word in types {
            let name = match word {
                "object" => "keys with values (key: value)",
                "array" => "a list ([one, two])",
                "string" => "text",
                "integer" | "number" => "a number",
                "boolean" => "true or false",
                _ => continue,
            };
            wanted.push(name.to_owned());
        }
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

fn words_of(schema: &Value) -> Vec<Value> {
    match (schema.get("const"), schema.get("enum").and_then(Value::as_array)) {
        (Some(word), _) => vec![word.clone()],
        (_, Some(words)) => words.clone(),
        _ => schema
            .get("oneOf")
            .and_then(Value::as_array)
            .filter(|choices| choices.iter().all(|c| c.get("const").is_some() || c.get("enum").is_some()))
            .map(|choices| choices.iter().flat_map(words_of).collect())
            .unwrap_or_default(),
    }
}

fn about(resolved: &Value, property: &Value) -> String {
    let text = property.get("description").or_else(|| resolved.get("description")).and_then(Value::as_str);
    let Some(text) = text else { return String::new() };
    let sentence = text.split(". ").next().unwrap_or(text).split(".\n").next().unwrap_or(text);
    format!(": {}", sentence.replace('\n', " ").trim_end_matches('.'))
}

/// The largest number that the type behind a schema's `format` holds; `None` for formats of ours.
fn largest(format: &str) -> Option<u64> {
    match format {
        "uint8" => Some(u8::MAX.into()),
        "uint16" => Some(u16::MAX.into()),
        "uint32" => Some(u32::MAX.into()),
        "uint64" | "uint" => Some(u64::MAX),
        _ => None,
    }
}

/// How what has this `format` of ours is written.
fn form_of(format: &str) -> Option<&'static str> {
    match format {
        "duration" => Some("a length of time, such as 15m"),
        "size" => Some("a size, such as 20MB"),
        "rate" => Some("a rate, such as 30 per 1m"),
        "count" => Some("a number from 1 up, or unlimited"),
        "date" => Some("a day, such as 2027-01-31"),
        _ => None,
    }
}

/// `a, b or c`
fn or(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn show(node: &Node) -> String {
    match &node.kind {
        Kind::Null => "nothing".into(),
        Kind::Bool(b) => b.to_string(),
        Kind::Number(n) => n.to_string(),
        Kind::Text(t) => format!("{t:?}"),
        Kind::List(items) if items.is_empty() => "an empty list".into(),
        Kind::List(_) => "a list".into(),
        Kind::Map(_) => "a mapping".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::file::PolicyFile;

    fn messages(text: &str) -> Vec<String> {
        let node = Node::parse(text).unwrap();
        let schema = crate::policy::schema::of::<PolicyFile>();
        let mut problems = Problems::default();
        check(&node, &schema, &mut problems);
        problems.located("f", Some(&node)).iter().map(ToString::to_string).collect()
    }

    const REST: &str = "policy: 1\nlisten: [{ http: 127.0.0.1:80 }]\napp: { profile: a, upstream: b, public_url: c }\n";

    #[test]
    fn a_misspelt_key_is_not_missing_as_well() {
        let found = messages(&format!("{REST}role: {{}}\n"));
        assert_eq!(found, ["f:4:1: unknown key \"role\"; did you mean \"roles\"?"]);
    }

    #[test]
    fn a_missing_key_is_told_in_one_sentence_at_its_parent() {
        let found = messages("policy: 1\nlisten: []\nroles: {}\napp:\n  profile: x\n  upstream: y\n");
        assert_eq!(found, ["f:4:1: app: \"public_url\" is missing: The address people type: scheme, host and port"]);
    }

    #[test]
    fn a_key_with_nothing_behind_it_is_told_wherever_it_stands() {
        let found = messages(&format!(
            "{REST}roles: {{ a: {{ users: }} }}\nexports:\nmode: ~\nsessions: {{ per_role: {{ a: {{ idle: null }} }} }}\n\
             channels: {{ phone: {{ media.open_with: , masking: [ {{ hide: }} ] }} }}\nnetworks: {{ x: [ ~ ] }}\n"
        ));
        let paths: Vec<&str> = found.iter().map(|f| f.split(": ").nth(1).unwrap()).collect();
        assert!(
            found.iter().all(|f| f.contains(": nothing stands here; write ") && f.ends_with(", or take the key out")),
            "{found:#?}"
        );
        for path in [
            "roles.a.users",
            "exports",
            "mode",
            "sessions.per_role.a.idle",
            "channels.phone[\"media.open_with\"]",
            "channels.phone.masking[0].hide",
            "networks.x[0]",
        ] {
            assert!(paths.contains(&path), "{path}: {found:#?}");
        }
    }

    #[test]
    fn numbers_words_and_shapes() {
        let found = messages(&format!("{REST}roles: []\nmode: monitor\naudit: {{ queue: -1 }}\n"));
        assert_eq!(
            found,
            [
                "f:4:8: roles: an empty list cannot stand here; write keys with values (key: value)",
                "f:5:7: mode: \"monitor\" is not known here; write enforce, shadow or off",
                "f:6:17: audit.queue: -1 cannot stand here; write a whole number from 0 to 4294967295",
            ]
        );
    }
}
