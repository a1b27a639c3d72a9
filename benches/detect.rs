//! How fast personal data is found: `cargo bench --profile dist --bench detect`. Figures are in `docs/detectors.md`.
#![allow(clippy::unwrap_used)] // of a bench

use deskgate::detect::{Detectors, IdKind, Settings};
use divan::{Bencher, black_box, counter::BytesCount};
use tickets::{SIZE, filled, html};

#[path = "common/tickets.rs"]
mod tickets;

fn main() {
    divan::main();
}

fn detectors(ids: &[IdKind]) -> Detectors {
    let regions = vec!["DE".into(), "US".into()];
    let ids = ids.to_vec();
    Detectors::new(&Settings { email: true, phone: true, regions, iban: true, card: true, ids, own: Vec::new() })
        .unwrap()
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
