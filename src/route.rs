//! From a request to what it does: the profile's routes, compiled into one tree of path segments.
//! The walk costs what the path is long, not what the profile is: 1,000 patterns cost about what
//! 10 cost.

use std::collections::HashMap;

use http::Method;
use smallvec::SmallVec;

use crate::body::{Body, Fields};
use crate::policy::phrase::{Condition, Methods, Pattern, Segment, Source};
use crate::policy::profile::{Action, Class};
use crate::request::Values;
use crate::store::UserName;

/// The three parts of an app that policies speak of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Area {
    /// Where agents and administrators work.
    Management,
    /// Where programs call.
    Api,
    /// Everything else.
    #[default]
    Portal,
}

impl Area {
    /// How many there are.
    pub const COUNT: usize = 3;

    /// The word of the policy and of records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Management => "management",
            Self::Api => "api",
            Self::Portal => "portal",
        }
    }
}

/// What a pattern stands for.
#[derive(Clone, Debug)]
pub enum Meaning {
    /// A route of the profile.
    Route(Box<Route>),
    /// The login of a realm, by their places.
    Login(usize, usize),
    /// The logout of a realm, by its place.
    Logout(usize),
    /// The page where people sign in.
    SignInPage,
    /// A request that is no human activity.
    Background,
    /// A part of the app.
    Area(Area),
}

/// A route of the profile, compiled.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name in the profile.
    pub name: String,
    /// Its class.
    pub class: Class,
    /// What it does to a thing of that class.
    pub action: Option<Action>,
    /// What else must hold.
    pub when: Vec<Condition>,
    /// Where the id of the thing is.
    pub id: Option<Source>,
    /// Where the owner of the thing is.
    pub owner: Option<Source>,
}

impl Route {
    fn reads_body(&self) -> bool {
        let sources = self.when.iter().map(|c| &c.source).chain(&self.id).chain(&self.owner);
        sources.into_iter().any(Source::in_body)
    }

    fn reads_values(&self) -> bool {
        !self.when.is_empty() || self.id.is_some() || self.owner.is_some()
    }
}

struct Entry {
    methods: Methods,
    meaning: Meaning,
    /// How specific the pattern is: three bits a segment, the first segment highest.
    rank: u64,
    /// The places and names of its captures.
    captures: Vec<(usize, String)>,
}

#[derive(Default)]
struct Branch {
    literal: HashMap<Box<str>, usize>,
    glob: Vec<(String, String, usize)>,
    any: Option<usize>,
    /// Entries that end here.
    ends: Vec<usize>,
    /// Entries that take all the rest.
    rest: Vec<usize>,
}

/// How paths of the app are read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Upper and lower case are the same.
    pub case_insensitive: bool,
    /// Suffixes that choose a format on any path.
    pub suffixes: Vec<String>,
    /// Where a POST can say that it is another method.
    pub overrides: Vec<Source>,
    /// Names of parameters that sign in on any URL.
    pub sign_in_parameters: Option<(String, String)>,
}

/// The compiled profile.
pub struct Matcher {
    branches: Vec<Branch>,
    entries: Vec<Entry>,
    reading: Reading,
}

type Segments<'p> = SmallVec<[&'p str; 12]>;

impl Matcher {
    /// An empty matcher.
    #[must_use]
    pub fn new(reading: Reading) -> Self {
        Self { branches: vec![Branch::default()], entries: Vec::new(), reading }
    }

