//! How fast personal data is found: `cargo bench --profile dist --bench detect`. Figures are in `docs/detectors.md`.
#![allow(clippy::unwrap_used)] // of a bench

use deskgate::detect::{Detectors, IdKind, Settings};
use divan::{Bencher, black_box, counter::BytesCount};

fn main() {
    divan::main();
}

const SIZE: usize = 1_000_000;

fn detectors(ids: &[IdKind]) -> Detectors {
    let regions = vec!["DE".into(), "US".into()];
    let ids = ids.to_vec();
    Detectors::new(&Settings { email: true, phone: true, regions, iban: true, card: true, ids, own: Vec::new() })
        .unwrap()
}

/// A list of tickets as a helpdesk shows it: numbers and dates everywhere, every twelfth customer with a number.
fn html() -> String {
    let row = |n: usize| {
        let k = n * 7919 % 1000;
        let contact = format!("<p>Call me: +49 30 23125{k:03} or jo{k}@example.com</p>");
        format!(
            "<div class=\"ticket row-{}\" id=\"t{n}\"><a href=\"/agent/tickets/{n}\">[Ticket #{}] Printer on floor {} does not \
             print</a> <span class=\"date\">2024-0{}-1{} 1{}:{}</span><p>Good morning, since yesterday the printer beside the \
             kitchen only shows a red light. I have switched it off and on again and looked for paper, but nothing changed. \
             Could somebody have a look at it please? Best regards</p></div>\n{}",
            k % 7,
            n + 100_000,
            k % 9,
            k % 9 + 1,
            k % 10,
            k % 10,
            k % 50 + 10,
            if n.is_multiple_of(12) { contact } else { String::new() }
        )
    };
    filled(row)
}

fn json() -> String {
    let row = |n: usize| {
        let k = n * 7919 % 1000;
        let contact = format!("{{\"email\":\"jo{k}@example.com\",\"phone\":\"(202) 555-0{k:03}\"}},");
        format!(
            "{{\"id\":{},\"status\":\"open\",\"priority\":{},\"subject\":\"Printer on floor {}\",\"created_at\":\
             \"2024-01-{:02}T1{}:00:00Z\",\"updated_at\":{},\"tags\":[\"printer\"],\"body\":\"The printer beside the kitchen \
             only shows a red light and nothing else happens when it is switched off and on\",\"assignee\":null}},{}",
            n + 100_000,
            k % 4,
            k % 9,
            k % 28 + 1,
            k % 10,
            1_700_000_000 + n,
            if n.is_multiple_of(12) { contact } else { String::new() }
        )
    };
    filled(row)
}

fn filled(row: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for n in 1.. {
        text.push_str(&row(n));
        if text.len() >= SIZE {
            break;
        }
    }
    text
}

fn measure(bencher: Bencher, detectors: &Detectors, text: &str) {
    bencher.counter(BytesCount::of_str(text)).bench_local(|| {
        let mut count = 0_usize;
        detectors.find(black_box(text), &mut |_| count += 1);
        count
    });
}

#[divan::bench]
fn helpdesk_html(bencher: Bencher) {
    measure(bencher, &detectors(&[]), &html());
}

#[divan::bench]
fn helpdesk_html_and_every_national_id(bencher: Bencher) {
    measure(bencher, &detectors(IdKind::ALL), &html());
}

#[divan::bench]
fn helpdesk_json(bencher: Bencher) {
    measure(bencher, &detectors(&[]), &json());
}

#[divan::bench]
fn helpdesk_json_and_every_national_id(bencher: Bencher) {
    measure(bencher, &detectors(IdKind::ALL), &json());
}

/// Nothing to find and little to look at; the worst that was found; numbers only.
#[divan::bench(args = ["The printer shows a red light. ", "Der Drucker läßt sich öffnen. ", "7", "@", "a@", "1 ", "12 ", "+49 30 23125123 "])]
fn repeated(bencher: Bencher, piece: &str) {
    measure(bencher, &detectors(&[]), &piece.repeat(SIZE / piece.len()));
}
