//! From a request to what it does: the profile's routes, found by the path and settled by whatever
//! else must be read.

mod matched;
mod new_text;
mod settle;
mod tree;

use std::sync::Arc;

use crate::policy::phrase::{Condition, Sign, Source};
use crate::policy::profile::{Action, Class};

pub use self::matched::{Hit, Matched};
pub use self::new_text::NewText;
pub use self::settle::{Candidates, Evidence};
pub use self::tree::Matcher;

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
    /// A channel, by its place, and what must hold.
    Channel(usize, Vec<Condition>),
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
    /// Where addresses of third parties are, when a control wants to know.
    pub to: Vec<Source>,
    /// Where the words are that are searched for, when a control wants to know.
    pub search: Vec<Source>,
    /// What kind of thing the id names, where that is not its class.
    pub thing: Option<Box<str>>,
    /// Fields in which people write something new.
    pub new_text: Option<Arc<NewText>>,
    /// Whether the app keeps what a request leaves out.
    pub keeps_omitted: bool,
    /// Whether it is refused without a session.
    pub needs_session: bool,
    /// The messages of its sockets that a person sends.
    pub activity: Option<Arc<[Sign]>>,
    /// What could be taken out before it goes out, when a control wants to know.
    pub removal: Option<Arc<Removal>>,
    /// Where a whole mail is, when a control wants to know.
    pub message: Option<Source>,
    /// Where the name of the file is that is the whole body, when a control wants to know.
    pub file_name: Option<Source>,
    /// Whether its body is read for the files in it.
    pub inspects_files: bool,
}

/// What of a request could be taken out before it goes out.
#[derive(Debug)]
pub struct Removal {
    /// Fields with details of the customer.
    pub details: Vec<Source>,
    /// Text that people write.
    pub texts: Vec<Source>,
    /// The form's field by which the app itself leaves details out, and the value that says so.
    pub without: Option<(String, String)>,
}

impl Route {
    fn reads_body(&self) -> bool {
        if self.removal.is_some() {
            return true;
        }
        let sources = self
            .when
            .iter()
            .map(|c| &c.source)
            .chain(&self.id)
            .chain(&self.owner)
            .chain(&self.to)
            .chain(&self.message)
            .chain(&self.search);
        self.inspects_files || sources.into_iter().any(Source::in_body)
    }

    fn reads_values(&self) -> bool {
        let sources = [&self.id, &self.owner, &self.file_name, &self.message];
        !self.when.is_empty()
            || !self.to.is_empty()
            || !self.search.is_empty()
            || self.removal.is_some()
            || sources.iter().any(|s| s.is_some())
    }
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

#[cfg(test)]
mod tests {
    use http::Method;
    use smallvec::SmallVec;

    use super::*;
    use crate::body::Body;
    use crate::policy::phrase::Pattern;

    fn route(class: Class, action: Option<Action>, when: &[&str]) -> Meaning {
        let when = when.iter().map(|w| Condition::parse(w).unwrap()).collect();
        let id = Some(Source::parse("path id").unwrap());
        Meaning::Route(Box::new(Route {
            name: class.as_str().into(),
            class,
            action,
            when,
            id,
            owner: None,
            to: vec![],
            search: vec![],
            thing: None,
            new_text: None,
            keeps_omitted: false,
            needs_session: false,
            activity: None,
            file_name: None,
            message: None,
            removal: None,
            inspects_files: false,
        }))
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
        let with_suffix = settle(&m, "DELETE", "/API/T/9.json", "");
        assert_eq!(with_suffix.changes().collect::<Vec<_>>(), [delete], "found once");
        assert_eq!(with_suffix.id.as_deref(), Some("9"), "the suffix is no part of the id");
        assert!(!settle(&m, "GET", "/api/t/9?_method=delete", "").changes().any(|c| c == delete));
        assert!(settle(&m, "GET", "/x?user=a&pass=b", "").stray_credentials);
        assert!(settle(&m, "POST", "/x?user=a", "pass=b").stray_credentials);
        assert!(!settle(&m, "POST", "/x", "user=a").stray_credentials);
        assert!(m.find("/x").needs_body(&Method::POST, |_, _| false));
    }
}
