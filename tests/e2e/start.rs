//! What the program says and does as it starts.

use crate::harness::{Gateway, Port, Tinydesk, Tls, until, write_certificate};
use crate::tinydesk::POLICY;

#[test]
fn the_mode_is_told_at_the_start_and_by_readyz() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", &format!("mode: shadow\n{POLICY}"));
    let said = gateway.said();
    assert!(said.contains(" in mode SHADOW: what would be refused is only recorded"), "{said}");
    assert_eq!(gateway.admin("GET", "/readyz").expect(200).json()["mode"], "shadow");
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    assert!(!gateway.said().contains("SHADOW"), "{}", gateway.said());
    assert_eq!(gateway.admin("GET", "/readyz").expect(200).json()["mode"], "enforce");
}

/// The limits that the program starts with are those of this process with another soft one.
#[test]
fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let app = Tinydesk::start();
    let gateway = Gateway::start_with_files(app.port, "tinydesk", POLICY, "ulimit -Sn 300; ulimit -Hn 900");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.process())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = files.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers, ["900", "900"]);
    let said = gateway.said();
    assert!(
        said.contains("warning: limits.connections is 10000, but 900 open files are enough for about 194"),
        "{said}"
    );
}

#[test]
fn an_address_that_is_taken_is_told_before_anything_is_said_to_serve() {
    let app = Tinydesk::start();
    let mut gateway = Gateway::start(app.port, "tinydesk", POLICY);
    gateway.kill();
    let _other = std::net::TcpListener::bind(gateway.address()).unwrap();
    let said = gateway.start_refused();
    assert!(said.contains(&format!("{} cannot be listened on: Address already in use", gateway.address())), "{said}");
    assert!(!said.contains("serving"), "{said}");
}

#[test]
fn readyz_knows_the_listeners_and_whether_the_app_can_be_reached() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let ready = gateway.admin("GET", "/readyz").expect(200).json();
    assert_eq!(ready["listeners"], serde_json::json!({ gateway.address().to_string(): "serving" }));
    assert_eq!(ready["app"], "reached");

    // Nobody listens where a listener was bound and given back.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Gateway::start(nobody.port(), "tinydesk", POLICY);
    let ready = gateway.admin("GET", "/readyz").expect(200).json();
    assert_eq!(ready["app"], format!("{nobody} refused the connection"));

    let text = std::fs::read_to_string(gateway.config()).unwrap();
    let needed = text.replace("  public_url:", "  needed_to_be_ready: true\n  public_url:");
    std::fs::write(gateway.config(), needed).unwrap();
    gateway.admin("POST", "/reload").expect(200);
    assert_eq!(gateway.admin("GET", "/readyz").expect(503).json()["ready"], false);
}

#[test]
fn while_it_ends_it_is_not_ready() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    // Half a request keeps the process for a few seconds.
    let mut open = crate::harness::Connection::open(gateway.address(), None).unwrap();
    open.write(b"POST /login HTTP/1.1\r\nHost: a\r\n").unwrap();
    until("it is accepted", || gateway.admin("GET", "/metrics").text().contains("\ndeskgate_connections 1\n"));
    gateway.signal("TERM");
    until("it says that it stops", || {
        let listeners = gateway.admin_browser().try_send("GET", "/readyz", &[], b"").ok();
        listeners.is_some_and(|answer| answer.status == 503 && answer.text().contains(r#":"stopping""#))
    });
}

#[test]
fn a_renewed_certificate_is_shown_after_sighup_and_no_connection_is_lost() {
    let (app, port) = (Tinydesk::start(), Port::claim());
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let (certificate, key) = (gateway.state().join("desk.cert"), gateway.state().join("desk.key"));
    write_certificate(&certificate, &key);
    let text = std::fs::read_to_string(gateway.config()).unwrap();
    let listener = format!(
        "listen:\n  - https: 127.0.0.1:{}\n    certificate: {}\n    key: {}\n",
        port.number,
        certificate.display(),
        key.display()
    );
    let also = format!("  also_served_as: [localhost]\n  public_url: http://127.0.0.1:{}", gateway.port);
    let public = format!("  public_url: http://127.0.0.1:{}", gateway.port);
    std::fs::write(gateway.config(), text.replace("listen:\n", &listener).replace(&public, &also)).unwrap();
    let mut gateway = gateway;
    gateway.kill();
    gateway.spawn();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port.number));
    let mut open = Tls::connect(address);
    let page = open.get("/login");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");

    write_certificate(&certificate, &key);
    gateway.signal("HUP");
    until("the renewed certificate is shown", || Tls::connect(address).certificate() != open.certificate());
    let page = open.get("/login");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(gateway.said().contains("desk.cert is shown, good until"), "{}", gateway.said());
}
