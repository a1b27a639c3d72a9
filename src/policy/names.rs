//! The names that a policy defines and uses: roles, networks, and what the profile offers. Every
//! control looks names up here, so that each unknown one is reported with what was probably meant.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::file::PolicyFile;
use super::problem::{Problems, closest, did_you_mean};
use super::profile::{Action, Class, FieldFile, ProfileFile, RouteFile};
use super::types::{AnyOrListed, Named, OneOrMany};
use super::yaml::join;
use crate::controls::access::Unlisted;
use crate::request::Networks;

/// The most roles a policy may have: a set of them is one machine word.
pub const MAX_ROLES: usize = 64;

/// A role, by its place in the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RoleId(u8);

impl RoleId {
    /// The role at that place.
    #[must_use]
    pub fn new(index: usize) -> Self {
        Self(u8::try_from(index).unwrap_or(u8::MAX))
    }

    /// Its place.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoleSet(u64);

impl RoleSet {
    /// Every role.
    #[must_use]
    pub fn all() -> Self {
        Self(u64::MAX)
    }

    /// Whether `role` is in it.
    #[must_use]
    pub fn contains(self, role: RoleId) -> bool {
        role.index() < MAX_ROLES && self.0 & (1 << role.index()) != 0
    }

    fn insert(&mut self, index: usize) {
        self.0 |= 1 << index;
    }
}

/// The names of one policy and its profile.
pub struct Names<'a> {
    file: &'a PolicyFile,
    /// Route of the profile and the policy's overrides, in that order.
    routes: Vec<(&'a str, &'a RouteFile)>,
    fields: &'a Named<FieldFile>,
    roles: Vec<String>,
    /// For each role, every role that a rule naming it covers.
    covers: Vec<RoleSet>,
    /// For each role the roles that it is like, the nearest first.
    like: Vec<Vec<usize>>,
    networks: HashMap<&'a str, Vec<IpNet>>,
    used_networks: RefCell<HashSet<String>>,
    /// The roles that a rule speaks of, by name or through `like`.
    used_roles: Cell<RoleSet>,
    /// Where a rule first names roles.
    first_rule_with_roles: RefCell<Option<String>>,
}

impl<'a> Names<'a> {
    /// Collects the names; reports roles and networks that are wrong in themselves.
    pub fn collect(file: &'a PolicyFile, profile: &'a ProfileFile, problems: &mut Problems) -> Self {
        let overrides = &file.app.overrides.routes;
        let kept = profile.routes.iter().filter(|(name, _)| overrides.get(name).is_none());
        let routes = kept.chain(overrides.iter()).collect();
        let mut roles: Vec<String> = file.roles.names().map(str::to_owned).collect();
        if roles.len() >= MAX_ROLES {
            problems.error("roles", format!("{} roles; at most {} are supported", roles.len(), MAX_ROLES - 1));
            roles.truncate(MAX_ROLES - 1);
        }
        if !file.roles.iter().any(|(_, role)| role.is_open()) {
            // Somebody whom no role describes is nobody in particular.
            roles.push("visitor".into());
        }
        if let Some(visitor) = file.roles.get("visitor")
            && roles.len() > file.roles.0.len()
            && !visitor.is_open()
        {
            problems.error("roles.visitor", "\"visitor\" is whoever fits no role, so it has no conditions; give this role another name, or write visitor: {}");
        }
        let networks = collect_networks(file, problems);
        let like = ancestors(file, &roles, problems);
        let covers = cover(&like);
        Self {
            file,
            routes,
            fields: &profile.fields,
            roles,
            covers,
            like,
            networks,
            used_networks: RefCell::default(),
            used_roles: Cell::default(),
            first_rule_with_roles: RefCell::default(),
        }
    }

    /// The routes of the profile as this policy overrides them.
    #[must_use]
    pub fn routes(&self) -> &[(&'a str, &'a RouteFile)] {
        &self.routes
    }

