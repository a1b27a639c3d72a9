//! Fills a store with the sample data.

use bytes::Bytes;
use time::{Duration, OffsetDateTime};

use super::data::{Customer, Message};
use super::form::Upload;
use super::png;
use super::samples::{CASES, Case, PEOPLE};
use super::store::Store;

/// A store filled with the sample data.
pub(super) fn store() -> Store {
    let mut store = Store::empty();
    add_people(&mut store);
    let now = OffsetDateTime::now_utc();
    let mut at = now - Duration::days(9);
    for case in CASES {
        add_case(&mut store, case, at);
        at += Duration::minutes(1220);
    }
    attach(&mut store, 1001, "invoice.png", Bytes::from(png::stripes(64)));
    let directions = "Take Hauptstraße to the end, then ring twice.\n";
    attach(&mut store, 1002, "Straße (final).v2.txt", Bytes::from(directions));
    store
}

/// Adds the customers.
fn add_people(store: &mut Store) {
    for (id, (account, name, company, phone, email)) in (1..).zip(PEOPLE) {
        let customer = Customer {
            id,
            account: *account,
            name: (*name).into(),
            company: (*company).into(),
            phone: (*phone).into(),
            email: (*email).into(),
        };
        store.customers.insert(id, customer);
    }
}

/// Adds one ticket with its conversation, starting at `at`.
fn add_case(store: &mut Store, case: &Case, at: OffsetDateTime) {
    let (requester, subject, status, lines) = case;
    let mut messages = (0..).zip(*lines).map(|(hours, (author, by_staff, text))| Message {
        author: (*author).into(),
        by_staff: *by_staff,
        text: (*text).into(),
        at: at + Duration::hours(hours),
        files: Vec::new(),
    });
    let Some(first) = messages.next() else {
        return;
    };
    let id = store.add_ticket(*requester, (*subject).into(), first);
    if let Some(ticket) = store.tickets.get_mut(&id) {
        ticket.messages.extend(messages);
        ticket.status = (*status).into();
    }
}

/// Attaches a file to the first message of a ticket.
fn attach(store: &mut Store, ticket: u64, name: &str, bytes: Bytes) {
    let name = name.to_owned();
    let tokens = store.keep_files(vec![Upload { name, bytes }]);
    let ticket = store.tickets.get_mut(&ticket);
    if let Some(first) = ticket.and_then(|t| t.messages.first_mut()) {
        first.files.extend(tokens);
    }
}
