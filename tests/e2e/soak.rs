//! Restarts of the real program, by SIGTERM and by SIGKILL, over states of no to a thousand sessions,
//! with ends, rotations, failures and idle sessions between: it always starts, and nothing that
//! anybody was told is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Browser, Gateway, until};

const PROFILE: &str = r#"
profile: soaked
format: 1
tested_with: ["built in"]
about: An app that believes every cookie it ever gave, so that a forgotten end would be a session again
realms:
  accounts:
    session: cookie sid
    login:
      - match: POST /login
        user: form user
        password: form password
        succeeded: [status 302, cookie new]
    login_page: /login
    logout: { match: POST /logout, call: { request: POST /logout } }
    whoami:
      - { get: /me, user: json /user }
areas:
  management: [/**]
routes:
  start: { is: page, match: GET / }
  renewed: { is: page, match: GET /renewed }
"#;

const POLICY: &str = "
roles:
  person: { realm: accounts }
  visitor: {}
sessions:
  per_role:
    person: { idle: 15m }
limits:
  sign_in:
    per_account: 5 per 12h
    per_address: 256 per 1m
";

/// How many sessions a restart of a life adds, so that lives see states of 0, of few, and of a thousand.
const GROWTH: [usize; 5] = [0, 1, 3, 12, 40];
const MOST: usize = 1_000;

/// Gives a credential that nobody had to whoever signs in, and another for each `/renewed`.
fn app() -> u16 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream, NEXT.fetch_add(1, Ordering::Relaxed)));
        }
    });
    port
}

fn answer(mut stream: TcpStream, number: usize) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut first, mut length, mut cookie) = (String::new(), 0, String::new());
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "cookie" => value.trim().trim_start_matches("sid=").clone_into(&mut cookie),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let user = cookie.split('.').next().unwrap_or_default();
    let path = first.split(' ').nth(1)?;
    let (status, head, text) = match path {
        "/login" if body.contains("password=right") => {
            let user = body.split('&').find_map(|field| field.strip_prefix("user=")).unwrap_or_default();
            ("302 Found", format!("Location: /\r\nSet-Cookie: sid={user}.{number}; Path=/\r\n"), String::new())
        }
        "/me" if user.is_empty() => ("401 Unauthorized", String::new(), "{}".into()),
        "/me" => ("200 OK", "Content-Type: application/json\r\n".into(), format!("{{\"user\":\"{user}\"}}")),
        "/renewed" => ("200 OK", format!("Set-Cookie: sid={user}.{number}; Path=/\r\n"), "renewed".into()),
        _ => ("200 OK", String::new(), "fine".into()),
    };
    let head = format!("HTTP/1.1 {status}\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n", text.len());
    stream.write_all((head + &text).as_bytes()).ok()
}

#[derive(Clone, Copy, PartialEq)]
enum Stop {
    Term,
    Kill,
}

/// What everybody was told.
struct Told {
    gateway: Gateway,
    /// Whose session each live credential opens.
    live: BTreeMap<String, String>,
    ended: Vec<String>,
    people: BTreeSet<String>,
    /// Accounts that were guessed at too often.
    locked: Vec<String>,
    chance: u64,
    names: usize,
}

impl Told {
    fn below(&mut self, most: usize) -> usize {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.chance >> 33).unwrap() % most.max(1)
    }

    fn any_live(&mut self) -> Option<(String, String)> {
        let at = self.below(self.live.len());
        self.live.iter().nth(at).map(|(cookie, user)| (cookie.clone(), user.clone()))
    }

    fn browser(&self, cookie: &str) -> Browser {
        let mut browser = self.gateway.browser();
        browser.cookies.insert("sid".into(), cookie.into());
        browser
    }

    fn sign_in(&mut self) {
        self.names += 1;
        let user = format!("person{}", self.names);
        let cookie = sign_in(&mut self.gateway.browser(), &user).expect("is signed in");
        self.people.insert(user.clone());
        self.live.insert(cookie, user);
    }

    fn end(&mut self) {
        let Some((cookie, user)) = self.any_live() else { return };
        if self.below(2) == 0 {
            let ended = self.gateway.operate(&["sessions", "end", "--user", &user]);
            assert!(ended.status.success(), "{ended:?}");
        } else {
            self.browser(&cookie).post("/logout", &[]);
        }
        self.live.remove(&cookie);
        self.ended.push(cookie);
    }

    fn renew(&mut self) {
        let Some((cookie, user)) = self.any_live() else { return };
        let mut browser = self.browser(&cookie);
        browser.get("/renewed").expect(200);
        self.live.remove(&cookie);
        self.ended.push(cookie);
        self.live.insert(browser.cookie("sid"), user);
    }

    fn guess(&mut self) {
        let account = format!("guessed{}", self.names);
        for _ in 0..5 {
            self.gateway.browser().post("/login", &[("user", &account), ("password", "wrong")]);
        }
        self.locked.push(account);
    }

    /// Everybody is away for longer than `idle`; the sweep ends their sessions, or their next request.
    fn idle(&mut self, sweep: bool) {
        self.gateway.turn("16m");
        if sweep {
            let gateway = &self.gateway;
            let begun = Instant::now();
            while !gateway.sessions().is_empty() {
                assert!(begun.elapsed() < Duration::from_secs(90), "nobody sweeps");
                std::thread::sleep(Duration::from_millis(500));
            }
            self.ended.extend(std::mem::take(&mut self.live).into_keys());
            // An end shows before it is on disk, and nobody waits for those of the sweep. What is
            // acknowledged after them is on disk after them.
            let user = format!("flight{}swept", self.names);
            let cookie = sign_in(&mut self.gateway.browser(), &user).expect("is signed in");
            self.people.insert(user.clone());
            self.live.insert(cookie, user);
        } else {
            // Whoever signed in at a kill may have done so under a clock that was turned, which a
            // restart turns back.
            let idle: Vec<_> = self.live.iter().filter(|(_, user)| !user.starts_with("flight")).take(5).collect();
            for cookie in idle.into_iter().map(|(cookie, _)| cookie.clone()).collect::<Vec<_>>() {
                assert!(!opens(&mut self.browser(&cookie)), "an idle session is used");
                self.live.remove(&cookie);
                self.ended.push(cookie);
            }
        }
    }

    /// Stops it, with people signing in at that very moment when it is killed, and starts it again.
    fn restart(&mut self, stop: Stop) {
        match stop {
            Stop::Term => {
                let (status, _) = self.gateway.terminate();
                assert_eq!(status.code(), Some(0), "{}", self.gateway.said());
            }
            Stop::Kill => {
                let (port, names) = (self.gateway.port, self.names);
                let busy = std::thread::spawn(move || {
                    let mut told = Vec::new();
                    for number in 0.. {
                        let user = format!("flight{names}x{number}");
                        match sign_in(&mut Browser::new(port), &user) {
                            Some(cookie) => told.push((cookie, user)),
                            None => return told,
                        }
                    }
                    told
                });
                let wait = self.below(30);
                std::thread::sleep(Duration::from_millis(wait as u64));
                self.gateway.kill();
                for (cookie, user) in busy.join().unwrap() {
                    self.people.insert(user.clone());
                    self.live.insert(cookie, user);
                }
                self.names += 1;
            }
        }
        self.gateway.spawn();
    }

    /// Every live session and person; every end and lock, or some of them.
    fn holds(&mut self, all: bool) {
        let unheard = |user: &String| user.starts_with("flight");
        let known: BTreeSet<String> = self.live.values().cloned().collect();
        let mut sessions = self.gateway.sessions();
        sessions.retain(|user| known.contains(user) || !unheard(user));
        let mut expected: Vec<String> = self.live.values().cloned().collect();
        expected.sort();
        assert_eq!(sessions, expected);
        let people = self.gateway.admin("GET", "/people").expect(200).json();
        let mut people: BTreeSet<String> =
            people.as_array().unwrap().iter().map(|row| row["user"].as_str().unwrap().to_owned()).collect();
        people.retain(|user| self.people.contains(user) || !unheard(user));
        assert_eq!(people, self.people);
        let some = |list: &[String], first: usize| -> Vec<String> {
            let count = if all { list.len() } else { list.len().min(6) };
            (0..count).map(|n| list[(first + n) % list.len()].clone()).collect()
        };
        let first = self.below(self.ended.len());
        for cookie in some(&self.ended, first) {
            assert!(!opens(&mut self.browser(&cookie)), "{cookie} is ended, and opens");
        }
        let first = self.below(self.locked.len());
        for account in some(&self.locked, first).into_iter().take(if all { usize::MAX } else { 1 }) {
            assert!(sign_in(&mut self.gateway.browser(), &account).is_none(), "{account} is locked");
        }
        if let Some((cookie, _)) = self.any_live() {
            assert!(opens(&mut self.browser(&cookie)), "{cookie} is live");
        }
    }
}

fn sign_in(browser: &mut Browser, user: &str) -> Option<String> {
    let kind = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = browser.try_send("POST", "/login", &kind, format!("user={user}&password=right").as_bytes()).ok()?;
    let cookie = browser.cookie("sid");
    (answer.status == 302 && !cookie.is_empty()).then_some(cookie)
}

fn opens(browser: &mut Browser) -> bool {
    browser.get("/").status == 200
}

/// `lives` states that grow differently, each restarted so many times; how large the largest was.
fn soak(stop: Stop, restarts: usize, sweeps: bool) -> usize {
    let directory = tempfile::TempDir::new().unwrap();
    let profile = directory.path().join("soaked.yaml");
    std::fs::write(&profile, PROFILE).unwrap();
    let port = app();
    let (begun, mut done, mut largest, mut ended, mut locked) = (Instant::now(), 0, 0, 0, 0);
    for (life, growth) in GROWTH.into_iter().enumerate() {
        let mut told = Told {
            gateway: Gateway::start(port, profile.to_str().unwrap(), POLICY),
            live: BTreeMap::new(),
            ended: Vec::new(),
            people: BTreeSet::new(),
            locked: Vec::new(),
            chance: 1 + life as u64,
            names: 0,
        };
        let times = restarts / GROWTH.len();
        for time in 0..times {
            for _ in 0..growth {
                if told.live.len() < MOST {
                    told.sign_in();
                }
            }
            // Now and then nothing at all happens between two restarts.
            match (life + time) % 5 {
                0 => {}
                1 => told.renew(),
                2 => (0..=growth / 4).for_each(|_| told.end()),
                3 => told.guess(),
                _ => {
                    told.end();
                    told.renew();
                }
            }
            if time % 9 == 7 || time + 2 == times {
                told.idle(sweeps && time == 7);
            }
            largest = largest.max(told.live.len());
            told.restart(stop);
            done += 1;
            told.holds(time + 1 == times);
            if done % 20 == 0 {
                let kind = if stop == Stop::Term { "SIGTERM" } else { "SIGKILL" };
                println!(
                    "{kind}: {done} of {restarts} restarts after {} s: {} live, {} ended, {} people, {} locked",
                    begun.elapsed().as_secs(),
                    told.live.len(),
                    told.ended.len(),
                    told.people.len(),
                    told.locked.len()
                );
            }
        }
        ended += told.ended.len();
        locked += told.locked.len();
    }
    assert_eq!(done, restarts);
    assert!(locked > 0 && ended > 0, "nothing was locked or ended");
    largest
}

#[test]
fn twenty_clean_restarts_lose_nothing() {
    soak(Stop::Term, 20, false);
}

#[test]
fn twenty_kills_lose_nothing() {
    soak(Stop::Kill, 20, false);
}

/// `tests/soak/run`.
#[test]
#[ignore = "minutes: tests/soak/run runs it"]
fn three_hundred_clean_restarts_lose_nothing() {
    assert!(soak(Stop::Term, 300, true) >= MOST);
}

/// `tests/soak/run`.
#[test]
#[ignore = "minutes: tests/soak/run runs it"]
fn three_hundred_kills_lose_nothing() {
    assert!(soak(Stop::Kill, 300, true) >= MOST);
}

/// What an operator does about a file that is really damaged.
#[test]
fn a_damaged_file_is_refused_and_repaired() {
    let directory = tempfile::TempDir::new().unwrap();
    let profile = directory.path().join("soaked.yaml");
    std::fs::write(&profile, PROFILE).unwrap();
    let mut gateway = Gateway::start(app(), profile.to_str().unwrap(), POLICY);
    for n in 0..60 {
        sign_in(&mut gateway.browser(), &format!("person{n}")).expect("is signed in");
    }
    let state = gateway.state();
    let at = state.to_str().unwrap().to_owned();
    let busy = gateway.operate(&["state", "check", &at]);
    assert_eq!(busy.status.code(), Some(2), "{busy:?}");
    assert!(String::from_utf8_lossy(&busy.stderr).contains("stop the gateway first"), "{busy:?}");
    gateway.terminate();
    let whole = gateway.operate(&["state", "check", &at]);
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    assert!(String::from_utf8_lossy(&whole.stdout).contains("sessions: 60 rows"), "{whole:?}");

    let file = state.join("deskgate.redb");
    let mut bytes = std::fs::read(&file).unwrap();
    // A name is in the pages of sessions and in those of people.
    let places: Vec<_> =
        bytes.windows(8).enumerate().filter(|(_, text)| text == b"person31").map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at] ^= 1;
    }
    std::fs::write(&file, &bytes).unwrap();
    let refused = gateway.start_refused();
    assert!(refused.contains("is damaged") && refused.contains(&format!("deskgate state repair {at}")), "{refused}");
    let damaged = gateway.operate(&["state", "check", &at, "--json"]);
    assert_eq!(damaged.status.code(), Some(1), "{damaged:?}");
    let told: serde_json::Value = serde_json::from_slice(&damaged.stdout).unwrap();
    assert_eq!(told["state"], "damaged", "{told}");
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "looking changes nothing");

    let repaired = gateway.operate(&["state", "repair", &at]);
    assert_eq!(repaired.status.code(), Some(0), "{repaired:?}");
    let said = String::from_utf8_lossy(&repaired.stdout).into_owned();
    assert!(said.contains("is repaired") && said.contains("are lost") && said.contains("redb.damaged-1"), "{said}");
    gateway.spawn();
    let sessions = gateway.sessions().len() as u64;
    assert_eq!(told["tables"][0]["readable"], sessions, "{told}");
    assert!(sessions < 60 && told["tables"][0]["lost"] == 60 - sessions, "{told}");
    until("whoever lost their session signs in again", || sign_in(&mut gateway.browser(), "person31").is_some());
}