    /// Adds a pattern.
    pub fn add(&mut self, pattern: &Pattern, meaning: Meaning) {
        let fold = |text: &str| if self.reading.case_insensitive { text.to_ascii_lowercase() } else { text.to_owned() };
        let mut at = 0;
        let mut rank = 0_u64;
        let mut captures = Vec::new();
        let mut takes_rest = false;
        for (index, segment) in pattern.segments.iter().enumerate() {
            let weight = match segment {
                Segment::Literal(_) => 4,
                Segment::Glob(..) => 3,
                Segment::Capture(_) | Segment::Any => 2,
                Segment::Rest => 1,
            };
            rank |= weight << (60_usize.saturating_sub(3 * index));
            let fresh = self.branches.len();
            let branch = &mut self.branches[at];
            let next = match segment {
                Segment::Literal(text) => *branch.literal.entry(fold(text).into()).or_insert(fresh),
                Segment::Glob(start, end) => {
                    let (start, end) = (fold(start), fold(end));
                    let known = branch.glob.iter().find(|(s, e, _)| *s == start && *e == end).map(|(_, _, next)| *next);
                    known.unwrap_or_else(|| {
                        branch.glob.push((start, end, fresh));
                        fresh
                    })
                }
                Segment::Capture(name) => {
                    captures.push((index, name.clone()));
                    *branch.any.get_or_insert(fresh)
                }
                Segment::Any => *branch.any.get_or_insert(fresh),
                Segment::Rest => {
                    takes_rest = true;
                    break;
                }
            };
            if next == fresh {
                self.branches.push(Branch::default());
            }
            at = next;
        }
        let entry = self.entries.len();
        if takes_rest {
            self.branches[at].rest.push(entry);
        } else {
            self.branches[at].ends.push(entry);
        }
        self.entries.push(Entry { methods: pattern.methods.clone(), meaning, rank, captures });
    }

    /// Everything that a path could mean, before query and body are looked at.
    #[must_use]
    pub fn find(&self, path: &str) -> Candidates<'_> {
        let folded = self.reading.case_insensitive.then(|| path.to_ascii_lowercase());
        let walked = folded.as_deref().unwrap_or(path);
        let mut found = SmallVec::new();
        self.walk(0, &split(walked), &mut found);
        for suffix in &self.reading.suffixes {
            if let Some(bare) = walked.strip_suffix(suffix.as_str()).filter(|bare| !bare.ends_with('/')) {
                self.walk(0, &split(bare), &mut found);
            }
        }
        found.sort_by_key(|entry: &usize| std::cmp::Reverse(self.entries[*entry].rank));
        found.dedup();
        Candidates { matcher: self, found }
    }

    fn walk(&self, at: usize, segments: &[&str], found: &mut SmallVec<[usize; 8]>) {
        let branch = &self.branches[at];
        found.extend(branch.rest.iter().copied());
        let Some((segment, rest)) = segments.split_first() else {
            found.extend(branch.ends.iter().copied());
            return;
        };
        if let Some(next) = branch.literal.get(*segment) {
            self.walk(*next, rest, found);
        }
        for (start, end, next) in &branch.glob {
            if segment.len() >= start.len() + end.len()
                && segment.starts_with(start.as_str())
                && segment.ends_with(end.as_str())
            {
                self.walk(*next, rest, found);
            }
        }
        // A capture names a thing; a path that ends in `/` there names none.
        if let (Some(next), false) = (branch.any, segment.is_empty()) {
            self.walk(next, rest, found);
        }
    }
}

fn split(path: &str) -> Segments<'_> {
    path.strip_prefix('/').unwrap_or(path).split('/').collect()
}

/// What a path could mean.
pub struct Candidates<'m> {
    matcher: &'m Matcher,
    found: SmallVec<[usize; 8]>,
}

/// What is read of a request to settle what it means.
pub struct Evidence<'a> {
    /// The request's own method.
    pub method: &'a Method,
    /// The canonical path.
    pub path: &'a str,
    /// The query's parameters.
    pub query: &'a Fields,
    /// The body, where it was read.
    pub body: Option<&'a Body>,
    /// Headers by lower-case name.
    pub header: &'a dyn Fn(&str) -> Option<String>,
}

