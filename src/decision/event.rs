//! What is recorded besides exchanges: what operators do, and which policy is in force. One line of JSON each, in the
//! same log; the schema is in `docs/decision-log.md`.

use super::line::Line;
use super::record::Privacy;
use crate::clock::Timestamp;

/// Something that happened, and was no exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// The process serves.
    Started,
    /// It was told to stop.
    Stopped,
    /// A policy was read and is in force.
    PolicyTaken {
        /// The policy that was in force until now.
        before: &'a str,
    },
    /// A policy was read and refused; the one in force stays.
    PolicyRefused {
        /// How many things are wrong with it.
        problems: usize,
        /// The first of them.
        first: &'a str,
    },
    /// An operator ended sessions.
    SessionsEnded {
        /// Whose, if they were named so.
        user: Option<&'a str>,
        /// Which, if it was named so.
        session: Option<&'a str>,
        /// How many.
        count: usize,
    },
    /// An operator let somebody back in.
    Reactivated {
        /// Whom.
        user: &'a str,
    },
    /// An operator turned the clock of a rehearsal.
    ClockTurned,
}

impl What<'_> {
    /// The word of records.
    fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::PolicyTaken { .. } => "policy_taken",
            Self::PolicyRefused { .. } => "policy_refused",
            Self::SessionsEnded { .. } => "sessions_ended",
            Self::Reactivated { .. } => "reactivated",
            Self::ClockTurned => "clock_turned",
        }
    }
}

/// An event as it is recorded.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// When.
    pub time: Timestamp,
    /// The hash of the policy in force.
    pub revision: &'a str,
    /// What.
    pub what: What<'a>,
}

impl Event<'_> {
    /// Appends the line, its newline included.
    pub fn write(&self, privacy: &Privacy, node: &str, seq: u64, out: &mut Vec<u8>) {
        let mut line = Line { out, first: true };
        line.open();
        line.shown("time", self.time);
        line.text("node", node);
        line.number("seq", seq);
        line.text("event", self.what.as_str());
        match self.what {
            What::Started | What::Stopped | What::ClockTurned => {}
            What::PolicyTaken { before } => line.text("policy_before", before),
            What::PolicyRefused { problems, first } => {
                line.number("problems", problems as u64);
                line.text("first_problem", first);
            }
            What::SessionsEnded { user, session, count } => {
                line.maybe("user", user.map(|user| privacy.user_of(user)).as_deref());
                line.maybe("session", session);
                line.number("count", count as u64);
            }
            What::Reactivated { user } => line.text("user", &privacy.user_of(user)),
        }
        line.text("policy", self.revision);
        line.close();
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::file::{HideAddress, HideUser};

    #[test]
    fn an_event_is_one_line_of_json() {
        let privacy = |user| Privacy { client_ip: HideAddress::Keep, user, key: [1; 32] };
        let written = |what, user| {
            let (mut out, event) = (Vec::new(), Event { time: Timestamp(1_772_442_000_005), revision: "9c1f", what });
            event.write(&privacy(user), "n1", 7, &mut out);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.matches('\n').count(), 1);
            serde_json::from_str::<serde_json::Value>(&text).unwrap()
        };
        let ended = What::SessionsEnded { user: Some("a\"\nb"), session: None, count: 2 };
        let kept = written(ended, HideUser::Keep);
        assert_eq!((&kept["event"], &kept["count"], &kept["seq"]), (&"sessions_ended".into(), &2.into(), &7.into()));
        assert_eq!((&kept["user"], &kept["policy"]), (&"a\"\nb".into(), &"9c1f".into()));
        assert!(written(ended, HideUser::Hash)["user"].as_str().unwrap().starts_with('~'));
        let refused = written(What::PolicyRefused { problems: 3, first: "p.yaml:1:2: x" }, HideUser::Keep);
        assert_eq!(refused["first_problem"], "p.yaml:1:2: x");
    }
}