    /// Where the profile has its fields.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a FieldFile)> {
        self.fields.iter()
    }

    /// How many roles there are.
    #[must_use]
    pub fn role_count(&self) -> usize {
        self.roles.len()
    }

    /// The name of a role.
    #[must_use]
    pub fn role_name(&self, role: RoleId) -> &str {
        self.roles.get(role.index()).map_or("visitor", String::as_str)
    }

    /// All role names, in order.
    #[must_use]
    pub fn role_names(&self) -> &[String] {
        &self.roles
    }

    /// The role of that name.
    #[must_use]
    pub fn role_named(&self, name: &str) -> Option<RoleId> {
        self.roles.iter().position(|r| r == name).map(RoleId::new)
    }

    /// For each role the place in `entries` of the entry that holds for it: its own, else that of the
    /// nearest role that it is like. In which order roles and entries are written makes no difference.
    #[must_use]
    pub fn entry_of_each<T>(&self, entries: &Named<T>) -> Vec<Option<usize>> {
        let of = |role: usize| entries.names().position(|name| self.roles.get(role).is_some_and(|r| r == name));
        let nearest = |role: usize| of(role).or_else(|| self.like[role].iter().find_map(|ancestor| of(*ancestor)));
        let of_each: Vec<Option<usize>> = (0..self.roles.len()).map(nearest).collect();
        let with_entry = of_each.iter().enumerate().filter(|(_, entry)| entry.is_some());
        with_entry.for_each(|(role, _)| self.use_roles(RoleSet(1 << role)));
        of_each
    }

    /// The roles that a rule naming `names` covers, through `like` too.
    pub fn role_set(&self, path: &str, names: &[String], problems: &mut Problems) -> RoleSet {
        self.first_rule_with_roles.borrow_mut().get_or_insert_with(|| path.to_owned());
        let mut set = RoleSet::default();
        if names.is_empty() {
            problems.error(path, "an empty list covers nobody; name at least one role");
        }
        for (index, name) in names.iter().enumerate() {
            if let Some(role) = self.role_named(name) {
                set.0 |= self.covers[role.index()].0;
                continue;
            }
            let here = if path.ends_with(name) { path.to_owned() } else { format!("{path}[{index}]") };
            let hint = did_you_mean(name, self.roles.iter().map(String::as_str));
            problems.error(here, format!("no role is called \"{name}\"{hint}"));
        }
        self.use_roles(set);
        set
    }

    fn use_roles(&self, roles: RoleSet) {
        self.used_roles.set(RoleSet(self.used_roles.get().0 | roles.0));
    }

    /// The addresses that `list` names; `None` for `any`.
    pub fn networks(&self, path: &str, list: &AnyOrListed, problems: &mut Problems) -> Option<Networks> {
        match list {
            AnyOrListed::Any => None,
            AnyOrListed::Listed(names) => {
                if names.as_slice().is_empty() {
                    problems.error(path, "an empty list lets nobody in; write any, or name at least one network");
                }
                Some(Networks::new(&self.resolve(&names.placed(path), true, problems)))
            }
        }
    }

    /// The addresses behind names and CIDR blocks, each with its path in the file. `any` tells
    /// whether that word could have been meant.
    pub fn resolve(&self, names: &[(String, &String)], any: bool, problems: &mut Problems) -> Vec<IpNet> {
        let mut all = Vec::new();
        for (path, name) in names {
            if let Some(networks) = self.networks.get(name.as_str()) {
                self.used_networks.borrow_mut().insert((*name).clone());
                all.extend_from_slice(networks);
            } else {
                match parse_network(name) {
                    Ok(network) => all.push(network),
                    Err(wrong) => {
                        let looks_like_name = !name.contains(['.', ':', '/']);
                        let message = if !looks_like_name {
                            wrong
                        } else if any && *name == "any" {
                            "any stands alone; write allow_from: any".into()
                        } else {
                            let known = self.file.networks.names().chain(any.then_some("any"));
                            match closest(name, known) {
                                Some(meant) => format!("no network is called \"{name}\"; did you mean \"{meant}\"?"),
                                None => format!("no network is called \"{name}\"; define it under `networks:`"),
                            }
                        };
                        problems.error(path.clone(), message);
                    }
                }
            }
        }
        all
    }

    /// Whether the app has a route of that class.
    #[must_use]
    pub fn has_class(&self, class: Class) -> bool {
        self.routes.iter().any(|(_, r)| r.is == class)
    }

    /// Whether the app has a route that does that to a thing of that class.
    #[must_use]
    pub fn can_change(&self, class: Class, action: Action) -> bool {
        self.routes.iter().any(|(_, r)| r.is == class && r.does == Some(action))
    }

    /// Whether some such route tells whose thing it is.
    #[must_use]
    pub fn can_tell_owner(&self, class: Class, action: Action) -> bool {
        self.routes.iter().any(|(_, r)| r.is == class && r.does == Some(action) && r.owner.is_some())
    }

    /// Where a rule names roles, if any does.
    #[must_use]
    pub fn rule_with_roles(&self) -> Option<String> {
        self.first_rule_with_roles.borrow().clone()
    }

    /// Warns about names that nothing uses. `hidden` are the fields that rules hide.
    pub fn warn_unused(&self, hidden: &HashSet<&str>, problems: &mut Problems) {
        let used = self.used_networks.borrow();
        for name in self.file.networks.names().filter(|n| !used.contains(*n)) {
            problems.warning(
                join("networks", name),
                "nothing uses this network; name it where it is meant, or take it out",
            );
        }
        for name in self.file.personal_data.patterns.names().filter(|n| !hidden.contains(n)) {
            let message = "no rule of `masking` hides what this pattern finds; name it under `hide:`, or take it out";
            problems.warning(join("personal_data.patterns", name), message);
        }
        self.warn_unused_roles(problems);
        self.warn_unused_keys(problems);
    }

    /// A role that no rule speaks of still keeps people out of those below it.
    fn warn_unused_roles(&self, problems: &mut Problems) {
        let used = self.used_roles.get();
        let last_used = (0..self.roles.len()).rev().find(|role| used.contains(RoleId::new(*role)));
        for (role, (name, file)) in self.file.roles.iter().enumerate() {
            // One without conditions is what `roles:` has to end with where nobody is to be a visitor.
            if !file.is_open() && last_used.is_none_or(|last| role > last) {
                let message = "no rule speaks of this role or of one below it, so it only names people in records; \
                               name it in a rule, or take it out";
                problems.warning(join("roles", name), message);
            }
        }
    }

    /// A key that no role names is only a name in records, unless nothing but listed keys is let in.
    fn warn_unused_keys(&self, problems: &mut Problems) {
        let Some(api) = self.file.access.api.as_ref().filter(|api| api.unlisted_keys == Unlisted::Allow) else {
            return;
        };
        let named = |key: &str| {
            let keys = self.file.roles.iter().filter_map(|(_, role)| role.api_key.as_ref());
            keys.flat_map(OneOrMany::as_slice).any(|named| named == key)
        };
        for key in api.keys.names().filter(|key| !named(key)) {
            let message = "no role names this key, and keys that are not listed are let in as well; \
                           name it as `api_key` of a role, write `unlisted_keys: deny`, or take it out";
            problems.warning(join("access.api.keys", key), message);
        }
    }
}