impl<'m> Candidates<'m> {
    fn entries(&self) -> impl Iterator<Item = &'m Entry> {
        self.found.iter().map(|entry| &self.matcher.entries[*entry])
    }

    /// Whether the body must be read to know what the request does. `sign_in` tells where the
    /// login of a realm looks for the user name.
    #[must_use]
    pub fn needs_body(&self, method: &Method, sign_in: impl Fn(usize, usize) -> bool) -> bool {
        let reading = &self.matcher.reading;
        let anywhere = reading.sign_in_parameters.is_some() || reading.overrides.iter().any(Source::in_body);
        anywhere && *method == Method::POST
            || self.entries().any(|entry| match &entry.meaning {
                Meaning::Route(route) => {
                    route.reads_body() && (entry.methods.contains(method) || !reading.overrides.is_empty())
                }
                Meaning::Login(realm, login) => entry.methods.contains(method) && sign_in(*realm, *login),
                _ => false,
            })
    }

    /// Whether the query must be parsed to know what the request does.
    #[must_use]
    pub fn needs_query(&self) -> bool {
        let reading = &self.matcher.reading;
        !reading.overrides.is_empty()
            || reading.sign_in_parameters.is_some()
            || self.entries().any(|entry| match &entry.meaning {
                Meaning::Route(route) => route.reads_values(),
                Meaning::Login(..) => true,
                _ => false,
            })
    }

    /// What the request means, given everything that was read of it.
    #[must_use]
    pub fn settle(&self, evidence: &Evidence<'_>) -> Matched {
        let segments = split(evidence.path);
        let overridden = self.overridden_method(evidence);
        let applies = |entry: &&Entry| {
            entry.methods.contains(evidence.method) || overridden.as_ref().is_some_and(|m| entry.methods.contains(m))
        };
        let mut matched = Matched { stray_credentials: self.stray_credentials(evidence), ..Matched::default() };
        let mut base_rank = None;
        let mut area_rank = None;
        for entry in self.entries().filter(applies) {
            match &entry.meaning {
                Meaning::Route(route) => {
                    let captures: SmallVec<[(&str, &str); 4]> = entry
                        .captures
                        .iter()
                        .filter_map(|(i, name)| Some((name.as_str(), *segments.get(*i)?)))
                        .collect();
                    let values = Values {
                        captures: &captures,
                        query: evidence.query,
                        body: evidence.body,
                        header: evidence.header,
                    };
                    if route.when.is_empty() {
                        // Of the routes without conditions, only the most specific pattern counts.
                        if *base_rank.get_or_insert(entry.rank) != entry.rank {
                            continue;
                        }
                        matched.add(route, &values, true);
                    } else if route.when.iter().all(|c| values.any(&c.source, |v| c.test.holds(v))) {
                        matched.add(route, &values, false);
                    }
                }
                Meaning::Login(realm, login) => {
                    matched.login.get_or_insert((*realm, *login));
                }
                Meaning::Logout(realm) => {
                    matched.logout.get_or_insert(*realm);
                }
                Meaning::SignInPage => matched.sign_in_page = true,
                Meaning::Background => matched.background = true,
                Meaning::Area(area) => {
                    if area_rank.is_none() {
                        area_rank = Some(entry.rank);
                        matched.area = *area;
                    }
                }
            }
        }
        matched.finish();
        matched
    }

    fn overridden_method(&self, evidence: &Evidence<'_>) -> Option<Method> {
        if *evidence.method != Method::POST {
            return None;
        }
        let values = Values { captures: &[], query: evidence.query, body: evidence.body, header: evidence.header };
        let named = self.matcher.reading.overrides.iter().find_map(|source| values.first(source))?;
        Method::from_bytes(named.trim().to_ascii_uppercase().as_bytes()).ok()
    }

    fn stray_credentials(&self, evidence: &Evidence<'_>) -> bool {
        let Some((user, password)) = &self.matcher.reading.sign_in_parameters else { return false };
        let values = Values { captures: &[], query: evidence.query, body: evidence.body, header: evidence.header };
        let has = |name: &str| values.any(&Source::Param(name.to_owned()), |_| true);
        has(user) && has(password)
    }
}

/// One thing that a request does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The class of the route.
    pub class: Class,
    /// What it does to a thing of that class.
    pub action: Option<Action>,
}

