//! The routes: the profile's, and those that the policy puts in their place.

use std::sync::Arc;

use super::{channels, parse_each};
use crate::identity::Realm;
use crate::policy::channels::WrittenChannel;
use crate::policy::file::PolicyFile;
use crate::policy::phrase::{Condition, Pattern, Sign, Source};
use crate::policy::problem::Problems;
use crate::policy::profile::{ChannelFile, Class, Omitted, ProfileFile, RouteFile};
use crate::policy::types::OneOrMany;
use crate::policy::yaml::join;
use crate::route::{Area, Matcher, Meaning, NewText, Reading, Removal, Route};

/// What bodies are read for: only what somebody judges.
#[derive(Clone, Copy)]
struct Reads {
    recipients: bool,
    details: bool,
    files: bool,
    searches: bool,
}

/// Compiles the routes into one tree.
pub(super) fn compile(
    file: &PolicyFile,
    profile: &ProfileFile,
    written: &[WrittenChannel],
    realms: &[Realm],
    in_policy: &mut Problems,
    in_profile: &mut Problems,
) -> Matcher {
    let overrides = method_overrides(profile, in_profile);
    let sign_in_parameters = profile.realms.iter().find_map(|(_, realm)| realm.sign_in_parameters.as_ref());
    let mut matcher = Matcher::new(Reading {
        case_insensitive: profile.quirks.case_insensitive_paths,
        suffixes: profile.quirks.format_suffixes.clone(),
        overrides,
        sign_in_parameters: sign_in_parameters.map(|p| (p.user.clone(), p.password.clone())),
    });
    add_profile(&mut matcher, profile, realms, in_profile);
    let any = |judges: fn(&PolicyFile) -> bool| judges(file) || written.iter().any(|c| judges(&c.file));
    let reads = Reads {
        recipients: any(PolicyFile::judges_recipients),
        details: any(PolicyFile::removes_details),
        files: any(PolicyFile::judges_files),
        searches: any(PolicyFile::hides_fields),
    };
    for (place, (name, channel, own)) in channels::all(profile, file).into_iter().enumerate() {
        let (path, problems) = if own {
            (join("app.overrides.channels", name), &mut *in_policy)
        } else {
            (join("channels", name), &mut *in_profile)
        };
        let differs = written.iter().any(|w| w.name == name);
        add_channel(&mut matcher, place, channel, differs, &path, problems);
    }
    for (name, route) in profile.routes.iter() {
        if file.app.overrides.routes.get(name).is_none() {
            add_route(&mut matcher, name, route, &join("routes", name), reads, in_profile);
        }
    }
    for (name, route) in file.app.overrides.routes.iter() {
        add_route(&mut matcher, name, route, &join("app.overrides.routes", name), reads, in_policy);
    }
    matcher
}

/// Reports what is wrong with the routes of a profile by itself.
pub(super) fn check(profile: &ProfileFile, realms: &[Realm], problems: &mut Problems) {
    method_overrides(profile, problems);
    let mut matcher = Matcher::new(Reading::default());
    add_profile(&mut matcher, profile, realms, problems);
    for (place, (name, channel)) in profile.channels.iter().enumerate() {
        add_channel(&mut matcher, place, channel, true, &join("channels", name), problems);
    }
    for (name, route) in profile.routes.iter() {
        add_route(
            &mut matcher,
            name,
            route,
            &join("routes", name),
            Reads { recipients: true, details: true, files: true, searches: true },
            problems,
        );
    }
}

fn method_overrides(profile: &ProfileFile, problems: &mut Problems) -> Vec<Source> {
    let texts = profile.quirks.method_override.iter().enumerate();
    let parse = |(i, text): (usize, &String)| {
        Source::parse(text).map_err(|wrong| problems.error(format!("quirks.method_override[{i}]"), wrong)).ok()
    };
    texts.filter_map(parse).collect()
}

