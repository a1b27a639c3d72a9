//! Tables as CSV. The peer reads rows and writes them again.

use deskgate::body::rewrite::csv::Csv;
use deskgate::masking::example::EMAIL;
use divan::{Bencher, black_box, counter::BytesCount};

use super::{OTHER_NAMES, measure, with};

const SIZE: usize = 1_200_000;

fn export() -> String {
    let row = |n: usize| {
        format!(
            "{n},Customer {n},user{n}@example.com,\"Main St {n}, Springfield\",open,2026-01-02 10:00,Cannot log in\n"
        )
    };
    let rows: String = (0..SIZE / 90).map(row).collect();
    format!("id,customer,contact,address,status,created,subject\n{rows}")
}

#[divan::bench]
fn by_column(bencher: Bencher) {
    measure(bencher, &with(false, OTHER_NAMES, &[]), &export(), Csv::new);
}

#[divan::bench]
fn by_column_with_hits(bencher: Bencher) {
    measure(bencher, &with(false, &[("contact", EMAIL)], &[]), &export(), Csv::new);
}

#[divan::bench]
fn peer_csv(bencher: Bencher) {
    let text = export();
    let mut out = Vec::with_capacity(text.len() * 2);
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| {
        out.clear();
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(black_box(&text).as_bytes());
        let mut writer = ::csv::Writer::from_writer(&mut out);
        let mut row = ::csv::ByteRecord::new();
        while reader.read_byte_record(&mut row).unwrap() {
            writer.write_byte_record(&row).unwrap();
        }
        writer.flush().unwrap();
    });
}
