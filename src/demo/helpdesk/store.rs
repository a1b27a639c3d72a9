//! The data in memory, and the changes that can be made to it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use time::OffsetDateTime;

use super::data::{Customer, Mail, Message, STATES, Settings, StoredFile, Ticket, kind_of};
use super::form::Upload;
use super::limits;
use super::session::random_hex;

/// All data of the helpdesk.
pub(super) struct Store {
    pub(super) customers: BTreeMap<u64, Customer>,
    pub(super) tickets: BTreeMap<u64, Ticket>,
    pub(super) outbox: VecDeque<Mail>,
    pub(super) settings: Settings,
    files: HashMap<String, StoredFile>,
    oldest_files: VecDeque<String>,
    file_bytes: usize,
    next_ticket: u64,
}

/// What may change about a ticket; `None` leaves it as it is.
#[derive(Default)]
pub(super) struct TicketChange {
    pub(super) subject: Option<String>,
    pub(super) status: Option<String>,
    pub(super) phone: Option<String>,
}

impl Store {
    /// A store without data.
    pub(super) fn empty() -> Self {
        Self {
            customers: BTreeMap::new(),
            tickets: BTreeMap::new(),
            outbox: VecDeque::new(),
            settings: Settings { desk_name: "Tinydesk".into(), signature: "Kind regards, your Tinydesk team".into() },
            files: HashMap::new(),
            oldest_files: VecDeque::new(),
            file_bytes: 0,
            next_ticket: 1001,
        }
    }

    /// The customer behind an account name.
    pub(super) fn customer_of(&self, account: &str) -> Option<&Customer> {
        self.customers.values().find(|c| c.account == Some(account))
    }

    /// A ticket together with its requester.
    pub(super) fn ticket(&self, id: u64) -> Option<(&Ticket, &Customer)> {
        let ticket = self.tickets.get(&id)?;
        Some((ticket, self.customers.get(&ticket.requester)?))
    }

    /// All tickets with their requesters, newest first.
    pub(super) fn newest(&self) -> impl Iterator<Item = (&Ticket, &Customer)> {
        self.tickets.keys().rev().filter_map(|id| self.ticket(*id))
    }

    /// A ticket, when the account's customer asked it.
    pub(super) fn own_ticket(&self, account: &str, id: u64) -> Option<(&Ticket, &Customer)> {
        self.ticket(id).filter(|(_, c)| c.account == Some(account))
    }

    /// How many tickets wait for an answer.
    pub(super) fn open_tickets(&self) -> usize {
        self.tickets.values().filter(|t| t.status == "open").count()
    }

    /// Starts a ticket and returns its id. The oldest one makes room.
    pub(super) fn add_ticket(&mut self, requester: u64, subject: String, first: Message) -> u64 {
        let id = self.next_ticket;
        self.next_ticket += 1;
        let ticket = Ticket {
            id,
            subject,
            status: "open".into(),
            requester,
            assigned_to: if id % 2 == 1 { "amir" } else { "ava" },
            created: first.at,
            messages: vec![first],
        };
        self.tickets.insert(id, ticket);
        while self.tickets.len() > limits::TICKETS {
            let oldest = self.tickets.keys().next().copied();
            oldest.map(|id| self.delete_ticket(id));
        }
        id
    }

    /// Adds a message; `false` when there is no such ticket.
    pub(super) fn add_message(&mut self, id: u64, message: Message) -> bool {
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return false;
        };
        ticket.status = if message.by_staff { "pending" } else { "open" }.into();
        ticket.messages.push(message);
        if ticket.messages.len() > limits::MESSAGES {
            let old = ticket.messages.remove(0);
            self.drop_files(&old.files);
        }
        true
    }

    /// Applies a change; says what is wrong with it, if anything.
    pub(super) fn change_ticket(&mut self, id: u64, change: TicketChange) -> Result<(), &'static str> {
        let ticket = self.tickets.get_mut(&id).ok_or("There is no such ticket.")?;
        if change.subject.as_deref().is_some_and(|s| limits::line(s).is_empty()) {
            return Err("The subject must not be empty.");
        }
        let known = |s: &str| STATES.contains(&s);
        if change.status.as_deref().is_some_and(|s| !known(s)) {
            return Err("The status must be open, pending or closed.");
        }
        if let Some(subject) = change.subject {
            ticket.subject = limits::line(&subject);
        }
        if let Some(status) = change.status {
            ticket.status = status;
        }
        let requester = self.customers.get_mut(&ticket.requester);
        if let (Some(phone), Some(requester)) = (change.phone, requester) {
            requester.phone = limits::line(&phone);
        }
        Ok(())
    }

    /// Removes a ticket and its files; `false` when there is none.
    pub(super) fn delete_ticket(&mut self, id: u64) -> bool {
        let Some(ticket) = self.tickets.remove(&id) else {
            return false;
        };
        for message in &ticket.messages {
            self.drop_files(&message.files);
        }
        true
    }

    /// Keeps uploaded files and returns their tokens. The oldest ones make room.
    pub(super) fn keep_files(&mut self, uploads: Vec<Upload>) -> Vec<String> {
        uploads.into_iter().filter_map(|u| self.keep_file(u)).collect()
    }

    /// Keeps one file under a new token.
    fn keep_file(&mut self, upload: Upload) -> Option<String> {
        let token = random_hex()?;
        self.file_bytes += upload.bytes.len();
        let file =
            StoredFile { token: token.clone(), kind: kind_of(&upload.name), name: upload.name, bytes: upload.bytes };
        self.files.insert(token.clone(), file);
        self.oldest_files.push_back(token.clone());
        while self.file_bytes > limits::FILE_BYTES || self.files.len() > limits::FILES {
            let Some(oldest) = self.oldest_files.front().cloned() else {
                break;
            };
            self.drop_files(&[oldest]);
        }
        Some(token)
    }

    /// Forgets files.
    fn drop_files(&mut self, tokens: &[String]) {
        for token in tokens {
            if let Some(file) = self.files.remove(token) {
                self.file_bytes -= file.bytes.len();
                self.oldest_files.retain(|t| t != token);
            }
        }
    }

    /// The file behind a token.
    pub(super) fn file(&self, token: &str) -> Option<&StoredFile> {
        self.files.get(token)
    }

    /// The files of a message that are still kept.
    pub(super) fn files_of<'a>(&'a self, message: &'a Message) -> impl Iterator<Item = &'a StoredFile> {
        message.files.iter().filter_map(|t| self.files.get(t))
    }

    /// Puts a mail into the outbox.
    pub(super) fn send(&mut self, mail: Mail) {
        self.outbox.push_back(mail);
        while self.outbox.len() > limits::MAILS {
            self.outbox.pop_front();
        }
    }
}

/// A message written now.
pub(super) fn message(author: &str, by_staff: bool, text: String, files: Vec<String>) -> Message {
    Message { author: author.into(), by_staff, text, at: OffsetDateTime::now_utc(), files }
}
