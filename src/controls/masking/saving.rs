//! What comes back masked. Only what this session was shown, under the name under which it comes back and of
//! the same thing, is put back: nobody can have a mask of one customer replaced by the number of another.

use super::{Masked, OnSave, SAVE, STALE};
use crate::body::Body;
use crate::controls::Sent;
use crate::decision::Reason;
use crate::masking::{Form, Original};

type Judged<T> = Result<T, &'static Reason>;

/// What becomes of one field.
enum Becomes {
    Same,
    Text(String),
    Nothing,
}

/// Puts originals back into what is sent, and says into how many fields.
pub(super) fn put_back(masked: &Masked, sent: &mut Sent<'_>) -> Judged<u32> {
    let originals = sent.originals;
    for (name, value) in &sent.query.0 {
        // A query stays as it is: what would save from there is not changed but refused.
        if sent.body.is_none() && !matches!(field(masked, name, value, originals)?, Becomes::Same) {
            return Err(SAVE);
        }
    }
    match &mut sent.body {
        Some(Body::Form(fields)) => {
            let mut changed = 0;
            let mut dropped = Vec::new();
            for (place, (name, value)) in fields.0.iter_mut().enumerate() {
                match field(masked, name, value, originals)? {
                    Becomes::Same => continue,
                    Becomes::Text(text) => *value = text,
                    Becomes::Nothing => dropped.push(place),
                }
                changed += 1;
            }
            dropped.into_iter().rev().for_each(|place| drop(fields.0.remove(place)));
            Ok(changed)
        }
        Some(Body::Json(value)) => {
            let mut changed = 0;
            in_json(masked, "", value, originals, &mut changed)?;
            Ok(changed)
        }
        _ => Ok(0),
    }
}

type Originals<'a> = &'a dyn Fn(&str) -> Vec<Original>;

fn in_json(
    masked: &Masked,
    key: &str,
    value: &mut serde_json::Value,
    originals: Originals<'_>,
    changed: &mut u32,
) -> Judged<()> {
    match value {
        serde_json::Value::String(text) => match field(masked, key, text, originals)? {
            Becomes::Same => {}
            Becomes::Text(original) => {
                *text = original;
                *changed += 1;
            }
            // Only a member can be left out.
            Becomes::Nothing => return Err(SAVE),
        },
        serde_json::Value::Array(items) => {
            items.iter_mut().try_for_each(|item| in_json(masked, key, item, originals, changed))?;
        }
        serde_json::Value::Object(members) => {
            let mut dropped = Vec::new();
            for (key, member) in members.iter_mut() {
                if let serde_json::Value::String(text) = member
                    && let Becomes::Nothing = field(masked, key, text, originals)?
                {
                    dropped.push(key.clone());
                    continue;
                }
                in_json(masked, key, member, originals, changed)?;
            }
            for key in dropped {
                members.shift_remove(&key);
                *changed += 1;
            }
        }
        _ => {}
    }
    Ok(())
}

fn field(masked: &Masked, name: &str, value: &str, originals: Originals<'_>) -> Judged<Becomes> {
    if value.is_empty() {
        return Ok(Becomes::Same);
    }
    let named = masked.plan.places.named(name).and_then(|field| masked.plan.form(field));
    let mut shown = originals(name);
    shown.retain(|o| !o.mask.is_empty() && value.contains(&*o.mask));
    if shown.is_empty() {
        // A field that holds what is hidden, with a mask that nobody was shown.
        return match named {
            Some(form) if looks_masked(form, value) => match masked.on_save {
                OnSave::DropField => Ok(Becomes::Nothing),
                OnSave::Refuse => Err(SAVE),
                OnSave::Restore => Err(STALE),
            },
            _ => Ok(Becomes::Same),
        };
    }
    match masked.on_save {
        OnSave::Refuse => Err(SAVE),
        OnSave::DropField => Ok(Becomes::Nothing),
        OnSave::Restore => restored(value, shown).map(Becomes::Text),
    }
}

/// The value with each mask replaced by the one original that it stands for.
fn restored(value: &str, mut shown: Vec<Original>) -> Judged<String> {
    // Of masks that begin alike the longest is meant.
    shown.sort_by(|a, b| b.mask.len().cmp(&a.mask.len()).then_with(|| a.mask.cmp(&b.mask)));
    let (mut out, mut rest) = (String::new(), value);
    'value: while !rest.is_empty() {
        for candidate in &shown {
            if let Some(behind) = rest.strip_prefix(&*candidate.mask) {
                let mut same = shown.iter().filter(|o| o.mask == candidate.mask);
                if same.any(|o| o.original != candidate.original) {
                    return Err(STALE);
                }
                out.push_str(&candidate.original);
                rest = behind;
                continue 'value;
            }
        }
        let next = rest.chars().next().map_or(rest.len(), char::len_utf8);
        out.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    Ok(out)
}

/// Whether a value was made by this form, as far as its looks tell.
fn looks_masked(form: &Form, value: &str) -> bool {
    match form {
        Form::DigitsToX { .. } => {
            value.matches('X').count() >= 4
                && value.chars().all(|c| c == 'X' || c.is_numeric() || !c.is_alphanumeric() || c.is_lowercase())
        }
        Form::Partly => value.contains("***@***") || value.trim() == "***",
        Form::Fixed(text) => !text.is_empty() && value.contains(&**text),
        Form::Pseudonym | Form::Remove | Form::Null => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original(mask: &str, original: &str) -> Original {
        Original { mask: mask.into(), original: original.into() }
    }

    #[test]
    fn masks_become_what_they_stand_for() {
        let shown = || vec![original("+XX XXXX", "+49 1234"), original("+XX XXXX 56", "+49 9999 56")];
        assert_eq!(restored("call +XX XXXX 56 or +XX XXXX.", shown()).unwrap(), "call +49 9999 56 or +49 1234.");
        let two = vec![original("XXXX", "1234"), original("XXXX", "5678")];
        assert_eq!(restored("XXXX", two).unwrap_err(), STALE);
        let twice = vec![original("XXXX", "1234"), original("XXXX", "1234")];
        assert_eq!(restored("XXXX", twice).unwrap(), "1234");
    }

    #[test]
    fn looks() {
        let x = Form::DigitsToX { keep_last: 2 };
        assert!(looks_masked(&x, "+XX (XX) XXXX12") && looks_masked(&x, "XXXX ext. XX"));
        assert!(!looks_masked(&x, "+49 30 1234") && !looks_masked(&x, "XXXL Shirt"));
        assert!(looks_masked(&Form::Partly, "a***@***.com") && !looks_masked(&Form::Partly, "a@b.com"));
    }
}
