//! What a `Set-Cookie` does, read as browsers read it (RFC 6265, section 5).

use std::time::Duration;

use time::{Date, Month, OffsetDateTime, Time};

use crate::clock::Timestamp;

/// A cookie that an answer sets or removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetCookie<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
    /// The last `Max-Age` that is a number, in seconds.
    max_age: Option<i64>,
    /// The last `Expires` that is a date.
    expires: Option<OffsetDateTime>,
}

impl<'a> SetCookie<'a> {
    /// Reads the value of a `Set-Cookie` header; `None` when browsers ignore it.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let mut cookie = Self { name: name.trim(), value: value.trim(), max_age: None, expires: None };
        for part in parts {
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            let (attribute, value) = (attribute.trim(), value.trim());
            if attribute.eq_ignore_ascii_case("max-age") {
                cookie.max_age = max_age(value).or(cookie.max_age);
            } else if attribute.eq_ignore_ascii_case("expires") {
                cookie.expires = date(value).or(cookie.expires);
            }
        }
        (!cookie.name.is_empty()).then_some(cookie)
    }

    /// Whether the browser has no such cookie afterwards, or one that holds nothing.
    #[must_use]
    pub fn removes(&self, now: Timestamp) -> bool {
        if self.value.trim_matches('"').is_empty() {
            return true;
        }
        // Max-Age has precedence (section 5.3).
        match (self.max_age, self.expires) {
            (Some(seconds), _) => seconds <= 0,
            (None, Some(date)) => date <= OffsetDateTime::UNIX_EPOCH + Duration::from_millis(now.0),
            (None, None) => false,
        }
    }
}

/// Section 5.2.2; a number too large for this type is one all the same.
fn max_age(value: &str) -> Option<i64> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(value.parse().unwrap_or(if value.starts_with('-') { i64::MIN } else { i64::MAX }))
}

/// A date as section 5.1.1 finds its parts, in whatever order.
fn date(text: &str) -> Option<OffsetDateTime> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == ':' || !c.is_ascii();
    let (mut clock, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(|c| !is_part(c)).filter(|t| !t.is_empty()) {
        if clock.is_none()
            && let Some(found) = time_of(token)
        {
            clock = Some(found);
        } else if let (None, Some(found)) = (day, number(token, 1..=2)) {
            day = Some(found);
        } else if let (None, Some(found)) = (month, month_of(token)) {
            month = Some(found);
        } else if let (None, Some(found)) = (year, number(token, 2..=4)) {
            year = Some(found);
        }
    }
    let year = match year? {
        short @ 70..=99 => short + 1900,
        short @ 0..=69 => short + 2000,
        // Earlier ones are no dates (section 5.1.1).
        year => Some(year).filter(|year| *year > 1600)?,
    };
    let date = Date::from_calendar_date(i32::try_from(year).ok()?, month?, u8::try_from(day?).ok()?).ok()?;
    Some(date.with_time(clock?).assume_utc())
}

/// The number at the beginning of `token`, if it has so many digits.
fn number(token: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let end = token.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(token.len());
    digits.contains(&end).then(|| token[..end].parse().ok()).flatten()
}

fn time_of(token: &str) -> Option<Time> {
    let mut fields = token.splitn(3, ':').map(|field| number(field, 1..=2).and_then(|n| u8::try_from(n).ok()));
    let (hour, minute, second) = (fields.next()??, fields.next()??, fields.next()??);
    Time::from_hms(hour, minute, second).ok()
}

fn month_of(token: &str) -> Option<Month> {
    const NAMES: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let start = token.get(..3)?;
    let place = NAMES.iter().position(|name| name.eq_ignore_ascii_case(start))?;
    Month::try_from(u8::try_from(place + 1).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_removed_as_browsers_understand_it() {
        // 2026-03-02T09:00:00Z
        let now = Timestamp(1_772_442_000_000);
        for (cookie, removes) in [
            ("sid=abc", false),
            ("sid=; Path=/", true),
            ("sid=\"\"", true),
            ("sid=None; Expires=Thu, 01 Jan 1970 00:00:00 GMT", true),
            ("sid=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/", true),
            ("sid=x; Expires=Thursday, 01-Jan-70 00:00:00 GMT", true),
            ("sid=x; EXPIRES = Thu Jan  1 00:00:00 1970", true),
            ("sid=x; Expires=Mon, 02 Mar 2026 08:59:59 GMT", true),
            ("sid=x; Expires=Mon, 02 Mar 2026 09:00:01 GMT", false),
            ("sid=x; Expires=Wed, 01 Jan 2098 00:00:00 GMT", false),
            ("sid=x; Expires=0", false),
            ("sid=x; Expires=yesterday", false),
            ("sid=x; Expires=Mon, 30 Feb 2020 00:00:00 GMT", false),
            ("sid=x; max-age=0", true),
            ("sid=x; Max-Age=-1", true),
            ("sid=x; Max-Age=-99999999999999999999", true),
            ("sid=x; Max-Age=99999999999999999999", false),
            ("sid=x; Max-Age=soon", false),
            ("sid=x; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", false),
            ("sid=x; Max-Age=0; Expires=Wed, 01 Jan 2098 00:00:00 GMT", true),
            ("sid=x; Max-Age=0; Max-Age=60", false),
        ] {
            assert_eq!(SetCookie::parse(cookie).unwrap().removes(now), removes, "{cookie}");
        }
        assert_eq!(SetCookie::parse("sid"), None);
        assert_eq!(SetCookie::parse("=x"), None);
    }
}
