//! What the customers' pages look like.

use maud::{Markup, html};

use super::agent_pages::message;
use super::data::Ticket;
use super::layout::moment;
use super::store::Store;

/// A customer's tickets, and a form for a new one.
pub(super) fn list(desk: &str, own: &[&Ticket]) -> Markup {
    html! {
        p { "Welcome to " (desk) "." }
        table #tickets {
            thead { tr { th { "No." } th { "Subject" } th { "Status" } th { "Since" } } }
            tbody {
                @for ticket in own {
                    tr data-ticket=(ticket.id) {
                        td data-label="No." { (ticket.id) }
                        td data-label="Subject" { a href={ "/portal/tickets/" (ticket.id) } { (ticket.subject) } }
                        td data-label="Status" { (ticket.status) }
                        td data-label="Since" { (moment(ticket.created)) }
                    }
                }
            }
        }
        h2 { "New ticket" }
        form #new.card method="post" enctype="multipart/form-data" action="/portal/tickets" {
            label for="subject" { "Subject" }
            input #subject name="subject" required;
            (text_and_file())
            button type="submit" { "Send" }
        }
    }
}

/// One ticket with its conversation.
pub(super) fn ticket(store: &Store, ticket: &Ticket) -> Markup {
    html! {
        p.by { "Status " b #status { (ticket.status) } ", since " (moment(ticket.created)) }
        @for entry in &ticket.messages { (message(store, entry)) }
        h2 { "Reply" }
        form #reply.card method="post" enctype="multipart/form-data" action={ "/portal/tickets/" (ticket.id) "/reply" } {
            (text_and_file())
            button type="submit" { "Send" }
        }
        form #delete method="post" action={ "/portal/tickets/" (ticket.id) "/delete" } {
            button.danger type="submit" { "Delete this ticket" }
        }
    }
}

/// The fields for a message.
fn text_and_file() -> Markup {
    html! {
        label for="text" { "Text" }
        textarea #text name="text" required {}
        label for="file" { "Files" }
        input #file type="file" name="file" multiple;
    }
}
