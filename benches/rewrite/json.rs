//! JSON. Its peers only say whether it is JSON, or read all of it and write it again.

use std::sync::Arc;

use deskgate::body::rewrite::json::{Json, Rules};
use deskgate::body::rewrite::{Answer, Format, Rewriters};
use deskgate::masking::example::{EMAIL, PHONE};
use deskgate::masking::{FieldId, Masker, Plan};
use divan::{Bencher, black_box, counter::BytesCount};

use super::{OTHER_NAMES, with};

/// Of what is measured as a stream.
pub const SIZE: usize = 1_200_000;

/// Paths that the data does not have.
const OTHER_PATHS: &[(&str, FieldId)] = &[("results.*.fax", PHONE), ("results.*.tickets.*.requester.fax", PHONE)];

/// The customers of the load tests.
pub fn customers(size: usize) -> String {
    let number = |n: usize| 1_000_000 + n * 7_919 % 9_000_000;
    let ticket = |n: usize| {
        format!(
            "{{\"id\": {n}, \"subject\": \"Cannot log in to my account\", \"status\": \"open\", \"requester\": {{\"phone\": \
             \"+1-555-{}\"}}}}",
            number(n)
        )
    };
    let customer = |n: usize| {
        let tickets: Vec<_> = (0..3).map(|j| ticket(n * 10 + j)).collect();
        format!(
            "{{\"id\": {n}, \"name\": \"Customer {n}\", \"email\": \"user{n}@example.com\", \"phone\": \"+1-555-{}\", \
             \"address\": {{\"street\": \"{n} Main St\", \"city\": \"Springfield\", \"zip\": \"{}\"}}, \"notes\": \"{}\", \
             \"tags\": [\"vip\", \"eu\"], \"tickets\": [{}]}}",
            number(n),
            10_000 + n,
            "Lorem ipsum dolor sit amet, consectetur adipiscing elit. ".repeat(3),
            tickets.join(", ")
        )
    };
    let all: Vec<_> = (0..size / 750).map(customer).collect();
    format!("{{\"count\": {}, \"results\": [{}]}}", all.len(), all.join(", "))
}

fn measure(bencher: Bencher, plan: &Arc<Plan>, text: &str) {
    let rules = Arc::new(Rules::of(plan));
    super::measure(bencher, plan, text, || Json::new(rules.clone()));
}

#[divan::bench]
fn by_key(bencher: Bencher) {
    measure(bencher, &with(false, OTHER_NAMES, &[]), &customers(SIZE));
}

/// Five values of every customer, each of which is then looked for in all texts.
#[divan::bench]
fn by_key_with_hits(bencher: Bencher) {
    measure(bencher, &with(false, &[("phone", PHONE), ("email", EMAIL)], &[]), &customers(SIZE));
}

/// A whole answer of 58 KB, held and looked through for what was hidden in it.
#[divan::bench]
fn answer_by_key_with_hits(bencher: Bencher) {
    let plan = with(false, &[("phone", PHONE), ("email", EMAIL)], &[]);
    let rewriters = Arc::new(Rewriters::of(plan.clone()));
    let text = customers(58 << 10);
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| {
        let masker = Masker::new(plan.clone()).forgetting();
        let mut answer = Answer::new(Format::Json, None, rewriters.clone(), masker, None).unwrap();
        let (first, last) = black_box(&text).as_bytes().split_at(32 << 10);
        answer.write(first, false).unwrap().len() + answer.write(last, true).unwrap().len()
    });
}

#[divan::bench]
fn by_path(bencher: Bencher) {
    measure(bencher, &with(false, &[], OTHER_PATHS), &customers(SIZE));
}

#[divan::bench]
fn by_path_with_hits(bencher: Bencher) {
    let paths = [("results.*.phone", PHONE), ("results.*.tickets.*.requester.phone", PHONE)];
    measure(bencher, &with(false, &[], &paths), &customers(SIZE));
}

#[divan::bench]
fn everywhere(bencher: Bencher) {
    measure(bencher, &with(true, &[], &[]), &customers(SIZE));
}

/// Without numbers and addresses.
#[divan::bench]
fn everywhere_of_prose(bencher: Bencher) {
    let text = customers(SIZE).replace("+1-555-", "none").replace('@', " at ");
    let text: String = text.chars().map(|c| if c.is_ascii_digit() { '1' } else { c }).collect();
    measure(bencher, &with(true, OTHER_NAMES, &[]), &text.replace("none1111111", "none"));
}

/// Read into a value, and written again: what most programs do that mask.
#[divan::bench]
fn peer_serde_json(bencher: Bencher) {
    let text = customers(SIZE);
    let mut out = Vec::with_capacity(text.len() * 2);
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| {
        out.clear();
        let value: serde_json::Value = serde_json::from_str(black_box(&text)).unwrap();
        serde_json::to_writer(&mut out, &value).unwrap();
        out.len()
    });
}

/// Read into a tape, nothing written.
#[divan::bench]
fn peer_simd_json(bencher: Bencher) {
    let text = customers(SIZE);
    let mut buffers = simd_json::Buffers::new(text.len());
    let input = || text.clone().into_bytes();
    bencher
        .counter(BytesCount::of_str(&text))
        .with_inputs(input)
        .bench_local_refs(|text| simd_json::to_tape_with_buffers(black_box(text), &mut buffers).unwrap().0.len());
}
