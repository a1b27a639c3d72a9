//! How pages look where it can be told without looking: contrast in both colour schemes, and names of cells where there
//! is no room for columns.

use std::io::Result;

use super::desk::Desk;

const STYLE: &str = include_str!("../style.css");

/// The colour that a scheme gives a name.
fn colour(scheme: &str, name: &str) -> [f64; 3] {
    let value = scheme.split(&format!("--{name}: #")).nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    let pairs: Vec<String> = match value.len() {
        3 => value.chars().map(|c| format!("{c}{c}")).collect(),
        _ => value.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into_owned()).collect(),
    };
    [0, 1, 2].map(|at| f64::from(u8::from_str_radix(&pairs[at], 16).unwrap()) / 255.0)
}

/// The contrast of two colours (WCAG 2.2, "contrast ratio").
fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
    let luminance = |[r, g, b]: [f64; 3]| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn texts_can_be_read_in_light_and_dark() {
    let (light, dark) = STYLE.split_once("@media (prefers-color-scheme: dark)").unwrap();
    assert!(light.contains("color-scheme: light dark"), "fields and scroll bars follow, too");
    for scheme in [light, dark] {
        let colour = |name| colour(scheme, name);
        let texts = ["ink", "soft", "main"].into_iter().flat_map(|t| [(t, "paper"), (t, "ground")]);
        for (text, ground) in texts {
            assert!(contrast(colour(text), colour(ground)) >= 4.5, "{text} on {ground}");
        }
        for ground in ["fill", "warn"] {
            assert!(contrast([1.0; 3], colour(ground)) >= 4.5, "white on {ground}");
        }
    }
}

#[tokio::test]
async fn cells_say_their_column_where_there_is_no_room_for_columns() -> Result<()> {
    assert!(STYLE.contains("content: attr(data-label)"));
    let desk = Desk::start().await?;
    for (user, path) in [("amir", "/agent/"), ("amir", "/agent/customers"), ("carl", "/portal/")] {
        let cookie = desk.sign_in(user).await?;
        let page = desk.get(path, &cookie).await?.text();
        let cells: Vec<&str> = page.split("<td").skip(1).collect();
        assert!(cells.len() > 3, "{path}");
        for cell in cells {
            // Of a cell with a button there is nothing to say.
            assert!(cell.starts_with(" data-label=") || cell.contains("<button"), "{path}: {cell}");
        }
    }
    Ok(())
}
