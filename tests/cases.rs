//! Cases: a policy, a request, and what is decided. In process, through the same matcher, identity
//! and pipeline that serve requests, but without a network, an app or a runtime.
//!
//! `tests/cases/CONTROL/*.yaml` hold the cases; [`CaseFile`] tells how one is written.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

mod smallest;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration as StdDuration;

use deskgate::body::rewrite::{Answer as Rewritten, Readable};
use deskgate::body::{self, Body, Fields};
use deskgate::clock::{Clock, Timestamp};
use deskgate::controls::{CONTROLS, Facts, HeaderEdit, ResponseHead, Sent};
use deskgate::decision::Denial;
use deskgate::identity::{Identity, SignIn, program, role_of};
use deskgate::masking::{Masker, Originals, Pseudonyms};
use deskgate::pipeline::{Trail, accept_sign_in, admit, answer, edit, ended_by_time, masks, reads, scanned};
use deskgate::policy::Policy;
use deskgate::policy::file::Mode;
use deskgate::policy::phrase::CredentialPlace;
use deskgate::policy::source::load;
use deskgate::policy::types::{Duration, OneOrMany};
use deskgate::policy::yaml::Node;
use deskgate::request::{RequestHead, Target, Wants, basic_user};
use deskgate::route::Evidence;
use deskgate::scan::Scanned;
use deskgate::store::{Effect, EndReason, SessionKey, SessionRecord, SignInKnown, UserName, WhenFull};
use deskgate::upload::{self, FileFacts};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;

