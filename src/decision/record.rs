//! One exchange as the decision log has it: one line of JSON. The schema is `docs/decision-log.md`
//! (mission.md 2.1). Raw paths, query values, bodies, cookies and credentials are not in it: the
//! type below has no place to put them.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::line::Line;
use super::{Evidence, Finding, Outcome};
use crate::clock::Timestamp;
use crate::mail::Recipient;
use crate::policy::file::{HideAddress, HideUser, Mode};
use crate::scan::Scanned;
use crate::upload::FileFacts;

/// Everything that is recorded of one exchange.
pub struct Decision<'a> {
    /// When the request came.
    pub time: Timestamp,
    /// The reference that pages show.
    pub id: &'a str,
    /// The version of the policy.
    pub revision: &'a str,
    /// How it ended.
    pub outcome: Outcome,
    /// What the controls found.
    pub findings: &'a [Finding],
    /// The user name.
    pub user: Option<&'a str>,
    /// Whether nobody of that name is known: it is recorded as a pseudonym.
    pub unknown: bool,
    /// The role.
    pub role: &'a str,
    /// The realm of the session.
    pub realm: Option<&'a str>,
    /// The short name of the session.
    pub session: Option<&'a str>,
    /// The name of the API key.
    pub api_key: Option<&'a str>,
    /// `visitor`, `session`, `ended_session` or `program`.
    pub kind: &'static str,
    /// The client's address.
    pub client: IpAddr,
    /// The method.
    pub method: &'a str,
    /// The class.
    pub class: &'static str,
    /// Further classes and actions: `ticket:delete`.
    pub does: &'a [(&'static str, Option<&'static str>)],
    /// The name of the route in the profile.
    pub route: Option<&'a str>,
    /// The part of the app.
    pub area: &'static str,
    /// The channel.
    pub channel: Option<&'a str>,
    /// The id of the thing, where the profile names it.
    pub subject: Option<&'a str>,
    /// The files that were judged.
    pub files: &'a [FileFacts],
    /// How many values were taken out of what was sent.
    pub removed: u32,
    /// What happened to a session: `signed_in`, `sign_in_failed`, `signed_out` ...
    pub session_event: Option<&'static str>,
    /// Whether a tunnel opened, closed or was cut.
    pub tunnel: Option<&'static str>,
    /// What was masked in the answer.
    pub masked: &'a [MaskedBy<'a>],
    /// Why an answer passed in which nothing could be masked.
    pub unread: Option<&'static str>,
    /// What kind of bulk file the answer is, where it was let through.
    pub answer_type: Option<&'a str>,
    /// The name under which it is saved.
    pub answer_name: Option<&'a str>,
    /// The status sent.
    pub status: u16,
    /// Bytes of body sent.
    pub bytes: u64,
    /// Microseconds the gateway took before it asked the app.
    pub gateway_us: u64,
    /// Microseconds from asking the app to the head of its answer; 0 when it was not asked.
    pub upstream_us: u64,
}

impl<'a> Decision<'a> {
    /// Of a request of which there is no head: it was refused before it had one, or lost it in a panic.
    #[must_use]
    pub fn without_head(
        (time, id, revision): (Timestamp, &'a str, &'a str),
        client: IpAddr,
        findings: &'a [Finding],
        status: u16,
    ) -> Self {
        Self {
            time,
            id,
            revision,
            outcome: Outcome::Refused,
            findings,
            user: None,
            unknown: false,
            role: "",
            realm: None,
            session: None,
            api_key: None,
            kind: "visitor",
            client,
            method: "",
            class: "unclassified",
            does: &[],
            route: None,
            area: "",
            channel: None,
            subject: None,
            files: &[],
            removed: 0,
            session_event: None,
            tunnel: None,
            masked: &[],
            unread: None,
            answer_type: None,
            answer_name: None,
            status,
            bytes: 0,
            gateway_us: 0,
            upstream_us: 0,
        }
    }
}

