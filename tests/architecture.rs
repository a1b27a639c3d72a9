//! The rules of `docs/architecture.md` that a compiler does not know.

#![allow(clippy::unwrap_used, clippy::panic)] // what tests share is test code too

use std::collections::BTreeMap;
use std::path::Path;

use regex::Regex;

/// Every source file by its path from `src/`, without comments and without its unit tests.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = BTreeMap::new();
    gather(&root, &root, &mut all);
    assert!(all.len() > 40, "only {} files were found", all.len());
    all
}

fn gather(root: &Path, directory: &Path, all: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() {
            gather(root, &entry, all);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            let name = entry.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            all.insert(name, code(&std::fs::read_to_string(&entry).unwrap()));
        }
    }
}

fn code(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    before_tests.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

fn below(name: &str, places: &[&str]) -> bool {
    places.iter().any(|place| name == *place || name.starts_with(&format!("{place}/")) || name == format!("{place}.rs"))
}

fn offenders(wrong: impl Fn(&str, &str) -> bool) -> Vec<String> {
    sources().into_iter().filter(|(name, text)| wrong(name, text)).map(|(name, _)| name).collect()
}

#[test]
fn pingora_is_named_in_one_folder_only() {
    let path = Regex::new(r"\bpingora(_[a-z]+)?::").unwrap();
    let found = offenders(|name, text| !below(name, &["proxy"]) && path.is_match(text));
    assert!(found.is_empty(), "{found:?} name pingora");
}

#[test]
fn what_decides_knows_no_runtime() {
    let pure = [
        "controls",
        "body",
        "decision",
        "policy",
        "route",
        "identity",
        "request",
        "pipeline",
        "upload",
        "mail",
        "text",
        "detect",
        "masking",
        "addresses",
    ];
    // The writer of records and the swap of policies are not what decides.
    let exempt = ["decision/log.rs", "policy/live.rs"];
    let runtime = Regex::new(r"\b(tokio|pingora(_[a-z]+)?|hyper|axum)::|\basync fn\b|\.await\b").unwrap();
    let found = offenders(|name, text| below(name, &pure) && !exempt.contains(&name) && runtime.is_match(text));
    assert!(found.is_empty(), "{found:?} name a runtime");
}

#[test]
fn nothing_that_decides_imports_the_proxy() {
    let found = offenders(|name, text| {
        !below(name, &["proxy", "cli", "admin"]) && (text.contains("crate::proxy") || text.contains("super::proxy"))
    });
    assert!(found.is_empty(), "{found:?} import the proxy");
}

#[test]
fn time_comes_from_the_clock() {
    let wall = Regex::new(r"SystemTime::now|now_utc\(|Utc::now").unwrap();
    let found = offenders(|name, text| !below(name, &["clock", "demo"]) && wall.is_match(text));
    assert!(found.is_empty(), "{found:?} ask the system for the time");
}

#[test]
fn controls_keep_no_state_and_touch_no_store() {
    let stateful =
        Regex::new(r"\b(Mutex|RwLock|RefCell|OnceLock|OnceCell|AtomicU\w+)\b|store\.(gather|commit)|std::fs").unwrap();
    let found = offenders(|name, text| below(name, &["controls"]) && stateful.is_match(text));
    assert!(found.is_empty(), "{found:?} keep state");
}

/// What an app is like belongs into its profile.
#[test]
fn no_app_is_named_in_the_code() {
    let apps = Regex::new(
        r"(?i)\b(django|request[ _-]?tracker|bestpractical|otrs|znuny|osticket|zammad|freescout|chatwoot|zendesk|freshdesk|helpscout|uvdesk|RT_SID)",
    )
    .unwrap();
    // The list of shipped profiles is data that happens to be compiled in.
    let shipped = Regex::new(r"(?m)^.*include_str!.*$").unwrap();
    let found = offenders(|name, text| !below(name, &["demo"]) && apps.is_match(&shipped.replace_all(text, "")));
    assert!(found.is_empty(), "{found:?} name an app");
}

#[test]
fn names_say_what_a_thing_is() {
    const EMPTY: [&str; 9] =
        ["manager", "handler", "helper", "util", "utils", "context", "processor", "common", "misc"];
    let defined = Regex::new(r"\b(?:struct|enum|trait|type|mod)\s+([A-Za-z_][A-Za-z0-9_]*)").unwrap();
    let word = Regex::new(r"[A-Z]?[a-z0-9]+|[A-Z]+").unwrap();
    let says_nothing = |name: &str| {
        word.find_iter(name).any(|w| {
            EMPTY.contains(&w.as_str().to_lowercase().trim_end_matches('s'))
                || EMPTY.contains(&w.as_str().to_lowercase().as_str())
        })
    };
    let mut found = Vec::new();
    // In the sample helpdesk a manager is a person.
    for (name, text) in sources().iter().filter(|(name, _)| !below(name, &["demo"])) {
        let stem = name.rsplit('/').next().unwrap().trim_end_matches(".rs");
        if says_nothing(stem) {
            found.push(name.clone());
        }
        // What a library makes us name stays: Pingora's type is called CTX.
        found.extend(defined.captures_iter(text).filter(|c| says_nothing(&c[1])).map(|c| format!("{name}: {}", &c[1])));
    }
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_file_is_read_in_one_sitting() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut long = Vec::new();
    for (name, _) in sources() {
        let lines = std::fs::read_to_string(root.join(&name)).unwrap().lines().count();
        if lines > 800 {
            long.push(format!("{name}: {lines} lines"));
        }
    }
    assert!(long.is_empty(), "{long:?}");
}
