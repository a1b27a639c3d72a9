//! Connections that became tunnels: recorded when they open and when they close, and closed with their session.

use std::sync::Arc;
use std::time::Duration;

use pingora_proxy::Session;

use super::client_stream::wire;
use super::exchange::{Exchange, Stage};
use super::gateway::Gateway;
use crate::body::websocket::Messages;
use crate::decision::Outcome;
use crate::gate::{CloseCode, End, Gate, Tunnel, Watch, close_frame};
use crate::identity::Identity;
use crate::pipeline::ended_by_time;
use crate::route::Matched;
use crate::store::{Effect, Question, SessionState, Store};

/// An open tunnel, as long as its exchange lives.
pub struct OpenTunnel {
    gate: Arc<Gate>,
    number: u64,
}

impl Drop for OpenTunnel {
    fn drop(&mut self) {
        self.gate.tunnels.close(self.number);
        self.gate.metrics.websockets.dec();
    }
}

/// What a record says of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelState {
    /// It is open from now on.
    Opened,
    /// One of both sides closed it, or it broke.
    Closed,
    /// It was closed because the session that opened it has ended, or the process does.
    Cut,
}

impl TunnelState {
    /// The word of records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Cut => "cut",
        }
    }
}

impl Gateway {
    /// The app switched protocols, as it was asked to.
    pub(super) fn open_tunnel(&self, session: &Session, exchange: &mut Exchange) {
        exchange.stage = Stage::Tunnelled;
        exchange.outcome = Outcome::Tunnelled;
        let key = exchange.head.as_ref().and_then(|head| match &head.identity {
            Identity::Session { key, .. } => Some(*key),
            _ => None,
        });
        // Only HTTP/1.1 switches protocols, and each of its connections has one.
        let wire = wire().unwrap_or_default();
        wire.becomes_tunnel(exchange.head.as_ref().and_then(|head| watch(&head.route)));
        let number = self.gate.tunnels.open(Tunnel { session: key, wire });
        self.gate.metrics.websockets.inc();
        exchange.open_tunnel = Some(OpenTunnel { gate: self.gate.clone(), number });
        exchange.tunnel = Some(TunnelState::Opened);
        exchange.status = 101;
        self.record(session, exchange);
        exchange.tunnel = Some(TunnelState::Closed);
    }
}

/// What tells of the messages of a socket whether a person sent them, where the profile knows.
fn watch(route: &Matched) -> Option<Watch> {
    let signs = route.activity.clone();
    if signs.is_empty() {
        return None;
    }
    let mut messages = Messages::default();
    Some(Box::new(move |bytes| {
        let mut is_active = false;
        let holds = |text: &str| signs.iter().flat_map(|signs| signs.iter()).any(|sign| sign.holds_in(text));
        messages.read(bytes, &mut |text| is_active |= holds(text));
        is_active
    }))
}

/// How often it is looked whether sessions with tunnels have ended.
const LOOK: Duration = Duration::from_millis(500);

/// Closes tunnels whose session has ended, within a second of its end.
pub async fn close_ended(gate: Arc<Gate>) {
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        ticks.tick().await;
        let tunnels = gate.tunnels.of_sessions();
        if tunnels.is_empty() {
            continue;
        }
        let (policy, now) = (gate.live.policy(), gate.clock.now());
        for tunnel in tunnels {
            let question = Question { session: tunnel.session, sign_in: None };
            let live = match (gate.store.gather(&question, now).await, tunnel.session) {
                (Ok(known), Some(key)) => match known.session {
                    SessionState::Live(record) => ended_by_time(&policy, key, &record, now).is_none(),
                    SessionState::Unknown | SessionState::Ended { .. } => false,
                },
                // Whose it is cannot be told: nothing goes on that could not be begun.
                _ => false,
            };
            if let Some(key) = tunnel.session.filter(|_| live && tunnel.wire.was_active())
                && let Err(e) = gate.store.commit(&[Effect::Seen { key, at: now }]).await
            {
                log::error!("the store does not work: {e}; what was done in a socket does not count as activity");
            }
            if !live {
                tunnel.wire.end(End::Closed(close_frame(CloseCode::PolicyViolation, "the session has ended")));
            }
        }
    }
}
