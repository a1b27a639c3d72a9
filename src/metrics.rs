//! What Prometheus scrapes. Every label value comes from the policy or from a fixed list, so the
//! number of series has a bound that is known when the policy is loaded (mission.md 2.2).

mod process;

use std::sync::OnceLock;
use std::time::Duration;

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::clock::Timestamp;
use crate::controls::CONTROLS;
use crate::decision::protocol;
use crate::policy::profile::Class;
use crate::route::Area;

const CLASSES: usize = Class::Unclassified as usize + 1;
/// Times from the head of a request to the end of its answer, in seconds.
const REQUEST_BUCKETS: [f64; 8] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Times to the decision. A quantile in the last bucket counts as that bucket's bound: alerts need bounds beyond theirs.
const OVERHEAD_BUCKETS: [f64; 10] = [0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_5, 0.005, 0.05, 0.1, 0.5, 2.5];
/// Times to the head of the app's answer.
const UPSTREAM_BUCKETS: [f64; 8] = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0];
/// Who refuses besides the controls: the first words of their reasons, and the gateway at a fault of its own.
const BESIDES_CONTROLS: [&str; 8] = ["protocol", "body", "identity", "upstream", "store", "audit", "route", "gateway"];
/// Effects with the mode in which they come.
const EFFECTS: [(&str, &str); 2] = [("deny", "enforce"), ("would_deny", "shadow")];
const SCANS: [&str; 3] = ["clean", "infected", "failed"];
const LOGINS: [&str; 3] = ["success", "failure", "refused"];
const MASK_FAILURES: [&str; 2] = ["masking.type", "masking.coding"];
const SESSION_ENDS: [&str; 7] = ["signed_out", "idle", "absolute", "displaced", "refused", "revoked", "rotated"];
const RELOADS: [&str; 2] = ["taken", "refused"];
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];
const STATUS: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// How many values the labels have that come from the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// Roles.
    pub roles: usize,
    /// Realms of the profile.
    pub realms: usize,
    /// Fields that a rule hides.
    pub fields: usize,
    /// Certificates of listeners.
    pub certificates: usize,
    /// Armed controls.
    pub controls: usize,
}

/// The largest number of series that a policy can bring about: every combination of the values that its labels have.
/// Those of a policy that was in force before stay until the process ends.
#[must_use]
pub fn most_series(labels: &Labels) -> usize {
    // Its buckets, `+Inf`, the sum and the count.
    let histogram = |buckets: usize| buckets + 3;
    let rejects = protocol::REASONS.iter().filter(|reason| reason.code.starts_with("protocol.")).count();
    let labelled = CLASSES * METHODS.len() * STATUS.len()
        + CLASSES * histogram(REQUEST_BUCKETS.len())
        + (labels.controls + BESIDES_CONTROLS.len()) * EFFECTS.len()
        + labels.realms * LOGINS.len()
        + SCANS.len()
        + labels.fields * labels.roles
        + MASK_FAILURES.len()
        + SESSION_ENDS.len()
        + Area::COUNT
        + rejects
        + labels.realms
        + RELOADS.len()
        + labels.certificates;
    // panics, connections, websockets, audit_queue, audit_lost; policy_info, _loaded, _last_load_ok; build_info.
    let single = 9;
    let histograms = histogram(OVERHEAD_BUCKETS.len()) + histogram(UPSTREAM_BUCKETS.len());
    labelled + single + histograms + process::COUNT
}

/// The metrics of one process.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    /// Look-ups by label hash every label; these are found by index.
    request_cells: Box<[[[OnceLock<IntCounter>; STATUS.len()]; METHODS.len()]]>,
    seconds: HistogramVec,
    seconds_cells: Box<[OnceLock<Histogram>]>,
    /// Time from the head of a request to the decision.
    pub overhead: Histogram,
    /// Time from asking the app to the head of its answer.
    pub upstream: Histogram,
    decisions: IntCounterVec,
    logins: IntCounterVec,
    scans: IntCounterVec,
    masked_values: IntCounterVec,
    mask_failures: IntCounterVec,
    session_ends: IntCounterVec,
    unclassified: IntCounterVec,
    protocol_rejects: IntCounterVec,
    /// Panics that ended an exchange.
    pub panics: IntCounter,
    /// Live sessions by realm.
    pub sessions: IntGaugeVec,
    /// Connections open.
    pub connections: IntGauge,
    /// Tunnels open.
    pub websockets: IntGauge,
    /// Records that wait or are under way.
    pub audit_queue: IntGauge,
    /// Records that had no place.
    pub audit_lost: IntCounter,
    policy_info: IntGaugeVec,
    /// Reloads by result.
    pub policy_reloads: IntCounterVec,
    /// When the policy in force was loaded.
    pub policy_loaded: IntGauge,
    /// Whether the last load was taken.
    pub policy_ok: IntGauge,
    certificates: IntGaugeVec,
}

