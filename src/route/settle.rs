//! What a path could mean, settled by what else was read of the request.

use std::cell::Cell;

use http::Method;
use smallvec::SmallVec;

use super::tree::{Entry, Matcher, split};
use super::{Matched, Meaning};
use crate::body::{Body, Fields};
use crate::policy::phrase::Source;
use crate::request::Values;

/// What a path could mean.
pub struct Candidates<'m> {
    pub(super) matcher: &'m Matcher,
    pub(super) found: SmallVec<[usize; 8]>,
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

impl<'a> Evidence<'a> {
    fn values(&self, captures: &'a [(&'a str, &'a str)], unreadable: &'a Cell<Option<&'static str>>) -> Values<'a> {
        Values { captures, query: self.query, body: self.body, header: self.header, unreadable }
    }
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
                Meaning::Channel(_, when) => when.iter().any(|c| c.source.in_body()) && entry.methods.contains(method),
                _ => false,
            })
    }

    /// Whether the body is a file as it is.
    #[must_use]
    pub fn takes_file(&self, method: &Method) -> bool {
        self.entries().any(|entry| match &entry.meaning {
            Meaning::Route(route) => route.file_name.is_some() && entry.methods.contains(method),
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
                Meaning::Channel(_, when) => !when.is_empty(),
                _ => false,
            })
    }

    /// What the request means, given everything that was read of it.
    #[must_use]
    pub fn settle(&self, evidence: &Evidence<'_>) -> Matched {
        let segments = split(evidence.path);
        let unreadable = Cell::new(None);
        let overridden = self.overridden_methods(evidence, &unreadable);
        let applies = |entry: &&Entry| {
            entry.methods.contains(evidence.method) || overridden.iter().any(|m| entry.methods.contains(m))
        };
        let mut matched =
            Matched { stray_credentials: self.stray_credentials(evidence, &unreadable), ..Matched::default() };
        let mut base_rank = None;
        let mut area_rank = None;
        let mut channel_rank = 0;
        for entry in self.entries().filter(applies) {
            match &entry.meaning {
                Meaning::Route(route) => {
                    let captures = self.captures_of(entry, &segments);
                    let values = evidence.values(&captures, &unreadable);
                    if route.when.is_empty() {
                        // Of the routes without conditions, only the most specific pattern counts.
                        if *base_rank.get_or_insert(entry.rank) != entry.rank {
                            continue;
                        }
                        matched.known = true;
                        matched.add(route, &values, true);
                    } else if route.when.iter().all(|c| values.any(&c.source, |v| c.test.holds(v))) {
                        matched.known |= !entry.is_anywhere();
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
                Meaning::Channel(channel, when) => {
                    let captures = self.captures_of(entry, &segments);
                    let values = evidence.values(&captures, &unreadable);
                    let rank = usize::from(!when.is_empty()) + 1;
                    // One whose conditions hold is more to the point than any pattern alone.
                    if channel_rank < rank && when.iter().all(|c| values.any(&c.source, |v| c.test.holds(v))) {
                        channel_rank = rank;
                        matched.channel = Some(*channel);
                    }
                }
                Meaning::Area(area) => {
                    if area_rank.is_none() {
                        area_rank = Some(entry.rank);
                        matched.area = *area;
                    }
                }
            }
        }
        matched.unreadable = matched.unreadable.or(unreadable.get());
        matched.finish();
        matched
    }

    fn captures_of<'p>(&self, entry: &'m Entry, segments: &[&'p str]) -> SmallVec<[(&'p str, &'p str); 4]>
    where
        'm: 'p,
    {
        let captured = |(index, name): &'m (usize, String)| Some((name.as_str(), self.captured(segments, *index)?));
        entry.captures.iter().filter_map(captured).collect()
    }

    /// The segment at `index`; a format suffix that the app takes off is none of its text.
    fn captured<'p>(&self, segments: &[&'p str], index: usize) -> Option<&'p str> {
        let segment = *segments.get(index)?;
        let suffixes = self.matcher.reading.suffixes.iter().filter(|_| index + 1 == segments.len());
        Some(suffixes.filter_map(|s| segment.strip_suffix(s.as_str())).find(|s| !s.is_empty()).unwrap_or(segment))
    }

    /// Every method that a POST says it is: which of two an app believes is not known here. A safe
    /// method is no reason to let a POST through.
    fn overridden_methods(
        &self,
        evidence: &Evidence<'_>,
        unreadable: &Cell<Option<&'static str>>,
    ) -> SmallVec<[Method; 2]> {
        let mut methods = SmallVec::new();
        if *evidence.method != Method::POST {
            return methods;
        }
        let values = evidence.values(&[], unreadable);
        for source in &self.matcher.reading.overrides {
            values.any(source, |named| {
                let method = Method::from_bytes(named.trim().to_ascii_uppercase().as_bytes());
                methods.extend(method.ok().filter(|m| !m.is_safe()));
                false
            });
        }
        methods
    }

    fn stray_credentials(&self, evidence: &Evidence<'_>, unreadable: &Cell<Option<&'static str>>) -> bool {
        let Some((user, password)) = &self.matcher.reading.sign_in_parameters else { return false };
        let values = evidence.values(&[], unreadable);
        let has = |name: &str| values.any(&Source::Param(name.to_owned()), |_| true);
        has(user) && has(password)
    }
}
