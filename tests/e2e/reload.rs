//! A policy that changes while people work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::{Answer, Browser, Connection, Gateway, Tinydesk, until};
use crate::tinydesk::{POLICY, sign_in};

/// One request on a connection that stays open; a new connection when the other side closed it
/// *between* two requests, as browsers do.
fn ask(kept: &mut Option<Connection>, gateway: std::net::SocketAddr, request: &str) -> std::io::Result<Answer> {
    for fresh in [false, true] {
        let reused = kept.is_some();
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => Connection::open(gateway, None)?,
        };
        let answer = connection.write(request.as_bytes()).and_then(|()| connection.read(false));
        match answer {
            Ok(answer) => {
                if answer.header("connection") != Some("close") {
                    *kept = Some(connection);
                }
                return Ok(answer);
            }
            Err(_) if reused && !fresh => {}
            Err(e) => return Err(e),
        }
    }
    unreachable!("the second try is on a fresh connection")
}

#[test]
fn a_changed_policy_is_in_force_without_losing_a_request() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let mut mona = gateway.browser();
    sign_in(&mut mona, "mona");
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..6)
        .map(|_| {
            let (stop, answered, to) = (stop.clone(), answered.clone(), gateway.address());
            let request = format!(
                "GET /agent/tickets/1001 HTTP/1.1\r\nHost: {to}\r\nCookie: tinydesk={}\r\n\r\n",
                mona.cookie("tinydesk")
            );
            std::thread::spawn(move || {
                let mut kept = None;
                while !stop.load(Ordering::Relaxed) {
                    let answer = ask(&mut kept, to, &request).expect("an answer");
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    assert!(answer.text().ends_with("</html>"));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let export = |expected: u16| mona.clone().get("/agent/customers/export.csv").status == expected;
    let closed = POLICY.replace("allow: [manager]", "allow: [agent]");
    for _ in 0..5 {
        gateway.write_policy(&closed);
        until("the new policy is in force", || export(403));
        gateway.write_policy(POLICY);
        until("the old policy is in force again", || export(200));
    }
    // What changed was told in words.
    until("the changes are told", || gateway.said().contains("exports.allow is [\"agent\"]; it was [\"manager\"]"));
    gateway.write_policy(&POLICY.replace("exports:\n  allow: [manager]\n", ""));
    until("what goes is warned of", || {
        gateway.said().contains("warning: control exports is gone: what it refused passes from now on")
    });
    gateway.write_policy(POLICY);
    until("the old policy is in force again", || export(200));
    // A file that is wrong changes nothing, and is loud.
    gateway.write_policy(&POLICY.replace("allow: [manager]", "allow: [manger]"));
    until("the mistake is reported", || gateway.said().contains("did you mean"));
    let ready = gateway.admin("GET", "/readyz").expect(200).json();
    assert_eq!(ready["last_load"]["taken"], false, "{ready}");
    assert!(export(200));
    let asked = gateway.operate(&["reload"]);
    assert!(!asked.status.success() && String::from_utf8_lossy(&asked.stderr).contains("manger"), "{asked:?}");
    // And SIGHUP reads it as well.
    gateway.write_policy(&closed);
    gateway.signal("HUP");
    until("the policy is in force after SIGHUP", || export(403));
    assert!(gateway.operate(&["reload"]).status.success());
    until("the same policy again is told", || gateway.said().contains("the policy is as before"));
    // What is taken only at the start is named.
    gateway.write_policy(&closed.replace("limits:\n", "limits:\n  inspection_memory: 300MB\n"));
    until("the change is told", || gateway.said().contains("limits.inspection_memory changed: that needs a restart"));
    let told = gateway.operate(&["reload"]);
    assert!(String::from_utf8_lossy(&told.stderr).contains("limits.inspection_memory"), "{told:?}");
    gateway.write_policy(&closed);

    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.join().expect("no request was lost");
    }
    let count = answered.load(Ordering::Relaxed);
    assert!(count > 200, "only {count} requests under load");
    // Every one of them was recorded.
    until("all is recorded", || {
        let records = gateway.records();
        records.iter().filter(|r| r["request"]["route"] == "ticket" && r["effect"] == "allow").count() == count
    });
    // Sessions go on.
    assert_eq!(gateway.sessions(), ["mona"]);
}

/// On several connections at once, since the connections to the app wander between threads.
#[test]
fn requests_under_way_are_finished_when_it_ends() {
    let app = Tinydesk::start();
    let mut gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let port = gateway.port;
    let mut carl = gateway.browser();
    sign_in(&mut carl, "carl");
    let page = carl.get("/portal/").expect(200).text().len();
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let mut browser = Browser::new(port).with_cookies_of(&carl);
            std::thread::spawn(move || {
                // Until nobody listens any more.
                let mut count = 0;
                while let Ok(answer) = browser.try_send("GET", "/portal/", &[], b"") {
                    assert_eq!((answer.status, answer.text().len()), (200, page), "{}", answer.text());
                    count += 1;
                }
                count
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    let (status, took) = gateway.terminate();
    assert_eq!(status.code(), Some(0), "{}", gateway.said());
    assert!(took < Duration::from_secs(5), "{took:?}");
    let answered: usize = workers.into_iter().map(|w| w.join().expect("no answer was cut off")).sum();
    assert!(answered > 10, "{answered}");
    let records = gateway.records().iter().filter(|r| r["request"]["route"] == "portal").count();
    assert_eq!(records, answered + 1, "every one of them is recorded");
}

/// A request whose end does not come is waited for, but not for ever.
#[test]
fn what_takes_too_long_is_cut_off_when_it_ends() {
    let app = Tinydesk::start();
    let mut gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let mut slow = Connection::open(gateway.address(), None).unwrap();
    let head = format!("POST /portal/new HTTP/1.1\r\nHost: {}\r\nContent-Length: 9\r\n\r\n", gateway.address());
    slow.write(head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let (status, took) = gateway.terminate();
    assert_eq!(status.code(), Some(0), "{}", gateway.said());
    assert!((4..9).contains(&took.as_secs()), "{took:?}");
    assert!(gateway.said().contains("1 connections are cut off"), "{}", gateway.said());
}

/// Each problem at its own level, and the warnings of one that is taken too.
#[test]
fn warnings_are_told_as_such() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let unused = format!("{POLICY}\npersonal_data: {{ patterns: {{ odd_one: 'KD-[0-9]{{6}}' }} }}\n");
    gateway.write_policy(&unused);
    gateway.signal("HUP");
    let lines =
        |about: &str| gateway.said().lines().filter(|l| l.contains(about)).map(str::to_owned).collect::<Vec<_>>();
    until("the warning", || !lines("patterns.odd_one: no rule").is_empty());
    gateway.write_policy(&unused.replace("KD-[0-9]{6}", "KD-[0-9{6}").replace("odd_one", "broken"));
    gateway.signal("HUP");
    until("the error", || !lines("patterns.broken: the pattern cannot be used").is_empty());
    assert!(lines("patterns.odd_one: ").iter().all(|l| l.starts_with("deskgate: warning: ")), "{:?}", gateway.said());
    assert!(lines("patterns.broken").iter().all(|l| l.starts_with("deskgate: error: ")), "{:?}", gateway.said());
    for line in gateway.said().lines() {
        assert!(!(line.contains("error: ") && line.contains("warning: ")), "{line}");
    }
}
