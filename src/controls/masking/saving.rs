//! What comes back masked.
//!
//! Of a request that is no read, every field is looked at, whatever its route, class or body. What this session was
//! shown of this very thing, under the name under which it comes back, is put back; what looks like a mask and is not
//! known is refused. So nobody can have a mask of one customer replaced by the number of another. Only the fields that
//! the profile names as `new_text` may hold a mask: there it is quoted, and nothing is put back, for it goes out.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};

use super::{Masked, OnSave, SAVE, STALE};
use crate::body::{Body, Fields};
use crate::controls::Sent;
use crate::decision::Reason;
use crate::masking::{Form, Originals, Pseudonyms, REMOVED};
use crate::policy::profile::{Action, Class};
use crate::request::RequestHead;
use crate::route::{Hit, Matched};

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
    pseudonyms: &'a Pseudonyms,
    route: &'a Matched,
    /// Nothing is put into what is sent to somebody, unless the profile tells its text from its data.
    restores: bool,
}

/// Whether a request could save what it brings. A sign-in saves nothing, and passwords may look like anything.
pub(super) fn saves(request: &RequestHead) -> bool {
    !request.is_read() && request.route.login.is_none()
}

/// Puts originals back into what is sent, and says into how many fields.
pub(super) fn put_back(masked: &Masked, route: &Matched, sent: &mut Sent<'_>) -> Judged<u32> {
    let restores = !route.hits.iter().any(goes_out) || !route.new_text.is_empty();
    let saving = Saving { masked, originals: sent.originals, pseudonyms: sent.pseudonyms, route, restores };
    // A query stays as it is: what would save from there is not changed but refused.
    saving.only_looks(sent.query)?;
    // Files that people send are new; what is no upload reads them.
    if !route.is(Class::Upload) && sent.files.iter().any(|file| saving.is_masked_text(&file.content)) {
        return Err(SAVE);
    }
    match &mut sent.body {
        Some(Body::Form(fields)) => saving.form(fields),
        Some(Body::Json(value)) => {
            let mut changed = 0;
            saving.json(&mut Vec::new(), value, &mut changed)?;
            Ok(changed)
        }
        Some(Body::File(content)) if !route.is(Class::Upload) && saving.is_masked_text(content) => Err(SAVE),
        Some(Body::File(_)) | None => Ok(0),
    }
}

/// Whether something is sent to somebody; altering what was written before sends nothing.
fn goes_out(hit: &Hit) -> bool {
    let sent = matches!(
        hit.class,
        Class::Comment | Class::Cc | Class::Forward | Class::Collaborator | Class::Transcript | Class::ChatPost
    );
    sent && hit.action.is_none_or(|action| action == Action::Create)
}