fn collect_networks<'a>(file: &'a PolicyFile, problems: &mut Problems) -> HashMap<&'a str, Vec<IpNet>> {
    let mut networks = HashMap::new();
    for (name, list) in file.networks.iter() {
        let path = join("networks", name);
        if list.as_slice().is_empty() {
            problems.error(path.clone(), "an empty network holds nobody; list at least one address or CIDR block");
        }
        if name == "any" || parse_network(name).is_ok() {
            problems.error(path.clone(), format!("\"{name}\" means something else in lists; choose another name"));
        }
        let mut parsed = Vec::new();
        for (path, text) in list.placed(&path) {
            match parse_network(text) {
                Ok(network) => parsed.push(network),
                Err(wrong) => problems.error(path, wrong),
            }
        }
        networks.insert(name, parsed);
    }
    networks
}

fn parse_network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    let network: IpNet = text.parse().map_err(|_| {
        format!(
            "\"{text}\" is neither an address nor a CIDR block; write 203.0.113.7, 198.51.100.0/24 or 2001:db8::/32"
        )
    })?;
    if network.trunc() != network {
        let meant = network.trunc();
        return Err(format!(
            "\"{text}\" has bits set beyond its length; write {meant}, or {}/{}",
            network.addr(),
            network.max_prefix_len()
        ));
    }
    Ok(network)
}

/// Which roles a rule that names a role covers: that one, and all that are like it.
fn cover(like: &[Vec<usize>]) -> Vec<RoleSet> {
    let mut covers = vec![RoleSet::default(); like.len()];
    for (index, ancestors) in like.iter().enumerate() {
        for role in std::iter::once(&index).chain(ancestors) {
            covers[*role].insert(index);
        }
    }
    covers
}

