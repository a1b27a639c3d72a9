use std::sync::Arc;

use super::*;
use crate::masking::Plan;
use crate::masking::example::{PHONE, plan};

fn cut(csv: &Csv, plan: &Arc<Plan>, input: &[u8], first: usize, size: usize) -> Result<String, Broken> {
    let mut masker = Masker::new(plan.clone());
    masker.search_again();
    let mut csv = csv.clone();
    let mut out = Vec::new();
    let (start, rest) = input.split_at(first.min(input.len()));
    std::iter::once(start).chain(rest.chunks(size)).try_for_each(|piece| csv.write(piece, &mut masker, &mut out))?;
    csv.finish(&mut masker, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

/// The same however it is cut.
fn rewritten(csv: &Csv, plan: &Arc<Plan>, input: &str) -> Result<String, Broken> {
    let whole = cut(csv, plan, input.as_bytes(), 0, input.len().max(1));
    for size in [1, 2, 7, 63, 64, 65] {
        assert_eq!(cut(csv, plan, input.as_bytes(), 0, size), whole, "pieces of {size}: {input}");
    }
    for first in 0..input.len().min(300) {
        assert_eq!(cut(csv, plan, input.as_bytes(), first, input.len()), whole, "cut at {first}: {input}");
    }
    whole
}

fn formed(everywhere: bool, form: Form) -> Arc<Plan> {
    let mut plan = plan(everywhere);
    if let Some(hidden) = &mut plan.hidden[usize::from(PHONE.0)] {
        hidden.form = form;
    }
    Arc::new(plan)
}

#[test]
fn cells_of_named_columns() {
    let plan = Arc::new(plan(false));
    for (input, expected) in [
        ("", ""),
        ("\n\n", "\n\n"),
        ("\u{feff}", "\u{feff}"),
        ("a,b\n1,2", "a,b\n1,2"),
        ("id,phone\n1,030 1\n2,031 2\n", "id,phone\n1,XXX X\n2,XXX X\n"),
        ("id;Phone;x\r\n1;030 1;2\r\n", "id;Phone;x\r\n1;XXX X;2\r\n"),
        ("id\t\"PHONE\"\n1\t\"030\"\"1\"", "id\t\"PHONE\"\n1\t\"XXX\"\"X\""),
        ("\u{feff}phone\n030\n", "\u{feff}phone\nXXX\n"),
        ("\r\n\nphone,a\n030,b\n", "\r\n\nphone,a\nXXX,b\n"),
        ("sep=;\r\nphone;a,b\r\n030;1,2\r\n", "sep=;\r\nphone;a,b\r\nXXX;1,2\r\n"),
        ("sep=|\nphone|a\n030|1\n", "sep=|\nphone|a\nXXX|1\n"),
        (" Customer-Name ,x\nAnna,5\" disk\n", " Customer-Name ,x\n[hidden],5\" disk\n"),
        ("a,phone\n\"x\ny,\"\"z\",030\n", "a,phone\n\"x\ny,\"\"z\",XXX\n"),
        ("a,phone\n\"x\"y,030\n\"x\" ,\"030\" \n", "a,phone\n\"x\"y,XXX\n\"x\" ,\"\"\"XXX\"\" \"\n"),
        ("phone,a\n030,b,1,2\n\n030\n", "phone,a\nXXX,b,1,2\n\nXXX\n"),
        ("phone\n", "phone\n"),
        ("phone,x\n0\"3,y\n", "phone,x\n\"X\"\"X\",y\n"),
        ("phone,x\r\n,\r\n\"\",\r\n030,", "phone,x\r\n,\r\n\"\",\r\nXXX,"),
        ("a;b,c;phone\n1;2,3;030", "a;b,c;phone\n1;2,3;XXX"),
        ("phone\r\n030\r", "phone\r\nXXX\r"),
    ] {
        assert_eq!(rewritten(&Csv::new(), &plan, input).as_deref(), Ok(expected), "{input}");
        if !input.starts_with('\u{feff}') {
            let lines = "\n".repeat(70);
            let moved = rewritten(&Csv::new(), &plan, &format!("{lines}{input}"));
            assert_eq!(moved, Ok(format!("{lines}{expected}")));
        }
    }
    let tabs = rewritten(&Csv::tabs(), &plan, "a,b\tphone\n1,2,3\t030\n");
    assert_eq!(tabs.as_deref(), Ok("a,b\tphone\n1,2,3\tXXX\n"));
}

#[test]
fn text_in_other_cells() {
    let plan = Arc::new(plan(true));
    for (input, expected) in [
        ("a,b\nx,call +49 30 23125123\n", "a,b\nx,call +XX XX XXXXXXXX\n"),
        ("x,anna@example.com\n", "x,a***@***.com\n"),
        (
            "phone,b\n+49 30 23125123,\"x 030 23125123\"\n1,2,anna@example.com",
            "phone,b\n+XX XX XXXXXXXX,\"x XXX XXXXXXXX\"\nX,2,a***@***.com",
        ),
        ("\"+49 30 23125123\",\"5\"\" anna@example.com\"", "\"+XX XX XXXXXXXX\",\"5\"\" a***@***.com\""),
    ] {
        assert_eq!(rewritten(&Csv::new(), &plan, input).as_deref(), Ok(expected), "{input}");
    }
}

/// A quote is where it is, whatever was written before it.
#[test]
fn quotes_behind_what_was_written() {
    let plan = Arc::new(plan(false));
    let input = format!("id,phone\n{},\"030\"{}\"\n030", "x".repeat(200), "y".repeat(60));
    let expected = format!("id,phone\n{},\"\"\"XXX\"\"{}\"\"\"\n030", "x".repeat(200), "y".repeat(60));
    assert_eq!(rewritten(&Csv::new(), &plan, &input).as_deref(), Ok(&*expected));
}

#[test]
fn forms() {
    for form in [Form::Remove, Form::Null] {
        let plan = formed(false, form);
        let out = rewritten(&Csv::new(), &plan, "a,phone,b\n1,030 1234567,2\n3,\"031\",4\n5,,030 1234567\n");
        assert_eq!(out.as_deref(), Ok("a,phone,b\n1,,2\n3,\"\",4\n5,,[removed]\n"));
    }
    let plan = formed(false, Form::Fixed("a, \"b\"".into()));
    let out = rewritten(&Csv::new(), &plan, "tel,b\n1,2\n\"3\",4\n");
    assert_eq!(out.as_deref(), Ok("tel,b\n\"a, \"\"b\"\"\",2\n\"a, \"\"b\"\"\",4\n"));
}

#[test]
fn what_is_no_csv() {
    let plan = Arc::new(plan(false));
    let long = format!("a,b\n1,\"{}\"\n", "x".repeat(MOST_CELL + 10));
    for bad in
        ["a,b\n1,\"2\n", "a\0b\n", "sep=3\nphone\n+49 30 2312\n", "a,b\n1,2\r3,4\n", "\"", "a,b\n1,\"2\"\"", &long]
    {
        for size in [1_000, 5_000_000] {
            assert!(cut(&Csv::new(), &plan, bad.as_bytes(), 0, size).is_err(), "{}", &bad[..bad.len().min(40)]);
        }
    }
    let fits = format!("a,phone\n\"{}\",030\n", "x\n".repeat(MOST_CELL / 2 - 100));
    assert!(cut(&Csv::new(), &plan, fits.as_bytes(), 0, 10_000).unwrap().ends_with(",XXX\n"));
}
