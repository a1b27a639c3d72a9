//! A list of tickets as a helpdesk shows it.

/// About how long a text is, in bytes.
pub const SIZE: usize = 1_000_000;

/// As HTML: numbers and dates everywhere, every twelfth customer with a number.
pub fn html() -> String {
    filled(|n| {
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
    })
}

/// Rows until there are enough of them.
pub fn filled(row: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for n in 1.. {
        text.push_str(&row(n));
        if text.len() >= SIZE {
            break;
        }
    }
    text
}