/// One file of cases. They run in order, on one policy and one clock.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    /// What the file is about.
    about: String,
    /// `demo`, or a part of a policy, completed with the smallest one.
    policy: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Turn the clock first.
    advance: Option<Duration>,
    /// How often the request is made; what is expected is of the last.
    times: Option<u32>,
    /// Who asks: a session. Absent: a visitor, or a program if the request carries a credential.
    who: Option<Who>,
    /// The client's address.
    from: Option<IpAddr>,
    /// `METHOD /target`
    request: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    form: Option<String>,
    json: Option<serde_json::Value>,
    /// Files that are sent, with the fields of `form`.
    #[serde(default)]
    files: Vec<SentFile>,
    /// What is known of the account that the request tries to sign in to.
    attempt: Option<Attempt>,
    /// The head of the app's answer.
    answer: Option<Answer>,
    /// Somebody whose sign-in the app accepted.
    signs_in: Option<Who>,
    /// Whether the session ends by itself, without a request: the reason, or `no`.
    by_itself: Option<String>,
    /// `allowed`, or the code of the refusal.
    expect: Option<String>,
    /// The refusal that would have been, in shadow mode.
    would: Option<String>,
    /// Seconds to wait that the refusal tells.
    retry_after: Option<u64>,
    /// Classes and actions of the request: `ticket:delete`.
    is: Option<OneOrMany<String>>,
    /// The role of whoever asks or signs in.
    role: Option<String>,
    /// What is to be remembered.
    effects: Option<Vec<String>>,
    /// What becomes of the answer's headers.
    edits: Option<Vec<String>>,
    /// What becomes of the answer's body.
    body: Option<String>,
    /// How many values of which field are masked in it.
    masked: Option<BTreeMap<String, u32>>,
    /// What the person was shown before instead of what: place, mask, original.
    #[serde(default)]
    shown: Vec<(String, String, String)>,
    /// What becomes of the form or document that is sent.
    sends: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SentFile {
    name: String,
    #[serde(default, rename = "type")]
    declared: String,
    /// What it holds; `<png>` stands for the beginning of such an image.
    holds: String,
    /// How often it holds that.
    times: Option<usize>,
    /// What the virus scanner says: `clean`, `failed`, or the name of what it found.
    scan: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    user: String,
    #[serde(default)]
    groups: Vec<String>,
    realm: Option<String>,
    /// Since when: the session's age.
    age: Option<Duration>,
    /// Without activity for so long.
    unused: Option<Duration>,
    /// The session has ended, for this reason.
    ended: Option<EndReason>,
    /// The last sign-in before this one.
    last_sign_in: Option<Duration>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Attempt {
    account_failures: u32,
    address_failures: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    status: u16,
    #[serde(default)]
    headers: Vec<String>,
    body: Option<String>,
}

struct Bench {
    policy: Policy,
    /// What it was compiled from.
    text: String,
    clock: Clock,
}

impl Bench {
    fn new(file: &CaseFile) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policy.yaml");
        let text = match file.policy.as_str() {
            "demo" => include_str!("../config/demo/policy.yaml").to_owned(),
            part => smallest::completed(part),
        };
        std::fs::write(&path, &text).unwrap();
        let clock = Clock::stopped_at(Timestamp(1_772_442_000_000));
        let loaded = load(&path, &clock).unwrap_or_else(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}:\n{text}\n{}", file.about, problems.join("\n"))
        });
        Self { policy: loaded.policy, text, clock }
    }

    /// Each refusal of a control names the rule that it is by, and the line of that rule, not of its section.
    fn check_rules(&self, case: &Case, trail: &Trail) {
        // What ended long ago was ended by a rule that may be gone, or by none.
        if case.who.as_ref().is_some_and(|who| who.ended.is_some()) {
            return;
        }
        for finding in trail.findings.iter().filter(|f| CONTROLS.iter().any(|c| c.name == f.control)) {
            let Some((reason, _)) = &finding.denial else { continue };
            let rule =
                finding.rule.as_deref().unwrap_or_else(|| panic!("{}: {} is by no rule", case.name, reason.code));
            let line = self.text.lines().nth(finding.at.0 as usize - 1).unwrap();
            // A rule of a list may begin with any key; a default is what its section says.
            let keys: Vec<&str> = rule.split(['.', '[', ']']).filter(|key| !key.is_empty()).collect();
            let is_default = !self.text.contains(&format!("{}:", keys.last().unwrap()));
            let is_there = line.trim_start().starts_with("- ")
                || keys.iter().skip(usize::from(!is_default)).any(|key| line.contains(key));
            assert!(is_there, "{}: {rule} is not in line {}: {line}", case.name, finding.at.0);
        }
    }

    fn session(&self, who: &Who) -> (SessionKey, Arc<SessionRecord>) {
        let now = self.clock.now();
        let before = |d: Option<Duration>| {
            let ago = d.map_or(0, |d| u64::try_from(d.0.as_millis()).unwrap());
            Timestamp(now.0 - ago)
        };
        let record = SessionRecord {
            user: UserName::new(&who.user).unwrap(),
            realm: who.realm.as_deref().unwrap_or("accounts").into(),
            groups: who.groups.iter().map(|g| Arc::from(g.as_str())).collect(),
            started: before(who.age.max(who.unused)),
            last_seen: before(who.unused),
            address: IpAddr::from([192, 0, 2, 1]),
        };
        (SessionKey::of("session", who.user.as_bytes()), Arc::new(record))
    }

    fn request(&self, case: &Case) -> (RequestHead, bool) {
        let policy = &self.policy;
        let (method, target) = case.request.as_deref().unwrap_or("GET /").split_once(' ').unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let target = Target::parse(target, &policy.path_rules).unwrap();
        let candidates = policy.matcher.find(&target.path);
        let reads = |realm: usize, login: usize| policy.realms[realm].logins[login].reads_body();
        let mut headers: HeaderMap =
            case.headers.iter().map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse().unwrap())).collect();
        let sent = case.body();
        if let Some((content_type, _)) = &sent {
            headers.insert("content-type", content_type.parse().unwrap());
        }
        // As the proxy does: the body is looked at only where the profile or a file calls for it.
        let files = policy.inspects_files && !case.files.is_empty();
        let (body, files) = sent
            .filter(|_| files || candidates.needs_body(&method, reads))
            .map(|(content_type, raw)| body::parse(&content_type, raw.into(), &mut |_| true).unwrap())
            .map_or((None, vec![]), |parsed| (Some(parsed.body), upload::inspect(&parsed.files)));
        let files = files.into_iter().zip(&case.files).map(|(facts, sent)| FileFacts { scanned: sent.said(), ..facts });
        let files = files.collect();
        let query = target.parameters();
        let header = |name: &str| headers.get(name).map(|v| v.to_str().unwrap().to_owned());
        let route = candidates.settle(&Evidence {
            method: &method,
            path: &target.path,
            query: &query,
            body: body.as_ref(),
            header: &header,
        });
        let identity = self.identity(case, &headers, &query);
        let signs_in = route.login.is_some();
        let head = RequestHead {
            method,
            client: case.from.unwrap_or(IpAddr::from([198, 51, 100, 9])),
            secure: policy.public_origin.starts_with("https://"),
            wants: Wants::Page,
            area: route.area,
            route,
            role: role_of(&policy.roles, &identity),
            upgrades: headers.contains_key("upgrade"),
            identity,
            files,
        };
        (head, signs_in)
    }

    fn identity(&self, case: &Case, headers: &HeaderMap, query: &Fields) -> Identity {
        if let Some(who) = &case.who {
            let (key, record) = self.session(who);
            return match who.ended {
                Some(reason) => Identity::Ended { key, record, reason },
                None => Identity::Session { key, record },
            };
        }
        let Some((place, credential)) = program(&self.policy.credentials, headers, query).unwrap() else {
            return Identity::Visitor;
        };
        let key = self.policy.keys.name_of(&credential, self.clock.now()).map(Arc::from);
        let basic = (place == CredentialPlace::Basic).then(|| basic_user(&credential)).flatten();
        Identity::Program { key, user: basic.and_then(|u| UserName::new(&u)), place }
    }

    fn run(&self, case: &Case) -> Found {
        self.clock.advance(case.advance.map_or(StdDuration::ZERO, |d| d.0));
        let now = self.clock.now();
        let mut trail = Trail::default();
        let mut found = Found::default();
        if let Some(who) = &case.signs_in {
            let (key, record) = self.session(who);
            let role = role_of(&self.policy.roles, &Identity::Session { key, record: record.clone() });
            let last = who.last_sign_in.map(|ago| Timestamp(now.0 - u64::try_from(ago.0.as_millis()).unwrap()));
            let known = SignInKnown { last_sign_in: last, ..SignInKnown::default() };
            let facts = Facts { now, sign_in: Some(known), ..Facts::default() };
            found.role = self.policy.role_name(role).to_string();
            let accepted = accept_sign_in(&self.policy, &SignIn { key, record, role }, &facts, &mut trail);
            found.denial = accepted.err();
        } else if case.by_itself.is_some() {
            let (key, record) = self.session(case.who.as_ref().unwrap());
            let ended = ended_by_time(&self.policy, key, &record, now);
            found.by_itself = ended.map_or("no".into(), |effect| match effect {
                Effect::Ended { reason, .. } => reason.as_str().into(),
                other => format!("{other:?}"),
            });
        } else {
            let (head, signs_in) = self.request(case);
            found.role = self.policy.role_name(head.role).to_string();
            found.is = head
                .route
                .hits
                .iter()
                .map(|h| h.action.map_or(h.class.as_str().into(), |a| format!("{}:{}", h.class.as_str(), a.as_str())))
                .collect();
            let over = (0..case.times.unwrap_or(1))
                .map(|_| self.policy.rates.count_address(head.client).or_else(|| self.policy.rates.count(&head)))
                .last()
                .flatten();
            let known = case.attempt.unwrap_or_default();
            let known = SignInKnown {
                last_sign_in: None,
                account_failures: known.account_failures,
                address_failures: known.address_failures,
            };
            let facts = Facts { now, sign_in: signs_in.then_some(known), over_rate: over, ..Facts::default() };
            let admitted = admit(&self.policy, &head, &facts, &mut trail);
            found.denial = match admitted {
                Ok(permit) if self.policy.scanner.is_some() && !head.files.is_empty() => {
                    scanned(&self.policy, &head, permit, &mut trail).err()
                }
                Ok(permit) if reads(&self.policy, &head) || head.route.has_removals() => {
                    let (_, target) = case.request.as_deref().unwrap_or("GET /").split_once(' ').unwrap();
                    let query = Target::parse(target, &self.policy.path_rules).unwrap().parameters();
                    let body = case.body().map(|(kind, raw)| body::parse(&kind, raw.into(), &mut |_| true).unwrap());
                    let mut body = body.map(|parsed| parsed.body);
                    let mut originals = Originals::default();
                    // What was shown is known of things only.
                    for (place, mask, original) in case.shown.iter().filter(|_| head.route.thing().is_some()) {
                        originals.add(place, mask, original);
                    }
                    let pseudonyms = Pseudonyms::default();
                    let (originals, pseudonyms) = (&originals, &pseudonyms);
                    let mut sent = Sent { query: &query, body: body.as_mut(), files: &[], originals, pseudonyms };
                    let edited = edit(&self.policy, &head, &mut sent, permit, &mut trail).err();
                    found.sends = body.map(|body| match body {
                        Body::Form(fields) => body::urlencoded::write(&fields),
                        Body::Json(value) => value.to_string(),
                        Body::File(_) => String::new(),
                    });
                    edited
                }
                admitted => admitted.err(),
            };
            if let (None, Some(sent)) = (&found.denial, &case.answer) {
                let headers = sent.map();
                let status = StatusCode::from_u16(sent.status).unwrap();
                let mut view = ResponseHead { status, headers: &headers, edits: Vec::new() };
                match answer(&self.policy, &head, &mut view, &mut trail) {
                    Ok(edits) => found.edits = edits.iter().map(shown).collect(),
                    Err(denial) => found.denial = Some(denial),
                }
                if let Some(body) = &sent.body {
                    found.rewrite(&self.policy, &head, view.text(&CONTENT_TYPE), body);
                }
            }
        }
        self.check_rules(case, &trail);
        found.trail = trail;
        found
    }
}

