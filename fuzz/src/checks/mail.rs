//! Addresses, and the patterns that policies hold them against.

use deskgate::mail::{Address, AddressPattern, Recipient, message as mails, recipients};
use mail_parser::{MessageParser, MimeHeaders};

/// A pattern on the first line, a list of addresses on the others.
pub fn addresses(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (pattern, list) = text.split_once('\n').unwrap_or((text, text));
    let pattern = AddressPattern::parse(pattern);
    let Ok(found) = recipients(list) else { return };
    let mut addresses = 0;
    for recipient in found {
        let printed = recipient.to_string();
        if let Recipient::Address(address) = &recipient {
            addresses += 1;
            check_address(address, &printed);
            if let Ok(pattern) = &pattern {
                check_match(pattern, address);
            }
        }
        assert_eq!(recipients(&printed), Ok(vec![recipient]), "{list:?}");
    }
    // Whatever an app takes for an address was read as one.
    assert_eq!(list.matches('@').count(), addresses, "{list:?}");
}

fn check_address(address: &Address, printed: &str) {
    assert!(printed.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase()), "{printed}");
    assert!(!printed.contains(['"', '(', ')', ',', ';', ':', '<', '>', '[', ']', '\\', '%', '!']), "{printed}");
    assert!(printed.len() <= 64 + 1 + 253 && printed.matches('@').count() == 1, "{printed}");
    assert!(!format!(".{}.{}.", address.local(), address.domain()).contains(".."), "{printed}");
    assert_eq!(Address::parse(&printed.to_ascii_uppercase()).as_ref(), Ok(address));
    for pattern in [printed, "*@*", &format!("*@{}", address.domain()), &format!("{}@*", address.local())] {
        let pattern = AddressPattern::parse(pattern).expect("a pattern made of an address");
        assert!(pattern.matches(address) && pattern.matches_tagged(address), "{} {printed}", pattern.text());
    }
}

fn check_match(pattern: &AddressPattern, address: &Address) {
    let matched = pattern.matches(address);
    assert!(!matched || pattern.matches_tagged(address), "{} {address}", pattern.text());
    // Names in other letters are turned into ASCII first, and their stars are none of these.
    let text = pattern.text();
    if text.is_ascii() && !text.to_ascii_lowercase().contains("xn--") {
        let (local, domain) = text.split_once('@').unwrap();
        let expected = stands_for(local, address.local()) && stands_for(domain, address.domain());
        assert_eq!(matched, expected, "{text} {address}");
    }
}

/// Whether `pattern`, in which `*` is any text, stands for `text`: slowly, and obviously so.
fn stands_for(pattern: &str, text: &str) -> bool {
    let text = text.as_bytes();
    // The lengths of those beginnings of the text that the pattern so far stands for.
    let mut reached = vec![true];
    reached.resize(text.len() + 1, false);
    for byte in pattern.to_ascii_lowercase().bytes() {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match byte {
                b'*' => reached[at] || at > 0 && next[at - 1],
                _ => at > 0 && reached[at - 1] && text[at - 1] == byte,
            };
        }
        reached = next;
    }
    reached[text.len()]
}

/// A whole mail: whoever a lenient reader finds in its head was judged.
pub fn message(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(files) = mails::files(text) {
        let contents: Vec<_> = files.iter().map(|f| f.content.trim_ascii()).collect();
        let parsed = MessageParser::default().parse(input);
        for part in parsed.iter().flat_map(mail_parser::Message::attachments).filter(|p| p.is_binary()) {
            let found = part.contents().trim_ascii();
            assert!(found.is_empty() || contents.contains(&found), "{:?} of {text:?}", part.attachment_name());
        }
    }
    let Ok(people) = mails::people(text) else { return };
    let judged: Result<Vec<_>, _> = people.iter().map(|value| recipients(value)).collect();
    let Ok(judged) = judged else { return };
    let judged: Vec<String> = judged.concat().iter().map(ToString::to_string).collect();
    let Some(parsed) = MessageParser::default().parse(input) else { return };
    for group in [parsed.from(), parsed.sender(), parsed.reply_to(), parsed.to(), parsed.cc(), parsed.bcc()] {
        let found = group.into_iter().flat_map(|list| list.iter()).filter_map(|one| one.address());
        for address in found.filter(|a| a.contains('@')) {
            let Ok(plain) = recipients(address) else { panic!("{address:?} in {text:?}") };
            assert!(plain.iter().all(|p| judged.contains(&p.to_string())), "{address:?} of {judged:?} in {text:?}");
        }
    }
}