/// For each role the roles that it is like, the nearest first.
fn ancestors(file: &PolicyFile, roles: &[String], problems: &mut Problems) -> Vec<Vec<usize>> {
    let mut like_of_each = Vec::new();
    for (index, name) in roles.iter().enumerate() {
        let (mut ancestors, mut seen) = (Vec::new(), vec![name.as_str()]);
        let mut current = file.roles.get(name);
        while let Some(like) = current.and_then(|r| r.like.as_deref()) {
            if seen.contains(&like) {
                // Every role of the circle would say the same: the first does.
                let before = |other: &&str| roles.iter().take(index).any(|r| r == *other);
                if like == name && !seen.iter().any(before) {
                    problems.error(
                        format!("{}.like", join("roles", name)),
                        format!("goes in a circle: {} -> {like}; take one `like:` out", seen.join(" -> ")),
                    );
                }
                break;
            }
            let Some(target) = roles.iter().position(|r| r == like) else {
                let hint = did_you_mean(like, roles.iter().map(String::as_str));
                if seen.len() == 1 {
                    problems
                        .error(format!("{}.like", join("roles", name)), format!("no role is called \"{like}\"{hint}"));
                }
                break;
            };
            ancestors.push(target);
            seen.push(like);
            current = file.roles.get(like);
        }
        like_of_each.push(ancestors);
    }
    like_of_each
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(roles: &[(&str, Option<&str>)]) -> PolicyFile {
        let roles: serde_json::Map<_, _> = roles
            .iter()
            .map(|(name, like)| {
                ((*name).to_owned(), serde_json::json!({ "users": [format!("u-{name}")], "like": like }))
            })
            .collect();
        serde_json::from_value(serde_json::json!({
            "policy": 1, "listen": [], "roles": roles, "app": { "profile": "a", "upstream": "b", "public_url": "c" },
        }))
        .unwrap()
    }

    /// Every order of `things`.
    fn orders<T: Clone>(things: &[T]) -> Vec<Vec<T>> {
        if things.is_empty() {
            return vec![vec![]];
        }
        let mut all = Vec::new();
        for (index, first) in things.iter().enumerate() {
            let mut rest = things.to_vec();
            rest.remove(index);
            all.extend(orders(&rest).into_iter().map(|tail| [vec![first.clone()], tail].concat()));
        }
        all
    }

    /// `trainee` is like `agent`, who is like `lead`, who is like `staff`.
    #[test]
    fn the_nearest_role_counts_in_whatever_order_all_is_written() {
        let roles = [("staff", None), ("lead", Some("staff")), ("agent", Some("lead")), ("trainee", Some("agent"))];
        for (entries, expected) in [
            (vec!["staff", "lead"], [Some("staff"), Some("lead"), Some("lead"), Some("lead")]),
            (vec!["staff", "agent"], [Some("staff"), Some("staff"), Some("agent"), Some("agent")]),
            (vec!["lead", "trainee"], [None, Some("lead"), Some("lead"), Some("trainee")]),
            (vec!["staff", "lead", "agent"], [Some("staff"), Some("lead"), Some("agent"), Some("agent")]),
        ] {
            for roles in orders(&roles) {
                let file = file(&roles);
                let mut problems = Problems::default();
                let like =
                    ancestors(&file, &roles.iter().map(|(n, _)| (*n).to_owned()).collect::<Vec<_>>(), &mut problems);
                let profile: ProfileFile =
                    serde_json::from_str(r#"{ "profile": "x", "format": 1, "realms": {} }"#).unwrap();
                let names = Names::collect(&file, &profile, &mut problems);
                assert_eq!(names.like[..roles.len()], like[..]);
                for entries in orders(&entries) {
                    let entries = Named(entries.into_iter().map(|name| (name.to_owned(), ())).collect());
                    let found = names.entry_of_each(&entries);
                    for (name, wanted) in ["staff", "lead", "agent", "trainee"].into_iter().zip(expected) {
                        let role = names.role_named(name).unwrap().index();
                        let entry = found[role].map(|entry| entries.0[entry].0.as_str());
                        assert_eq!(entry, wanted, "{name} of {entries:?} with roles {roles:?}");
                    }
                }
            }
        }
    }
}