/// Adds a channel. One for which nothing `differs` is known for records only, which is worth no body.
fn add_channel(
    matcher: &mut Matcher,
    place: usize,
    file: &ChannelFile,
    differs: bool,
    path: &str,
    problems: &mut Problems,
) {
    let when = conditions(file.when.as_ref(), path, problems);
    if differs || !when.iter().any(|c| c.source.in_body()) {
        add_requests(matcher, &file.matches, &Meaning::Channel(place, when), &format!("{path}.match"), problems);
    } else {
        requests_of(&file.matches, &format!("{path}.match"), problems);
    }
}

fn conditions(when: Option<&OneOrMany<String>>, path: &str, problems: &mut Problems) -> Vec<Condition> {
    when.map(|phrases| parse_each(phrases, &format!("{path}.when"), problems, Condition::parse)).unwrap_or_default()
}

/// Adds what the profile names besides its routes.
fn add_profile(matcher: &mut Matcher, profile: &ProfileFile, realms: &[Realm], problems: &mut Problems) {
    for (realm, (name, file)) in profile.realms.iter().enumerate() {
        let path = join("realms", name);
        for (login, login_file) in file.login.as_slice().iter().enumerate() {
            if realms.get(realm).is_some_and(|r| r.logins.len() > login) {
                let many = matches!(file.login, OneOrMany::Many(_));
                let here = if many { format!("{path}.login[{login}].match") } else { format!("{path}.login.match") };
                add_requests(matcher, &login_file.matches, &Meaning::Login(realm, login), &here, problems);
            }
        }
        // Its address is checked where realms are compiled.
        let page = file.login_page.as_ref().and_then(|page| page.split('?').next());
        if let Some(pattern) = page.and_then(|page| Pattern::parse(&format!("GET {page}")).ok()) {
            matcher.add(&pattern, Meaning::SignInPage);
        }
        if let Some(logout) = &file.logout {
            let here = format!("{path}.logout.match");
            add_requests(matcher, &logout.matches, &Meaning::Logout(realm), &here, problems);
        }
    }
    add_patterns(matcher, &profile.background, &Meaning::Background, "background", problems);
    for (area, patterns) in [
        (Area::Management, &profile.areas.management),
        (Area::Api, &profile.areas.api),
        (Area::Portal, &profile.areas.portal),
    ] {
        add_patterns(matcher, patterns, &Meaning::Area(area), &format!("areas.{}", area.as_str()), problems);
    }
}

/// Adds the requests that a `match:` lists.
fn add_requests(
    matcher: &mut Matcher,
    requests: &OneOrMany<String>,
    meaning: &Meaning,
    path: &str,
    problems: &mut Problems,
) {
    for pattern in requests_of(requests, path, problems) {
        matcher.add(&pattern, meaning.clone());
    }
}

fn requests_of(requests: &OneOrMany<String>, path: &str, problems: &mut Problems) -> Vec<Pattern> {
    if requests.as_slice().is_empty() {
        problems.error(path, "an empty list matches nothing; write at least one request, such as GET /tickets/{id}");
    }
    parse_each(requests, path, problems, Pattern::parse)
}

fn add_patterns(matcher: &mut Matcher, patterns: &[String], meaning: &Meaning, path: &str, problems: &mut Problems) {
    for (index, text) in patterns.iter().enumerate() {
        match Pattern::parse(text) {
            Ok(pattern) => matcher.add(&pattern, meaning.clone()),
            Err(wrong) => problems.error(format!("{path}[{index}]"), wrong),
        }
    }
}

/// What the route says could be taken out.
fn removal(file: &RouteFile, path: &str, problems: &mut Problems) -> Option<Arc<Removal>> {
    let mut sources = |key: &str, phrases: Option<&OneOrMany<String>>| {
        phrases.map(|p| parse_each(p, &format!("{path}.{key}"), problems, Source::parse)).unwrap_or_default()
    };
    let (details, texts) = (sources("details", file.details.as_ref()), sources("text", file.text.as_ref()));
    let without = file.without_details.as_ref().and_then(|phrase| {
        let set = phrase.strip_prefix("form ").and_then(|rest| rest.split_once(" = "));
        if set.is_none() {
            let wrong = format!("\"{phrase}\" sets no field; write form NAME = VALUE");
            problems.error(format!("{path}.without_details"), wrong);
        }
        set.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
    });
    let nothing = details.is_empty() && texts.is_empty() && without.is_none();
    (!nothing).then(|| Arc::new(Removal { details, texts, without }))
}

