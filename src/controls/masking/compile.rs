//! From the rules as written to what holds for each role on each kind of page.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{
    Armed, CLASSES, CannotParse, Class, FindFile, FormFile, Masked, Masking, Mode, NumbersFile, OnSave, RuleAt,
    RuleFile, Searching,
};
use crate::body::rewrite::Rewriters;
use crate::detect::{Detectors, FieldKind, IdKind, Settings};
use crate::masking::{FieldId, Form, Hidden, NumberBecomes, Places, Plan};
use crate::policy::compile::Arming;
use crate::policy::names::RoleSet;
use crate::policy::phrase::reason_of;
use crate::policy::problem::{Problems, closest};
use crate::policy::yaml::join;

/// The most rules: a set of them is one machine word.
const MOST_RULES: usize = 64;

/// The fields that there are.
struct Fields {
    names: Arc<[Box<str>]>,
    kinds: Vec<(FieldKind, FieldId)>,
    places: Arc<Places>,
}

struct Rule {
    roles: RoleSet,
    classes: Option<Vec<Class>>,
    hides: Vec<(FieldId, Form)>,
    file: RuleFile,
    name: Arc<str>,
    line: u32,
}

pub(super) fn arm(arming: &mut Arming<'_>) -> Option<Armed> {
    let fields = fields(arming);
    check_patterns(arming);
    let mut mode = None;
    let mut rules = Vec::new();
    for (index, file) in arming.file.masking.iter().enumerate() {
        let path = format!("masking[{index}]");
        let own = arming.mode(file.mode);
        if index == MOST_RULES {
            arming
                .problems
                .error(path, format!("at most {MOST_RULES} rules are supported; let one hide several fields"));
            break;
        }
        let rule = rule(&path, file, &fields, arming);
        if own == Mode::Off {
            continue;
        }
        if *mode.get_or_insert(own) != own {
            let message = "rules of `masking` share one mode; give all of them `shadow` or none";
            arming.problems.error(format!("{path}.mode"), message);
        }
        rules.push((u16::try_from(index).unwrap_or(u16::MAX), rule));
    }
    let control = Masking::new(&rules, &fields, arming)?;
    Some(Armed {
        request: Some(Box::new(control.clone())),
        edit: Some(Box::new(control.clone())),
        response: Some(Box::new(control.clone())),
        body: Some(Box::new(control)),
        ..Armed::new("masking", mode?)
    })
}

fn fields(arming: &Arming<'_>) -> Fields {
    let mut names: Vec<Box<str>> = Vec::new();
    let mut kinds = Vec::new();
    let id = |names: &Vec<Box<str>>| FieldId(u16::try_from(names.len()).unwrap_or(u16::MAX));
    let fixed = [
        ("email", FieldKind::Email),
        ("phone", FieldKind::Phone),
        ("iban", FieldKind::Iban),
        ("card", FieldKind::Card),
    ];
    let ids = IdKind::ALL.iter().map(|id| (id.name(), FieldKind::Id(*id)));
    let own = arming.file.personal_data.patterns.names().zip(0..).map(|(name, place)| (name, FieldKind::Own(place)));
    for (name, kind) in fixed.into_iter().chain(ids).chain(own) {
        kinds.push((kind, id(&names)));
        names.push(name.into());
    }
    let mut places = Places::default();
    for (name, file) in arming.names.fields() {
        let place = names.iter().position(|n| **n == *name).unwrap_or_else(|| {
            names.push(name.into());
            names.len() - 1
        });
        let field = FieldId(u16::try_from(place).unwrap_or(u16::MAX));
        file.add_to(field, &mut places);
    }
    Fields { names: names.into(), kinds, places: Arc::new(places) }
}