impl SentFile {
    fn said(&self) -> Option<Scanned> {
        self.scan.as_deref().map(|word| match word {
            "clean" => Scanned::Clean,
            "failed" => Scanned::Failed,
            name => Scanned::Infected(name.into()),
        })
    }
}

impl Case {
    fn body(&self) -> Option<(String, Vec<u8>)> {
        if !self.files.is_empty() {
            return Some(("multipart/form-data; boundary=XX".into(), self.multipart()));
        }
        let form = self.form.as_ref().map(|f| ("application/x-www-form-urlencoded".into(), f.clone().into_bytes()));
        form.or_else(|| self.json.as_ref().map(|j| ("application/json".into(), j.to_string().into_bytes())))
    }
}

impl Case {
    fn multipart(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for file in &self.files {
            let head = format!("--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{}\"\r\n", file.name);
            out.extend(head.into_bytes());
            if !file.declared.is_empty() {
                out.extend(format!("Content-Type: {}\r\n", file.declared).into_bytes());
            }
            out.extend(b"\r\n");
            let holds = file.holds.replace("<png>", "\u{89}PNG\r\n\u{1a}\n\0\0\0\rIHDR");
            let bytes: Vec<u8> = holds.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
            out.extend(bytes.repeat(file.times.unwrap_or(1)));
            out.extend(b"\r\n");
        }
        out.extend(b"--XX--\r\n");
        out
    }
}

