//! Which keys and paths mean something, made ready to be asked for every key of an answer.

use smallvec::SmallVec;

use super::keys::Names;
use crate::masking::{FieldId, Form, Plan, Step};

/// What a key's name says of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Field(FieldId),
    Base64,
}

/// Names of one length, or all that are longer than the longest row.
type Row = Vec<(Box<str>, Meaning)>;

/// The longest names that have a row of their own.
const ROWS: usize = 64;

/// A place in a document, as far as paths tell places apart.
#[derive(Clone, Debug, Default)]
struct State {
    keys: Vec<(Box<str>, u16)>,
    /// The lengths of `keys`, as bits; all of them when any other member is a field.
    lengths: u64,
    any: u16,
    field: Option<FieldId>,
    /// Whether single elements of an array matter here.
    elements: bool,
}

/// Where no path leads.
pub(super) const NOWHERE: u16 = 0;
/// The whole document.
pub(super) const ROOT: u16 = 1;

/// The rules of a plan for JSON.
#[derive(Clone, Debug)]
pub struct Rules {
    rows: Vec<Row>,
    /// The first letters of each row, by the lowest five bits: both cases are alike in them.
    firsts: [u32; ROWS],
    /// All names, if these are few and short.
    names: Option<Names>,
    states: Vec<State>,
    removes: bool,
}

impl Rules {
    /// Makes a plan's rules ready. They can be used for any number of answers.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let mut rules =
            Self { rows: vec![Row::new(); ROWS], firsts: [0; ROWS], names: None, states: Vec::new(), removes: false };
        for name in &plan.places.base64 {
            rules.name(name, Meaning::Base64);
        }
        for (name, field) in &plan.places.names {
            if let Some(form) = plan.form(*field) {
                rules.removes |= *form == Form::Remove;
                rules.name(name, Meaning::Field(*field));
            }
        }
        let hidden = |(steps, field): &(Vec<Step>, FieldId)| {
            let form = plan.form(*field).filter(|_| !steps.is_empty())?;
            Some((steps.clone(), *field, *form == Form::Remove))
        };
        let paths: Vec<_> = plan.places.paths.iter().filter_map(hidden).collect();
        rules.removes |= paths.iter().any(|(.., removes)| *removes);
        rules.names = Names::of(rules.rows.iter().flatten().map(|(name, _)| &**name));
        rules.states = states(&paths.into_iter().map(|(steps, field, _)| (steps, field)).collect::<Vec<_>>());
        rules
    }

    fn name(&mut self, name: &str, meaning: Meaning) {
        let row = name.len().min(ROWS - 1);
        self.firsts[row] |= name.bytes().next().map_or(0, |b| 1 << (b & 31));
        let row = &mut self.rows[row];
        // A field's name comes before what is only Base64.
        row.insert(if meaning == Meaning::Base64 { row.len() } else { 0 }, (name.into(), meaning));
    }

    /// Whether a member may have to be taken away.
    pub(super) fn removes(&self) -> bool {
        self.removes
    }

    /// Whether there is any path.
    pub(super) fn has_paths(&self) -> bool {
        self.states.len() > 2
    }

    /// Quickly, whether a key could be a name, by its length and first byte.
    #[inline]
    pub(super) fn may_name(&self, length: usize, first: u8) -> bool {
        self.firsts[length.min(ROWS - 1)] >> (first & 31) & 1 == 1
    }

    /// All names, when keys can be told by these quickly.
    pub(super) fn names(&self) -> Option<&Names> {
        self.names.as_ref()
    }

    #[inline]
    pub(super) fn meaning(&self, key: &[u8]) -> Option<Meaning> {
        let row = &self.rows[key.len().min(ROWS - 1)];
        row.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(key)).map(|(_, meaning)| *meaning)
    }

    /// Where the member `key` of `place` is.
    #[inline]
    pub(super) fn step(&self, place: u16, key: &[u8]) -> u16 {
        let state = &self.states[usize::from(place)];
        let found = state.keys.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(key));
        found.map_or(state.any, |(_, to)| *to)
    }

    /// Quickly, where a member is whose key has a length that no step has.
    #[inline]
    pub(super) fn aside(&self, place: u16, length: usize) -> Option<u16> {
        let state = &self.states[usize::from(place)];
        (state.lengths >> length.min(63) & 1 == 0).then_some(state.any)
    }

    /// Where an element of `place` is.
    pub(super) fn element(&self, place: u16, index: u32) -> u16 {
        let state = &self.states[usize::from(place)];
        if state.keys.is_empty() { state.any } else { self.step(place, index.to_string().as_bytes()) }
    }

    pub(super) fn field(&self, place: u16) -> Option<FieldId> {
        self.states[usize::from(place)].field
    }

    pub(super) fn minds_elements(&self, place: u16) -> bool {
        self.states[usize::from(place)].elements
    }
}

