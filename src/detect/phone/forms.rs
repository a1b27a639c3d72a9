//! The forms in which one number may be found again.

use super::numbering::{Reading, trunk_of};
use crate::detect::chars::digit;

/// The digits of a text, of every script, in ASCII.
#[must_use]
pub fn digits(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut found = String::new();
    let mut at = 0;
    while at < bytes.len() {
        let (value, length) = digit(bytes, at).map_or((None, 1), |(value, length)| (Some(value), length));
        found.extend(value.map(|value| char::from(b'0' + value)));
        at += length;
    }
    found
}

/// One number in the forms that apps keep and links hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forms {
    /// `+493023125123`; not known where a number came without its area.
    pub e164: Option<String>,
    /// `03023125123`, as it is dialled inside the country.
    pub national: String,
    /// `3023125123`: what all forms end with.
    pub subscriber: String,
}

impl Forms {
    pub(super) fn of(reading: &Reading) -> Self {
        let subscriber: String = reading.national().iter().map(|&d| char::from(b'0' + d)).collect();
        let e164 = (reading.code > 0).then(|| format!("+{}{subscriber}", reading.code));
        // In North America and Russia people write numbers without what they dial first.
        let trunk = Some(trunk_of(reading.code)).filter(|&trunk| trunk == "0" || trunk == "06").unwrap_or_default();
        Self { e164, national: format!("{trunk}{subscriber}"), subscriber }
    }

    /// Every form, without blanks: with `+`, with `00`, as links to chats have it, national, bare; with a `(0)` too.
    pub fn all(&self) -> impl Iterator<Item = String> + '_ {
        let with_trunk = self.national != self.subscriber;
        let abroad = self.e164.iter().flat_map(move |e164| {
            let bare = e164.trim_start_matches('+');
            let code = bare.strip_suffix(&*self.subscriber).unwrap_or_default();
            let both = format!("{code}{}", self.national);
            let both = with_trunk.then(|| [format!("00{both}"), both]).into_iter().flatten();
            [e164.clone(), format!("00{bare}"), bare.to_owned()].into_iter().chain(both)
        });
        abroad.chain(with_trunk.then(|| self.national.clone())).chain([self.subscriber.clone()])
    }
}