/// What one rule masked of one field.
#[derive(Clone, Copy, Debug)]
pub struct MaskedBy<'a> {
    /// The field.
    pub field: &'a str,
    /// How many values.
    pub count: u32,
    /// The name of the rule.
    pub rule: &'a str,
    /// Its line in the policy.
    pub line: u32,
    /// Whether it only would have been.
    pub shadow: bool,
}

/// What is hidden in records.
#[derive(Clone)]
pub struct Privacy {
    /// Client addresses.
    pub client_ip: HideAddress,
    /// User names.
    pub user: HideUser,
    /// The key of this installation for pseudonyms.
    pub key: [u8; 32],
}

impl Privacy {
    /// A person's name as records have it.
    #[must_use]
    pub fn user_of<'u>(&self, user: &'u str) -> Cow<'u, str> {
        match self.user {
            HideUser::Keep => user.into(),
            HideUser::Hash => pseudonym(&self.key, user).into(),
        }
    }
}

/// How long nearly every line is at most.
const TYPICAL: usize = 768;

impl Decision<'_> {
    /// Appends the line, its newline included.
    pub fn write(&self, privacy: &Privacy, node: &str, seq: u64, out: &mut Vec<u8>) {
        out.reserve(TYPICAL);
        let mut line = Line { out, first: true };
        line.open();
        line.shown("time", self.time);
        line.text("id", self.id);
        line.text("node", node);
        line.number("seq", seq);
        line.text("effect", self.effect());
        line.text("outcome", self.outcome.as_str());
        self.write_findings(&mut line);
        line.object("actor", |l| {
            l.text("kind", self.kind);
            if let Some(user) = self.user {
                match (privacy.user, self.unknown) {
                    (HideUser::Keep, false) => l.text("user", user),
                    _ => l.text("user", &pseudonym(&privacy.key, user)),
                }
                l.maybe("account", self.unknown.then_some("unknown"));
            }
            l.text("role", self.role);
            l.maybe("realm", self.realm);
            l.maybe("session", self.session);
            l.maybe("api_key", self.api_key);
        });
        match (privacy.client_ip, self.client) {
            (HideAddress::Keep, ip) => line.object("client", |l| l.address("ip", ip)),
            (HideAddress::Network, IpAddr::V4(ip)) => {
                let [a, b, c, _] = ip.octets();
                line.object("client", |l| l.shown("ip", format_args!("{a}.{b}.{c}.0/24")));
            }
            (HideAddress::Network, IpAddr::V6(ip)) => {
                let network = std::net::Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64);
                line.object("client", |l| l.shown("ip", format_args!("{network}/64")));
            }
            (HideAddress::Remove, _) => {}
        }
        line.object("request", |l| {
            l.text("method", self.method);
            l.text("class", self.class);
            l.text("area", self.area);
            l.maybe("channel", self.channel);
            l.maybe("route", self.route);
            self.write_does(l);
        });
        self.write_files(privacy, &mut line);
        if self.removed > 0 {
            line.number("removed", self.removed);
        }
        if let Some(id) = self.subject {
            line.object("subject", |l| l.text("id", id));
        }
        line.maybe("session_event", self.session_event);
        line.maybe("tunnel", self.tunnel);
        line.object("response", |l| {
            l.number("status", self.status);
            l.number("bytes", self.bytes);
            l.maybe("answer_type", self.answer_type);
            match (self.answer_name, privacy.user) {
                (Some(name), HideUser::Hash) => l.text("answer_name", &pseudonym(&privacy.key, name)),
                (name, _) => l.maybe("answer_name", name),
            }
            self.write_masked(l);
        });
        line.text("policy", self.revision);
        line.object("took_us", |l| {
            l.number("gateway", self.gateway_us);
            l.number("upstream", self.upstream_us);
        });
        line.close();
        out.push(b'\n');
    }

    /// Whether the exchange was refused, or would have been.
    #[must_use]
    pub fn denied(&self) -> bool {
        self.outcome == Outcome::Refused || self.findings.iter().any(|f| f.denial.is_some())
    }

    fn write_masked(&self, line: &mut Line<'_>) {
        line.maybe("unread", self.unread);
        if self.masked.is_empty() {
            return;
        }
        let key = if self.masked.iter().any(|m| m.shadow) { "would_mask" } else { "masked" };
        line.object(key, |l| {
            for masked in self.masked {
                l.number(masked.field, masked.count);
            }
        });
        let mut rules: Vec<(&str, u32)> = self.masked.iter().map(|m| (m.rule, m.line)).collect();
        rules.dedup();
        let key = line.key("masked_by");
        key.out.push(b'[');
        for (index, (rule, at)) in rules.into_iter().enumerate() {
            if index > 0 {
                key.out.push(b',');
            }
            let mut entry = Line { out: key.out, first: true };
            entry.open();
            entry.text("rule", rule);
            entry.number("policy_line", at);
            entry.out.push(b'}');
        }
        key.out.push(b']');
    }

    fn effect(&self) -> &'static str {
        let denials = || self.findings.iter().filter(|f| f.denial.is_some());
        // Refused, though the client did not wait to hear it.
        let enforced = denials().any(|f| f.mode == Mode::Enforce);
        if self.outcome == Outcome::Refused || enforced {
            "deny"
        } else if denials().any(|f| f.mode == Mode::Shadow) {
            "would_deny"
        } else if self.masked.iter().any(|m| m.shadow) {
            "would_mask"
        } else if !self.masked.is_empty() {
            "mask"
        } else {
            "allow"
        }
    }

    /// The refusal that counts, flat; then every finding.
    fn write_findings(&self, line: &mut Line<'_>) {
        if let Some(finding) = self.findings.iter().rev().find(|f| f.denial.is_some())
            && let Some((reason, evidence)) = &finding.denial
        {
            line.text("control", finding.control);
            line.text("reason", reason.code);
            line.text("because", reason.summary);
            line.text("mode", mode(finding.mode));
            if finding.at.0 > 0 {
                line.number("policy_line", finding.at.0);
            }
            line.maybe("rule", finding.rule.as_deref());
            match evidence {
                Evidence::Type(kind) => line.text("answer_type", kind),
                Evidence::Unreadable(how) => line.text("unreadable", how),
                Evidence::RetryAfter(seconds) => line.number("retry_after", *seconds),
                Evidence::App(trouble) => line.text("app", trouble),
                Evidence::File(file) => {
                    line.text("file_type", file.found);
                    line.maybe("unreadable", Some(file.how).filter(|how| !how.is_empty()));
                }
                Evidence::Recipient { refused: Recipient::Address(address), .. } => {
                    line.text("recipient_domain", address.domain());
                }
                Evidence::None | Evidence::Address(_) | Evidence::Asked(..) | Evidence::Recipient { .. } => {}
            }
        }
        if !self.findings.is_empty() {
            let key = line.key("controls");
            key.out.push(b'[');
            for (index, finding) in self.findings.iter().enumerate() {
                // One that has a part in two phases found something in both.
                if self.findings[..index].iter().any(|f| f.control == finding.control) {
                    continue;
                }
                if index > 0 {
                    key.out.push(b',');
                }
                key.out.push(b'"');
                key.out.extend_from_slice(finding.control.as_bytes());
                key.out.push(b'"');
            }
            key.out.push(b']');
        }
    }

    fn write_files(&self, privacy: &Privacy, line: &mut Line<'_>) {
        if self.files.is_empty() {
            return;
        }
        line.key("files").out.push(b'[');
        for (index, file) in self.files.iter().enumerate() {
            if index > 0 {
                line.out.push(b',');
            }
            line.open();
            match privacy.user {
                HideUser::Keep => line.text("name", &file.name),
                HideUser::Hash => line.text("name", &pseudonym(&privacy.key, &file.name)),
            }
            line.text("type", file.found);
            line.number("bytes", file.bytes);
            line.text("sha256", &data_encoding::HEXLOWER.encode(&file.sha256));
            if let Some(scanned) = &file.scanned {
                line.text("scan", scanned.as_str());
                if let Scanned::Infected(name) = scanned {
                    line.text("found", name);
                }
            }
            line.close();
        }
        line.out.push(b']');
    }

    fn write_does(&self, line: &mut Line<'_>) {
        let worth = self.does.len() > 1 || self.does.iter().any(|(_, action)| action.is_some());
        if !worth {
            return;
        }
        let key = line.key("does");
        key.out.push(b'[');
        for (index, (class, action)) in self.does.iter().enumerate() {
            if index > 0 {
                key.out.push(b',');
            }
            let _ = match action {
                Some(action) => write!(key, "\"{class}:{action}\""),
                None => write!(key, "\"{class}\""),
            };
        }
        key.out.push(b']');
    }
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Shadow => "shadow",
        Mode::Off => "off",
    }
}

