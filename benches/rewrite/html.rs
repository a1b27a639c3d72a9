//! Pages. The peer is `lol_html` with nothing to do.

use std::sync::Arc;

use deskgate::body::rewrite::{Rewrite, html::Html};
use deskgate::masking::{Masker, example};
use divan::{Bencher, black_box, counter::BytesCount};

use super::tickets;

/// What comes of a connection at once.
const PIECE: usize = 32 << 10;

/// Hardly any text: a table of cells with attributes.
fn cells() -> String {
    tickets::filled(|n| {
        format!(
            "<tr id=\"r{n}\"><td class=\"c1\"><a href=\"/t/{n}\" title=\"Open\">{n}</a></td><td>open</td><td></td></tr>\n"
        )
    })
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
fn list(bencher: Bencher) {
    measure(bencher, &tickets::html());
}

#[divan::bench]
fn table(bencher: Bencher) {
    measure(bencher, &cells());
}

#[divan::bench]
fn peer_lol_html_list(bencher: Bencher) {
    peer(bencher, &tickets::html(), lol_html::send::Settings::new_send);
}

#[divan::bench]
fn peer_lol_html_table(bencher: Bencher) {
    peer(bencher, &cells(), lol_html::send::Settings::new_send);
}

/// With a handler of texts that does nothing: what the parser itself costs when it is used.
#[divan::bench]
fn peer_lol_html_texts_of_list(bencher: Bencher) {
    let settings = || {
        let all = lol_html::send::DocumentContentHandlers::default()
            .text(|_: &mut lol_html::html_content::TextChunk<'_>| Ok(()));
        lol_html::send::Settings::new_send().append_document_content_handler(all)
    };
    peer(bencher, &tickets::html(), settings);
}
