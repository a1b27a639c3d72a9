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
        // A library's own words may have many lines, and say "error:" once more.
        let on_one_line = found.lines().all(|line| line.contains(".yaml:"));
        if output.status.code() != Some(1) || found != expected || !on_one_line {
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
            // What `check` counts is set in.
            let about = |line: &&str| !line.starts_with("  ") && !about_certificates(line);
            let left: Vec<&str> = told.lines().filter(about).collect();
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

/// What `check` says of texts, in their order, each as a file; with the status.
fn checked(more: &[&str], texts: &[&str]) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..texts.len()).map(|n| format!("p{n}.yaml")).collect();
    for (name, text) in names.iter().zip(texts) {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let arguments: Vec<&str> = ["check"].iter().chain(more).copied().chain(names.iter().map(String::as_str)).collect();
    let output = deskgate(directory.path(), &arguments);
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// Nothing is odd about it.
const SOUND: &str = "exports: { allow: [customer] }\nnetworks: {}\n";
/// The network is.
const ODD: &str = "exports: { allow: [customer] }\nnetworks: { office: 198.51.100.0/24 }\n";

#[test]
fn several_files_are_checked_at_once() {
    let [sound, odd, wrong] = [SOUND, ODD, "mode: on\n"].map(smallest::completed);
    let (status, said) = checked(&[], &[&sound, &odd]);
    assert!(status == Some(0) && said.contains("p0.yaml: ok") && said.contains("p1.yaml: ok"), "{said}");
    assert!(said.contains("warning: networks.office: nothing uses this network; "), "{said}");
    let (status, said) = checked(&[], &[&wrong, &sound]);
    assert!(status == Some(1) && said.contains("p0.yaml:") && said.contains("p1.yaml: ok"), "{said}");
    let (status, said) = checked(&["nowhere.yaml"], &[&wrong, &sound]);
    assert!(
        status == Some(2) && said.contains("nowhere.yaml cannot be read") && said.contains("p1.yaml: ok"),
        "{said}"
    );
    let (status, said) = checked(&["--json"], &[&odd, &sound, &wrong]);
    let all: serde_json::Value = serde_json::from_str(&said).unwrap();
    let told: Vec<(&str, &str)> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["file"].as_str().unwrap(), p["severity"].as_str().unwrap()))
        .collect();
    assert_eq!((status, told), (Some(1), vec![("p0.yaml", "warning"), ("p2.yaml", "error")]));
    // A policy and a profile.
    let profile = std::fs::read_to_string(root().join("config/profiles/tinydesk.yaml")).unwrap();
    let (status, said) = checked(&[], &[&sound, &profile]);
    assert!(status == Some(0) && said.contains("p1.yaml: ok"), "{said}");
}

#[test]
fn warnings_refuse_under_strict() {
    let [sound, odd] = [SOUND, ODD].map(smallest::completed);
    assert_eq!(checked(&["--strict"], &[&sound]).0, Some(0));
    let (status, said) = checked(&["--strict"], &[&sound, &odd]);
    assert!(status == Some(1) && said.contains("p0.yaml: ok") && !said.contains("p1.yaml: ok"), "{said}");
    assert!(said.contains("p1.yaml: refused, for --strict takes warnings for errors: 1"), "{said}");
    assert_eq!(checked(&["--strict", "--json"], &[&odd]).0, Some(1));
}

