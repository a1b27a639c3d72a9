//! `<meta http-equiv="refresh" content="5; url=…">`, which sends a browser on: an address of the app's own in it becomes
//! the one that people reach.

use std::sync::Arc;

use super::tag::{Attribute, Attributes};
use super::{Html, PIECE};
use crate::addresses::OwnAddresses;
use crate::body::rewrite::{Broken, Rewrite};
use crate::masking::{Escapes, Masker, Plan, character_reference, write_escaped};

/// The tag with the address that people reach; `None` when it is right as it is.
pub(super) fn public(tag: &[u8], addresses: &OwnAddresses) -> Option<Vec<u8>> {
    let of_name = |name: &[u8]| Attributes::new(tag).find(|a| tag[a.name.clone()].eq_ignore_ascii_case(name));
    let said = |attribute: &Attribute| unescaped(&tag[attribute.value.clone()]);
    if !said(&of_name(b"http-equiv")?).eq_ignore_ascii_case(b"refresh") {
        return None;
    }
    let content = of_name(b"content")?;
    let refreshed = addresses.refreshed(&said(&content))?;
    let (start, end) = (content.value.start, content.value.end);
    let mut new = Vec::with_capacity(tag.len() + refreshed.len());
    new.extend_from_slice(&tag[..start]);
    if !content.quoted {
        new.push(b'"');
    }
    for part in refreshed.utf8_chunks() {
        write_escaped(part.valid(), Escapes::Html, &mut new);
        new.extend_from_slice(part.invalid());
    }
    if !content.quoted {
        new.push(b'"');
    }
    new.extend_from_slice(&tag[end..]);
    Some(new)
}

/// The value of an attribute (HTML standard, 13.2.5.72): without its semicolon, a reference before `=`, a letter or a
/// digit is none, since links are written like that.
fn unescaped(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr::memchr(b'&', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let ascii = rest.iter().take(40).take_while(|b| b.is_ascii()).count();
        let text = std::str::from_utf8(&rest[..ascii]).unwrap_or_default();
        let is_link = |length: usize| {
            let follows = rest.get(length).is_some_and(|b| *b == b'=' || b.is_ascii_alphanumeric());
            follows && rest[length - 1] != b';' && rest.get(1) != Some(&b'#')
        };
        let reference = character_reference(text).filter(|(_, length)| !is_link(*length));
        let (c, length) = reference.unwrap_or(('&', 1));
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[length..];
    }
    out.extend_from_slice(rest);
    out
}

/// A page in which nothing is hidden: only where it sends the browser is read. What cannot be read passes as it is.
pub struct Refreshes {
    html: Html,
    lost: bool,
}

impl Refreshes {
    /// A page of the app with these addresses. `plan` hides nothing.
    #[must_use]
    pub fn new(plan: &Plan, addresses: Arc<OwnAddresses>) -> Self {
        Self { html: Html::new(plan, true).naming(Some(addresses)), lost: false }
    }
}

impl Rewrite for Refreshes {
    fn write(&mut self, input: &[u8], masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        for piece in input.chunks(PIECE) {
            if self.lost {
                out.extend_from_slice(piece);
            } else if self.html.piece(piece, masker, out).is_err() {
                self.lost = true;
                out.append(&mut self.html.held);
            }
        }
        Ok(())
    }

