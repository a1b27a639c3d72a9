//! How much the app accepts and keeps.

/// Largest request body.
pub(super) const BODY_BYTES: usize = 25 * 1024 * 1024;
/// Tickets kept; the oldest goes first.
pub(super) const TICKETS: usize = 200;
/// Attachment bytes kept in all; the oldest file goes first.
pub(super) const FILE_BYTES: usize = 100 * 1024 * 1024;
/// Attachments kept in all; the oldest file goes first.
pub(super) const FILES: usize = 2000;
/// Messages kept on one ticket; the oldest goes first.
pub(super) const MESSAGES: usize = 100;
/// Sent mails kept; the oldest goes first.
pub(super) const MAILS: usize = 200;
/// Sign-ins kept; the oldest goes first.
pub(super) const SESSIONS: usize = 2000;
/// Recipients of one mail.
pub(super) const RECIPIENTS: usize = 20;
/// Characters in a message or note.
pub(super) const TEXT: usize = 20_000;
/// Characters in a one-line field.
pub(super) const LINE: usize = 200;

/// The first `most` characters of `text`, without blanks around them.
pub(super) fn cut(text: &str, most: usize) -> String {
    text.trim().chars().take(most).collect()
}

/// One line: trimmed, shortened, control characters turned into blanks.
pub(super) fn line(text: &str) -> String {
    cut(text, LINE).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
