//! Who may come to which part of the app, from where, and with which credential (B3, B4, B5).
//!
//! For a request to an area that the policy names:
//! 1. the client's address must be in `allow_from`; absent or `any` means everywhere;
//! 2. a credential must be at one of the places that `credential` lists: a session in the area
//!    `api`, a program's credential in every area, because it opens the app wherever it is sent;
//! 3. a program's key must be listed and not expired, when `unlisted_keys: deny`. HTTP Basic names
//!    a person, not a key: it is refused by leaving `basic` out of `credential`.
//!
//! The address is the socket's peer unless that is one of `trusted_proxies`. An area is a matter of
//! paths, so an agent who uses the portal is subject to the portal's list.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Armed, ControlSpec, Facts, RequestControl};
use crate::clock::Timestamp;
use crate::decision::{Denial, Evidence, RuleAt, Verdict, reasons};
use crate::identity::Identity;
use crate::policy::compile::Arming;
use crate::policy::file::Mode;
use crate::policy::phrase::CredentialPlace;
use crate::policy::types::{AnyOrListed, Day, Named};
use crate::request::{Networks, RequestHead};
use crate::route::Area;

/// Address lists and credentials per area of the app.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Access")]
pub struct File {
    /// `enforce`, `shadow` or `off`; absent: as the policy.
    pub mode: Option<Mode>,
    /// The part where agents and administrators work.
    pub management: Option<AreaFile>,
    /// The part that programs call.
    pub api: Option<ApiFile>,
    /// Everything else.
    pub portal: Option<AreaFile>,
}

/// Who may come to an area.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AreaFile {
    /// From where: names of `networks`, addresses, CIDR blocks, or `any`.
    pub allow_from: Option<AnyOrListed>,
}

/// Who may call the API.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiFile {
    /// From where: names of `networks`, addresses, CIDR blocks, or `any`.
    pub allow_from: Option<AnyOrListed>,
    /// Where a credential is accepted: `session`, `header NAME`, `header Authorization SCHEME`,
    /// `basic`, `query NAME`. Absent: wherever the app takes one.
    #[schemars(length(min = 1))]
    pub credential: Option<Vec<String>>,
    /// The keys that are known, by a name of your choice.
    pub keys: Named<KeyFile>,
    /// What happens to a key that is not listed.
    pub unlisted_keys: Unlisted,
}

/// A program's key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// The SHA-256 of the key, in hex: `printf %s KEY | sha256sum`.
    #[schemars(regex(pattern = r"^[0-9A-Fa-f]{64}$"))]
    pub sha256: String,
    /// The last day on which it works, to its end in UTC: `2027-01-31`.
    pub expires: Option<Day>,
}

/// What happens to a key that is not listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unlisted {
    /// The app decides.
    #[default]
    Allow,
    /// Refused.
    Deny,
}

reasons! {
    /// Rule 1 for management and portal.
    ADDRESS = "access.address", 403, "This part of the helpdesk cannot be opened from your network.",
        "Connect from the office or through the VPN, or ask the contact below to add your address.";
    /// Rule 1 for the API.
    API_ADDRESS = "access.api_address", 403, "The API cannot be called from this address.",
        "Ask the contact below to add the address.";
    /// Rule 2.
    CREDENTIAL = "access.credential_place", 401, "The credential is not at a place where it is accepted.",
        "Send it where the API's description says, never in the address.";
    /// Rule 3.
    KEY = "access.key", 401, "The API key is not known here or has expired.", "Ask the contact below for a key.";
}

/// The control's entry in the table.
pub const SPEC: ControlSpec = ControlSpec {
    name: "access",
    summary: "Opens each part of the app only to the addresses and credentials listed for it.",
    reasons: REASONS,
    arm,
};

struct Access {
    from: [Option<(Networks, RuleAt)>; Area::COUNT],
    places: Option<Places>,
    /// The rule that refuses keys that are not listed.
    deny_unlisted: Option<RuleAt>,
}

struct Places {
    session: bool,
    listed: Vec<CredentialPlace>,
    rule: RuleAt,
}

fn arm(arming: &mut Arming<'_>) -> Option<Armed> {
    let file = &arming.file.access;
    let api = file.api.as_ref();
    let lists = [
        (Area::Management, file.management.as_ref().and_then(|a| a.allow_from.as_ref())),
        (Area::Api, api.and_then(|a| a.allow_from.as_ref())),
        (Area::Portal, file.portal.as_ref().and_then(|a| a.allow_from.as_ref())),
    ];
    let mut from = [const { None }; Area::COUNT];
    for (area, list) in lists {
        let path = format!("access.{}.allow_from", area.as_str());
        let networks = list.and_then(|list| arming.names.networks(&path, list, arming.problems));
        from[area as usize] = networks.map(|networks| (networks, arming.rule(path)));
    }
    let places = api.and_then(|a| a.credential.as_ref()).map(|listed| parse_places(listed, arming));
    let deny_unlisted = api.is_some_and(|a| a.unlisted_keys == Unlisted::Deny);
    if deny_unlisted && api.is_some_and(|a| a.keys.0.is_empty()) {
        arming.problems.error(
            "access.api.unlisted_keys",
            "no key is listed, so every key would be refused; list one under `keys:`",
        );
    }
    if from.iter().all(Option::is_none) && places.is_none() && !deny_unlisted {
        return None;
    }
    let deny_unlisted = deny_unlisted.then(|| arming.rule("access.api.unlisted_keys"));
    let request = Box::new(Access { from, places, deny_unlisted });
    Some(Armed { request: Some(request), ..Armed::new("access", arming.mode(arming.file.access.mode)) })
}