fn rule(path: &str, file: &RuleFile, fields: &Fields, arming: &mut Arming<'_>) -> Rule {
    let from = file.from.as_slice().to_vec();
    let roles = arming.names.role_set(&format!("{path}.from"), &from, arming.problems);
    let on = file.on.as_ref().map(|on| on.as_slice().to_vec());
    for (index, class) in on.iter().flatten().enumerate() {
        if !arming.names.has_class(*class) && *class != Class::Unclassified {
            let message = format!("the profile has no route of class {}, so this never applies", class.as_str());
            arming.problems.warning(format!("{path}.on[{index}]"), message);
        }
    }
    if file.hide.as_slice().is_empty() {
        arming.problems.error(format!("{path}.hide"), "an empty list hides nothing; name at least one field");
    }
    if file.keep_last.is_some() && file.form.as_ref().is_some_and(|f| *f != FormFile::DigitsToX) {
        arming.problems.error(format!("{path}.keep_last"), "only digits_to_X keeps digits; take keep_last out");
    }
    if let Some(kept) = file.keep_last.filter(|kept| *kept > MOST_KEPT) {
        let message = format!(
            "a value keeps its last {kept} digits only where it has {} or more, so all are hidden; write at most {MOST_KEPT}",
            usize::from(kept) * 2 + 2
        );
        arming.problems.warning(format!("{path}.keep_last"), message);
    }
    let mut hides = Vec::new();
    for (here, name) in file.hide.placed(&format!("{path}.hide")) {
        let Some(place) = fields.names.iter().position(|n| **n == **name) else {
            arming.problems.error(here, unknown_field(name, fields));
            continue;
        };
        let field = FieldId(u16::try_from(place).unwrap_or(u16::MAX));
        match form(file, field, fields) {
            Ok(form) => hides.push((field, form)),
            Err(wrong) => arming.problems.error(format!("{path}.as"), format!("{wrong} (field {name})")),
        }
    }
    let name = file.name.as_deref().unwrap_or(path).into();
    Rule { roles, classes: on, hides, file: file.clone(), name, line: (arming.line_of)(path) }
}

fn unknown_field(name: &str, fields: &Fields) -> String {
    match closest(name, fields.names.iter().map(|n| &**n)) {
        Some(meant) => format!("no field is called \"{name}\"; did you mean \"{meant}\"?"),
        None => format!(
            "no field is called \"{name}\"; write phone, email, iban, card, a national id such as de_tax_id, or define it under `personal_data.patterns:` or in the profile under `fields:`"
        ),
    }
}

/// More than this many digits stay of nothing: the longest value that is known by its shape is an IBAN of 34
/// (ISO 13616), and at most half of a value stays.
const MOST_KEPT: u8 = 16;

/// What stands for a field by this rule.
fn form(file: &RuleFile, field: FieldId, fields: &Fields) -> Result<Form, &'static str> {
    let kind = fields.kinds.iter().find(|(_, f)| *f == field).map(|(kind, _)| *kind);
    let is_email = kind == Some(FieldKind::Email);
    let digits = Form::DigitsToX { keep_last: file.keep_last.unwrap_or(0) };
    match &file.form {
        None if is_email => Ok(Form::Partly),
        None if kind.is_none() => Ok(Form::Fixed("[hidden]".into())),
        None => Ok(digits),
        Some(FormFile::DigitsToX) if is_email || kind.is_none() => {
            Err("digits_to_X would leave its letters to be read; write email_partly, fixed, pseudonym or remove")
        }
        Some(FormFile::DigitsToX) => Ok(digits),
        Some(FormFile::EmailPartly) if !is_email => {
            Err("email_partly is for mail addresses only; write digits_to_X, fixed, pseudonym or remove")
        }
        Some(FormFile::EmailPartly) => Ok(Form::Partly),
        Some(FormFile::Pseudonym) => Ok(Form::Pseudonym),
        Some(FormFile::Remove) => Ok(Form::Remove),
        Some(FormFile::JsonNull) => Ok(Form::Null),
        Some(FormFile::Fixed(text)) if text.chars().count() < 4 => {
            Err("a text this short is in many others, and could not be told from them when it is saved; write [hidden]")
        }
        Some(FormFile::Fixed(text)) => Ok(Form::Fixed(text.as_str().into())),
    }
}

impl Masking {
    fn new(rules: &[(u16, Rule)], fields: &Fields, arming: &mut Arming<'_>) -> Option<Self> {
        if rules.is_empty() {
            return None;
        }
        let holds = |rule: &Rule, class: Class| match &rule.classes {
            Some(classes) => classes.contains(&class),
            None => class != Class::Static,
        };
        let by_role = |role| {
            let mut by_class = [0; CLASSES];
            for class in Class::all() {
                for (place, (_, rule)) in rules.iter().enumerate() {
                    if rule.roles.contains(role) && holds(rule, class) {
                        by_class[class as usize] |= 1_u64 << place;
                    }
                }
            }
            by_class
        };
        let sets: Vec<[u64; CLASSES]> =
            (0..arming.names.role_count()).map(|r| by_role(crate::policy::names::RoleId::new(r))).collect();
        let mut masked = HashMap::new();
        for set in closed(&sets) {
            let chosen: Vec<&(u16, Rule)> = (0..rules.len()).filter(|p| set >> p & 1 == 1).map(|p| &rules[p]).collect();
            masked.insert(set, Arc::new(Masked::new(&chosen, fields, arming)?));
        }
        Some(Self { rules: sets, masked })
    }
}

