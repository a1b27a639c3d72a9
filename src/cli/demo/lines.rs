//! One decision as a person at a terminal reads it: never wider than the terminal, and never anything in it that the
//! terminal would obey.

use serde_json::Value;

use crate::cli::columns::{INDENT, wrapped};
use crate::text::is_invisible;

/// The lines of one record of the decision log; `None` for what the terminal shows by itself: that it started, that the
/// policy changed.
pub fn shown(record: &Value, colour: bool) -> Option<String> {
    let text = |pointer: &str| plain(record.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
    if !text("/event").is_empty() {
        return None;
    }
    let (red, yellow, off) = if colour { ("\x1b[31m", "\x1b[33m", "\x1b[0m") } else { ("", "", "") };
    let (on, effect) = match text("/effect").as_str() {
        "deny" => (red, "deny".to_owned()),
        "would_deny" => (yellow, "would deny".to_owned()),
        "would_mask" => (yellow, "would mask".to_owned()),
        other => ("", other.to_owned()),
    };
    let time: String = text("/time").chars().skip(11).take(8).collect();
    let status = record.pointer("/response/status").map(ToString::to_string).unwrap_or_default();
    let first = [
        text("/id"),
        who(&text("/actor/user"), &text("/actor/account"), &text("/actor/role"), &text("/actor/kind")),
        text("/request/method"),
        text("/request/class"),
        // Nothing was sent to whoever had gone.
        if status == "0" { text("/outcome") } else { status },
    ];
    let mut second = Vec::new();
    if !text("/reason").is_empty() {
        second.push(format!("{}: {}", text("/reason"), text("/because")));
    }
    second.extend(Some(text("/app")).filter(|app| !app.is_empty()));
    if let Some(masked) = record.pointer("/response/masked").and_then(Value::as_object) {
        let counts: Vec<String> = masked.iter().map(|(field, count)| format!("{} {count}", plain(field))).collect();
        second.push(format!("masked: {}", counts.join(", ")));
    }
    second.extend(Some(text("/session_event")).filter(|event| !event.is_empty()).map(|event| format!("[{event}]")));
    // The width is counted before the colour is put in.
    let begin = format!("{time} {effect:<10}");
    let lines = wrapped(&begin, &first.join(" "));
    let coloured = lines.replacen(&effect, &format!("{on}{effect}{off}"), usize::from(!on.is_empty()));
    let more = second.iter().map(|text| wrapped(&" ".repeat(INDENT - 1), text));
    Some(std::iter::once(coloured).chain(more).collect())
}

/// Whose request it was: the account, and in which role.
fn who(user: &str, account: &str, role: &str, kind: &str) -> String {
    match (user, account) {
        ("", _) => kind.to_owned(),
        (user, "") => format!("{user} ({role})"),
        (user, account) => format!("{user} ({account} account)"),
    }
}

/// What a terminal would obey, or not show, is a mark.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_invisible(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::columns::{COLUMNS, width};

    fn record(user: &str, because: &str) -> Value {
        json!({
            "time": "2026-03-02T09:00:00.005Z", "id": "01KJPD2B05C2S7X3Y1J3GZ6T0M", "effect": "deny",
            "outcome": "refused", "reason": "changes.denied", "because": because,
            "actor": { "kind": "session", "user": user, "role": "agent" },
            "request": { "method": "POST", "class": "ticket" }, "response": { "status": 403 },
        })
    }

    #[test]
    fn a_line_has_the_reference_and_the_account() {
        assert_eq!(
            shown(&record("amir", "Your role does not allow this change."), false).unwrap(),
            "09:00:00 deny       01KJPD2B05C2S7X3Y1J3GZ6T0M amir (agent) POST ticket 403\n         \
             changes.denied: Your role does not allow this change.\n"
        );
        let mut unknown = record("~3f1c0a9be2d45871", "x");
        unknown["actor"]["account"] = "unknown".into();
        let lines = shown(&unknown, false).unwrap();
        assert!(lines.contains("01KJPD2B05C2S7X3Y1J3GZ6T0M ~3f1c0a9be2d45871 (unknown\n"), "{lines}");
        assert_eq!(shown(&json!({ "event": "started" }), false), None);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_or_says_what_it_would_obey() {
        for name in ["a\u{1b}[2Jb", "x\u{7}\r\n\u{202e}y\u{9b}31m", &"long".repeat(80), &"漢字".repeat(90), "a b c"] {
            let lines = shown(&record(name, &format!("{name} says {}", "no ".repeat(100))), false).unwrap();
            assert!(!lines.chars().any(|c| c != '\n' && (c.is_control() || is_invisible(c))), "{lines:?}");
            for line in lines.lines() {
                assert!(width(line) <= COLUMNS, "{} {line}", width(line));
            }
        }
    }

    #[test]
    fn colour_is_put_in_only_where_it_is_wanted() {
        let coloured = shown(&record("amir", "No."), true).unwrap();
        assert!(coloured.starts_with("09:00:00 \u{1b}[31mdeny\u{1b}[0m       01KJ"), "{coloured:?}");
        assert_eq!(coloured.matches('\u{1b}').count(), 2);
        let mut allowed = record("amir", "");
        allowed["effect"] = "allow".into();
        assert!(!shown(&allowed, true).unwrap().contains('\u{1b}'));
    }
}
