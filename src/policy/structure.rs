//! Holds a YAML tree against the JSON Schema that is generated from the written form, and reports
//! *every* key and value that does not fit, each in its place and in words. Serde would stop at
//! the first.

use serde_json::{Map, Value};

use super::problem::{Problem, Problems, did_you_mean};
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
            Kind::Map(entries) => self.map(node, entries, schema, path),
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

    fn map(&mut self, node: &Node, entries: &[(super::yaml::Key, Node)], schema: &'a Value, path: &str) {
        static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&EMPTY);
        let others = schema.get("additionalProperties");
        for (key, value) in entries {
            let here = join(path, &key.name);
            match (properties.get(&key.name), others) {
                (Some(known), _) => self.value(value, known, &here),
                (None, Some(Value::Object(_))) => self.value(value, others.unwrap_or(&Value::Null), &here),
                (None, Some(Value::Bool(false))) => {
                    let hint = did_you_mean(&key.name, properties.keys().map(String::as_str));
                    self.problems.push(Problem::at(path, key.at, format!("unknown key \"{}\"{hint}", key.name)));
                }
                _ => {}
            }
        }
        for required in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            if !entries.iter().any(|(key, _)| key.name == required) {
                let about = properties.get(required).map(|p| about(self.resolve(p), p)).unwrap_or_default();
                self.problems.push(Problem::at(path, node.at, format!("\"{required}\" is missing{about}")));
            }
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
        let shown = show(node);
        let hint = match found.as_str() {
            Some(word) => did_you_mean(word, known.iter().copied()),
            None => format!("; write one of: {}", known.join(", ")),
        };
        self.problems.push(Problem::at(path, node.at, format!("{shown} is not one of the words known here{hint}")));
    }

    fn format(&mut self, node: &Node, schema: &Value, path: &str) {
        let Some(format) = schema.get("format").and_then(Value::as_str) else { return };
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
        let message = format!("{} cannot stand here; write {}", show(node), wanted.join(" or "));
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
        if schema.get("format").is_some() {
            wanted.push(schema.get("description").and_then(Value::as_str).unwrap_or("text").to_owned());
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
                "object" => "a mapping",
                "array" => "a list",
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
    text.map(|t| format!(": {}", t.split(['\n']).next().unwrap_or(t).trim_end_matches('.'))).unwrap_or_default()
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