impl Answer {
    fn map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for line in &self.headers {
            let (name, value) = line.split_once(": ").unwrap();
            map.append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
        }
        map
    }
}

#[derive(Default)]
struct Found {
    denial: Option<Box<Denial>>,
    trail: Trail,
    role: String,
    is: Vec<String>,
    edits: Vec<String>,
    by_itself: String,
    sends: Option<String>,
    body: String,
    masked: BTreeMap<String, u32>,
}

impl Found {
    /// Has what is hidden from whoever asks masked in the answer's body.
    fn rewrite(&mut self, policy: &Policy, head: &RequestHead, content_type: &str, body: &str) {
        body.clone_into(&mut self.body);
        let Some((masked, Mode::Enforce)) = masks(policy, head) else { return };
        let Readable::As(format) = Readable::of(content_type) else { return "unreadable".clone_into(&mut self.body) };
        let mut answer =
            Rewritten::new(format, None, masked.rewriters.clone(), Masker::new(masked.plan.clone()), None).unwrap();
        self.body = match answer.write(body.as_bytes(), true) {
            Ok(out) => String::from_utf8(out).unwrap(),
            Err(broken) => format!("broken: {}", broken.0),
        };
        let counts = masked.fields.iter().zip(answer.counts()).filter(|(_, count)| **count > 0);
        self.masked = counts.map(|(field, count)| (field.to_string(), *count)).collect();
    }

    fn outcome(&self) -> &str {
        self.denial.as_ref().map_or("allowed", |d| d.reason.code)
    }

    fn would(&self) -> Option<&str> {
        let refusals = self.trail.findings.iter().filter_map(|f| f.denial.as_ref());
        refusals.map(|(reason, _)| reason.code).next().filter(|code| *code != self.outcome())
    }

    fn retry_after(&self) -> Option<u64> {
        match self.denial.as_ref()?.evidence {
            deskgate::decision::Evidence::RetryAfter(seconds) => Some(seconds),
            _ => None,
        }
    }