/// The fields in which people write something new.
fn new_text(phrases: &OneOrMany<String>, path: &str, problems: &mut Problems) -> Arc<NewText> {
    let mut found = NewText::default();
    for (here, text) in phrases.placed(path) {
        let added = Source::parse(text).and_then(|source| found.add(source));
        added.unwrap_or_else(|wrong| problems.error(here, wrong));
    }
    Arc::new(found)
}

/// A sign of a message that a person sends.
fn sign_of_activity(text: &str) -> Result<Sign, String> {
    let wrong =
        || format!("\"{text}\" tells no message; write json /POINTER [= VALUE], text \"...\" or no text \"...\"");
    Sign::parse(text).ok().filter(Sign::in_body).ok_or_else(wrong)
}

fn add_route(matcher: &mut Matcher, name: &str, file: &RouteFile, path: &str, reads: Reads, problems: &mut Problems) {
    let patterns = requests_of(&file.matches, &format!("{path}.match"), problems);
    let when = conditions(file.when.as_ref(), path, problems);
    let mut source = |key: &str, text: &Option<String>| {
        text.as_ref()
            .and_then(|t| Source::parse(t).map_err(|wrong| problems.error(format!("{path}.{key}"), wrong)).ok())
    };
    let (id, owner) = (source("id", &file.id), source("owner", &file.owner));
    let (file_name, message) = (source("file_name", &file.file_name), source("message", &file.message));
    for (key, wanted) in [("id", &id), ("owner", &owner), ("file_name", &file_name)] {
        if let Some(Source::Path(capture)) = wanted
            && !patterns.iter().all(|p| p.captures().any(|c| c == capture))
        {
            problems.error(format!("{path}.{key}"), format!("not every path of this route has a {{{capture}}}"));
        }
    }
    let to = file.to.as_ref().map(|to| parse_each(to, &format!("{path}.to"), problems, Source::parse));
    let to = to.filter(|_| reads.recipients).unwrap_or_default();
    let search = file.search.as_ref().map(|s| parse_each(s, &format!("{path}.search"), problems, Source::parse));
    let search = search.filter(|_| reads.searches).unwrap_or_default();
    if file_name.as_ref().is_some_and(Source::in_body) {
        problems.error(
            format!("{path}.file_name"),
            "the body is the file itself: its name is in the path, the query or a header",
        );
    }
    let file_name = file_name.filter(|_| reads.files);
    let removal = removal(file, path, problems).filter(|_| reads.details);
    let message = message.filter(|_| reads.recipients || reads.files);
    let inspects_files = reads.files && file.is == Class::Upload;
    let (name, class, action) = (name.to_owned(), file.is, file.does);
    let new_text = file.new_text.as_ref().map(|phrases| new_text(phrases, &format!("{path}.new_text"), problems));
    let thing = file.thing.as_deref().map(Into::into);
    let keeps_omitted = file.omitted == Some(Omitted::Kept);
    let needs_session = file.session.is_some();
    let activity =
        file.activity.as_ref().map(|signs| parse_each(signs, &format!("{path}.activity"), problems, sign_of_activity));
    let activity = activity.map(Into::into);
    let route = Route {
        name,
        class,
        action,
        when,
        id,
        owner,
        to,
        search,
        thing,
        new_text,
        keeps_omitted,
        needs_session,
        activity,
        removal,
        message,
        file_name,
        inspects_files,
    };
    for pattern in &patterns {
        matcher.add(pattern, Meaning::Route(Box::new(route.clone())));
    }
}
