//! The channels: the profile's, those that the policy adds, and the controls that differ for each.

use std::sync::Arc;

use super::guards::{self, Guards};
use crate::policy::channels::WrittenChannel;
use crate::policy::file::PolicyFile;
use crate::policy::names::Names;
use crate::policy::problem::{Problems, did_you_mean};
use crate::policy::profile::{ChannelFile, ProfileFile};
use crate::policy::yaml::join;

/// A way by which customers reach the desk.
pub struct Channel {
    /// Its name.
    pub name: Arc<str>,
    /// The controls, when something differs from the policy's own.
    pub guards: Option<Guards>,
}

/// Every channel with its requests, in the order of their places, which decides between two that fit
/// alike; `true` where the policy defines it.
pub(super) fn all<'a>(profile: &'a ProfileFile, file: &'a PolicyFile) -> Vec<(&'a str, &'a ChannelFile, bool)> {
    let own = &file.app.overrides.channels;
    let shipped = profile.channels.iter().filter(|(name, _)| own.get(name).is_none());
    own.iter().map(|(name, c)| (name, c, true)).chain(shipped.map(|(name, c)| (name, c, false))).collect()
}

/// Compiles them.
pub(super) fn compile(
    profile: &ProfileFile,
    file: &PolicyFile,
    written: &mut [WrittenChannel],
    names: &Names<'_>,
    problems: &mut Problems,
) -> Vec<Channel> {
    let all = all(profile, file);
    for channel in written.iter().filter(|w| !all.iter().any(|(name, ..)| w.name == *name)) {
        let hint = did_you_mean(&channel.name, all.iter().map(|(name, ..)| *name));
        let message =
            format!("neither the profile nor app.overrides.channels knows a channel \"{}\"{hint}", channel.name);
        problems.error(join("channels", &channel.name), message);
    }
    let mut guards_of = |name: &str| {
        let channel = written.iter_mut().find(|w| w.name == name)?;
        let node = &channel.node;
        Some(guards::arm(&channel.file, names, &|path| node.position_of(path).line, &mut channel.problems))
    };
    all.iter().map(|(name, ..)| Channel { name: (*name).into(), guards: guards_of(name) }).collect()
}