    fn finish(&mut self, masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        if !self.lost && self.html.finish(masker, out).is_err() {
            out.append(&mut self.html.held);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::rewrite::splits::every_split;
    use crate::masking::example::{PHONE, plan};

    fn addresses() -> Arc<OwnAddresses> {
        let hosts = ["desk.acme.example".to_owned()];
        Arc::new(OwnAddresses::of("http://127.0.0.1:8081", true, &hosts).unwrap())
    }

    /// What becomes of a page in which nothing is hidden, wherever it is cut.
    fn shown(page: &[u8]) -> String {
        let plan = Arc::new(Plan::nothing().unwrap());
        every_split(&|| Box::new(Refreshes::new(&plan, addresses())), &plan, page).unwrap()
    }

    #[test]
    fn a_page_sends_nobody_to_the_app() {
        for (page, expected) in [
            (
                "<!DOCTYPE html><html><head>\n<meta http-equiv=\"refresh\" content=\"120;URL=http://127.0.0.1:8081/Search/Results.html?CSRF_Token=1&amp;x=2\" />\n<p>http://127.0.0.1:8081/",
                "<!DOCTYPE html><html><head>\n<meta http-equiv=\"refresh\" content=\"120;URL=https://desk.acme.example/Search/Results.html?CSRF_Token=1&amp;x=2\" />\n<p>http://127.0.0.1:8081/",
            ),
            (
                "<META CONTENT='5; url=&#x27;http:&#x2F;&sol;127.0.0.1&colon;8081/a&#39;' HTTP-EQUIV=Refresh>",
                "<META CONTENT='5; url=&#39;https://desk.acme.example/a&#39;' HTTP-EQUIV=Refresh>",
            ),
            (
                "<meta content=0;http://127.0.0.1:8081/?a=1&lt=2&copy=3 http-equiv=ref&#114;esh>x",
                "<meta content=\"0;https://desk.acme.example/?a=1&amp;lt=2&amp;copy=3\" http-equiv=ref&#114;esh>x",
            ),
            (
                "<body><meta http-equiv=refresh content=\"1 //127.0.0.1:8081/\"><b>",
                "<body><meta http-equiv=refresh content=\"1 https://desk.acme.example/\"><b>",
            ),
        ] {
            assert_eq!(shown(page.as_bytes()), expected);
        }
        for page in [
            "<meta http-equiv=refresh content=5>",
            "<meta http-equiv=refresh content='5; url=/a'>",
            "<meta http-equiv=refresh content='5; url=https://sso.acme.example/'>",
            "<meta http-equiv=refresh content=5 content='5; url=http://127.0.0.1:8081/'>",
            "<meta http-equiv=x-refresh content='5; url=http://127.0.0.1:8081/'>",
            "<meta name=refresh content='5; url=http://127.0.0.1:8081/'>",
            "<link http-equiv=refresh content='5; url=http://127.0.0.1:8081/'>",
            "<!-- <meta http-equiv=refresh content='5; url=http://127.0.0.1:8081/'> -->",
            "<script>'<meta http-equiv=refresh content=\"5; url=http://127.0.0.1:8081/\">'</script>",
            "<textarea><meta http-equiv=refresh content='5; url=http://127.0.0.1:8081/'></textarea>",
            "<p title='<meta http-equiv=refresh content=\"5; url=http://127.0.0.1:8081/\">'>+49 30 23125123",
            "",
        ] {
            assert_eq!(shown(page.as_bytes()), page);
        }
    }

    /// It is passed on where a page that is masked would be refused.
    #[test]
    fn what_cannot_be_read_passes() {
        let plan = Arc::new(Plan::nothing().unwrap());
        let refresh = "<meta http-equiv=refresh content='5; url=http://127.0.0.1:8081/'>";
        let long = format!("<!-- {} -->{refresh}", "x".repeat(3 << 20));
        let utf16: Vec<u8> = refresh.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let charset = b"<meta charset=utf-16><p>\xfc\xff".to_vec();
        for page in [long.as_bytes(), &utf16, &charset] {
            let mut rewriter = Refreshes::new(&plan, addresses());
            let (mut masker, mut out) = (Masker::new(plan.clone()), Vec::new());
            page.chunks(100_000).for_each(|piece| rewriter.write(piece, &mut masker, &mut out).unwrap());
            rewriter.finish(&mut masker, &mut out).unwrap();
            assert!(out == page, "{}", String::from_utf8_lossy(&out[..out.len().min(100)]));
        }
    }

    #[test]
    fn a_page_that_is_masked_sends_nobody_to_the_app_either() {
        let plan = Arc::new(plan(true));
        let new = || -> Box<dyn Rewrite> { Box::new(Html::new(&plan, true).naming(Some(addresses()))) };
        let page =
            "<meta http-equiv=refresh content=\"9;url=http://127.0.0.1:8081/?q=jo@example.com\"><p>+49 30 23125123";
        let expected =
            "<meta http-equiv=refresh content=\"9;url=https://desk.acme.example/?q=j***@***.com\"><p>+XX XX XXXXXXXX";
        assert_eq!(every_split(&new, &plan, page.as_bytes()).unwrap(), expected);
        assert!(plan.form(PHONE).is_some() && Plan::nothing().unwrap().form(PHONE).is_none());
    }
}
