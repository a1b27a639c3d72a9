//! The JSON Schema of a written form: what editors are given, and what [`structure`](super::structure) holds a file
//! against. One function makes it, so that both know the same.

use schemars::JsonSchema;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::Value;

/// The JSON Schema of `T`.
#[must_use]
pub fn of<T: JsonSchema>() -> Value {
    let mut schema = schemars::schema_for!(T);
    WithoutNull.transform(&mut schema);
    schema.to_value()
}

/// A default as it could be written: without what is not there. `None` when nothing is left.
fn without_null(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(entries) => {
            let kept = entries.into_iter().filter_map(|(key, value)| Some((key, without_null(value)?)));
            Some(Value::Object(kept.collect()))
        }
        other => Some(other),
    }
}

/// Takes null out: a key that may be left out is not one that may stand there with nothing behind it.
struct WithoutNull;

impl Transform for WithoutNull {
    fn transform(&mut self, schema: &mut schemars::Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if let Some(value) = object.remove("default").and_then(without_null) {
            object.insert("default".into(), value);
        }
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|word| word != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                object.insert("type".into(), only);
            }
        }
        for key in ["anyOf", "oneOf"] {
            let Some(Value::Array(choices)) = object.get_mut(key) else { continue };
            choices.retain(|choice| choice.get("type").is_none_or(|word| word != "null"));
            if let [Value::Object(only)] = choices.as_slice() {
                let only = only.clone();
                object.remove(key);
                for (name, value) in only {
                    object.entry(name).or_insert(value);
                }
            }
        }
    }
}
