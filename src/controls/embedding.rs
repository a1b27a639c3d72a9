//! Which sites may show the app in a frame (B9).
//!
//! 1. An area with origins listed may be framed by those and by itself: `X-Frame-Options` goes,
//!    `frame-ancestors` in the Content-Security-Policy names them.
//! 2. An area with `deny` may be framed by nobody.
//! 3. An area that is not named keeps what the app says.
//! 4. Where framing is allowed over HTTPS, the app's cookies become `SameSite=None; Secure;
//!    Partitioned`: a header alone gives a login loop. That holds in every area and every channel as soon as one may be
//!    framed: else a browser holds two copies of one cookie, and a sign-out takes back one of them.
//!
//! The gateway's own pages may be framed where the app may: by the same origins, by nobody under `deny`, and by the
//! app itself where an area is not named. A script of the app's that blanks framed pages is outside what headers
//! can change.

use http::header::{CONTENT_SECURITY_POLICY, SET_COOKIE, X_FRAME_OPTIONS};
use http::{HeaderMap, HeaderValue, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Armed, ControlSpec, HeaderEdit, ResponseControl, ResponseHead};
use crate::decision::Verdict;
use crate::policy::compile::Arming;
use crate::policy::file::{Mode, PolicyFile};
use crate::policy::types::OneOrMany;
use crate::request::RequestHead;
use crate::route::Area;

/// Which sites may show the app in a frame.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Embedding")]
pub struct File {
    /// `enforce`, `shadow` or `off`; absent: as the policy.
    pub mode: Option<Mode>,
    /// The agents' part: origins such as `https://crm.acme.example`, or `deny`.
    pub management: Option<OneOrMany<String>>,
    /// The customers' part: origins, or `deny`.
    pub portal: Option<OneOrMany<String>>,
}

/// The control's entry in the table.
pub const SPEC: ControlSpec = ControlSpec {
    name: "embedding",
    summary: "Says which sites may show the app in a frame, and makes its cookies work there.",
    reasons: &[],
    arm,
};

struct Embedding {
    per_area: [Option<Frame>; Area::COUNT],
}

struct Frame {
    ancestors: HeaderValue,
    allowed: bool,
}

fn arm(arming: &mut Arming<'_>) -> Option<Armed> {
    let file = arming.file.embedding.as_ref()?;
    let mut per_area = [const { None }; Area::COUNT];
    for (area, value) in [(Area::Management, &file.management), (Area::Portal, &file.portal)] {
        per_area[area as usize] =
            value.as_ref().and_then(|v| frame(v, &format!("embedding.{}", area.as_str()), arming));
    }
    let control = Box::new(Embedding { per_area });
    Some(Armed { response: Some(control), ..Armed::new("embedding", arming.mode(file.mode)) })
}

fn frame(value: &OneOrMany<String>, path: &str, arming: &mut Arming<'_>) -> Option<Frame> {
    let origins = value.as_slice();
    if origins == ["deny"] {
        return Some(Frame { ancestors: HeaderValue::from_static("frame-ancestors 'none'"), allowed: false });
    }
    if origins.is_empty() {
        arming.problems.error(path, "an empty list is no answer; write deny, or the origins that may frame the app");
        return None;
    }
    for (index, origin) in origins.iter().enumerate() {
        if !is_origin(origin) {
            let message = format!(
                "\"{origin}\" is not an origin; write scheme and host only, such as https://crm.acme.example, or deny"
            );
            arming.problems.error(format!("{path}[{index}]"), message);
        }
    }
    // Origins were checked: they are visible ASCII.
    let ancestors = HeaderValue::from_str(&format!("frame-ancestors 'self' {}", origins.join(" "))).ok()?;
    Some(Frame { ancestors, allowed: true })
}

fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let plain = !text.ends_with('/') && !text.contains([' ', ';', ',', '\'', '*', '?', '@']);
    plain && matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some() && uri.path() == "/"
}

