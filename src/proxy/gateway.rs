//! Pingora's hooks. Each is a few lines: what it does is in `judge`, `answer` and their neighbours.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, EXPECT};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};

use super::call::Caller;
use super::client_stream::{stream, wire};
use super::doorway::Open;
use super::exchange::{Attempt, Exchange, Pending, Stage};
use super::judge::Stopped;
use super::panics::{self, Panicked, caught, caught_at_once};
use super::spool::Room;
use super::tunnel::TunnelState;
use super::{respond, sessions, sign_in, upstream};
use crate::decision::{Denial, Evidence, Outcome, protocol};
use crate::gate::Gate;

/// The proxy's hooks.
pub struct Gateway {
    pub(super) gate: Arc<Gate>,
    pub(super) caller: Arc<Caller>,
    pub(super) room: Room,
    pub(super) open: Arc<Open>,
    troubles: upstream::Troubles,
}

/// How much of a sign-in's answer is kept to judge it.
const MOST_OF_ANSWER: usize = 256 << 10;
/// How long the client may take to accept a piece of the answer. The kernel says that there is room when a third of
/// what it holds is gone, at most 4 MB: for that a line of 20 KB a second takes a minute and more.
const WRITE_WITHIN: Duration = Duration::from_secs(75);
/// How long the rest of a request body may take when nobody reads it any more.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

impl Gateway {
    /// The hooks of one process.
    pub fn new(gate: Arc<Gate>, caller: Arc<Caller>, room: Room, open: Arc<Open>) -> Self {
        Self { gate, caller, room, open, troubles: upstream::Troubles::default() }
    }

    /// A piece of an answer is about to be written to a stream of HTTP/2.
    fn hold_untaken(&self, session: &Session, exchange: &mut Exchange, piece: Option<&Bytes>, end: bool) -> Result<()> {
        let (Some(wire), Some(piece)) = (stream(), piece) else { return Ok(()) };
        exchange.passed += piece.len();
        let sizes = (exchange.passed, session.body_bytes_sent(), piece.len());
        let most = usize::try_from(exchange.policy.limits.untaken_memory.0).unwrap_or(usize::MAX);
        exchange.untaken.hold((&self.open, &wire), sizes, end, most).map_err(|reason| {
            exchange.trail.refuse("protocol", reason, Evidence::None);
            Error::explain(ErrorType::InternalError, "an answer that is not taken")
        })
    }

    /// Judges the request, and sends the refusal where there is one. Returns whether it is answered.
    async fn judge_or_refuse(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        session.set_read_timeout(Some(exchange.policy.limits.body_timeout.0));
        session.set_write_timeout(Some(WRITE_WITHIN));
        session.set_total_drain_timeout(Some(DRAIN_WITHIN));
        if let Some(wire) = wire() {
            let expects_body = !session.as_downstream_mut().is_body_done();
            wire.begin_exchange(exchange.policy.limits.minimum_rate.0, expects_body);
        }
        panics::inject(session.req_header(), "request");
        let judged = self.judge(session, exchange).await;
        let took = exchange.started.elapsed();
        exchange.gateway_us = micros(took);
        self.gate.metrics.overhead.observe(took.as_secs_f64());
        match judged {
            Ok(()) => {
                // The app does not hear of it; who reads a body early has answered already.
                if exchange.body.is_none() && session.req_header().headers.contains_key(EXPECT) {
                    session.as_downstream_mut().write_continue_response().await?;
                }
                Ok(false)
            }
            Err(Stopped::Denied(denial)) => {
                Box::pin(respond::refuse(session, exchange, &denial)).await?;
                Ok(true)
            }
            // Recorded as aborted, which is what it is unless somebody says otherwise.
            Err(Stopped::Gone) => {
                session.set_keepalive(None);
                Ok(true)
            }
        }
    }

    /// Judges the head of the app's answer, of whichever status.
    async fn judge_head_of_answer(
        &self,
        session: &Session,
        response: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        if response.status.as_u16() == 101 && session.is_upgrade_req() {
            self.open_tunnel(session, exchange);
            return Ok(());
        }
        if response.status.is_informational() && response.status.as_u16() != 101 && exchange.hiding.is_none() {
            return Ok(());
        }
        panics::inject(session.req_header(), "answer");
        self.judge_answer(exchange, response).await?;
        exchange.stage = Stage::Responding;
        exchange.outcome = Outcome::Forwarded;
        Ok(())
    }
}

