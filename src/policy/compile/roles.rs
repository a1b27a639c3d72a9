//! The roles and their conditions.

use std::sync::Arc;

use crate::identity::RoleRule;
use crate::policy::file::{PolicyFile, RoleFile};
use crate::policy::names::Names;
use crate::policy::problem::{Problems, did_you_mean};
use crate::policy::profile::{ProfileFile, RealmFile, UserNames};
use crate::policy::types::{Named, OneOrMany};
use crate::policy::yaml::join;
use crate::store::UserName;

/// Compiles the roles, in order.
pub(super) fn compile(
    file: &PolicyFile,
    profile: &ProfileFile,
    names: &Names<'_>,
    problems: &mut Problems,
) -> Vec<RoleRule> {
    let folds = |(_, realm): &(&str, &RealmFile)| realm.user_names == UserNames::Folded;
    let folding: Arc<[Arc<str>]> = profile.realms.iter().filter(folds).map(|(name, _)| name.into()).collect();
    let folds_programs = !folding.is_empty() && folding.len() == profile.realms.iter().count();
    let keys = file.access.api.as_ref().map(|api| &api.keys);
    let mut rules = Vec::new();
    let mut open_before: Option<&str> = None;
    for (name, role) in file.roles.iter() {
        let path = join("roles", name);
        if let Some(open) = open_before {
            problems.error(
                path.clone(),
                format!("nobody can have this role: \"{open}\" above it takes everybody; move \"{open}\" to the end"),
            );
        }
        if let Some(realm) = &role.realm
            && profile.realms.get(realm).is_none()
        {
            let hint = did_you_mean(realm, profile.realms.names());
            problems.error(format!("{path}.realm"), format!("the profile has no realm \"{realm}\"{hint}"));
        }
        let api_keys: Vec<String> = role.api_key.iter().flat_map(|k| k.as_slice().to_vec()).collect();
        for key in api_keys.iter().filter(|key| keys.is_none_or(|k| k.get(key).is_none())) {
            let hint = did_you_mean(key, keys.into_iter().flat_map(Named::names));
            problems
                .error(format!("{path}.api_key"), format!("no key is called \"{key}\" under access.api.keys{hint}"));
        }
        check_role(role, &path, problems);
        let rule = RoleRule {
            users: role.users.iter().flat_map(OneOrMany::as_slice).filter_map(|u| UserName::new(u)).collect(),
            folding: folding.clone(),
            folds_programs,
            groups: role.app_group.iter().flat_map(OneOrMany::as_slice).map(|g| g.trim().to_lowercase()).collect(),
            realm: role.realm.as_deref().map(Into::into),
            keys: api_keys,
        };
        if role.is_open() {
            open_before = Some(name);
        }
        rules.push(rule);
    }
    if names.role_count() > rules.len() {
        rules.push(RoleRule::default());
    }
    rules
}

/// Warns of conditions that say less than they seem to.
pub(super) fn warn(file: &PolicyFile, profile: &ProfileFile, problems: &mut Problems) {
    warn_of_users(file, profile, problems);
    warn_of_groups(file, profile, problems);
}

/// Only the first role counts in which somebody is listed.
fn warn_of_users(file: &PolicyFile, profile: &ProfileFile, problems: &mut Problems) {
    let folds = profile.realms.iter().any(|(_, realm)| realm.user_names == UserNames::Folded);
    let same = |one: &UserName, other: &UserName| one == other && (folds || one.as_str() == other.as_str());
    let mut listed: Vec<(UserName, &str)> = Vec::new();
    for (role, conditions) in file.roles.iter() {
        for (here, user) in
            conditions.users.iter().flat_map(|users| users.placed(&format!("{}.users", join("roles", role))))
        {
            let Some(name) = UserName::new(user) else { continue };
            if let Some((_, first)) = listed.iter().find(|(known, _)| same(known, &name)) {
                let message = if *first == role {
                    format!("\"{user}\" is listed twice; take one out")
                } else {
                    format!(
                        "\"{user}\" is listed under roles.{first} already, and the first role that fits counts; take one out"
                    )
                };
                problems.warning(here, message);
            }
            listed.push((name, role));
        }
    }
}

/// A group that nothing in the profile can tell is nobody's.
fn warn_of_groups(file: &PolicyFile, profile: &ProfileFile, problems: &mut Problems) {
    let whoami = || profile.realms.iter().flat_map(|(_, realm)| &realm.whoami);
    if whoami().any(|w| w.app_group.is_some()) {
        // The app's answer names them; which there are, it alone knows.
        return;
    }
    let known: std::collections::BTreeSet<&str> = whoami().flat_map(|w| w.groups.names()).collect();
    for (role, conditions) in file.roles.iter() {
        let groups = conditions.app_group.iter().flat_map(|g| g.placed(&format!("{}.app_group", join("roles", role))));
        for (here, group) in groups.filter(|(_, g)| !known.iter().any(|k| k.eq_ignore_ascii_case(g.trim()))) {
            let hint = if known.is_empty() {
                "; add `whoami:` to a realm of the profile".into()
            } else {
                did_you_mean(group, known.iter().copied())
            };
            problems.warning(
                here,
                format!(
                    "the profile tells of nobody that they are in group \"{group}\", so nobody has this role by it{hint}"
                ),
            );
        }
    }
}

/// A condition that names nothing would hold for everybody.
fn check_role(role: &RoleFile, path: &str, problems: &mut Problems) {
    let lists =
        [("users", role.users.as_ref()), ("app_group", role.app_group.as_ref()), ("api_key", role.api_key.as_ref())];
    for (key, list) in lists {
        let Some(list) = list else { continue };
        if list.as_slice().is_empty() {
            problems
                .error(format!("{path}.{key}"), "an empty list describes nobody; name somebody, or take the key out");
        }
        for (here, name) in list.placed(&format!("{path}.{key}")) {
            if name.trim().is_empty() {
                problems.error(here, "an empty name is nobody's; write one, or take it out");
            }
        }
    }
}
