//! How the text behind a tag is read, as far as that can be told without the tree that browsers build: the same rules
//! as `lol_html`'s, which refuse a page where they would have to guess.

use lol_html::html_content::TextType;

use super::tag::{Attributes, name};
use super::tokens::AMBIGUOUS;
use crate::body::rewrite::Broken;

/// How deep foreign content may be in itself.
const MOST_NESTED: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Namespace {
    Html,
    Svg,
    MathMl,
}

/// How the text behind a start tag is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// As what stands before the tag.
    Data,
    /// Up to the end tag of that name.
    Until(&'static [u8], TextType),
    /// To the end of the page.
    Plain,
}

/// What has to be known of the tree.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// From the outermost foreign content inwards.
    foreign: Vec<Namespace>,
    form: Form,
}

/// Where text elements may or may not be read as such.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Form {
    #[default]
    Page,
    Select,
    TemplateInSelect(u64),
    Frameset,
}

/// The names of elements whose content is text.
const TEXTUAL: [(&[u8], TextType); 9] = [
    (b"textarea", TextType::RCData),
    (b"title", TextType::RCData),
    (b"script", TextType::ScriptData),
    (b"style", TextType::RawText),
    (b"iframe", TextType::RawText),
    (b"xmp", TextType::RawText),
    (b"noembed", TextType::RawText),
    (b"noframes", TextType::RawText),
    (b"noscript", TextType::RawText),
];

/// Elements that are never foreign: they end what is.
const LEAVES: [&[u8]; 44] = [
    b"b",
    b"big",
    b"blockquote",
    b"body",
    b"br",
    b"center",
    b"code",
    b"dd",
    b"div",
    b"dl",
    b"dt",
    b"em",
    b"embed",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"h5",
    b"h6",
    b"head",
    b"hr",
    b"i",
    b"img",
    b"li",
    b"listing",
    b"menu",
    b"meta",
    b"nobr",
    b"ol",
    b"p",
    b"pre",
    b"ruby",
    b"s",
    b"small",
    b"span",
    b"strong",
    b"strike",
    b"sub",
    b"sup",
    b"table",
    b"tt",
    b"u",
    b"ul",
    b"var",
];

fn is_any(name: &[u8], of: &[&[u8]]) -> bool {
    of.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn behind(name: &[u8]) -> Behind {
    // Hardly any is; the lengths and first letters of those that are say so at once.
    if !matches!(name.len(), 3..=9) || !matches!(name[0] | 0x20, b't' | b's' | b'i' | b'x' | b'n' | b'p') {
        return Behind::Data;
    }
    if name.eq_ignore_ascii_case(b"plaintext") {
        return Behind::Plain;
    }
    let found = TEXTUAL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map_or(Behind::Data, |(known, kind)| Behind::Until(known, *kind))
}

impl Tree {
    /// Whether `<![CDATA[` begins a text.
    pub(super) fn has_cdata(&self) -> bool {
        self.namespace() != Namespace::Html
    }

    fn namespace(&self) -> Namespace {
        self.foreign.last().copied().unwrap_or(Namespace::Html)
    }

    /// A start tag, from `<` to `>`.
    pub(super) fn start(&mut self, tag: &[u8]) -> Result<Behind, Broken> {
        let name = name(tag);
        let behind = behind(name);
        self.guard(name, behind)?;
        // Of one that ends itself nothing is inside.
        let is_empty = tag.ends_with(b"/>") && Attributes::new(tag).all(|a| a.quoted || a.value.end + 1 < tag.len());
        if name.eq_ignore_ascii_case(b"svg") || name.eq_ignore_ascii_case(b"math") {
            let entered = if name.len() == 3 { Namespace::Svg } else { Namespace::MathMl };
            return if is_empty { Ok(Behind::Data) } else { self.enter(entered) };
        }
        match self.namespace() {
            Namespace::Html => return Ok(behind),
            _ if is_any(name, &LEAVES) || (name.eq_ignore_ascii_case(b"font") && is_html_font(tag)) => {
                self.foreign.pop();
            }
            Namespace::Svg if !is_empty && is_any(name, &[b"desc", b"title", b"foreignobject"]) => {
                return self.enter(Namespace::Html);
            }
            Namespace::MathMl if !is_empty && (is_math_text(name) || is_html_annotation(name, tag)) => {
                return self.enter(Namespace::Html);
            }
            _ => {}
        }
        Ok(Behind::Data)
    }

    /// An end tag.
    pub(super) fn end(&mut self, tag: &[u8]) {
        let name = name(tag.get(1..).unwrap_or_default());
        match self.form {
            Form::Select if name.eq_ignore_ascii_case(b"select") => self.form = Form::Page,
            Form::TemplateInSelect(depth) if name.eq_ignore_ascii_case(b"template") => {
                self.form = if depth == 1 { Form::Select } else { Form::TemplateInSelect(depth - 1) };
            }
            _ => {}
        }
        let Some(current) = self.foreign.last() else { return };
        let leaves = match current {
            Namespace::Svg => is_any(name, &[b"svg", b"p", b"br"]),
            Namespace::MathMl => is_any(name, &[b"math", b"p", b"br"]),
            Namespace::Html => match self.foreign.iter().rev().nth(1) {
                Some(Namespace::Svg) => is_any(name, &[b"desc", b"title", b"foreignobject"]),
                Some(Namespace::MathMl) => is_math_text(name) || name.eq_ignore_ascii_case(b"annotation-xml"),
                _ => false,
            },
        };
        if leaves {
            self.foreign.pop();
        }
    }

    fn enter(&mut self, namespace: Namespace) -> Result<Behind, Broken> {
        if self.foreign.len() >= MOST_NESTED {
            return Err(AMBIGUOUS);
        }
        self.foreign.push(namespace);
        Ok(Behind::Data)
    }

    /// Refuses text elements where browsers leave some of them out, and read on in what would be their text.
    fn guard(&mut self, name: &[u8], behind: Behind) -> Result<(), Broken> {
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        let is_textual = behind != Behind::Data;
        let is_refused = match self.form {
            Form::Page => {
                if is(b"select") {
                    self.form = Form::Select;
                } else if is(b"frameset") {
                    self.form = Form::Frameset;
                }
                false
            }
            Form::Select if is_any(name, &[b"select", b"textarea", b"input", b"keygen"]) => {
                self.form = Form::Page;
                false
            }
            Form::Select if is(b"template") => {
                self.form = Form::TemplateInSelect(1);
                false
            }
            Form::Select => is_textual && !is(b"script"),
            Form::TemplateInSelect(depth) => {
                if is(b"template") {
                    self.form = Form::TemplateInSelect(depth + 1);
                }
                is_textual
            }
            Form::Frameset => is_textual && !is(b"noframes"),
        };
        if is_refused { Err(AMBIGUOUS) } else { Ok(()) }
    }
}

fn is_math_text(name: &[u8]) -> bool {
    is_any(name, &[b"mi", b"mo", b"mn", b"ms", b"mtext"])
}

/// `<font>` is foreign unless it has one of HTML's attributes.
fn is_html_font(tag: &[u8]) -> bool {
    Attributes::new(tag).any(|a| is_any(&tag[a.name], &[b"color", b"size", b"face"]))
}

fn is_html_annotation(name: &[u8], tag: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"annotation-xml")
        && Attributes::new(tag).any(|a| {
            tag[a.name].eq_ignore_ascii_case(b"encoding")
                && is_any(&tag[a.value], &[b"text/html", b"application/xhtml+xml"])
        })
}
