//! How fast answers are masked while they pass: `cargo bench --bench rewrite`.
#![allow(clippy::unwrap_used)] // of a bench

use std::sync::Arc;

use deskgate::body::rewrite::csv::Csv;
use deskgate::body::rewrite::json::{Json, Rules};
use deskgate::body::rewrite::{Answer, Format, Rewrite, Rewriters};
use deskgate::masking::example::{EMAIL, NAME, PHONE, plan};
use deskgate::masking::{FieldId, Masker, Plan, Step};
use divan::{Bencher, black_box, counter::BytesCount};

fn main() {
    divan::main();
}

const SIZE: usize = 1_200_000;
/// As an app's answer is read.
const CHUNK: usize = 16 << 10;

/// The customers of the load tests.
fn json() -> String {
    json_of(SIZE)
}

fn json_of(size: usize) -> String {
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

fn csv() -> String {
    let row = |n: usize| {
        format!(
            "{n},Customer {n},user{n}@example.com,\"Main St {n}, Springfield\",open,2026-01-02 10:00,Cannot log in\n"
        )
    };
    let rows: String = (0..SIZE / 90).map(row).collect();
    format!("id,customer,contact,address,status,created,subject\n{rows}")
}

/// The example, with other places.
fn with(everywhere: bool, names: &[(&str, FieldId)], paths: &[(&str, FieldId)]) -> Arc<Plan> {
    let step = |s: &str| if s == "*" { Step::Any } else { Step::Key(s.into()) };
    let mut plan = plan(everywhere);
    let places = Arc::make_mut(&mut plan.places);
    places.names = names.iter().map(|(name, field)| ((*name).into(), *field)).collect();
    places.paths = paths.iter().map(|(path, field)| (path.split('.').map(step).collect(), *field)).collect();
    Arc::new(plan)
}

/// Names and paths that the data does not have: what it costs to look.
const OTHER_NAMES: &[(&str, FieldId)] =
    &[("fax", PHONE), ("mail_address", EMAIL), ("mobile", PHONE), ("customer_name", NAME), ("telephone", PHONE)];
const OTHER_PATHS: &[(&str, FieldId)] = &[("results.*.fax", PHONE), ("results.*.tickets.*.requester.fax", PHONE)];

fn measure<R: Rewrite>(bencher: Bencher, plan: &Arc<Plan>, text: &str, fresh: impl Fn() -> R) {
    let mut out = Vec::with_capacity(text.len() * 2);
    bencher.counter(BytesCount::of_str(text)).bench_local(|| {
        out.clear();
        let (mut masker, mut by) = (Masker::new(plan.clone()).forgetting(), fresh());
        black_box(text).as_bytes().chunks(CHUNK).try_for_each(|c| by.write(c, &mut masker, &mut out)).unwrap();
        by.finish(&mut masker, &mut out).unwrap();
        out.len()
    });
}

fn of_json(bencher: Bencher, plan: &Arc<Plan>) {
    let rules = Arc::new(Rules::of(plan));
    measure(bencher, plan, &json(), || Json::new(rules.clone()));
}

#[divan::bench]
fn memcpy(bencher: Bencher) {
    let text = json();
    let mut out = Vec::with_capacity(text.len());
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| {
        out.clear();
        black_box(&text).as_bytes().chunks(CHUNK).for_each(|c| out.extend_from_slice(c));
        out.len()
    });
}

#[divan::bench]
fn json_by_key(bencher: Bencher) {
    of_json(bencher, &with(false, OTHER_NAMES, &[]));
}

/// Five values of every customer, each of which is then looked for in all texts.
#[divan::bench]
fn json_by_key_with_hits(bencher: Bencher) {
    of_json(bencher, &with(false, &[("phone", PHONE), ("email", EMAIL)], &[]));
}

/// A whole answer of 58 KB, held and looked through for what was hidden in it.
#[divan::bench]
fn answer_by_key_with_hits(bencher: Bencher) {
    let plan = with(false, &[("phone", PHONE), ("email", EMAIL)], &[]);
    let rewriters = Arc::new(Rewriters::of(plan.clone()));
    let text = json_of(58 << 10);
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| {
        let masker = Masker::new(plan.clone()).forgetting();
        let mut answer = Answer::new(Format::Json, None, rewriters.clone(), masker, None).unwrap();
        let (first, last) = black_box(&text).as_bytes().split_at(32 << 10);
        answer.write(first, false).unwrap().len() + answer.write(last, true).unwrap().len()
    });
}

#[divan::bench]
fn json_by_path(bencher: Bencher) {
    of_json(bencher, &with(false, &[], OTHER_PATHS));
}

#[divan::bench]
fn json_by_path_with_hits(bencher: Bencher) {
    let paths = [("results.*.phone", PHONE), ("results.*.tickets.*.requester.phone", PHONE)];
    of_json(bencher, &with(false, &[], &paths));
}

#[divan::bench]
fn json_everywhere(bencher: Bencher) {
    of_json(bencher, &with(true, &[], &[]));
}

/// Without numbers and addresses.
#[divan::bench]
fn json_everywhere_of_prose(bencher: Bencher) {
    let plan = with(true, OTHER_NAMES, &[]);
    let rules = Arc::new(Rules::of(&plan));
    let text = json().replace("+1-555-", "none").replace('@', " at ");
    let text: String = text.chars().map(|c| if c.is_ascii_digit() { '1' } else { c }).collect();
    let text = text.replace("none1111111", "none");
    measure(bencher, &plan, &text, || Json::new(rules.clone()));
}

#[divan::bench]
fn csv_by_column(bencher: Bencher) {
    measure(bencher, &with(false, OTHER_NAMES, &[]), &csv(), Csv::new);
}

#[divan::bench]
fn csv_by_column_with_hits(bencher: Bencher) {
    measure(bencher, &with(false, &[("contact", EMAIL)], &[]), &csv(), Csv::new);
}