fn parse_places(listed: &[String], arming: &mut Arming<'_>) -> Places {
    let mut places = Places { session: false, listed: Vec::new(), rule: arming.rule("access.api.credential") };
    if listed.is_empty() {
        arming
            .problems
            .error("access.api.credential", "an empty list refuses every credential; leave the key out to accept all");
    }
    for (index, text) in listed.iter().enumerate() {
        if text == "session" {
            places.session = true;
            continue;
        }
        match CredentialPlace::parse(text) {
            Ok(place) => places.listed.push(place),
            Err(wrong) => arming.problems.error(format!("access.api.credential[{index}]"), wrong),
        }
    }
    places
}

impl RequestControl for Access {
    fn decide(&self, request: &RequestHead, _: &Facts) -> Verdict {
        let from = self.from[request.area as usize].as_ref();
        if let Some((_, rule)) = from.filter(|(list, _)| !list.contains(request.client)) {
            let reason = if request.area == Area::Api { API_ADDRESS } else { ADDRESS };
            return Denial::because(reason, Evidence::Address(request.client)).by(rule).into();
        }
        if let Some(denial) = self.credential(request) {
            return denial.into();
        }
        if from.is_some() || (request.area == Area::Api && self.places.is_some()) {
            Verdict::Allow
        } else {
            Verdict::NotApplicable
        }
    }
}

impl Access {
    fn credential(&self, request: &RequestHead) -> Option<Denial> {
        let places = self.places.as_ref();
        match &request.identity {
            Identity::Session { .. } if request.area == Area::Api => {
                places.filter(|p| !p.session).map(|p| Denial::new(CREDENTIAL).by(&p.rule))
            }
            // A program's credential opens the app wherever it is sent, so it is judged everywhere.
            Identity::Program { place, key, .. } => match places.filter(|p| !p.listed.contains(place)) {
                Some(places) => Some(Denial::new(CREDENTIAL).by(&places.rule)),
                None if key.is_some() || *place == CredentialPlace::Basic => None,
                None => self.deny_unlisted.as_ref().map(|rule| Denial::new(KEY).by(rule)),
            },
            _ => None,
        }
    }
}

/// The known keys, by hash: for telling who a program is.
#[derive(Debug, Default)]
pub struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    /// SHA-256 of it.
    hash: [u8; 32],
    name: String,
    /// From when on it opens nothing.
    ends: Option<Timestamp>,
}

impl Keys {
    /// Compiles the keys of a policy; tells which have expired by `now`.
    pub fn compile(arming: &mut Arming<'_>, now: Timestamp) -> Self {
        let mut keys: Vec<Key> = Vec::new();
        let listed = arming.file.access.api.as_ref().map(|api| &api.keys);
        for (name, key) in listed.into_iter().flat_map(Named::iter) {
            let path = format!("access.api.keys.{name}");
            let hash =
                data_encoding::HEXLOWER_PERMISSIVE.decode(key.sha256.as_bytes()).ok().and_then(|h| h.try_into().ok());
            let Some(hash) = hash else {
                arming.problems.error(
                    format!("{path}.sha256"),
                    "not the 64 hex digits of a SHA-256; make it with: printf %s KEY | sha256sum",
                );
                continue;
            };
            if let Some(day) = key.expires.filter(|day| day.end() <= now) {
                let wrong = format!(
                    "the key was good to the end of {day}, so it opens nothing; take it out, or list a new one"
                );
                arming.problems.warning(format!("{path}.expires"), wrong);
            }
            if let Some(Key { name: other, .. }) = keys.iter().find(|known| known.hash == hash) {
                let wrong = format!("this is the key of \"{other}\" already; give every program a key of its own");
                arming.problems.error(format!("{path}.sha256"), wrong);
            }
            keys.push(Key { hash, name: name.to_owned(), ends: key.expires.map(Day::end) });
        }
        Self(keys)
    }

    /// The name of the key that `credential` is, if it is listed and good at `now`.
    #[must_use]
    pub fn name_of(&self, credential: &str, now: Timestamp) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        let hash: [u8; 32] = Sha256::digest(credential.as_bytes()).into();
        let good = |key: &&Key| key.hash == hash && key.ends.is_none_or(|end| now < end);
        self.0.iter().find(good).map(|key| key.name.as_str())
    }
}