impl Saving<'_> {
    fn only_looks(&self, query: &Fields) -> Judged<()> {
        let unchanged = |(name, value): &(String, String)| -> Judged<bool> {
            Ok(value.is_empty() || self.is_new_text(name) || matches!(self.field(name, value)?, Becomes::Same))
        };
        for field in &query.0 {
            if !unchanged(field)? {
                return Err(SAVE);
            }
        }
        Ok(())
    }

    fn is_new_text(&self, name: &str) -> bool {
        self.route.new_text.iter().any(|text| text.has_field(name))
    }

    /// Whether a mask stands in the text of a file; what is no text is what somebody made elsewhere.
    fn is_masked_text(&self, content: &[u8]) -> bool {
        std::str::from_utf8(content).is_ok_and(|text| self.looks(text))
    }

    fn form(&self, fields: &mut Fields) -> Judged<u32> {
        let mut changed = 0;
        let mut dropped = Vec::new();
        for (place, (name, value)) in fields.0.iter_mut().enumerate() {
            if self.is_new_text(name) {
                continue;
            }
            if self.looks(name) {
                return Err(SAVE);
            }
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

    /// A value in a document; `path` holds the keys above it, outermost first.
    fn json(&self, path: &mut Vec<String>, value: &mut serde_json::Value, changed: &mut u32) -> Judged<()> {
        if self.route.new_text.iter().any(|text| text.has_member(path)) {
            return Ok(());
        }
        match value {
            serde_json::Value::String(text) => {
                match self.field(path.last().map_or("", String::as_str), text)? {
                    Becomes::Same => {}
                    Becomes::Text(original) => {
                        *text = original;
                        *changed += 1;
                    }
                    // Only a member can be left out.
                    Becomes::Nothing => return Err(SAVE),
                }
            }
            serde_json::Value::Array(items) => {
                items.iter_mut().try_for_each(|item| self.json(path, item, changed))?;
            }
            serde_json::Value::Object(members) => self.members(path, members, changed)?,
            _ => {}
        }
        Ok(())
    }

    fn members(
        &self,
        path: &mut Vec<String>,
        members: &mut serde_json::Map<String, serde_json::Value>,
        changed: &mut u32,
    ) -> Judged<()> {
        let mut dropped = Vec::new();
        for (key, member) in members.iter_mut() {
            if self.looks(key) {
                return Err(SAVE);
            }
            path.push(key.clone());
            let is_new = self.route.new_text.iter().any(|text| text.has_member(path));
            let becomes = match &*member {
                _ if is_new => Becomes::Same,
                serde_json::Value::String(text) => self.field(key, text)?,
                other if is_nothing(other) => self.nothing(key)?,
                _ => Becomes::Same,
            };
            if matches!(becomes, Becomes::Nothing) {
                dropped.push(key.clone());
            } else {
                self.json(path, member, changed)?;
            }
            path.pop();
        }
        for key in dropped {
            members.shift_remove(&key);
            *changed += 1;
        }
        Ok(())
    }

    /// `null` or 0 where something was hidden by it. Of which type the original was is not known.
    fn nothing(&self, key: &str) -> Judged<Becomes> {
        if self.originals.at(key).is_some_and(|masks| masks.contains_key("")) {
            return if self.masked.on_save == OnSave::Refuse { Err(SAVE) } else { self.left_out() };
        }
        self.unless_forgotten(key)
    }

    /// A field that holds nothing. Where what it held was hidden by that, it would be emptied.
    fn unless_forgotten(&self, name: &str) -> Judged<Becomes> {
        let edits = self.route.changes().any(|(_, action)| action == Action::Edit);
        let form = self.masked.plan.places.named(name).and_then(|field| self.masked.plan.form(field));
        let hides = form.is_some_and(|form| matches!(form, Form::Remove | Form::Null));
        if edits && hides && !self.originals.is_known() { Err(STALE) } else { Ok(Becomes::Same) }
    }

    /// The field is left out, where that is known to leave what the app has.
    fn left_out(&self) -> Judged<Becomes> {
        if self.route.keeps_omitted { Ok(Becomes::Nothing) } else { Err(SAVE) }
    }

    fn field(&self, name: &str, value: &str) -> Judged<Becomes> {
        if let Some(masks) = self.originals.at(name) {
            let comes_back = |mask: &str| if mask.is_empty() { value.is_empty() } else { value.contains(mask) };
            let back: HashMap<&str, &[Box<str>]> =
                masks.iter().filter(|(mask, _)| comes_back(mask)).map(|(m, o)| (&**m, &**o)).collect();
            if !back.is_empty() {
                return match self.masked.on_save {
                    OnSave::Refuse => Err(SAVE),
                    OnSave::DropField => self.left_out(),
                    // What was judged as an address is not replaced by another one afterwards.
                    OnSave::Restore if !self.restores || self.is_recipient(value) => Err(SAVE),
                    OnSave::Restore => restored(value, &back).map(Becomes::Text),
                };
            }
        }
        if value.is_empty() {
            return self.unless_forgotten(name);
        }
        let named = self.masked.plan.places.named(name).and_then(|field| self.masked.plan.form(field));
        match self.masked.on_save {
            _ if !self.looks(value) && !named.is_some_and(|form| is_nothing_but_mask(form, value)) => Ok(Becomes::Same),
            OnSave::DropField => self.left_out(),
            OnSave::Refuse => Err(SAVE),
            // Opening the page again helps only where what it shows is known to be this thing.
            OnSave::Restore if self.route.thing().is_none() => Err(SAVE),
            OnSave::Restore => Err(STALE),
        }
    }

    fn looks(&self, value: &str) -> bool {
        let mut forms = self.masked.plan.hidden.iter().flatten().map(|hidden| &hidden.form);
        forms.any(|form| looks_masked(form, value, self.pseudonyms))
    }

    fn is_recipient(&self, value: &str) -> bool {
        self.route.recipients.iter().any(|(_, text)| **text == *value)
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
/// How many do before the digits that a mask keeps at its end.
const FEW_X: usize = 3;

/// Whether a mask of this form is in a value, as far as its looks tell.
fn looks_masked(form: &Form, value: &str, pseudonyms: &Pseudonyms) -> bool {
    match form {
        Form::DigitsToX { keep_last } => {
            let mark = |c: char| c == 'X' || c.is_ascii_digit() || " +-./()".contains(c);
            value.split(|c| !mark(c)).any(|run| {
                let many = run.matches('X').count();
                many >= MANY_X || (many >= FEW_X && keeps_its_end(run, *keep_last))
            })
        }
        Form::Partly => value.contains("***@***") || value.contains("%2A%2A%2A%40") || value.trim() == "***",
        Form::Fixed(text) => value.contains(&**text),
        Form::Remove | Form::Null => value.contains(REMOVED),
        Form::Pseudonym => pseudonyms.are_in(value),
    }
}

/// Whether the last X of a run has exactly so many digits behind it.
fn keeps_its_end(run: &str, keep_last: u8) -> bool {
    let end = run.rfind('X').map_or("", |last| &run[last + 1..]);
    keep_last > 0 && end.bytes().filter(u8::is_ascii_digit).count() == usize::from(keep_last)
}

/// Whether a field that holds nothing but such values holds nothing but a mask: of short values hardly anything is left.
fn is_nothing_but_mask(form: &Form, value: &str) -> bool {
    match form {
        Form::DigitsToX { .. } => value.contains('X') && value.chars().all(|c| c == 'X' || !c.is_alphabetic()),
        Form::Partly => value.contains("***"),
        _ => false,
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
        let pseudonyms = Pseudonyms([7; 32]);
        let looks_masked = |form: &Form, value: &str| super::looks_masked(form, value, &pseudonyms);
        for masked in ["+XX (XX) XXXX12", "XXXXX ext. XX", "call +XX XX XXXXX now", "p=%2BXX%20XX%20XXXXX", "XX XX 67"]
        {
            assert!(looks_masked(&x, masked), "{masked}");
        }
        for plain in ["+49 30 1234", "XXXL Shirt", "XXIV", "see XXX", "XXX 1234"] {
            assert!(!looks_masked(&x, plain), "{plain}");
        }
        assert!(looks_masked(&Form::Partly, "to a***@***.com") && !looks_masked(&Form::Partly, "a@b.com"));
        assert!(looks_masked(&Form::Remove, "call [removed]"));
        for (value, all) in [("X", true), ("X-X", true), ("X1", true), ("Xaver", false), ("12", false), ("", false)] {
            assert_eq!(is_nothing_but_mask(&x, value), all, "{value}");
        }
    }
}
