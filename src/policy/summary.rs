//! What a policy covers, in numbers: for `deskgate check`.

use std::collections::BTreeSet;
use std::fmt;

use super::channels::WrittenChannel;
use super::compile::{Guards, Policy};
use super::file::{Mode, PolicyFile, Unclassified};
use super::profile::{Class, ProfileFile};
use crate::controls::masking::RuleFile;
use crate::metrics::{Labels, most_series};
use crate::policy::types::AnyOrListed;
use crate::route::Area;

/// What a policy covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The profile.
    pub profile: String,
    /// How many routes it has, with those of the policy's own.
    pub routes: usize,
    /// How many of them are of class `unclassified`, of which no rule can speak.
    pub unclassified: usize,
    /// What happens in each area to a request that no route names.
    pub areas: Vec<(&'static str, String)>,
    /// How many series the metrics can have at most.
    pub series: usize,
}

impl Summary {
    /// Counts.
    #[must_use]
    pub fn new(file: &PolicyFile, profile: &ProfileFile, channels: &[WrittenChannel], policy: &Policy) -> Self {
        let own = &file.app.overrides.routes;
        let kept = profile.routes.iter().filter(|(name, _)| own.get(name).is_none());
        let classes: Vec<Class> = kept.chain(own.iter()).map(|(_, route)| route.is).collect();
        let rules = || channels.iter().map(|c| &c.file).chain([file]).flat_map(|f| &f.masking);
        let hidden: BTreeSet<&str> = rules().flat_map(RuleFile::hidden).collect();
        let certificates: BTreeSet<&str> = file.listen.iter().filter_map(|l| l.certificate.as_deref()).collect();
        let own_guards = policy.channels.iter().filter_map(|c| c.guards.as_ref());
        let controls: BTreeSet<&str> = own_guards.chain([&policy.guards]).flat_map(Guards::names).collect();
        let labels = Labels {
            roles: policy.role_names.len(),
            realms: policy.realms.len(),
            fields: hidden.len(),
            certificates: certificates.len(),
            controls: controls.len(),
        };
        Self {
            profile: profile.profile.clone(),
            routes: classes.len(),
            unclassified: classes.iter().filter(|class| **class == Class::Unclassified).count(),
            areas: areas(file),
            series: most_series(&labels),
        }
    }
}

/// What happens to a request that no route names, area by area.
fn areas(file: &PolicyFile) -> Vec<(&'static str, String)> {
    let (access, off) = (&file.access, file.access.mode.unwrap_or(file.mode) == Mode::Off);
    let from = |list: Option<&AnyOrListed>| match list {
        Some(AnyOrListed::Listed(networks)) if !off => format!(" from {}", networks.as_slice().join(", ")),
        _ => String::new(),
    };
    let what = |from: String| match (file.unclassified, file.mode) {
        (Unclassified::AllowAndCount, _) => format!("let through{from}, and counted"),
        (Unclassified::Deny, Mode::Enforce) => "refused".into(),
        (Unclassified::Deny, Mode::Shadow) => format!("let through{from}, and recorded as would_deny"),
        (Unclassified::Deny, Mode::Off) => format!("let through{from}"),
    };
    let of = |area: Area| match area {
        Area::Management => access.management.as_ref().and_then(|a| a.allow_from.as_ref()),
        Area::Api => access.api.as_ref().and_then(|a| a.allow_from.as_ref()),
        Area::Portal => access.portal.as_ref().and_then(|a| a.allow_from.as_ref()),
    };
    [Area::Management, Area::Api, Area::Portal].map(|area| (area.as_str(), what(from(of(area))))).into()
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_class = match self.unclassified {
            0 => "none".to_owned(),
            some => some.to_string(),
        };
        writeln!(f, "  profile {}: {} routes, {of_class} of them of class unclassified", self.profile, self.routes)?;
        let areas: Vec<String> = self.areas.iter().map(|(area, what)| format!("in {area} {what}")).collect();
        writeln!(f, "  requests that no route names: {}", areas.join("; "))?;
        write!(f, "  metrics: at most {} series", self.series)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_no_route_names_is_told_area_by_area() {
        let told = |more: serde_json::Value| {
            let mut file = json!({
                "policy": 1, "listen": [], "roles": {}, "app": { "profile": "a", "upstream": "b", "public_url": "c" },
                "access": { "management": { "allow_from": ["office", "vpn"] }, "portal": { "allow_from": "any" } },
            });
            file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let areas = areas(&serde_json::from_value(file).unwrap());
            areas.into_iter().map(|(_, what)| what).collect::<Vec<_>>()
        };
        let counted =
            ["let through from office, vpn, and counted", "let through, and counted", "let through, and counted"];
        assert_eq!(told(json!({})), counted);
        assert_eq!(told(json!({ "unclassified": "deny" })), ["refused"; 3]);
        let shadow = told(json!({ "unclassified": "deny", "mode": "shadow" }));
        assert_eq!(shadow[1], "let through, and recorded as would_deny");
        assert_eq!(told(json!({ "unclassified": "deny", "mode": "off" })), ["let through"; 3]);
    }
}
