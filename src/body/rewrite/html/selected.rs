//! What is text and what is markup in a page, and what a selector matches, as `lol_html` tells it.

use std::borrow::Cow;
use std::sync::Arc;

use lol_html::html_content::{Comment, TextChunk};
use lol_html::send::{DocumentContentHandlers, Element, ElementContentHandlers, HtmlRewriter, Settings};
use lol_html::{MemorySettings, OutputSink, Selector};
use parking_lot::Mutex;

use super::tokens::{AMBIGUOUS, LONGEST, Seen, TOO_LONG, Token};
use crate::body::rewrite::Broken;
use crate::masking::{FieldId, Plan};

fn text(seen: &mut Seen, chunk: &TextChunk<'_>) {
    // A chunk begins where the one before ended: `told`, for the place that it gives for its start leaves out
    // bytes that its decoder held back.
    seen.text(chunk.text_type(), chunk.source_location().bytes().end, chunk.last_in_text_node());
}

/// Counts what the parser lets through, which is all but texts.
struct Counter(Arc<Mutex<Seen>>);

impl OutputSink for Counter {
    fn handle_chunk(&mut self, chunk: &[u8]) {
        if !chunk.is_empty() {
            self.0.lock().told += chunk.len();
        }
    }
}

/// Tells the pieces of one page.
pub(super) struct Selected {
    parser: Option<HtmlRewriter<'static, Counter>>,
    seen: Arc<Mutex<Seen>>,
}

/// The selectors of fields that are hidden.
fn selectors(plan: &Plan) -> impl Iterator<Item = (&str, FieldId)> {
    plan.places.css.iter().filter(|(_, field)| plan.form(*field).is_some()).map(|(css, field)| (&**css, *field))
}

impl Selected {
    /// For a page that is masked by `plan`. With a selector that cannot be read, every page is broken.
    pub(super) fn new(plan: &Plan) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let memory = MemorySettings::new().with_max_allowed_memory_usage(LONGEST);
        // Strict: a page whose text cannot be told from its markup is not sent. What sets it off is a raw text
        // element inside of `<select>` or behind `<frameset>`, where no valid page has one.
        let mut settings = Settings::new_send().with_memory_settings(memory).with_strict(true);
        for (css, field) in selectors(plan) {
            let Ok(selector) = css.parse::<Selector>() else { return Self { parser: None, seen } };
            settings = settings.append_element_content_handler((Cow::Owned(selector), in_field(field, &seen)));
        }
        let (texts, comments) = (seen.clone(), seen.clone());
        let all = DocumentContentHandlers::default()
            .text(move |chunk: &mut TextChunk<'_>| {
                text(&mut texts.lock(), chunk);
                // Not to be encoded again.
                chunk.set_str(String::new());
                Ok(())
            })
            .comments(move |comment: &mut Comment<'_>| {
                let place = comment.source_location().bytes();
                let token = Token { text: None, start: place.start, end: place.end, last: true };
                comments.lock().tokens.push(token);
                Ok(())
            });
        let settings = settings.append_document_content_handler(all);
        Self { parser: Some(HtmlRewriter::new(settings, Counter(seen.clone()))), seen }
    }

    /// More of the page.
    pub(super) fn write(&mut self, input: &[u8]) -> Result<&Mutex<Seen>, Broken> {
        // After an error it must not be used again.
        let mut parser = self.parser.take().ok_or(Broken("a page behind its end"))?;
        parser.write(input).map_err(|error| because(&error))?;
        self.parser = Some(parser);
        Ok(&self.seen)
    }

    /// Its end.
    pub(super) fn end(&mut self) -> Result<&Mutex<Seen>, Broken> {
        let parser = self.parser.take().ok_or(Broken("a page behind its end"))?;
        parser.end().map_err(|error| because(&error))?;
        Ok(&self.seen)
    }
}

fn in_field(field: FieldId, seen: &Arc<Mutex<Seen>>) -> ElementContentHandlers<'static> {
    let (tags, texts) = (seen.clone(), seen.clone());
    ElementContentHandlers::default()
        .element(move |element: &mut Element<'_, '_>| {
            tags.lock().tags.push((element.source_location().bytes().start, field));
            Ok(())
        })
        .text(move |_: &mut TextChunk<'_>| {
            // Handlers of elements are called before those of the page.
            let mut seen = texts.lock();
            let start = seen.told;
            seen.texts.push((start, field));
            Ok(())
        })
}

fn because(error: &lol_html::errors::RewritingError) -> Broken {
    use lol_html::errors::RewritingError as E;
    match error {
        E::MemoryLimitExceeded(_) => TOO_LONG,
        E::ParsingAmbiguity(_) => AMBIGUOUS,
        _ => Broken("a page that cannot be read"),
    }
}
