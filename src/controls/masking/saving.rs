//! What comes back masked.
//!
//! Of a request that edits a thing, every field is looked at. What this session was shown of this very thing, under
//! the name under which it comes back, is put back; what looks like a mask and is not known is refused. So nobody can
//! have a mask of one customer replaced by the number of another, nor have a number put into what goes out: a request
//! that also writes to somebody gets nothing back.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};

use super::{Masked, OnSave, SAVE, STALE};
use crate::body::{Body, Fields};
use crate::controls::Sent;
use crate::decision::Reason;
use crate::masking::{Form, Originals, REMOVED};
use crate::policy::profile::{Action, Class};
use crate::route::Matched;

type Judged<T> = Result<T, &'static Reason>;

/// What becomes of one field.
enum Becomes {
    Same,
    Text(String),
    Nothing,
}

/// What may be done with a request.
struct Saving<'a> {
    masked: &'a Masked,
    originals: &'a Originals,
    /// It changes something that is there, and goes to nobody.
    edits: bool,
}

/// Puts originals back into what is sent, and says into how many fields.
pub(super) fn put_back(masked: &Masked, route: &Matched, sent: &mut Sent<'_>) -> Judged<u32> {
    let goes_out = |class| {
        matches!(
            class,
            Class::Comment | Class::Cc | Class::Forward | Class::Collaborator | Class::Transcript | Class::ChatPost
        )
    };
    let edits = route.changes().any(|(_, action)| action == Action::Edit) && !route.classes().any(goes_out);
    let saving = Saving { masked, originals: sent.originals, edits };
    if sent.body.is_none() {
        // A query stays as it is: what would save from there is not changed but refused.
        return saving.only_looks(sent.query);
    }
    match &mut sent.body {
        Some(Body::Form(fields)) => saving.form(fields),
        Some(Body::Json(value)) => {
            let mut changed = 0;
            saving.json("", value, &mut changed)?;
            Ok(changed)
        }
        _ => Ok(0),
    }
}