impl Metrics {
    /// A fresh set.
    ///
    /// # Errors
    /// When two metrics have one name: a mistake in this file.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let r = &registry;
        let counters = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let vec = IntCounterVec::new(Opts::new(name, help), labels)?;
            r.register(Box::new(vec.clone()))?;
            Ok(vec)
        };
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            r.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            r.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| -> Result<IntGaugeVec, prometheus::Error> {
            let vec = IntGaugeVec::new(Opts::new(name, help), labels)?;
            r.register(Box::new(vec.clone()))?;
            Ok(vec)
        };
        let histogram = |name: &str, help: &str, buckets: &[f64]| -> Result<Histogram, prometheus::Error> {
            let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?;
            r.register(Box::new(histogram.clone()))?;
            Ok(histogram)
        };
        let seconds_opts =
            HistogramOpts::new("deskgate_request_seconds", "Time from the head of a request to the end of its answer.")
                .buckets(REQUEST_BUCKETS.to_vec());
        let seconds = HistogramVec::new(seconds_opts, &["class"])?;
        r.register(Box::new(seconds.clone()))?;
        r.register(Box::new(process::Process::new()?))?;
        gauges("deskgate_build_info", "The program that runs.", &["version"])?
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        let scans = counters("deskgate_scans_total", "Files that the virus scanner was asked about.", &["result"])?;
        // A counter that begins at its first event never increases by it: alerts need the 0 before.
        for result in SCANS {
            scans.with_label_values(&[result]);
        }
        Ok(Self {
            scans,
            requests: counters("deskgate_requests_total", "Requests answered.", &["class", "method", "status_class"])?,
            request_cells: (0..CLASSES).map(|_| Default::default()).collect(),
            seconds,
            seconds_cells: (0..CLASSES).map(|_| OnceLock::new()).collect(),
            overhead: histogram(
                "deskgate_overhead_seconds",
                "Time from the head of a request to the decision.",
                &OVERHEAD_BUCKETS,
            )?,
            upstream: histogram(
                "deskgate_upstream_seconds",
                "Time from asking the app to the head of its answer.",
                &UPSTREAM_BUCKETS,
            )?,
            decisions: counters("deskgate_decisions_total", "What controls decided.", &["control", "effect", "mode"])?,
            logins: counters("deskgate_logins_total", "Sign-ins.", &["realm", "result"])?,
            masked_values: counters("deskgate_masked_values_total", "Values that were masked.", &["field", "role"])?,
            mask_failures: counters(
                "deskgate_mask_failures_total",
                "Answers that were refused because nothing could be hidden in them.",
                &["reason"],
            )?,
            session_ends: counters("deskgate_session_ends_total", "Sessions that ended.", &["reason"])?,
            unclassified: counters(
                "deskgate_unclassified_requests_total",
                "Requests that no route of the profile names, let through or refused for it.",
                &["area"],
            )?,
            protocol_rejects: counters(
                "deskgate_protocol_rejects_total",
                "Requests refused before any control.",
                &["reason"],
            )?,
            panics: counter("deskgate_panics_total", "Panics, each of which ended one exchange.")?,
            sessions: gauges("deskgate_sessions", "Live sessions.", &["realm"])?,
            connections: gauge("deskgate_connections", "Connections open.")?,
            websockets: gauge("deskgate_websockets", "Tunnels open.")?,
            audit_queue: gauge("deskgate_audit_queue", "Decision records that wait or are under way.")?,
            audit_lost: counter("deskgate_audit_lost_total", "Decision records that had no place.")?,
            policy_info: gauges("deskgate_policy_info", "The policy in force.", &["hash"])?,
            policy_reloads: counters("deskgate_policy_reloads_total", "Reloads of the policy.", &["result"])?,
            policy_loaded: gauge("deskgate_policy_loaded_timestamp_seconds", "When the policy in force was loaded.")?,
            policy_ok: gauge(
                "deskgate_policy_last_load_ok",
                "1 when the policy files were last taken, 0 when they were refused.",
            )?,
            certificates: gauges(
                "deskgate_certificate_expires_timestamp_seconds",
                "To when the certificate is good that a listener shows.",
                &["certificate"],
            )?,
            registry,
        })
    }

    /// Counts an answered request.
    pub fn request(&self, class: Class, method: &str, status: u16, took: Duration) {
        let m = METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len() - 1);
        let s = usize::from(status / 100).min(STATUS.len() - 1);
        let cell = &self.request_cells[class as usize][m][s];
        cell.get_or_init(|| self.requests.with_label_values(&[class.as_str(), METHODS[m], STATUS[s]])).inc();
        let cell = &self.seconds_cells[class as usize];
        cell.get_or_init(|| self.seconds.with_label_values(&[class.as_str()])).observe(took.as_secs_f64());
    }

    /// Counts what a control decided: `deny`, `would_deny`.
    pub fn decision(&self, control: &str, effect: &str, mode: &str) {
        let known = BESIDES_CONTROLS.contains(&control) || CONTROLS.iter().any(|c| c.name == control);
        debug_assert!(known && EFFECTS.contains(&(effect, mode)), "{control} {effect} {mode}");
        self.decisions.with_label_values(&[control, effect, mode]).inc();
    }

    /// Counts a sign-in: `success`, `failure`, `refused`.
    pub fn login(&self, realm: &str, result: &str) {
        debug_assert!(LOGINS.contains(&result), "{result}");
        self.logins.with_label_values(&[realm, result]).inc();
    }

    /// A file that the virus scanner was asked about: `clean`, `infected` or `failed`.
    pub fn scan(&self, result: &str) {
        debug_assert!(SCANS.contains(&result), "{result}");
        self.scans.with_label_values(&[result]).inc();
    }

    /// An answer in which nothing could be hidden, by the code of its refusal.
    pub fn mask_failure(&self, reason: &str) {
        debug_assert!(MASK_FAILURES.contains(&reason), "{reason}");
        self.mask_failures.with_label_values(&[reason]).inc();
    }

    /// Values that were masked.
    pub fn masked(&self, field: &str, role: &str, count: u32) {
        self.masked_values.with_label_values(&[field, role]).inc_by(u64::from(count));
    }

    /// Counts the end of a session.
    pub fn session_end(&self, reason: &str) {
        debug_assert!(SESSION_ENDS.contains(&reason), "{reason}");
        self.session_ends.with_label_values(&[reason]).inc();
    }

    /// Counts a request that no route names.
    pub fn unclassified(&self, area: &str) {
        self.unclassified.with_label_values(&[area]).inc();
    }

    /// Counts a request refused before any control.
    pub fn protocol_reject(&self, reason: &str) {
        debug_assert!(protocol::REASONS.iter().any(|known| known.code == reason), "{reason}");
        self.protocol_rejects.with_label_values(&[reason]).inc();
    }

    /// Says which policy is in force.
    pub fn policy(&self, revision: &str, loaded_at: i64) {
        self.policy_info.reset();
        self.policy_info.with_label_values(&[revision]).set(1);
        self.policy_loaded.set(loaded_at);
        self.policy_ok.set(1);
    }

    /// Says to when the certificate of that file is good.
    pub fn certificate(&self, file: &str, good_until: Timestamp) {
        self.certificates.with_label_values(&[file]).set(i64::try_from(good_until.0 / 1000).unwrap_or(i64::MAX));
    }

    /// The exposition format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = Vec::new();
        let families = self.registry.gather();
        if let Err(e) = TextEncoder::new().encode(&families, &mut out) {
            log::error!("metrics cannot be written: {e}");
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_renders() {
        let metrics = Metrics::new().unwrap();
        metrics.request(Class::Ticket, "GET", 200, Duration::from_millis(3));
        metrics.request(Class::Ticket, "BREW", 418, Duration::from_millis(3));
        let text = metrics.render();
        assert!(
            text.contains(r#"deskgate_requests_total{class="ticket",method="GET",status_class="2xx"} 1"#),
            "{text}"
        );
        assert!(text.contains(r#"method="other",status_class="4xx"} 1"#), "{text}");
    }

    /// Everything that can be counted, counted once: exactly as many series as were foretold.
    #[test]
    fn no_more_series_than_foretold() {
        let names = ["a", "b", "c"];
        let labels = Labels { roles: 3, realms: 2, fields: 3, certificates: 2, controls: CONTROLS.len() };
        let metrics = Metrics::new().unwrap();
        for class in Class::all() {
            for method in METHODS {
                for status in 0..6 {
                    metrics.request(class, method, status * 100, Duration::from_secs(9));
                }
            }
        }
        for (effect, mode) in EFFECTS {
            for control in BESIDES_CONTROLS {
                metrics.decision(control, effect, mode);
            }
            for control in CONTROLS {
                metrics.decision(control.name, effect, mode);
            }
        }
        for realm in &names[..2] {
            for result in LOGINS {
                metrics.login(realm, result);
            }
            metrics.sessions.with_label_values(&[realm]).set(1);
            metrics.certificate(realm, Timestamp(0));
        }
        for (field, role) in names.iter().flat_map(|field| names.map(|role| (field, role))) {
            metrics.masked(field, role, 1);
        }
        for reason in MASK_FAILURES {
            metrics.mask_failure(reason);
        }
        for reason in SESSION_ENDS {
            metrics.session_end(reason);
        }
        for area in ["management", "api", "portal"] {
            metrics.unclassified(area);
        }
        let rejects = protocol::REASONS.iter().filter(|reason| reason.code.starts_with("protocol."));
        for reason in rejects {
            metrics.protocol_reject(reason.code);
        }
        for result in RELOADS {
            metrics.policy_reloads.with_label_values(&[result]).inc();
        }
        metrics.policy("0", 1);
        metrics.policy("1", 1);
        let text = metrics.render();
        assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), most_series(&labels));
    }

    /// The reasons that are counted are those that there are.
    #[test]
    fn the_fixed_lists_are_whole() {
        for reason in protocol::REASONS {
            let first = reason.code.split('.').next().unwrap();
            assert!(BESIDES_CONTROLS.contains(&first), "{}", reason.code);
        }
    }
}
