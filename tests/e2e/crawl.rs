//! Every ordinary page works through the gateway as it does directly. Two instances of an app with the
//! same data are walked side by side, signed in as each role: one directly, the other through the
//! gateway with every control armed. Each page must have the same status and, once what differs from
//! one request to the next is taken out, the same body.

use std::collections::{BTreeMap, HashSet, VecDeque};

use regex::Regex;

use crate::harness::{Answer, Browser, Gateway, RealApp, unescape};

/// At most so many pages of one shape: `/tickets/1/` and `/tickets/2/` have one.
const PER_SHAPE: usize = 2;

struct Walk {
    /// Where to begin.
    starts: &'static [&'static str],
    /// Links that change something, or lead out.
    skip: Regex,
    /// What differs from one request to the next, and what to write instead.
    volatile: Vec<(Regex, &'static str)>,
    /// Pages per role, the most.
    most: usize,
    /// Pages per role, the fewest: fewer means that the walk stopped working.
    fewest: usize,
}

struct Side {
    browser: Browser,
    ports: [u16; 3],
}

fn volatile(more: &[(&str, &'static str)]) -> Vec<(Regex, &'static str)> {
    let common = [
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?", "TIME"),
        (r"\w{3,9}\.? \d{1,2}, \d{4}, (\d{1,2}(:\d\d)?|noon|midnight)( [ap]\.m\.)?", "TIME"),
        (r"\w{3},? (\d{1,2} \w{3}|\w{3} +\d{1,2}),? (\d{4} )?\d{1,2}:\d\d:\d\d( [AP]M)?( \d{4})?( [+-]\d{4})?", "TIME"),
        (r"\d+(&nbsp;|\u{a0}|\s)(seconds?|minutes?|min|hours?|days?|weeks?)\b", "AGE"),
        (r"\b[0-9a-f]{32}\b", "HASH"),
    ];
    more.iter().chain(&common).map(|(pattern, instead)| (Regex::new(pattern).unwrap(), *instead)).collect()
}

impl Walk {
    fn normal(&self, ports: [u16; 3], answer: &Answer) -> String {
        let kind = answer.header("content-type").unwrap_or_default();
        if !(kind.starts_with("text/") || kind.contains("json") || kind.contains("xml") || kind.is_empty()) {
            return format!("{kind} {} {:?}", answer.body.len(), crc(&answer.body));
        }
        let mut text = answer.text();
        for port in ports {
            for between in [":", "%3A", "%3a", "&#58;"] {
                text = text.replace(&format!("127.0.0.1{between}{port}"), "HOST");
            }
            text = text
                .replace(&format!(".{port}"), ".PORT")
                .replace(&format!("\"{port}\""), "PORT")
                .replace(&format!("&#39;{port}&#39;"), "PORT");
        }
        for (pattern, instead) in &self.volatile {
            text = pattern.replace_all(&text, *instead).into_owned();
        }
        text
    }

    /// Walks both sides; what differs.
    fn walk(&self, role: &str, mut direct: Side, mut through: Side) -> Vec<String> {
        let mut queue: VecDeque<String> = self.starts.iter().map(|s| (*s).to_owned()).collect();
        let mut known: HashSet<String> = queue.iter().cloned().collect();
        let mut shapes: BTreeMap<String, usize> = BTreeMap::new();
        let (mut pages, mut wrong) = (0, Vec::new());
        while let Some(path) = queue.pop_front().filter(|_| pages < self.most) {
            pages += 1;
            let (here, there) = std::thread::scope(|scope| {
                let other = scope.spawn(|| through.browser.get(&path));
                (direct.browser.get(&path), other.join().expect("an answer"))
            });
            let place = |answer: &Answer, ports| {
                let place = Answer { body: answer.location().into(), headers: vec![], ..answer.clone() };
                self.normal(ports, &place)
            };
            let same_place = place(&here, direct.ports) == place(&there, through.ports);
            if here.status != there.status || !same_place {
                let what = |a: &Answer| format!("{} {}", a.status, a.location());
                wrong.push(format!("{role} {path}: {} directly, {} through", what(&here), what(&there)));
                continue;
            }
            let (plain, passed) = (self.normal(direct.ports, &here), self.normal(through.ports, &there));
            if plain != passed {
                wrong.push(format!("{role} {path}: {}", first_difference(&plain, &passed)));
            }
            for link in self.links(&path, &here, direct.ports) {
                let shape = shape(&link);
                let seen = shapes.entry(shape).or_default();
                if *seen < PER_SHAPE && known.insert(link.clone()) {
                    *seen += 1;
                    queue.push_back(link);
                }
            }
        }
        println!("{role}: {pages} pages");
        if pages < self.fewest {
            wrong.push(format!("{role}: only {pages} pages"));
        }
        wrong
    }

    /// Walks both sides as somebody from whom things are hidden: what leaks, and how many pages had something to
    /// hide.
    fn walk_hidden(&self, role: &str, mut direct: Side, mut through: Side, secrets: &Secrets) -> (usize, Vec<String>) {
        let mut queue: VecDeque<String> = self.starts.iter().map(|s| (*s).to_owned()).collect();
        let mut known: HashSet<String> = queue.iter().cloned().collect();
        let mut shapes: BTreeMap<String, usize> = BTreeMap::new();
        let (mut pages, mut speaking, mut wrong) = (0, 0, Vec::new());
        while let Some(path) = queue.pop_front().filter(|_| pages < self.most) {
            pages += 1;
            let (here, there) = std::thread::scope(|scope| {
                let other = scope.spawn(|| through.browser.get(&path));
                (direct.browser.get(&path), other.join().expect("an answer"))
            });
            if here.status != there.status {
                wrong.push(format!(
                    "{role} {path}: {} directly, {} through {}",
                    here.status,
                    there.status,
                    there.text()
                ));
                continue;
            }
            let (said, leaked) = (secrets.in_answer(&here), secrets.in_answer(&there));
            speaking += usize::from(!said.is_empty());
            if !leaked.is_empty() {
                wrong.push(format!("{role} {path}: leaks {leaked:?}"));
            }
            let (plain, passed) = (self.normal(direct.ports, &here), self.normal(through.ports, &there));
            if said.is_empty() && plain != passed {
                wrong.push(format!("{role} {path}, with nothing to hide: {}", first_difference(&plain, &passed)));
            }
            for link in self.links(&path, &here, direct.ports) {
                let seen = shapes.entry(shape(&link)).or_default();
                if *seen < PER_SHAPE && known.insert(link.clone()) {
                    *seen += 1;
                    queue.push_back(link);
                }
            }
        }
        println!("{role}: {pages} pages, {speaking} with something to hide");
        (speaking, wrong)
    }

    /// The links of a page, and where it sends to.
    fn links(&self, from: &str, page: &Answer, ports: [u16; 3]) -> Vec<String> {
        let mut found = vec![page.location().to_owned()];
        if page.header("content-type").is_some_and(|t| t.starts_with("text/html")) {
            let links = Regex::new(r#"(?:href|src|data-url)\s*=\s*["']([^"'\s]+)["']"#).unwrap();
            found.extend(links.captures_iter(&page.text()).map(|c| unescape(&c[1])));
        }
        let folder = from.split('?').next().unwrap_or("/").rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut out = Vec::new();
        for link in found {
            let own = ports.iter().find_map(|p| link.strip_prefix(&format!("http://127.0.0.1:{p}")));
            let link = own.unwrap_or(&link).split('#').next().unwrap_or_default();
            let absolute = match link {
                "" => continue,
                l if l.starts_with("//") || l.contains("://") => continue,
                l if l.starts_with('/') => l.to_owned(),
                l if l.starts_with('?') => format!("{}{l}", from.split('?').next().unwrap_or("/")),
                l if l.split(['/', '?']).next().is_some_and(|s| s.contains(':')) || l.contains("../") => continue,
                l => format!("{folder}/{l}"),
            };
            // A browser escapes these.
            let absolute = absolute.replace(' ', "%20").replace('"', "%22").replace('<', "%3C").replace('>', "%3E");
            if absolute.is_ascii() && !self.skip.is_match(&absolute) {
                out.push(absolute);
            }
        }
        out
    }
}

/// Every number and address of the seeded data, in all their forms.
struct Secrets {
    /// What all forms of a number end with.
    numbers: Vec<&'static str>,
    /// Ends of addresses.
    addresses: Vec<&'static str>,
}

impl Secrets {
    fn in_answer(&self, answer: &Answer) -> Vec<String> {
        let kind = answer.header("content-type").unwrap_or_default();
        let mut all = answer.headers.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join("\n");
        if kind.starts_with("text/") || kind.contains("json") || kind.contains("xml") {
            all.push_str(&answer.text());
        }
        // As a browser, a script and a link read it.
        let mut plain = unescape(&all).replace("\\/", "/");
        for (escape, c) in [
            ("%2B", "+"),
            ("%2b", "+"),
            ("%40", "@"),
            ("%20", " "),
            ("%28", "("),
            ("%29", ")"),
            ("\\u002b", "+"),
            ("\\u0040", "@"),
            ("%2540", "@"),
        ] {
            plain = plain.replace(escape, c);
        }
        let plain = plain.to_lowercase();
        let gaps = Regex::new(r"(\d)[ \-./()\u{a0}]{1,3}(\d)").unwrap();
        // Twice: what one gap ends with is what the next begins with.
        let close = gaps.replace_all(&plain, "$1$2").into_owned();
        let close = gaps.replace_all(&close, "$1$2").into_owned();
        let numbers = self.numbers.iter().filter(|n| close.contains(**n) || plain.contains(**n));
        let addresses = self.addresses.iter().filter(|a| plain.contains(**a));
        numbers.chain(addresses).map(|s| (*s).to_owned()).collect()
    }
}

fn crc(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// The path without its numbers, and the names of what it asks with.
fn shape(link: &str) -> String {
    let (path, query) = link.split_once('?').unwrap_or((link, ""));
    let names: Vec<&str> = query.split(['&', ';']).map(|p| p.split('=').next().unwrap_or_default()).collect();
    let path: Vec<String> = path
        .split('/')
        .map(
            |part| {
                if part.len() > 24 || part.bytes().any(|b| b.is_ascii_digit()) { "*".into() } else { part.to_owned() }
            },
        )
        .collect();
    format!("{}?{}", path.join("/"), names.join("&"))
}

fn first_difference(plain: &str, passed: &str) -> String {
    let differs = plain.lines().zip(passed.lines()).find(|(a, b)| a != b);
    let (a, b) = differs.unwrap_or(("(its end)", "(its end)"));
    let at = a.bytes().zip(b.bytes()).position(|(a, b)| a != b).unwrap_or_default().saturating_sub(60);
    let cut = |text: &str| text.chars().skip(at).take(200).collect::<String>();
    format!("\n  directly: {}\n  through:  {}", cut(a), cut(b))
}

/// The policy in which everything is armed, and allows everybody everything.
fn allowing(policy: &str, roles: &str) -> String {
    let policy = policy.replace("exports:\n  allow: [manager]", &format!("exports:\n  allow: [{roles}]"));
    policy.replace("for: [manager]", &format!("for: [{roles}]"))
}

fn crawl(name: &str, profile: &str, policy: &str, walk: &Walk, sign_in: impl Fn(&mut Browser, &str)) {
    let (alone, behind) = (RealApp::start(name), RealApp::start(name));
    let gateway = Gateway::start(behind.port, profile, &allowing(policy, "manager, agent, customer, visitor"));
    let ports = [alone.port, behind.port, gateway.port];
    let mut wrong = Vec::new();
    for user in ["manager", "agent1", "alice", ""] {
        let side = |port| {
            let mut browser = Browser::new(port);
            if !user.is_empty() {
                sign_in(&mut browser, user);
            }
            Side { browser, ports }
        };
        let role = if user.is_empty() { "anonymous" } else { user };
        let begun = std::time::Instant::now();
        wrong.extend(walk.walk(role, side(alone.port), side(gateway.port)));
        println!("{role}: {:?}", begun.elapsed());
    }
    assert!(wrong.is_empty(), "{} pages differ:\n{}", wrong.len(), wrong.join("\n"));
    // What nobody named in the profile.
    let unclassified = gateway.records().iter().filter(|r| r["request"]["class"] == "unclassified").count();
    println!("{unclassified} requests were unclassified");
}

/// What both apps were seeded with.
fn secrets() -> Secrets {
    Secrets {
        numbers: vec![
            "2025550101",
            "2025550102",
            "2025550199",
            "2025550110",
            "2025550111",
            "2025550120",
            "2025550121",
            "2025550130",
            "2025550131",
            "2079460958",
            "7700900123",
            "301234567",
            "307654321",
            "1712345678",
            "305551000",
            "305551001",
            "305551002",
            "305551003",
        ],
        addresses: vec!["@bestpractical.com", "@customer.example", "@partner.example", "@helpdesk.example"],
    }
}

const HIDES: &str = "personal_data: { regions: [US, GB, DE] }\nmasking:\n  - { hide: [phone, email], from: [agent, customer, visitor] }\n";

/// Crawls as everybody from whom something is hidden, and as the manager from whom nothing is.
fn crawl_hidden(name: &str, profile: &str, policy: &str, walk: &Walk, sign_in: impl Fn(&mut Browser, &str)) {
    let (alone, behind) = (RealApp::start(name), RealApp::start(name));
    let policy = format!("{}{HIDES}", allowing(policy, "manager, agent, customer, visitor"));
    let gateway = Gateway::start(behind.port, profile, &policy);
    let ports = [alone.port, behind.port, gateway.port];
    let mut wrong = Vec::new();
    for (user, fewest) in [("agent1", 10), ("alice", 2), ("", 0)] {
        let side = |port| {
            let mut browser = Browser::new(port);
            if !user.is_empty() {
                sign_in(&mut browser, user);
            }
            Side { browser, ports }
        };
        let role = if user.is_empty() { "anonymous" } else { user };
        let (speaking, leaks) = walk.walk_hidden(role, side(alone.port), side(gateway.port), &secrets());
        wrong.extend(leaks);
        if speaking < fewest {
            wrong.push(format!("{role}: only {speaking} pages had something to hide"));
        }
    }
    let side = |port| {
        let mut browser = Browser::new(port);
        sign_in(&mut browser, "manager");
        Side { browser, ports }
    };
    wrong.extend(walk.walk("manager", side(alone.port), side(gateway.port)));
    assert!(wrong.is_empty(), "{} pages are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn django_walk() -> Walk {
    Walk {
        starts: &[
            "/", "/tickets/", "/dashboard/", "/admin/", "/api/", "/kb/", "/tickets/my-tickets/", "/tickets/submit/",
            "/reports/", "/help/context/", "/settings/", "/api/user_tickets/", "/no/such/page",
        ],
        skip: Regex::new(
            r"/logout|/delete|_delete|followup_delete|[?&](take|subscribe|close|unassign|_popup)|hold/|/vote/|change_language|jsi18n|/static/.*\.(png|jpg|svg|woff2?|ttf|eot)$",
        )
        .unwrap(),
        volatile: volatile(&[
            (r#"csrfmiddlewaretoken" value="[^"]*""#, "CSRF"),
            (r#"value="\d\d:\d\d:\d\d""#, "TIME"),
            (r#"value="[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}""#, "UUID"),
            (r#"csrfToken"?: ?"[^"]*""#, "CSRF"),
            (r#"X-CSRFToken"?: ?"[^"]*""#, "CSRF"),
        ]),
        most: 150,
        fewest: 10,
    }
}

#[test]
fn django_helpdesk_page_by_page() {
    let walk = django_walk();
    crawl("django-helpdesk", "django-helpdesk", &crate::django::policy(), &walk, crate::django::sign_in);
}

#[test]
fn django_helpdesk_hides_what_is_hidden() {
    let walk = django_walk();
    crawl_hidden("django-helpdesk", "django-helpdesk", &crate::django::policy(), &walk, crate::django::sign_in);
}

fn request_tracker_walk() -> Walk {
    Walk {
        starts: &["/", "/Ticket/Display.html?id=1", "/Search/Build.html", "/Admin/", "/SelfService/", "/m/", "/NoAuth/Login.html"],
        // The configuration page shows the memory of whichever process answers.
        skip: Regex::new(
            r"(?i)Configuration.html|Logout|Status=|Action=|Delete|Remove|Disable|Enable|Take|Steal|Shredder|Toggle|Bookmark|Reset|Regenerate|/NoAuth/(rss|iCal|css|js)|\.tsv|Download|[?&;](Set|Add|Clear|Move)[A-Z]|CSRF_Token|/static/.*\.(png|jpg|gif|svg|woff2?|ttf|eot)$",
        )
        .unwrap(),
        volatile: volatile(&[
            (r#"name="Token" value="[^"]*""#, "TOKEN"),
            (r"(results|next|CSRF_Token|Token)(=|%3D)[0-9a-f]{32}", "$1=HASH"),
            (r"RT_SID_[^=;]*=[0-9a-f]+", "SID"),
            (r"/NoAuth/(rss|iCal)/(\w+)/[0-9a-f]{16}", "/NoAuth/$1/$2/SECRET"),
            (r"HASH&#40;0x[0-9a-f]+", "HASH"),
            (r"/tmp/\.tmp\w+", "HOME"),
            (r"\d{8}T\d{6}Z", "TIME"),
            // Its digits may be a port's.
            (r"Time to display: (?:[0-9.]|PORT)+", "TOOK"),
        ]),
        most: 100,
        fewest: 10,
    }
}

#[test]
fn request_tracker_page_by_page() {
    let walk = request_tracker_walk();
    crawl("rt", "request-tracker", crate::rt::POLICY, &walk, crate::rt::sign_in);
}

#[test]
fn request_tracker_hides_what_is_hidden() {
    let walk = request_tracker_walk();
    crawl_hidden("rt", "request-tracker", crate::rt::POLICY, &walk, crate::rt::sign_in);
}