/// A name that stays the same within one installation and tells nothing outside it.
#[must_use]
pub fn pseudonym(key: &[u8; 32], name: &str) -> String {
    let inner = Sha256::new().chain_update(key).chain_update(name).finalize();
    let outer = Sha256::new().chain_update(key).chain_update(inner).finalize();
    format!("~{}", data_encoding::HEXLOWER.encode(&outer[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{PolicyLine, protocol};

    fn sample<'a>(findings: &'a [Finding], user: &'a str) -> Decision<'a> {
        Decision {
            time: Timestamp(1_772_442_000_005),
            id: "01ABC",
            revision: "abc123",
            outcome: Outcome::Refused,
            findings,
            user: Some(user),
            unknown: false,
            role: "agent",
            realm: Some("people"),
            session: None,
            api_key: None,
            kind: "session",
            client: "203.0.113.9".parse().unwrap(),
            method: "GET",
            class: "ticket",
            does: &[("ticket", Some("delete"))],
            route: Some("ticket_page"),
            area: "management",
            channel: None,
            subject: Some("7"),
            files: &[],
            removed: 0,
            tunnel: None,
            session_event: None,
            masked: &[],
            unread: None,
            answer_type: None,
            answer_name: None,
            status: 403,
            bytes: 12,
            gateway_us: 40,
            upstream_us: 0,
        }
    }

    fn write(decision: &Decision<'_>, privacy: &Privacy) -> (String, serde_json::Value) {
        let mut out = Vec::new();
        decision.write(privacy, "n1", 7, &mut out);
        let text = String::from_utf8(out).unwrap();
        let value = serde_json::from_str(&text).unwrap();
        (text, value)
    }

    #[test]
    fn one_line_of_json_whatever_the_names_are() {
        let finding = Finding {
            control: "changes",
            mode: Mode::Enforce,
            denial: Some((protocol::BODY, Evidence::Unreadable("x"))),
            at: PolicyLine(12),
            rule: Some("numbers".into()),
        };
        let privacy = Privacy { client_ip: HideAddress::Keep, user: HideUser::Keep, key: [0; 32] };
        let nasty = "a\"b\\c\nd\u{202e}e\u{0}é";
        let findings = [finding];
        let (text, value) = write(&sample(&findings, nasty), &privacy);
        assert_eq!(text.matches('\n').count(), 1);
        assert_eq!(value["actor"]["user"], nasty);
        for (pointer, expected) in [
            ("/effect", "deny"),
            ("/reason", "body.unreadable"),
            ("/client/ip", "203.0.113.9"),
            ("/request/does/0", "ticket:delete"),
            ("/subject/id", "7"),
            ("/time", "2026-03-02T09:00:00.005Z"),
        ] {
            assert_eq!(value.pointer(pointer).unwrap(), expected, "{pointer}");
        }
        assert_eq!((&value["policy_line"], &value["rule"]), (&12.into(), &"numbers".into()));
        let long = "x".repeat(5_000);
        assert!(write(&sample(&[], &long), &privacy).0.len() < 1_000);
    }

    #[test]
    fn hides_what_the_policy_says() {
        let privacy = Privacy { client_ip: HideAddress::Network, user: HideUser::Hash, key: [7; 32] };
        let (text, value) = write(&sample(&[], "alice"), &privacy);
        assert_eq!(value["client"]["ip"], "203.0.113.0/24");
        assert!(!text.contains("alice") && value["actor"]["user"].as_str().unwrap().starts_with('~'));
        assert_ne!(pseudonym(&[1; 32], "a"), pseudonym(&[2; 32], "a"));
    }
}
