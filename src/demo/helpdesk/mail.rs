//! What the app mails: forwarded tickets and replies. Mails are only kept, never sent out.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::html;
use time::OffsetDateTime;

use super::App;
use super::account::Account;
use super::agent;
use super::data::{Customer, Mail, Ticket};
use super::form::Posted;
use super::id::Id;
use super::layout::{self, moment};
use super::limits;
use super::problem::Problem;
use super::session::Staff;
use super::store::Store;

/// `POST /agent/tickets/{id}/forward`.
pub(super) async fn forward(
    State(app): State<Arc<App>>,
    Staff(who): Staff,
    Id(id): Id,
    form: Posted,
) -> Result<Response, Problem> {
    let to = recipients(&form.required("to", "Please say whom to forward to.")?)?;
    let note = limits::cut(form.text("note"), limits::TEXT);
    let mut store = app.store.lock();
    let (ticket, customer) = store.ticket(id).ok_or_else(|| Problem::missing("ticket"))?;
    let subject = format!("Fwd: [#{id}] {}", ticket.subject);
    let text = forwarded(&note, ticket, (form.text("details") == "yes").then_some(customer));
    for address in to {
        store.send(mail(address, &subject, &text, "forward", who));
    }
    Ok(agent::back_to(id))
}

/// Mails a reply to the customer and to everybody in copy.
pub(super) fn send_reply(store: &mut Store, id: u64, who: &Account, customer: &str, cc: &[String], text: &str) {
    let subject = store.tickets.get(&id).map(|t| t.subject.as_str());
    let subject = format!("Re: [#{id}] {}", subject.unwrap_or_default());
    store.send(mail(customer.into(), &subject, text, "reply", who));
    for address in cc {
        store.send(mail(address.clone(), &subject, text, "copy", who));
    }
}

/// A mail written now.
fn mail(to: String, subject: &str, text: &str, why: &'static str, who: &Account) -> Mail {
    Mail {
        to,
        subject: subject.into(),
        text: text.into(),
        why,
        by: who.full_name.into(),
        at: OffsetDateTime::now_utc(),
    }
}

/// The text of a forwarded ticket, with how to reach the customer if that is wanted.
fn forwarded(note: &str, ticket: &Ticket, customer: Option<&Customer>) -> String {
    let mut text = format!("{note}\n");
    if let Some(customer) = customer {
        let _ = write!(text, "\nCustomer: {}\nPhone: {}\nE-mail: {}\n", customer.name, customer.phone, customer.email);
    }
    for message in &ticket.messages {
        let _ = write!(text, "\n{}, {}:\n{}\n", message.author, moment(message.at), message.text);
    }
    limits::cut(&text, limits::TEXT)
}

/// The addresses in a field, separated by commas or semicolons.
pub(super) fn recipients(field: &str) -> Result<Vec<String>, Problem> {
    let parts = field.split([',', ';']).map(str::trim);
    let all: Vec<String> = parts.filter(|p| !p.is_empty()).map(str::to_owned).collect();
    if all.len() > limits::RECIPIENTS {
        return Err(Problem::bad("That is too many addresses."));
    }
    match all.iter().find(|a| !is_address(a)) {
        Some(wrong) => Err(Problem::bad(&format!("\"{wrong}\" is not an e-mail address."))),
        None => Ok(all),
    }
}

/// Whether this looks like an e-mail address.
fn is_address(text: &str) -> bool {
    let plain =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@');
    text.len() <= 254 && text.split_once('@').is_some_and(|(user, host)| plain(user) && plain(host))
}

/// `GET /outbox`.
pub(super) async fn outbox(State(app): State<Arc<App>>, Staff(who): Staff) -> Response {
    let store = app.store.lock();
    let body = html! {
        @if store.outbox.is_empty() { p.by { "Nothing was mailed yet." } }
        @for mail in store.outbox.iter().rev() {
            article.message data-why=(mail.why) data-to=(mail.to) {
                div.by { (mail.why) " by " (mail.by) ", " (moment(mail.at)) }
                b { "To " (mail.to) ": " (mail.subject) }
                p { (mail.text) }
            }
        }
    };
    layout::ok("Outbox", who, &body)
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn addresses_need_two_sides() {
        assert!(is_address("a.b@partner.example"));
        for bad in ["", "a", "@b", "a@", "a@b@c", "a b@c"] {
            assert!(!is_address(bad), "{bad:?}");
        }
    }
}
