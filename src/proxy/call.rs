//! Requests of the gateway's own to the app: `whoami`, and the end of a session.

use std::time::Duration;

use http::header::{COOKIE, HOST, LOCATION, REFERER, USER_AGENT};
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, Result};
use pingora_http::RequestHeader;

use super::upstream::{app_host, peer, value_of};
use crate::gate::random;
use crate::identity::{LogoutCall, Presented, Realm, Somebody, Whoami};
use crate::policy::Policy;
use crate::policy::phrase::Carrier;

/// How much of an answer is read.
const MOST: usize = 1 << 20;
/// How long the whole call may take.
const WITHIN: Duration = Duration::from_secs(5);

/// Makes the gateway's own calls.
pub struct Caller(Connector);

/// What the app answered.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body, or its beginning.
    pub body: Vec<u8>,
}

impl Caller {
    /// A caller with its own connections to the app.
    pub fn new() -> Self {
        Self(Connector::new(None))
    }

    /// Asks the app whose session `credential` opens. `Ok(None)`: nobody's.
    ///
    /// # Errors
    /// When the app does not answer.
    pub async fn whoami(&self, policy: &Policy, realm: &Realm, credential: &Presented) -> Result<Option<Somebody>> {
        for whoami in &realm.whoami {
            let answer = self.send(policy, realm, credential, &http::Method::GET, &whoami.path, &[], &[]).await?;
            if let Some(somebody) = read(whoami, &answer) {
                return Ok(Some(somebody));
            }
        }
        Ok(None)
    }

    /// Ends a session in the app.
    ///
    /// # Errors
    /// When the app does not answer, or refuses.
    pub async fn sign_out(
        &self,
        policy: &Policy,
        realm: &Realm,
        call: &LogoutCall,
        credential: &Presented,
    ) -> Result<()> {
        let nonce = random::<32>().map(|bytes| data_encoding::HEXLOWER.encode(&bytes)).unwrap_or_default();
        let fill = |pairs: &[(String, String)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| (name.clone(), value.replace("{nonce}", &nonce))).collect()
        };
        let (cookies, headers) = (fill(&call.cookies), fill(&call.headers));
        let answer = self.send(policy, realm, credential, &call.method, &call.path, &cookies, &headers).await?;
        if answer.status < 400 {
            return Ok(());
        }
        Error::e_explain(pingora_core::ErrorType::HTTPStatus(answer.status), "the app refused to end a session")
    }

    #[allow(clippy::too_many_arguments)] // the parts of one request
    async fn send(
        &self,
        policy: &Policy,
        realm: &Realm,
        credential: &Presented,
        method: &http::Method,
        path: &str,
        cookies: &[(String, String)],
        headers: &[(String, String)],
    ) -> Result<Answer> {
        let mut request = RequestHeader::build(method.clone(), path.as_bytes(), None)?;
        request.insert_header(HOST, app_host(policy, value_of(policy.hosts[0].clone())?)?)?;
        request.insert_header(USER_AGENT, "Deskgate")?;
        // CSRF checks of apps look at this.
        request.insert_header(
            REFERER,
            format!(
                "{}/",
                if policy.quirks.referer_is_upstream { policy.upstream.origin() } else { policy.public_origin.clone() }
            ),
        )?;
        if policy.secure() {
            request.insert_header("x-forwarded-proto", "https")?;
        }
        let mut pairs: Vec<String> = cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        match realm.carrier {
            Carrier::Header(_) => request.insert_header(credential.name.to_string(), &*credential.value)?,
            _ => pairs.push(format!("{}={}", credential.name, credential.value)),
        }
        if !pairs.is_empty() {
            request.insert_header(COOKIE, pairs.join("; "))?;
        }
        for (name, value) in headers {
            request.insert_header(name.clone(), value.clone())?;
        }
        if *method != http::Method::GET {
            request.insert_header(http::header::CONTENT_LENGTH, "0")?;
        }
        let peer = peer(policy)?;
        match tokio::time::timeout(WITHIN, self.exchange(&peer, request)).await {
            Ok(answer) => answer,
            Err(_) => Error::e_explain(
                pingora_core::ErrorType::ReadTimedout,
                "the app did not answer the gateway's own request",
            ),
        }
    }

    async fn exchange(&self, peer: &HttpPeer, request: RequestHeader) -> Result<Answer> {
        let (mut session, reused) = self.0.get_http_session(peer).await?;
        match Self::over(&mut session, request.clone()).await {
            Ok(answer) => {
                self.0.release_http_session(session, peer, None).await;
                Ok(answer)
            }
            // A connection that had been waiting may have been closed by the app meanwhile.
            Err(_) if reused => {
                let (mut session, _) = self.0.get_http_session(peer).await?;
                Self::over(&mut session, request).await
            }
            Err(e) => Err(e),
        }
    }

    async fn over(session: &mut HttpSession, request: RequestHeader) -> Result<Answer> {
        session.write_request_header(Box::new(request)).await?;
        session.finish_request_body().await?;
        session.read_response_header().await?;
        let head = session.response_header().ok_or_else(|| Error::new_str("no head"))?;
        let (status, headers) = (head.status.as_u16(), head.headers.clone());
        let mut body = Vec::new();
        while let Some(chunk) = session.read_response_body().await? {
            if body.len() + chunk.len() > MOST {
                break;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body })
    }
}

fn read(whoami: &Whoami, answer: &Answer) -> Option<Somebody> {
    // A redirect to the sign-in page is not the page that was asked for.
    if answer.status != 200 || answer.headers.contains_key(LOCATION) {
        return None;
    }
    let header = |name: &str| answer.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    whoami.read(&header, &String::from_utf8_lossy(&answer.body))
}