impl Saving<'_> {
    fn only_looks(&self, query: &Fields) -> Judged<u32> {
        for (name, value) in &query.0 {
            if !value.is_empty() && !matches!(self.field(name, value)?, Becomes::Same) {
                return Err(SAVE);
            }
        }
        Ok(0)
    }

    fn form(&self, fields: &mut Fields) -> Judged<u32> {
        let mut changed = 0;
        let mut dropped = Vec::new();
        for (place, (name, value)) in fields.0.iter_mut().enumerate() {
            match self.field(name, value)? {
                Becomes::Same => continue,
                Becomes::Text(text) => *value = text,
                Becomes::Nothing => dropped.push(place),
            }
            changed += 1;
        }
        dropped.into_iter().rev().for_each(|place| drop(fields.0.remove(place)));
        Ok(changed)
    }

    fn json(&self, key: &str, value: &mut serde_json::Value, changed: &mut u32) -> Judged<()> {
        match value {
            serde_json::Value::String(text) => match self.field(key, text)? {
                Becomes::Same => {}
                Becomes::Text(original) => {
                    *text = original;
                    *changed += 1;
                }
                // Only a member can be left out.
                Becomes::Nothing => return Err(SAVE),
            },
            serde_json::Value::Array(items) => {
                items.iter_mut().try_for_each(|item| self.json(key, item, changed))?;
            }
            serde_json::Value::Object(members) => {
                let mut dropped = Vec::new();
                for (key, member) in members.iter_mut() {
                    let becomes = match &*member {
                        serde_json::Value::String(text) => self.field(key, text)?,
                        other if is_nothing(other) => self.nothing(key)?,
                        _ => Becomes::Same,
                    };
                    if let Becomes::Nothing = becomes {
                        dropped.push(key.clone());
                        continue;
                    }
                    self.json(key, member, changed)?;
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

    /// `null` or 0 where something was hidden by it. Of which type the original was is not known.
    fn nothing(&self, key: &str) -> Judged<Becomes> {
        let was_hidden = self.originals.at(key).is_some_and(|masks| masks.contains_key(""));
        match self.masked.on_save {
            _ if !was_hidden => Ok(Becomes::Same),
            OnSave::DropField | OnSave::Restore => Ok(Becomes::Nothing),
            OnSave::Refuse => Err(SAVE),
        }
    }

    fn field(&self, name: &str, value: &str) -> Judged<Becomes> {
        let shown = self.originals.at(name).filter(|_| self.edits);
        if let Some(masks) = shown {
            let comes_back = |mask: &str| if mask.is_empty() { value.is_empty() } else { value.contains(mask) };
            let back: HashMap<&str, &[Box<str>]> =
                masks.iter().filter(|(mask, _)| comes_back(mask)).map(|(m, o)| (&**m, &**o)).collect();
            if !back.is_empty() {
                return match self.masked.on_save {
                    OnSave::Refuse => Err(SAVE),
                    OnSave::DropField => Ok(Becomes::Nothing),
                    OnSave::Restore => restored(value, &back).map(Becomes::Text),
                };
            }
        }
        let named = self.masked.plan.places.named(name).and_then(|field| self.masked.plan.form(field));
        // What is new overwrites nothing: there only fields that hold nothing else count.
        let mut forms = self.masked.plan.hidden.iter().flatten().map(|hidden| &hidden.form);
        let looks = if self.edits {
            forms.any(|f| looks_masked(f, value))
        } else {
            named.is_some_and(|f| looks_masked(f, value))
        };
        match self.masked.on_save {
            _ if !looks => Ok(Becomes::Same),
            OnSave::DropField => Ok(Becomes::Nothing),
            OnSave::Refuse => Err(SAVE),
            OnSave::Restore => Err(STALE),
        }
    }
}

fn is_nothing(value: &serde_json::Value) -> bool {
    value.is_null() || value.as_i64() == Some(0)
}

/// The value with each mask replaced by the one original that it stands for.
fn restored(value: &str, shown: &HashMap<&str, &[Box<str>]>) -> Judged<String> {
    let original = |mask: &str| match shown.get(mask) {
        Some([one]) => Ok(&**one),
        _ => Err(STALE),
    };
    if value.is_empty() {
        return original("").map(str::to_owned);
    }
    let masks: Vec<&str> = shown.keys().copied().filter(|mask| !mask.is_empty()).collect();
    // Of masks that begin alike the longest is meant.
    let longest = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&masks).map_err(|_| STALE)?;
    let (mut out, mut done) = (String::new(), 0);
    for found in longest.find_iter(value) {
        out.push_str(&value[done..found.start()]);
        out.push_str(original(masks[found.pattern()])?);
        done = found.end();
    }
    Ok(out + &value[done..])
}

/// How many X look like a mask: sizes and roman numerals have fewer.
const MANY_X: usize = 5;

/// Whether a mask of this form is in a value, as far as its looks tell.
fn looks_masked(form: &Form, value: &str) -> bool {
    match form {
        Form::DigitsToX { .. } => {
            let mark = |c: char| c == 'X' || c.is_ascii_digit() || " +-./()".contains(c);
            value.split(|c| !mark(c)).any(|run| run.matches('X').count() >= MANY_X)
        }
        Form::Partly => value.contains("***@***") || value.contains("%2A%2A%2A%40") || value.trim() == "***",
        Form::Fixed(text) => value.contains(&**text),
        Form::Remove | Form::Null => value.contains(REMOVED),
        // What it stands for is known, or it is a word like any other.
        Form::Pseudonym => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_become_what_they_stand_for() {
        let one = |text: &str| vec![Box::<str>::from(text)];
        let (short, long, two) = (one("+49 1234"), one("+49 9999 56"), [one("1"), one("2")].concat());
        let shown = HashMap::from([("+XX XXXX", &short[..]), ("+XX XXXX 56", &long[..]), ("", &short[..])]);
        let back = |value| restored(value, &shown).unwrap();
        assert_eq!(back("call +XX XXXX 56 or +XX XXXX."), "call +49 9999 56 or +49 1234.");
        assert_eq!(back(""), "+49 1234");
        assert_eq!(restored("XXXX", &HashMap::from([("XXXX", &two[..])])).unwrap_err(), STALE);
    }

    #[test]
    fn looks() {
        let x = Form::DigitsToX { keep_last: 2 };
        for masked in ["+XX (XX) XXXX12", "XXXXX ext. XX", "call +XX XX XXXXX now", "p=%2BXX%20XX%20XXXXX"] {
            assert!(looks_masked(&x, masked), "{masked}");
        }
        for plain in ["+49 30 1234", "XXXL Shirt", "XXIV", "see XXX"] {
            assert!(!looks_masked(&x, plain), "{plain}");
        }
        assert!(looks_masked(&Form::Partly, "to a***@***.com") && !looks_masked(&Form::Partly, "a@b.com"));
        assert!(looks_masked(&Form::Remove, "call [removed]"));
    }
}
