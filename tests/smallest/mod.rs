//! The smallest policy, to which tests and documentation add the part that they are about.

/// The smallest policy in which every fragment of the documentation makes sense.
const PARTS: &[(&str, &str)] = &[
    ("policy", "policy: 1\n"),
    ("listen", "listen:\n  - http: 127.0.0.1:8080\n"),
    (
        "app",
        "app:\n  profile: tinydesk\n  upstream: http://127.0.0.1:8081\n  public_url: http://desk.acme.example:8080\n",
    ),
    (
        "networks",
        "networks:\n  office: 198.51.100.0/24\n  vpn: 10.8.0.0/16\n  load_balancers: 10.0.0.0/28\n  erp_servers: 203.0.113.7\n",
    ),
    (
        "roles",
        "roles:\n  manager: { users: [mona] }\n  team_lead: { app_group: leads }\n  agent: { app_group: agents }\n  customer: { realm: accounts }\n",
    ),
];

/// A whole policy around `part`: what it does not say is filled in.
pub fn completed(part: &str) -> String {
    let has = |key: &str| part.lines().any(|line| line.starts_with(&format!("{key}:")));
    let rest: String = PARTS.iter().filter(|(key, _)| !has(key)).map(|(_, text)| *text).collect();
    format!("{rest}{part}")
}