/// Whether the app did not do something in time.
fn is_slow(error: &ErrorType) -> bool {
    use ErrorType::{ConnectTimedout, ReadTimedout, TLSHandshakeTimedout, WriteTimedout};
    matches!(error, ConnectTimedout | TLSHandshakeTimedout | ReadTimedout | WriteTimedout)
}

/// Microseconds, for records.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[async_trait]
impl ProxyHttp for Gateway {
    // Boxed: Pingora moves it from future to future.
    type CTX = Box<Exchange>;

    fn new_ctx(&self) -> Box<Exchange> {
        Box::new(Exchange::new(self.gate.live.policy(), self.gate.clock.now()))
    }

    fn init_downstream_modules(&self, _: &mut pingora_core::modules::http::HttpModules) {
        // Pingora's compression module passes what it cannot decode: none is used.
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Box<Exchange>) -> Result<bool> {
        let served = caught(pin!(self.judge_or_refuse(session, exchange))).await;
        served.unwrap_or_else(|Panicked| Err(panics::refusal(&self.gate, exchange)))
    }

    async fn upstream_peer(&self, _: &mut Session, exchange: &mut Box<Exchange>) -> Result<Box<HttpPeer>> {
        match exchange.stage {
            Stage::Admitted(_) => {
                exchange.asked = Some(Instant::now());
                upstream::peer(&exchange.policy).map(Box::new)
            }
            _ => Error::e_explain(ErrorType::HTTPStatus(403), "no permit"),
        }
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        exchange: &mut Box<Exchange>,
    ) -> Result<()> {
        if exchange.reads_answer() || exchange.reads_pages() {
            exchange.accepts = request.headers.get(ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).map(str::to_owned);
        }
        caught_at_once(|| upstream::write_head(exchange, request))
            .unwrap_or_else(|Panicked| Err(panics::refusal(&self.gate, exchange)))
    }
    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        exchange: &mut Box<Exchange>,
    ) -> Result<()> {
        if let Some(inspected) = &exchange.body {
            // What Pingora replays is the tail of what was read; the canonical form goes instead.
            *body = end.then(|| inspected.canonical.clone());
        }
        if end && let Some(wire) = wire() {
            wire.has_body();
        }
        let piece = body.as_ref().map_or(0, Bytes::len);
        let rate = exchange.policy.limits.minimum_rate.0;
        if !end && stream().is_some() && exchange.stream_body.is_too_slow(piece, rate) {
            exchange.trail.refuse("protocol", protocol::SLOW, Evidence::None);
            exchange.pending = Some(Pending(Box::new(Denial::new(protocol::SLOW))));
            return Error::e_explain(ErrorType::ReadTimedout, "a body that is slower than limits.minimum_rate");
        }
        // An empty last chunk would be written as a second end of body (cloudflare/pingora#935).
        if end && body.as_ref().is_some_and(Bytes::is_empty) {
            *body = None;
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        exchange: &mut Box<Exchange>,
    ) -> Result<()> {
        let judged = caught(pin!(self.judge_head_of_answer(session, response, exchange))).await;
        judged.unwrap_or_else(|Panicked| Err(panics::refusal(&self.gate, exchange)))
    }

    fn response_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        exchange: &mut Box<Exchange>,
    ) -> Result<Option<Duration>> {
        if let (Some(Attempt { answer: Some(kept), .. }), Some(chunk)) = (&mut exchange.attempt, body.as_ref()) {
            let room = MOST_OF_ANSWER.saturating_sub(kept.len()).min(chunk.len());
            kept.extend_from_slice(&chunk[..room]);
        }
        let passed = caught_at_once(|| {
            panics::inject(session.req_header(), "body");
            self.pass_masked(body, end, exchange)
        });
        let passed = passed.unwrap_or_else(|Panicked| {
            *body = None;
            Err(panics::refusal(&self.gate, exchange))
        });
        passed?;
        self.hold_untaken(session, exchange, body.as_ref(), end)?;
        Ok(None)
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, exchange: &mut Box<Exchange>) {
        if error.is_some() && matches!(exchange.stage, Stage::Responding) {
            exchange.outcome = Outcome::Aborted;
        }
        let stalled = |e: &Error| *e.esource() == ErrorSource::Downstream && *e.etype() == ErrorType::WriteTimedout;
        if wire().is_some_and(|wire| wire.is_too_slow()) || error.is_some_and(stalled) {
            if let Some(wire) = wire() {
                wire.was_too_slow();
            }
            exchange.trail.refuse("protocol", protocol::SLOW, Evidence::None);
        } else if stream().is_some_and(|wire| wire.is_untaken()) {
            exchange.trail.refuse("protocol", protocol::UNTAKEN, Evidence::None);
        } else if wire().is_some_and(|wire| wire.is_malformed()) {
            exchange.trail.refuse("protocol", protocol::FRAMING, Evidence::None);
        }
        if matches!(exchange.stage, Stage::Admitted(_)) && exchange.head.as_ref().is_some_and(|h| !h.is_read()) {
            // The app may have done it all the same.
            sessions::doubt_strangers(&self.gate, exchange);
        }
        if let Some(attempt) = exchange.attempt.take_if(|a| a.head.is_some())
            && let (Some((status, headers)), Some(kept)) = (&attempt.head, &attempt.answer)
        {
            let text = String::from_utf8_lossy(kept).into_owned();
            let (status, headers) = (*status, headers.clone());
            // The answer is out already; a refusal shows at the session's next request.
            // Boxed where it is made, or every exchange would carry a future of that size.
            let judged =
                Box::pin(sign_in::judge_attempt(&self.gate, &self.caller, exchange, &attempt, status, &headers, &text));
            if caught(judged).await.is_err() {
                self.gate.metrics.panics.inc();
            }
        }
        if exchange.open_tunnel.take().is_some() && wire().is_some_and(|wire| wire.ended().is_some()) {
            exchange.tunnel = Some(TunnelState::Cut);
        }
        let recorded = caught_at_once(|| {
            panics::inject(session.req_header(), "record");
            self.record(session, exchange);
        });
        if recorded.is_err() {
            self.gate.metrics.panics.inc();
            let peer = session.client_addr().and_then(|a| a.as_inet()).map(std::net::SocketAddr::ip);
            respond::record_reject(&self.gate, protocol::PANIC, peer);
        }
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, exchange: &mut Box<Exchange>) -> FailToProxy {
        let gone = |code| FailToProxy { error_code: code, can_reuse_downstream: false };
        if session.response_written().is_some() || exchange.untaken.is_too_much() {
            exchange.outcome = Outcome::Aborted;
            return gone(0);
        }
        let denial = match exchange.pending.take() {
            Some(Pending(denial)) => denial,
            // Nobody was there any more to hear it.
            None if matches!(exchange.stage, Stage::Refused) => {
                exchange.outcome = Outcome::Aborted;
                return gone(0);
            }
            None if wire().is_some_and(|wire| wire.is_malformed()) => Box::new(Denial::new(protocol::FRAMING)),
            None if *error.esource() == ErrorSource::Downstream && wire().is_none_or(|w| !w.is_too_slow()) => {
                exchange.outcome = Outcome::Aborted;
                return gone(0);
            }
            None if *error.esource() == ErrorSource::Downstream => Box::new(Denial::new(protocol::SLOW)),
            None => {
                let reason = if is_slow(error.etype()) { protocol::TIMEOUT } else { protocol::UNREACHABLE };
                let trouble = upstream::trouble(&exchange.policy, error);
                self.troubles.tell(&trouble);
                exchange.trail.refuse("upstream", reason, Evidence::App(trouble.into()));
                Box::new(Denial::new(reason))
            }
        };
        let code = denial.reason.status;
        if !matches!(caught(pin!(respond::refuse(session, exchange, &denial))).await, Ok(Ok(()))) {
            exchange.outcome = Outcome::Aborted;
        }
        gone(code)
    }

    fn suppress_error_log(&self, _: &Session, _: &Box<Exchange>, _: &Error) -> bool {
        // Every failure has its decision record; Pingora's line would carry the query.
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Session, _: &Box<Exchange>, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }

    fn request_summary(&self, _: &Session, exchange: &Box<Exchange>) -> String {
        format!("request {}", exchange.id)
    }
}