/// Every set of rules that can hold together: a request may be of several classes.
fn closed(sets: &[[u64; CLASSES]]) -> BTreeSet<u64> {
    let mut all = BTreeSet::new();
    for by_class in sets {
        let own: BTreeSet<u64> = by_class.iter().copied().filter(|set| *set != 0).collect();
        let mut unions = BTreeSet::new();
        for set in own {
            let more: Vec<u64> = unions.iter().map(|u| u | set).chain([set]).collect();
            unions.extend(more);
        }
        all.extend(unions);
    }
    all
}

impl Masked {
    fn new(rules: &[&(u16, Rule)], fields: &Fields, arming: &mut Arming<'_>) -> Option<Self> {
        let mut hidden: Vec<Option<Hidden>> = vec![None; fields.names.len()];
        for (place, rule) in rules {
            for (field, form) in &rule.hides {
                let slot = &mut hidden[usize::from(field.0)];
                // Of two forms the stricter one wins.
                if slot.as_ref().is_none_or(|s| *form < s.form) {
                    *slot = Some(Hidden { form: form.clone(), rule: *place });
                }
            }
        }
        let files = || rules.iter().map(|(_, rule)| &rule.file);
        let detectors = detectors(&hidden, fields, arming)?;
        let zero = files().all(|f| f.numbers == Some(NumbersFile::Zero));
        let on_save: OnSave = files().map(|f| f.on_save.unwrap_or_default()).max()?;
        let plan = Plan {
            hidden,
            detectors: Arc::new(detectors),
            everywhere: files().any(|f| f.find != Some(FindFile::NamedPlaces)),
            kinds: fields.kinds.clone(),
            places: fields.places.clone(),
            numbers: if zero { NumberBecomes::Zero } else { NumberBecomes::Null },
        };
        let plan = Arc::new(plan);
        Some(Self {
            rewriters: Arc::new(Rewriters::of(plan.clone())),
            plan,
            cannot_parse: files().map(|f| f.cannot_parse.unwrap_or_default()).max().unwrap_or(CannotParse::Block),
            files_too: rules.iter().any(|(_, rule)| rule.classes.iter().flatten().any(|c| *c == Class::Media)),
            on_save,
            searching: files().map(|f| f.searching.unwrap_or_default()).max().unwrap_or(Searching::ExactOnly),
            rules: rules
                .iter()
                .map(|(place, rule)| RuleAt { place: *place, name: rule.name.clone(), line: rule.line })
                .collect(),
            fields: fields.names.clone(),
        })
    }
}

/// Detectors of what is hidden.
fn detectors(hidden: &[Option<Hidden>], fields: &Fields, arming: &mut Arming<'_>) -> Option<Detectors> {
    let hides = |kind: FieldKind| fields.kinds.iter().any(|(k, f)| *k == kind && hidden[usize::from(f.0)].is_some());
    let own = arming.file.personal_data.patterns.iter();
    let settings = Settings {
        email: hides(FieldKind::Email),
        phone: hides(FieldKind::Phone),
        regions: arming.file.personal_data.regions.clone(),
        iban: hides(FieldKind::Iban),
        card: hides(FieldKind::Card),
        ids: IdKind::ALL.iter().copied().filter(|id| hides(FieldKind::Id(*id))).collect(),
        // All of them, so that their places stay: one that is not hidden is found and left.
        own: own.map(|(name, pattern)| (name.to_owned(), pattern.clone())).collect(),
    };
    let settings = if settings.own.iter().zip(0..).any(|(_, place)| hides(FieldKind::Own(place))) {
        settings
    } else {
        Settings { own: Vec::new(), ..settings }
    };
    Detectors::new(&settings).map_err(|problem| report(&problem, arming.problems)).ok()
}

/// Patterns that nothing hides must be right too.
fn check_patterns(arming: &mut Arming<'_>) {
    for (name, pattern) in arming.file.personal_data.patterns.iter() {
        let own = vec![(name.to_owned(), pattern.clone())];
        if let Err(problem) = Detectors::new(&Settings { own, ..Settings::default() }) {
            report(&problem, arming.problems);
        }
    }
}

fn report(problem: &crate::detect::Problem, problems: &mut Problems) {
    let (path, message) = match problem {
        crate::detect::Problem::Region(name) => (
            "personal_data.regions".to_owned(),
            format!("no region is called \"{name}\"; write two capital letters, such as DE"),
        ),
        crate::detect::Problem::Pattern(name, wrong) => {
            (join("personal_data.patterns", name), format!("the pattern cannot be used: {}", reason_of(wrong)))
        }
    };
    problems.error(path, message);
}