/// What a request does.
#[derive(Clone, Debug, Default)]
pub struct Matched {
    /// Everything it does; the route that gives it its class first.
    pub hits: SmallVec<[Hit; 2]>,
    /// The name of that route in the profile.
    pub name: Option<Box<str>>,
    /// The part of the app.
    pub area: Area,
    /// The realm and login that it attempts.
    pub login: Option<(usize, usize)>,
    /// The realm that it signs out of.
    pub logout: Option<usize>,
    /// It asks for the page where people sign in.
    pub sign_in_page: bool,
    /// No human did it.
    pub background: bool,
    /// It carries a user name and a password that would sign in here or anywhere.
    pub stray_credentials: bool,
    /// The id of the thing.
    pub id: Option<Box<str>>,
    /// The owner of the thing.
    pub owner: Option<UserName>,
}

impl Matched {
    fn add(&mut self, route: &Route, values: &Values<'_>, base: bool) {
        let hit = Hit { class: route.class, action: route.action };
        if base && self.name.is_none() {
            self.hits.insert(0, hit);
            self.name = Some(route.name.as_str().into());
        } else {
            self.hits.push(hit);
        }
        if self.id.is_none() {
            self.id = route.id.as_ref().and_then(|s| values.first(s)).map(Into::into);
        }
        if self.owner.is_none() {
            self.owner = route.owner.as_ref().and_then(|s| values.first(s)).and_then(|u| UserName::new(&u));
        }
    }

    fn finish(&mut self) {
        let implied = match (self.login.is_some(), self.logout.is_some()) {
            (true, _) => Some(Class::Login),
            (_, true) => Some(Class::Logout),
            _ => self.hits.is_empty().then_some(if self.background { Class::Background } else { Class::Unclassified }),
        };
        if let Some(class) = implied
            && !self.is(class)
        {
            self.hits.insert(0, Hit { class, action: None });
        }
        self.background |= self.is(Class::Background);
    }

    /// The class that names the request in records and metrics.
    #[must_use]
    pub fn class(&self) -> Class {
        self.hits.first().map_or(Class::Unclassified, |hit| hit.class)
    }

    /// Every class it is of.
    pub fn classes(&self) -> impl Iterator<Item = Class> {
        self.hits.iter().map(|hit| hit.class)
    }

    /// Whether it is of `class`.
    #[must_use]
    pub fn is(&self, class: Class) -> bool {
        self.classes().any(|c| c == class)
    }

