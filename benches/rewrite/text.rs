//! Personal data in free text. More texts are in `cargo bench --bench detect`.

use deskgate::masking::example::plan;
use divan::{Bencher, black_box, counter::BytesCount};
use regex::Regex;

use super::tickets;

#[divan::bench]
fn detectors(bencher: Bencher) {
    let (text, detectors) = (tickets::html(), plan(true).detectors);
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| {
        let mut count = 0_usize;
        detectors.find(black_box(&text), &mut |_| count += 1);
        count
    });
}

/// What comes to mind first: an address or seven digits with signs between them, in one pattern.
#[divan::bench]
fn peer_regex(bencher: Bencher) {
    let text = tickets::html();
    let either =
        Regex::new(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}|\+?[0-9](?:[ ()./-]{0,2}[0-9]){6,14}").unwrap();
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| either.find_iter(black_box(&text)).count());
}