impl ResponseControl for Embedding {
    fn decide(&self, request: &RequestHead, response: &mut ResponseHead<'_>) -> Verdict {
        let Some(frame) = &self.per_area[request.area as usize] else { return Verdict::NotApplicable };
        if frame.allowed {
            response.edits.push(HeaderEdit::Remove(X_FRAME_OPTIONS));
        } else {
            response.edits.push(HeaderEdit::Set(X_FRAME_OPTIONS, HeaderValue::from_static("DENY")));
        }
        response.edits.push(if response.headers.contains_key(CONTENT_SECURITY_POLICY) {
            HeaderEdit::SetAll(CONTENT_SECURITY_POLICY, with_ancestors(response.headers, &frame.ancestors))
        } else {
            HeaderEdit::Set(CONTENT_SECURITY_POLICY, frame.ancestors.clone())
        });
        Verdict::Allow
    }
}

/// The app's policies with their `frame-ancestors` replaced by ours.
fn with_ancestors(headers: &HeaderMap, ancestors: &HeaderValue) -> Vec<HeaderValue> {
    let text = ancestors.to_str().unwrap_or_default();
    let mut policies: Vec<String> = headers
        .get_all(CONTENT_SECURITY_POLICY)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(|policy| {
            let kept = policy.split(';').map(str::trim).filter(|d| !d.is_empty());
            kept.filter(|d| !d.to_ascii_lowercase().starts_with("frame-ancestors")).collect::<Vec<_>>().join("; ")
        })
        .filter(|policy| !policy.is_empty())
        .collect();
    match policies.first_mut() {
        Some(first) => *first = format!("{first}; {text}"),
        None => return vec![ancestors.clone()],
    }
    policies.iter().filter_map(|p| HeaderValue::from_str(p).ok()).collect()
}

/// Whether a policy lets a site show any part of the app in a frame.
#[must_use]
pub fn allows_frames(policy: &PolicyFile) -> bool {
    policy.embedding.as_ref().is_some_and(|file| {
        let named = [&file.management, &file.portal].into_iter().flatten();
        file.mode.unwrap_or(policy.mode) == Mode::Enforce && named.map(OneOrMany::as_slice).any(|o| o != ["deny"])
    })
}

/// Rule 4: the cookies that an answer sets, as they work in frames; `None` when it sets none.
#[must_use]
pub fn cookies_for_frames(headers: &HeaderMap) -> Option<HeaderEdit> {
    let cookies = headers.get_all(SET_COOKIE).iter();
    let in_frames = |c: &HeaderValue| c.to_str().ok().and_then(|text| HeaderValue::from_str(&for_frames(text)).ok());
    let cookies: Vec<HeaderValue> = cookies.map(|c| in_frames(c).unwrap_or_else(|| c.clone())).collect();
    (!cookies.is_empty()).then_some(HeaderEdit::SetAll(SET_COOKIE, cookies))
}

/// A `Set-Cookie` value with the attributes that a cookie needs in a frame (CHIPS).
#[must_use]
pub fn for_frames(cookie: &str) -> String {
    let attribute = |part: &str| part.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
    let kept = cookie
        .split(';')
        .enumerate()
        .filter(|(i, part)| *i == 0 || !matches!(attribute(part).as_str(), "samesite" | "secure" | "partitioned"));
    let kept: Vec<&str> = kept.map(|(_, part)| part.trim()).collect();
    format!("{}; SameSite=None; Secure; Partitioned", kept.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_ancestors_and_keeps_the_rest() {
        let mut headers = HeaderMap::new();
        assert_eq!(
            with_ancestors(&headers, &HeaderValue::from_static("frame-ancestors 'none'")),
            ["frame-ancestors 'none'"]
        );
        headers.append(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'; Frame-Ancestors *"));
        headers.append(CONTENT_SECURITY_POLICY, HeaderValue::from_static("frame-ancestors evil.test"));
        assert_eq!(
            with_ancestors(&headers, &HeaderValue::from_static("frame-ancestors 'self' https://a.test")),
            ["default-src 'self'; frame-ancestors 'self' https://a.test"]
        );
    }

    #[test]
    fn cookies_and_origins() {
        assert_eq!(
            for_frames("sid=1; Path=/; HttpOnly; SameSite=Lax"),
            "sid=1; Path=/; HttpOnly; SameSite=None; Secure; Partitioned"
        );
        assert!(is_origin("https://crm.acme.example") && is_origin("http://127.0.0.1:8080"));
        for bad in ["crm.acme.example", "https://a.test/x", "https://*.a.test", "javascript:x", "https://a.test;"] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