#[test]
fn standard_input_is_checked_as_a_file() {
    use std::io::Write;
    let with = |given: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_deskgate"))
            .args(["check", "-"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    let (status, said) = with(&smallest::completed(SOUND));
    assert!(status == Some(0) && said.contains("standard input: ok"), "{said}");
    let (status, said) = with(&smallest::completed("mode: on\n"));
    assert!(status == Some(1) && said.starts_with("standard input:"), "{said}");
}

#[test]
fn what_is_covered_is_told_in_numbers() {
    let (_, said) = checked(&[], &[&smallest::completed(SOUND)]);
    let routes = std::fs::read_to_string(root().join("config/profiles/tinydesk.yaml")).unwrap();
    let routes: serde_json::Value =
        serde_json::to_value(deskgate::policy::yaml::Node::parse(&routes).unwrap().to_json()).unwrap();
    let routes = routes["routes"].as_object().unwrap().len();
    assert!(
        said.contains(&format!("\n  profile tinydesk: {routes} routes, none of them of class unclassified\n")),
        "{said}"
    );
    let own = "app:\n  profile: tinydesk\n  upstream: http://127.0.0.1:8081\n  public_url: http://desk.acme.example:8080\n  \
               overrides:\n    routes: { odd: { is: unclassified, match: GET /odd } }\n";
    let (_, more) = checked(&[], &[&smallest::completed(&format!("{own}{SOUND}unclassified: deny\n"))]);
    assert!(more.contains(&format!("{} routes, 1 of them of class unclassified", routes + 1)), "{more}");
    assert!(more.contains("names: in management refused; in api refused; in portal refused"), "{more}");
    assert!(said.contains("in portal let through, and counted"), "{said}");
    assert!(said.lines().any(|line| line.starts_with("  metrics: at most ") && line.ends_with(" series")), "{said}");
}

#[test]
fn what_nothing_uses_is_told() {
    let key = format!("{{ sha256: \"{}\" }}", "0".repeat(64));
    let told = |rest: &str| {
        let networks = if rest.contains("networks:") { "" } else { "networks: {}\n" };
        let (status, said) = checked(&[], &[&smallest::completed(&format!("{rest}{networks}"))]);
        assert_eq!(status, Some(0), "{said}");
        said.lines()
            .filter(|l| l.contains(": warning: "))
            .map(|l| l.split_once(": warning: ").unwrap().1.to_owned())
            .collect::<Vec<_>>()
    };
    let warned = |rest: &str, expected: &[&str]| {
        let found = told(rest);
        assert_eq!(found.len(), expected.len(), "{rest}{found:#?}");
        for (line, start) in found.iter().zip(expected) {
            assert!(line.starts_with(start), "{line}: {start}");
        }
    };
    let roles = "roles:\n  lead: { users: [mona] }\n  agent: { app_group: agents }\n  customer: { realm: accounts }\n";
    // A role above one that a rule speaks of keeps people out of it.
    warned(&format!("{roles}exports: {{ allow: [customer] }}\n"), &[]);
    warned(
        &format!("{roles}exports: {{ allow: [lead] }}\n"),
        &["roles.agent: no rule speaks of this role", "roles.customer: no rule speaks of this role"],
    );
    warned(&format!("{roles}sessions: {{ per_role: {{ customer: {{ idle: 15m }} }} }}\n"), &[]);
    let like = "roles:\n  lead: { users: [mona] }\n  agent: { app_group: agents, like: lead }\n";
    warned(&format!("{like}exports: {{ allow: [lead] }}\n"), &[]);
    let open = "roles:\n  lead: { users: [mona] }\n  everybody: {}\n";
    warned(&format!("{open}exports: {{ allow: [lead] }}\n"), &[]);
    let pattern = "personal_data: { patterns: { number: 'KD-[0-9]{6}' } }\n";
    warned(&format!("{SOUND}{pattern}"), &["personal_data.patterns.number: no rule of `masking` hides"]);
    warned(&format!("{SOUND}{pattern}masking: [ {{ hide: number, from: customer }} ]\n"), &[]);
    let keys = |more: &str| format!("{SOUND}access: {{ api: {{ keys: {{ erp: {key} }}{more} }} }}\n");
    warned(&keys(""), &["access.api.keys.erp: no role names this key"]);
    warned(&keys(", unlisted_keys: deny"), &[]);
    let users = "roles:\n  lead: { users: [mona, 'Dana'] }\n  agent: { users: [amir, mona, dana, amir] }\nexports: { allow: [agent] }\n";
    warned(
        users,
        &[
            "roles.agent.users[1]: \"mona\" is listed under roles.lead already",
            "roles.agent.users[2]: \"dana\" is listed under roles.lead already",
            "roles.agent.users[3]: \"amir\" is listed twice",
        ],
    );
    warned(
        "roles:\n  lead: { app_group: [leaders, agents] }\nexports: { allow: [lead] }\napp:\n  profile: request-tracker\n  \
         upstream: http://127.0.0.1:8081\n  public_url: http://desk.acme.example:8080\n",
        &[
            "roles.lead.app_group[0]: the profile tells of nobody that they are in group \"leaders\"",
            "roles.lead.app_group[1]: the profile tells of nobody that they are in group \"agents\"",
        ],
    );
}

/// What keeps a policy from being used is what its reader ends at.
#[test]
fn no_warning_stands_below_an_error() {
    let (status, said) = checked(
        &[],
        &[&smallest::completed(
            "exports: { allow: [nobody] }\nsessions: { per_role: { customer: { idle: 15m } } }\nmasking: [ { hide: phone, from: customer, on: [transcript] } ]\n",
        )],
    );
    let warnings: Vec<bool> = said.lines().map(|line| line.contains(": warning: ")).collect();
    assert_eq!(status, Some(1), "{said}");
    assert_eq!(warnings, [true, false], "{said}");
}

#[test]
fn defaults_are_told_as_such() {
    let directory = root().join("tests/policies/valid");
    let told = deskgate(&directory, &["effective", "smallest.yaml"]);
    let lines = text(&told.stdout);
    for (value, from) in [
        ("mode: \"enforce\" ", "# default"),
        ("audit.queue: 8192 ", "# default"),
        ("name: \"Deskgate\" ", "# default"),
        ("state.directory: \"/var/lib/deskgate\" ", "# default"),
        ("exports: null ", "# default"),
        ("policy: 1 ", "# line 2"),
        ("app.timeouts.read: \"1m\" ", "# default"),
    ] {
        let found = lines.lines().find(|line| line.starts_with(value)).unwrap_or_else(|| panic!("{value}: {lines}"));
        assert!(found.ends_with(from), "{found}");
    }
    let json = deskgate(&directory, &["effective", "everything.yaml", "--json"]);
    let all: Vec<serde_json::Value> = serde_json::from_slice(&json.stdout).unwrap();
    let of = |path: &str| all.iter().filter(|v| v["path"] == path).collect::<Vec<_>>();
    let [media] = of("media.open_with")[..] else { panic!("{:?}", of("media.open_with")) };
    assert!(media["default"] == false && media["line"].is_u64());
    let [compress] = of("answers.compress")[..] else { panic!("{:?}", of("answers.compress")) };
    assert!(compress["default"] == true && compress.get("line").is_none() && compress["value"] == "when_safe");
    let paths: BTreeSet<&str> = all.iter().map(|v| v["path"].as_str().unwrap()).collect();
    assert_eq!(paths.len(), all.len(), "each value once");
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
                let is_known = mark.as_deref().is_some_and(|mark| completed(mark, "").is_some());
                assert!(
                    language != "yaml" || is_known,
                    "{at}: a yaml block without a <!-- yaml: ... --> that is known"
                );
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

#[test]
fn what_is_in_force_is_told_of_policies_only() {
    let told = deskgate(&root().join("config/profiles"), &["effective", "tinydesk.yaml"]);
    assert!(!told.status.success());
    let said = text(&told.stderr);
    assert!(said.contains("this is a profile") && said.lines().count() == 1, "{said}");
}