/// How far along which paths a place is.
type Along = SmallVec<[(u16, u16); 4]>;

/// One state for each set of places along paths that can be reached together.
fn states(paths: &[(Vec<Step>, FieldId)]) -> Vec<State> {
    let all = (0..paths.len()).filter_map(|path| Some((u16::try_from(path).ok()?, 0)));
    let mut sets: Vec<Along> = vec![Along::new(), all.collect()];
    let mut states = vec![State::default()];
    let mut done = 1;
    while done < sets.len() {
        let set = sets[done].clone();
        let at = |(path, step): &(u16, u16)| paths[usize::from(*path)].0.get(usize::from(*step));
        let mut reach = |to: Along| {
            let known = sets.iter().position(|set| *set == to).unwrap_or_else(|| {
                sets.push(to);
                sets.len() - 1
            });
            u16::try_from(known).unwrap_or(NOWHERE)
        };
        let on = |wanted: Option<&str>| -> Along {
            let fits = |along: &&(u16, u16)| match at(along) {
                Some(Step::Any) => true,
                Some(Step::Key(key)) => wanted.is_some_and(|wanted| wanted.eq_ignore_ascii_case(key)),
                None => false,
            };
            set.iter().filter(fits).map(|(path, step)| (*path, step + 1)).collect()
        };
        let mut state = State { any: reach(on(None)), ..State::default() };
        for along in &set {
            if let Some(Step::Key(key)) = at(along)
                && !state.keys.iter().any(|(known, _)| known.eq_ignore_ascii_case(key))
            {
                state.keys.push((key.clone(), reach(on(Some(key)))));
            }
        }
        state.field = set.iter().find(|along| at(along).is_none()).map(|(path, _)| paths[usize::from(*path)].1);
        states.push(state);
        done += 1;
    }
    let fields: Vec<bool> = states.iter().map(|state| state.field.is_some()).collect();
    for state in &mut states {
        let is_index = |key: &str| key.bytes().all(|b| b.is_ascii_digit());
        let lengths = state.keys.iter().fold(0, |all, (key, _)| all | 1 << key.len().min(63));
        state.lengths = if fields[usize::from(state.any)] { u64::MAX } else { lengths };
        state.elements = fields[usize::from(state.any)] || state.keys.iter().any(|(key, _)| is_index(key));
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masking::example::{EMAIL, PHONE, plan};
    use std::sync::Arc;

    #[test]
    fn names_and_paths() {
        let mut plan = plan(false);
        let places = Arc::make_mut(&mut plan.places);
        let key = |name: &str| Step::Key(name.into());
        places.paths = vec![
            (vec![key("a"), Step::Any, key("b")], PHONE),
            (vec![key("a"), key("0"), key("c")], EMAIL),
            (vec![key("x"), Step::Any], EMAIL),
        ];
        let rules = Rules::of(&plan);
        assert!(rules.may_name(5, b'P') && rules.meaning(b"Phone") == Some(Meaning::Field(PHONE)));
        assert!(!rules.may_name(6, b'p') && !rules.may_name(5, b'x'));
        let a = rules.step(ROOT, b"a");
        let (first, second) = (rules.element(a, 0), rules.element(a, 1));
        assert!(rules.minds_elements(a) && first != second);
        let field = |place: u16, key: &[u8]| rules.field(rules.step(place, key));
        assert_eq!([field(first, b"b"), field(first, b"c")], [Some(PHONE), Some(EMAIL)]);
        assert_eq!([field(second, b"b"), field(second, b"c")], [Some(PHONE), None]);
        assert_eq!(rules.step(ROOT, b"zzz"), NOWHERE);
        let x = rules.step(ROOT, b"X");
        assert!(rules.minds_elements(x) && rules.field(rules.element(x, 7)) == Some(EMAIL));
    }
}
