//! What the helpdesk is about: customers, tickets, messages, files and mails.

use bytes::Bytes;
use time::OffsetDateTime;

/// The states a ticket can be in.
pub(super) const STATES: &[&str] = &["open", "pending", "closed"];

/// A person who writes to the helpdesk.
pub(super) struct Customer {
    pub(super) id: u64,
    /// Account name, for those who can use the portal.
    pub(super) account: Option<&'static str>,
    pub(super) name: String,
    pub(super) company: String,
    pub(super) phone: String,
    pub(super) email: String,
}

/// A conversation with one customer.
pub(super) struct Ticket {
    pub(super) id: u64,
    pub(super) subject: String,
    pub(super) status: String,
    /// Id of the customer who asked.
    pub(super) requester: u64,
    /// Account name of the agent who looks after it.
    pub(super) assigned_to: &'static str,
    pub(super) created: OffsetDateTime,
    pub(super) messages: Vec<Message>,
}

/// One entry in a conversation.
pub(super) struct Message {
    pub(super) author: String,
    pub(super) by_staff: bool,
    pub(super) text: String,
    pub(super) at: OffsetDateTime,
    /// Tokens of the attached files.
    pub(super) files: Vec<String>,
}

/// A stored attachment.
#[derive(Clone)]
pub(super) struct StoredFile {
    pub(super) token: String,
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) bytes: Bytes,
}

/// A mail the app sent (it only keeps them).
pub(super) struct Mail {
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) why: &'static str,
    pub(super) by: String,
    pub(super) at: OffsetDateTime,
}

/// What the manager can set.
pub(super) struct Settings {
    pub(super) desk_name: String,
    pub(super) signature: String,
}

/// The content type for a file name.
pub(super) fn kind_of(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "txt" | "log" | "md" => "text/plain; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "zip" => "application/zip",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "application/octet-stream",
    }
}