    fn effects(&self) -> Vec<String> {
        self.trail
            .effects
            .iter()
            .map(|effect| match effect {
                Effect::Seen { .. } => "seen".to_owned(),
                Effect::Ended { reason, .. } => format!("ended {}", reason.as_str()),
                Effect::Refused { reason, .. } => format!("refused {}", reason.as_str()),
                Effect::SignedIn { at_once: None, .. } => "signed_in".to_owned(),
                Effect::SignedIn { at_once: Some(limit), .. } => {
                    let then = if limit.when_full == WhenFull::Refuse { "refuse" } else { "end_oldest" };
                    format!("signed_in {} {then}", limit.most)
                }
                other => format!("{other:?}"),
            })
            .collect()
    }

    /// What differs from what the case expects.
    fn differences(&self, case: &Case) -> Vec<String> {
        let mut out = Vec::new();
        let mut compare = |what: &str, expected: String, found: String| {
            if expected != found {
                out.push(format!("{what}: expected {expected}, found {found}"));
            }
        };
        match &case.by_itself {
            Some(expected) => compare("by_itself", expected.clone(), self.by_itself.clone()),
            None => compare("expect", case.expect.clone().unwrap_or("allowed".into()), self.outcome().into()),
        }
        compare("would", format!("{:?}", case.would.as_deref()), format!("{:?}", self.would()));
        if let Some(expected) = &case.is {
            compare("is", expected.as_slice().join(" "), self.is.join(" "));
        }
        if let Some(expected) = &case.role {
            compare("role", expected.clone(), self.role.clone());
        }
        if let Some(expected) = &case.effects {
            compare("effects", format!("{expected:?}"), format!("{:?}", self.effects()));
        }
        if let Some(expected) = &case.edits {
            compare("edits", format!("{expected:#?}"), format!("{:#?}", self.edits));
        }
        if let Some(expected) = &case.body {
            compare("body", expected.clone(), self.body.clone());
        }
        if let Some(expected) = &case.masked {
            compare("masked", format!("{expected:?}"), format!("{:?}", self.masked));
        }
        if let Some(expected) = &case.sends {
            compare("sends", expected.clone(), self.sends.clone().unwrap_or_default());
        }
        if let Some(expected) = case.retry_after {
            compare("retry_after", format!("{expected}"), format!("{}", self.retry_after().unwrap_or(0)));
        }
        out
    }
}

fn shown(edit: &HeaderEdit) -> String {
    let text = |v: &HeaderValue| v.to_str().unwrap().to_owned();
    match edit {
        HeaderEdit::Remove(name) => format!("remove {name}"),
        HeaderEdit::Set(name, value) => format!("{name}: {}", text(value)),
        HeaderEdit::SetAll(name, values) => {
            let values: Vec<String> = values.iter().map(|v| format!("{name}: {}", text(v))).collect();
            values.join(" | ")
        }
    }
}

fn case_files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .flat_map(|directory| std::fs::read_dir(directory.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|file| file.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    files
}

fn read(path: &Path) -> CaseFile {
    let text = std::fs::read_to_string(path).unwrap();
    let node = Node::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_value(node.to_json()).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn every_case_is_decided_as_it_says() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in case_files() {
        let file = read(&path);
        let bench = Bench::new(&file);
        for case in &file.cases {
            count += 1;
            for difference in bench.run(case).differences(case) {
                wrong.push(format!("{}: {}: {difference}", path.display(), case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(count >= 60, "only {count} cases were found");
}

/// Every reason that a control can give is given in some case of its own, and somebody is let through.
#[test]
fn every_reason_of_every_control_has_a_case() {
    for control in CONTROLS {
        let own = format!("tests/cases/{}/", control.name);
        let cases: Vec<Case> = case_files()
            .into_iter()
            .filter(|path| path.to_str().is_some_and(|p| p.contains(&own)))
            .flat_map(|path| read(&path).cases)
            .collect();
        let expects = |code: &str| cases.iter().any(|c| c.expect.as_deref() == Some(code));
        for reason in control.reasons {
            assert!(expects(reason.code), "{own} has no case that ends with {}", reason.code);
        }
        let allowed = |c: &Case| c.expect.as_deref().is_none_or(|e| e == "allowed");
        assert!(cases.iter().any(allowed), "{own} has no case that is allowed");
    }
}
