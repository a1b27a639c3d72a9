#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| deskgate_fuzz::run("answer_html", input));
