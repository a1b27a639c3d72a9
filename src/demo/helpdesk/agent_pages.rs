//! What the agents' pages look like.

use maud::{Markup, html};

use super::data::{Customer, Message, STATES, Ticket};
use super::files;
use super::layout::moment;
use super::store::Store;

/// The queue.
pub(super) fn list(store: &Store) -> Markup {
    let tickets: Vec<_> = store.newest().collect();
    html! {
        (search_form(""))
        (ticket_table(&tickets))
        h2 { "Newest customers" }
        ul #recent-customers {}
    }
}

/// What a search found.
pub(super) fn found(wanted: &str, tickets: &[(&Ticket, &Customer)], customers: &[&Customer]) -> Markup {
    html! {
        (search_form(wanted))
        p.by { (tickets.len()) " tickets, " (customers.len()) " customers" }
        (ticket_table(tickets))
        @if !customers.is_empty() {
            h2 { "Customers" }
            (customer_table(customers))
        }
    }
}

/// The search box.
fn search_form(wanted: &str) -> Markup {
    html! {
        form method="get" action="/agent/search" role="search" {
            label for="q" { "Search tickets and customers" }
            input #q type="search" name="q" value=(wanted);
        }
    }
}

/// Tickets as a table with a delete button each.
fn ticket_table(tickets: &[(&Ticket, &Customer)]) -> Markup {
    html! {
        table #tickets {
            thead { tr { th { "No." } th { "Subject" } th { "Customer" } th { "Status" } th { "Agent" } th { "Since" } th {} } }
            tbody {
                @for (ticket, customer) in tickets {
                    tr data-ticket=(ticket.id) {
                        td data-label="No." { (ticket.id) }
                        td data-label="Subject" { a href={ "/agent/tickets/" (ticket.id) } { (ticket.subject) } }
                        td data-label="Customer" { (customer.name) }
                        td data-label="Status" { (ticket.status) }
                        td data-label="Agent" { (ticket.assigned_to) }
                        td data-label="Since" { (moment(ticket.created)) }
                        td { (delete_row(ticket.id)) }
                    }
                }
            }
        }
    }
}

/// A delete button that uses the method override.
fn delete_row(id: u64) -> Markup {
    html! {
        form method="post" action={ "/agent/tickets/" (id) } {
            input type="hidden" name="_method" value="DELETE";
            button.quiet type="submit" { "Delete" }
        }
    }
}

/// Customers as a table.
pub(super) fn customer_table(customers: &[&Customer]) -> Markup {
    html! {
        table #customers {
            thead { tr { th { "Name" } th { "Company" } th { "Phone" } th { "E-mail" } } }
            tbody {
                @for customer in customers {
                    tr data-customer=(customer.id) {
                        td data-label="Name" { a href={ "/agent/customers/" (customer.id) } { (customer.name) } }
                        td data-label="Company" { (customer.company) }
                        td data-label="Phone" { a href=(tel(&customer.phone)) { (customer.phone) } }
                        td data-label="E-mail" { a href={ "mailto:" (customer.email) } { (customer.email) } }
                    }
                }
            }
        }
    }
}

/// One ticket with everything an agent can do to it.
pub(super) fn ticket(store: &Store, ticket: &Ticket, customer: &Customer) -> Markup {
    html! {
        p.by {
            "Status " b #status { (ticket.status) } ", looked after by "
            span #assigned data-agent=(ticket.assigned_to) { (ticket.assigned_to) }
            ", since " (moment(ticket.created))
        }
        (requester(customer))
        h2 { "Conversation" }
        @for message in &ticket.messages { (self::message(store, message)) }
        (reply_form(ticket.id, &store.settings.signature))
        (edit_form(ticket, customer))
        (forward_form(ticket.id))
        form method="post" action={ "/agent/tickets/" (ticket.id) "/delete" } {
            button.danger type="submit" { "Delete this ticket" }
        }
    }
}

/// Who asked, and how to reach them.
fn requester(customer: &Customer) -> Markup {
    html! {
        section #requester.card data-phone=(customer.phone) data-email=(customer.email) {
            a href={ "/agent/customers/" (customer.id) } { (customer.name) }
            ", " (customer.company) br;
            "Phone " a #phone href=(tel(&customer.phone)) { (customer.phone) } br;
            "E-mail " a #email href={ "mailto:" (customer.email) } { (customer.email) }
        }
    }
}

/// One entry of a conversation with its files.
pub(super) fn message(store: &Store, message: &Message) -> Markup {
    html! {
        article.message.staff[message.by_staff] {
            div.by { (message.author) ", " (moment(message.at)) }
            p { (message.text) }
            @for file in store.files_of(message) {
                div.files {
                    a href=(files::link(file)) { (file.name) }
                    " (" (file.bytes.len()) " bytes)"
                    @if file.kind.starts_with("image/") {
                        img src=(files::link(file)) alt=(file.name);
                    }
                }
            }
        }
    }
}

/// Answer the customer.
fn reply_form(id: u64, signature: &str) -> Markup {
    html! {
        h2 { "Reply" }
        form #reply.card method="post" enctype="multipart/form-data" action={ "/agent/tickets/" (id) "/reply" } {
            label for="text" { "Text" }
            textarea #text name="text" required { "\n\n" (signature) }
            label for="cc" { "Copy to (addresses, separated by commas)" }
            input #cc name="cc";
            label for="file" { "Files" }
            input #file type="file" name="file" multiple;
            button type="submit" { "Send" }
        }
    }
}

/// Change what is known about the ticket and its requester.
fn edit_form(ticket: &Ticket, customer: &Customer) -> Markup {
    html! {
        h2 { "Edit" }
        form #edit.card method="post" action={ "/agent/tickets/" (ticket.id) "/edit" } {
            label for="subject" { "Subject" }
            input #subject name="subject" value=(ticket.subject);
            label for="state" { "Status" }
            select #state name="status" {
                @for state in STATES {
                    option value=(state) selected[*state == ticket.status] { (state) }
                }
            }
            label for="edit-phone" { "Phone of " (customer.name) }
            input #edit-phone type="tel" name="phone" value=(customer.phone);
            button type="submit" { "Save" }
        }
    }
}

/// Send the conversation to somebody else.
fn forward_form(id: u64) -> Markup {
    html! {
        h2 { "Forward" }
        form #forward.card method="post" action={ "/agent/tickets/" (id) "/forward" } {
            label for="to" { "To (addresses, separated by commas)" }
            input #to name="to" required;
            label for="note" { "Note" }
            input #note name="note";
            label { input type="checkbox" name="details" value="yes" checked; " With the customer's details" }
            button type="submit" { "Forward" }
        }
    }
}

/// The link that dials a number.
pub(super) fn tel(phone: &str) -> String {
    let digits = phone.chars().filter(|c| c.is_ascii_digit() || *c == '+');
    format!("tel:{}", digits.collect::<String>())
}
