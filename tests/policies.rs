//! Policies and profiles, bad and good: every file of the corpus, everything that is shipped, and
//! everything that the documentation shows, through the program as an operator runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

mod smallest;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn deskgate(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_deskgate")).args(arguments).current_dir(directory).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The files of a directory whose names end in `end`, in order.
fn files(directory: &Path, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let all: BTreeSet<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    all.into_iter().filter(|p| p.to_str().is_some_and(|p| p.ends_with(end))).collect()
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|n| n.to_str()).unwrap()
}

#[test]
fn bad_ones_are_refused_in_exactly_these_words() {
    let directory = root().join("tests/policies/invalid");
    let mut wrong = Vec::new();
    for file in files(&directory, ".yaml") {
        let output = deskgate(&directory, &["check", name(&file)]);
        let expected = std::fs::read_to_string(file.with_extension("expected")).unwrap_or_default();
        let found = text(&output.stdout) + &text(&output.stderr);
        if output.status.code() != Some(1) || found != expected {
            wrong.push(format!("{}: {:?}\n--- expected\n{expected}--- found\n{found}", name(&file), output.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_expectation_is_left_behind() {
    for file in files(&root().join("tests/policies/invalid"), ".expected") {
        assert!(file.with_extension("yaml").exists(), "{} is about no file", file.display());
    }
}

#[test]
fn good_ones_are_taken() {
    for directory in ["tests/policies/valid", "config", "config/demo", "config/examples", "config/profiles"] {
        let directory = root().join(directory);
        for file in files(&directory, ".yaml") {
            let output = deskgate(&directory, &["check", name(&file)]);
            assert!(output.status.success(), "{}: {}", file.display(), text(&output.stdout));
        }
    }
}

/// What we ship must not even be odd; certificates are what each installation adds.
#[test]
fn shipped_ones_raise_no_warning() {
    for directory in ["config", "config/demo", "config/examples", "config/profiles"] {
        let directory = root().join(directory);
        for file in files(&directory, ".yaml") {
            let output = deskgate(&directory, &["check", name(&file)]);
            let told = text(&output.stdout);
            let about_certificates = |line: &&str| line.contains(": warning: listen[0].") && line.contains("/tls/");
            let left: Vec<&str> = told.lines().filter(|line| !about_certificates(line)).collect();
            assert_eq!(left, [format!("{}: ok", name(&file))], "{}", file.display());
        }
    }
}

#[test]
fn a_certificate_that_is_not_there_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(directory.path(), "a", 2090);
    let (_, other) = self::certificate(directory.path(), "b", 2090);
    let (old, old_key) = self::certificate(directory.path(), "old", 2021);
    let with = |certificate: &str, key: &str, arguments: &[&str]| {
        let listen = format!("listen:\n  - {{ https: \"127.0.0.1:443\", certificate: {certificate}, key: {key} }}\n");
        std::fs::write(directory.path().join("p.yaml"), smallest::completed(&listen)).unwrap();
        let output = deskgate(directory.path(), arguments);
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let (check, here) = (&["check", "p.yaml"][..], &["check", "--here", "p.yaml"][..]);
    let (status, told) = with(&certificate, &key, check);
    assert!(status == Some(0) && !told.contains("listen[0]"), "{told}");
    let (status, told) = with(&certificate, "/nowhere/key.pem", check);
    assert!(status == Some(0) && told.contains("warning: listen[0].key: /nowhere/key.pem cannot be read"), "{told}");
    let (status, told) = with(&certificate, "/nowhere/key.pem", here);
    assert!(status == Some(1) && told.contains("listen[0].key: /nowhere/key.pem cannot be read"), "{told}");
    for (certificate, key, said) in [
        (&certificate, &other, "listen[0].key: "),
        (&key, &certificate, "listen[0].certificate: "),
        (&old, &old_key, "was good until 2021-01-01"),
    ] {
        let (status, told) = with(certificate, key, check);
        assert!(status == Some(1) && told.contains(said), "{told}");
        let (status, told) = with(certificate, key, &["run", "--config", "p.yaml"]);
        assert!(status == Some(1) && told.contains(said) && !told.contains("panic"), "{told}");
    }
}

/// A certificate that is good until the beginning of a year, and its key.
fn certificate(directory: &Path, name: &str, until: i32) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["desk.acme.example".into()]).unwrap();
    (parameters.not_before, parameters.not_after) =
        (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(until, 1, 1));
    let path = |end: &str| directory.join(format!("{name}.{end}")).to_str().unwrap().to_owned();
    std::fs::write(path("cert"), parameters.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(path("key"), key.serialize_pem()).unwrap();
    (path("cert"), path("key"))
}

#[test]
fn what_is_useless_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let hash = "1".repeat(64);
    for (part, told) in [
        (
            "masking: [{ hide: phone, from: agent, keep_last: 99 }]\n".to_owned(),
            "masking[0].keep_last: a value keeps its last 99 digits only where it has 200 or more, so all are hidden; write at most 16",
        ),
        (
            format!("access: {{ api: {{ keys: {{ a: {{ sha256: \"{hash}\", expires: 2020-01-31 }} }} }} }}\n"),
            "access.api.keys.a.expires: the key was good to the end of 2020-01-31, so it opens nothing; take it out, or list a new one",
        ),
    ] {
        std::fs::write(directory.path().join("p.yaml"), smallest::completed(&part)).unwrap();
        let output = deskgate(directory.path(), &["check", "p.yaml"]);
        let found = text(&output.stdout);
        assert!(output.status.success(), "{found}");
        assert!(found.lines().any(|line| line.ends_with(&format!(": warning: {told}"))), "{found}");
    }
}

#[test]
fn problems_as_json_say_the_same() {
    let directory = root().join("tests/policies/invalid");
    let output = deskgate(&directory, &["check", "name-role.yaml", "--json"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(found[0]["line"], 14);
    assert_eq!(found[0]["path"], "exports.allow[0]");
    assert_eq!(found[0]["severity"], "error");
    let missing = deskgate(&directory, &["check", "there-is-no-such-file.yaml"]);
    assert_eq!(missing.status.code(), Some(2), "a file that is not there is not a bad policy");
}

#[test]
fn what_is_in_force_is_told_with_its_line() {
    let directory = root().join("tests/policies/valid");
    let told = |more: &[&str]| deskgate(&directory, &[&["effective", "everything.yaml"], more].concat());
    let lines = text(&told(&["--channel", "phone_app"]).stdout);
    let line = |path: &str| lines.lines().find(|l| l.starts_with(&format!("{path}: "))).unwrap().to_owned();
    let source = std::fs::read_to_string(directory.join("everything.yaml")).unwrap();
    let number = |text: &str| source.lines().position(|l| l.contains(text)).unwrap() + 1;
    assert!(
        line("media.open_with").ends_with(&format!("# line {}, channel phone_app", number("media.open_with: anyone")))
    );
    assert!(line("media.open_with").contains("\"anyone\""));
    assert!(line("changes").contains("[]"), "a list is taken whole");
    assert!(line("media.for_visitors").ends_with(&format!("# line {}", number("for_visitors: deny"))));
    assert!(!lines.contains("\nchannels."), "{lines}");
    let json: serde_json::Value = serde_json::from_slice(&told(&["--json"]).stdout).unwrap();
    let media = json.as_array().unwrap().iter().find(|v| v["path"] == "media.open_with").unwrap();
    assert_eq!((&media["value"], &media["of_channel"]), (&"session_on_this_device".into(), &false.into()));
    let unknown = told(&["--channel", "phone_ap"]);
    assert!(!unknown.status.success() && text(&unknown.stderr).contains("did you mean \"phone_app\"?"));
}

// --- what the documentation shows ------------------------------------------------------------------

/// A fenced block of the documentation, with the mark above it: `<!-- MARK -->`.
struct Block {
    at: String,
    mark: String,
    text: String,
}

fn documents() -> Vec<PathBuf> {
    let mut all = files(&root().join("docs"), ".md");
    all.extend(files(&root().join("docs/adr"), ".md"));
    all.extend(["README.md", "CONTRIBUTING.md"].map(|f| root().join(f)));
    all
}

fn blocks() -> Vec<Block> {
    let mut found = Vec::new();
    for file in documents() {
        let content = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let mut lines = content.lines().enumerate();
        let mut mark = None;
        while let Some((number, line)) = lines.next() {
            if let Some(inner) = line.strip_prefix("<!-- ").and_then(|l| l.strip_suffix(" -->")) {
                mark = Some(inner.to_owned());
            } else if line.starts_with("```") {
                let language = line.trim_start_matches('`').to_owned();
                let text: String = lines
                    .by_ref()
                    .map(|(_, l)| l)
                    .take_while(|l| !l.starts_with("```"))
                    .map(|l| format!("{l}\n"))
                    .collect();
                let at = format!("{}:{}", file.display(), number + 1);
                assert!(language != "yaml" || mark.is_some(), "{at}: a yaml block without <!-- yaml: ... -->");
                if let Some(mark) = mark.take() {
                    found.push(Block { at, mark, text });
                }
            } else if !line.trim().is_empty() {
                mark = None;
            }
        }
    }
    found
}

const SMALLEST_PROFILE: &str = "profile: mydesk\nformat: 1\nrealms:\n  accounts:\n    session: cookie SESSION\n    login: { match: POST /login, user: form user, password: form password, succeeded: status 302 }\n";

fn completed(mark: &str, block: &str) -> Option<String> {
    match mark {
        "yaml: policy" | "yaml: profile" => Some(block.to_owned()),
        "yaml: routes" | "yaml: fields" => Some(format!("{SMALLEST_PROFILE}{block}")),
        "yaml: policy part" => Some(smallest::completed(block)),
        _ => None,
    }
}

#[test]
fn what_the_documentation_shows_is_right() {
    let directory = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for block in blocks() {
        let Some(complete) = completed(&block.mark, &block.text) else { continue };
        std::fs::write(directory.path().join("shown.yaml"), &complete).unwrap();
        let output = deskgate(directory.path(), &["check", "shown.yaml"]);
        assert!(output.status.success(), "{}:\n{complete}\n{}", block.at, text(&output.stdout));
        checked += 1;
    }
    assert!(checked >= 6, "only {checked} blocks were found");
}

#[test]
fn commands_that_the_documentation_shows_work() {
    let mut ran = 0;
    for block in blocks().iter().filter(|block| block.mark == "run") {
        for line in block.text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')) {
            let command = line.split('#').next().unwrap_or(line).split(" > ").next().unwrap_or(line);
            let mut words = command.split_whitespace();
            assert_eq!(words.next(), Some("deskgate"), "{}: only deskgate is run: {line}", block.at);
            let output = deskgate(root(), &words.collect::<Vec<_>>());
            assert!(output.status.success(), "{}: {line}\n{}{}", block.at, text(&output.stdout), text(&output.stderr));
            ran += 1;
        }
    }
    assert!(ran >= 3, "only {ran} commands were found");
}

/// A cookie that only marks a client is left out by whoever wants to be nobody.
#[test]
fn a_cookie_of_ones_own_carries_no_role() {
    let directory = tempfile::tempdir().unwrap();
    let profile = "profile: mine\nformat: 1\nrealms:\n  accounts:\n    session: own\n    login: { match: POST /login, user: form user, succeeded: status 302 }\n";
    std::fs::write(directory.path().join("mine.yaml"), profile).unwrap();
    let policy = |rules: &str| {
        let app = "app:\n  profile: ./mine.yaml\n  upstream: http://127.0.0.1:8081\n  public_url: http://desk.acme.example:8080\n";
        std::fs::write(directory.path().join("policy.yaml"), smallest::completed(&format!("{app}{rules}"))).unwrap();
        deskgate(directory.path(), &["check", "policy.yaml"])
    };
    let refused = policy("masking:\n  - { hide: phone, from: customer }\n");
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stdout) + &text(&refused.stderr);
    let expected = "masking[0].from: rules that name roles hold for nobody in realm \"accounts\"";
    assert!(said.contains(expected), "{said}");
    let per_role = policy("sessions:\n  per_role:\n    customer: { idle: 15m }\n");
    assert_eq!(per_role.status.code(), Some(1), "{}", text(&per_role.stdout));
    assert_eq!(policy("").status.code(), Some(0));
}
