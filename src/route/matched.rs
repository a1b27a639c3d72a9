//! What a request was found to do.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Area, NewText, Removal, Route};
use crate::mail::message;
use crate::policy::phrase::{Sign, Source};
use crate::policy::profile::{Action, Class};
use crate::request::Values;
use crate::store::UserName;

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
    /// Whether the profile knows the place: a condition that holds anywhere is not enough.
    pub known: bool,
    /// The name of that route in the profile.
    pub name: Option<Box<str>>,
    /// Whether a route without conditions is one of them.
    pub has_base: bool,
    /// The part of the app.
    pub area: Area,
    /// The channel, by its place in the policy.
    pub channel: Option<usize>,
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
    /// The name of the file that is the whole body; empty when it has none, or two.
    pub file_name: Option<Box<str>>,
    /// What could be taken out of it before it goes out.
    pub removals: SmallVec<[Arc<Removal>; 1]>,
    /// Words that it searches for.
    pub searches: Vec<Box<str>>,
    /// What kind of thing the id names, where that is not its class.
    pub thing_kind: Option<Box<str>>,
    /// Fields in which people write something new.
    pub new_text: SmallVec<[Arc<NewText>; 1]>,
    /// Whether the app keeps what it leaves out.
    pub keeps_omitted: bool,
    /// Whether it is refused without a session.
    pub needs_session: bool,
    /// The messages of its sockets that a person sends.
    pub activity: SmallVec<[Arc<[Sign]>; 1]>,
    /// Whole mails that it brings.
    pub mails: Vec<Box<str>>,
    /// Why a document inside of a field has not one reading.
    pub unreadable: Option<&'static str>,
    /// Addresses of third parties as they were sent, with the class of the route that has them.
    pub recipients: Vec<(Class, Box<str>)>,
}

impl Matched {
    pub(super) fn add(&mut self, route: &Route, values: &Values<'_>, base: bool) {
        let hit = Hit { class: route.class, action: route.action };
        if base && !self.has_base {
            self.hits.insert(0, hit);
            self.name = Some(route.name.as_str().into());
            self.has_base = true;
        } else {
            self.hits.push(hit);
            // Where only conditions hold, the first of them names it.
            self.name.get_or_insert_with(|| route.name.as_str().into());
        }
        for source in &route.to {
            values.any(source, |text| {
                self.recipients.push((route.class, text.into()));
                false
            });
        }
        for source in &route.search {
            values.any(source, |text| {
                self.searches.push(text.into());
                false
            });
        }
        self.new_text.extend(route.new_text.clone());
        self.keeps_omitted |= route.keeps_omitted;
        self.needs_session |= route.needs_session;
        self.activity.extend(route.activity.clone());
        if self.thing_kind.is_none() {
            self.thing_kind.clone_from(&route.thing);
        }
        self.removals.extend(route.removal.clone());
        if let Some(source) = &route.message {
            values.any(source, |text| {
                match message::people(text) {
                    Ok(people) => self.recipients.extend(people.into_iter().map(|p| (route.class, p.into()))),
                    Err(how) => self.unreadable = Some(how),
                }
                self.mails.push(text.into());
                false
            });
        }
        if let Some(source) = &route.file_name {
            self.file_name = Some(only(source, values).unwrap_or_default());
        }
        if self.id.is_none() {
            self.id = route.id.as_ref().and_then(|s| values.first(s)).map(Into::into);
        }
        if self.owner.is_none() {
            // Which of two an app reads is not known: then it is nobody's.
            self.owner = route.owner.as_ref().and_then(|s| only(s, values)).and_then(|u| UserName::new(&u));
        }
    }

    pub(super) fn finish(&mut self) {
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
        self.known |= self.background || self.login.is_some() || self.logout.is_some() || self.sign_in_page;
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

    /// Whether details of customers may have to be taken out of what it sends.
    #[must_use]
    pub fn has_removals(&self) -> bool {
        !self.removals.is_empty()
    }

    /// The thing that it shows or changes, with the kind of thing that it is: what was shown of one thing is put back
    /// into that one only. One's own profile needs no id.
    #[must_use]
    pub fn thing(&self) -> Option<String> {
        let class = self.class();
        let kind = self.thing_kind.as_deref().unwrap_or_else(|| class.as_str());
        match &self.id {
            Some(id) => Some(format!("{kind} {id}")),
            None => matches!(class, Class::OwnProfile | Class::ProfilePage).then(|| class.as_str().to_owned()),
        }
    }

    /// Every change it makes.
    pub fn changes(&self) -> impl Iterator<Item = (Class, Action)> {
        self.hits.iter().filter_map(|hit| hit.action.map(|action| (hit.class, action)))
    }
}

/// The value at `source`, if there is exactly one.
fn only(source: &Source, values: &Values<'_>) -> Option<Box<str>> {
    let mut all: SmallVec<[Box<str>; 1]> = SmallVec::new();
    values.any(source, |value| {
        all.push(value.into());
        false
    });
    if all.len() == 1 { all.pop() } else { None }
}
