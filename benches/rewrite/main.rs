//! How fast answers are masked while they pass, and what others need for less: `cargo bench --profile dist --bench
//! rewrite`. `benches/peers/run` runs it too, and judges it.
#![allow(clippy::unwrap_used)] // of a bench

mod csv;
mod html;
mod json;
mod text;
#[path = "../common/tickets.rs"]
mod tickets;

use std::sync::Arc;

use deskgate::body::rewrite::Rewrite;
use deskgate::masking::example::{EMAIL, NAME, PHONE, plan};
use deskgate::masking::{FieldId, Masker, Plan, Step};
use divan::{Bencher, black_box, counter::BytesCount};

fn main() {
    divan::main();
}

/// As an app's answer is read.
const CHUNK: usize = 16 << 10;

/// Names that the data does not have: what it costs to look.
const OTHER_NAMES: &[(&str, FieldId)] =
    &[("fax", PHONE), ("mail_address", EMAIL), ("mobile", PHONE), ("customer_name", NAME), ("telephone", PHONE)];

/// The example, with other places.
fn with(everywhere: bool, names: &[(&str, FieldId)], paths: &[(&str, FieldId)]) -> Arc<Plan> {
    let step = |s: &str| if s == "*" { Step::Any } else { Step::Key(s.into()) };
    let mut plan = plan(everywhere);
    let places = Arc::make_mut(&mut plan.places);
    places.names = names.iter().map(|(name, field)| ((*name).into(), *field)).collect();
    places.paths = paths.iter().map(|(path, field)| (path.split('.').map(step).collect(), *field)).collect();
    Arc::new(plan)
}

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

#[divan::bench]
fn memcpy(bencher: Bencher) {
    let text = json::customers(json::SIZE);
    let mut out = Vec::with_capacity(text.len());
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| {
        out.clear();
        black_box(&text).as_bytes().chunks(CHUNK).for_each(|c| out.extend_from_slice(c));
        out.len()
    });
}
