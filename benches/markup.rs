//! How fast answers are rewritten: `cargo bench --profile dist --bench markup`. The peer is `lol_html` with nothing
//! to do.
#![allow(clippy::unwrap_used)] // of a bench

use std::sync::Arc;

use deskgate::body::rewrite::{Rewrite, html::Html};
use deskgate::masking::{Masker, example};
use divan::{Bencher, black_box, counter::BytesCount};

fn main() {
    divan::main();
}

const SIZE: usize = 1_000_000;
/// What comes of a connection at once.
const PIECE: usize = 32 << 10;

/// A list of tickets as a helpdesk shows it: numbers and dates everywhere, every twelfth customer with a number.
fn page() -> String {
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

/// Hardly any text: a table of cells with attributes.
fn table() -> String {
    filled(|n| {
        format!(
            "<tr id=\"r{n}\"><td class=\"c1\"><a href=\"/t/{n}\" title=\"Open\">{n}</a></td><td>open</td><td></td></tr>\n"
        )
    })
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

fn measure(bencher: Bencher, page: &str) {
    let plan = Arc::new(example::plan(true));
    bencher.counter(BytesCount::of_str(page)).bench_local(|| {
        let mut masker = Masker::new(plan.clone());
        let mut html = Html::new(&plan, true);
        let mut out = Vec::with_capacity(2 * PIECE);
        for piece in black_box(page).as_bytes().chunks(PIECE) {
            out.clear();
            html.write(piece, &mut masker, &mut out).unwrap();
            black_box(&out);
        }
        html.finish(&mut masker, &mut out).unwrap();
    });
}

fn peer(bencher: Bencher, page: &str, settings: impl Fn() -> lol_html::send::Settings<'static, 'static>) {
    bencher.counter(BytesCount::of_str(page)).bench_local(|| {
        let mut out = Vec::with_capacity(2 * PIECE);
        let mut html = lol_html::send::HtmlRewriter::new(settings(), |chunk: &[u8]| {
            if out.len() > PIECE {
                out.clear();
            }
            out.extend_from_slice(chunk);
        });
        for piece in black_box(page).as_bytes().chunks(PIECE) {
            html.write(piece).unwrap();
        }
        html.end().unwrap();
    });
}

#[divan::bench]
fn html_tickets(bencher: Bencher) {
    measure(bencher, &page());
}

#[divan::bench]
fn html_table(bencher: Bencher) {
    measure(bencher, &table());
}

#[divan::bench]
fn peer_tickets(bencher: Bencher) {
    peer(bencher, &page(), lol_html::send::Settings::new_send);
}

#[divan::bench]
fn peer_table(bencher: Bencher) {
    peer(bencher, &table(), lol_html::send::Settings::new_send);
}

/// With a handler of texts that does nothing: what the parser itself costs when it is used.
#[divan::bench]
fn peer_texts_tickets(bencher: Bencher) {
    let settings = || {
        let all = lol_html::send::DocumentContentHandlers::default()
            .text(|_: &mut lol_html::html_content::TextChunk<'_>| Ok(()));
        lol_html::send::Settings::new_send().append_document_content_handler(all)
    };
    peer(bencher, &page(), settings);
}