    /// Every change it makes.
    pub fn changes(&self) -> impl Iterator<Item = (Class, Action)> {
        self.hits.iter().filter_map(|hit| hit.action.map(|action| (hit.class, action)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(class: Class, action: Option<Action>, when: &[&str]) -> Meaning {
        let when = when.iter().map(|w| Condition::parse(w).unwrap()).collect();
        let id = Some(Source::parse("path id").unwrap());
        Meaning::Route(Box::new(Route { name: class.as_str().into(), class, action, when, id, owner: None }))
    }

    fn matcher(reading: Reading) -> Matcher {
        let mut m = Matcher::new(reading);
        let mut add = |pattern: &str, meaning| m.add(&Pattern::parse(pattern).unwrap(), meaning);
        add("GET /tickets/{id}/", route(Class::Ticket, None, &[]));
        add("POST /tickets/{id}/delete/", route(Class::Ticket, Some(Action::Delete), &[]));
        add("/tickets/new/", route(Class::Page, None, &[]));
        add("/tickets/**", route(Class::Page, None, &[]));
        add("* /Display.html", route(Class::Ticket, None, &[]));
        add("* /Display.html", route(Class::Ticket, Some(Action::Delete), &["param Status = deleted"]));
        add("* /Display.html", route(Class::Forward, None, &["param To"]));
        add("DELETE /api/t/{id}", route(Class::Ticket, Some(Action::Delete), &[]));
        add("GET /f/squished-*.js", route(Class::Static, None, &[]));
        add("/api/**", Meaning::Area(Area::Api));
        add("/tickets/**", Meaning::Area(Area::Management));
        add("GET /poll", Meaning::Background);
        m
    }

    fn settle(m: &Matcher, method: &str, target: &str, form: &str) -> Matched {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = crate::body::urlencoded::parse(query, &['&']).unwrap();
        let body = (!form.is_empty()).then(|| Body::Form(crate::body::urlencoded::parse(form, &['&']).unwrap()));
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let header = |_: &str| None;
        m.find(path).settle(&Evidence { method: &method, path, query: &query, body: body.as_ref(), header: &header })
    }

    #[test]
    fn finds_the_most_specific_and_every_condition() {
        let m = matcher(Reading::default());
        let delete = Some(Action::Delete);
        for (method, target, form, hits, area) in [
            ("GET", "/tickets/7/", "", vec![(Class::Ticket, None)], Area::Management),
            ("HEAD", "/tickets/7/", "", vec![(Class::Ticket, None)], Area::Management),
            ("GET", "/tickets/new/", "", vec![(Class::Page, None)], Area::Management),
            ("POST", "/tickets/7/delete/", "", vec![(Class::Ticket, delete)], Area::Management),
            ("GET", "/tickets/7/x/y", "", vec![(Class::Page, None)], Area::Management),
            ("GET", "/Display.html?id=1", "", vec![(Class::Ticket, None)], Area::Portal),
            (
                "GET",
                "/Display.html?id=1&Status=Deleted",
                "",
                vec![(Class::Ticket, None), (Class::Ticket, delete)],
                Area::Portal,
            ),
            (
                "POST",
                "/Display.html",
                "Status=open&Status=deleted",
                vec![(Class::Ticket, None), (Class::Ticket, delete)],
                Area::Portal,
            ),
            (
                "POST",
                "/Display.html?To=a",
                "Status=deleted",
                vec![(Class::Ticket, None), (Class::Ticket, delete), (Class::Forward, None)],
                Area::Portal,
            ),
            ("DELETE", "/api/t/9", "", vec![(Class::Ticket, delete)], Area::Api),
            ("GET", "/api/t/9", "", vec![(Class::Unclassified, None)], Area::Api),
            ("GET", "/f/squished-abc.js", "", vec![(Class::Static, None)], Area::Portal),
            ("GET", "/nowhere", "", vec![(Class::Unclassified, None)], Area::Portal),
            ("GET", "/poll", "", vec![(Class::Background, None)], Area::Portal),
        ] {
            let got = settle(&m, method, target, form);
            let expected: SmallVec<[Hit; 2]> = hits.into_iter().map(|(class, action)| Hit { class, action }).collect();
            assert_eq!((&got.hits, got.area), (&expected, area), "{method} {target} {form}");
        }
        assert_eq!(settle(&m, "GET", "/tickets/7/", "").id.as_deref(), Some("7"));
    }

    #[test]
    fn method_override_suffix_and_case() {
        let reading = Reading {
            case_insensitive: true,
            suffixes: vec![".json".into()],
            overrides: vec![Source::parse("form _method").unwrap()],
            sign_in_parameters: Some(("user".into(), "pass".into())),
        };
        let m = matcher(reading);
        let delete = (Class::Ticket, Action::Delete);
        assert!(settle(&m, "POST", "/api/t/9", "_method=delete").changes().any(|c| c == delete));
        assert!(settle(&m, "DELETE", "/API/T/9.json", "").changes().any(|c| c == delete));
        assert!(!settle(&m, "GET", "/api/t/9?_method=delete", "").changes().any(|c| c == delete));
        assert!(settle(&m, "GET", "/x?user=a&pass=b", "").stray_credentials);
        assert!(settle(&m, "POST", "/x?user=a", "pass=b").stray_credentials);
        assert!(!settle(&m, "POST", "/x", "user=a").stray_credentials);
        assert!(m.find("/x").needs_body(&Method::POST, |_, _| false));
    }
}
