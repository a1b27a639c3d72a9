//! The words before a number, which tell what it is where its form does not.

use regex::Regex;

use super::chars::char_before;

/// How far back words are read: a label, not a paragraph.
const WINDOW: usize = 40;

const PHONE: &str = r"(?i)(?:(?-u:\b)(?:tel|tlf|tfn|fon|ph|mob|cell|cel|call|dial|fax|sms|text|ring|ruf|anruf|num\.? de t|movil|móvil|gsm|rufnummer|rückruf|durchwahl|portable|whatsapp|wa\.me|signal|viber|hotline|appel|llam|ligue|chiam|bel |zadzwo|puh|kännykkä)|тел|моб|факс|звон|phone|telef|téléph|mobil|handy|rufnummer|hotline|callback|电话|電話|手机|手機|携帯|携帯|連絡先|联系|전화|휴대|هاتف|جوال|تلفن|טלפון|फ़ोन|फोन|मोबाइल|โทร|điện thoại)";

/// Ends where the number begins: only the label of the number itself counts.
const OTHER: &str = r#"(?i)(?:(?:заказ[^ :.#="\n]*|сч[её]т[^ :.#="\n]*|订单|訂單|注文|発票|주문|(?-u:\b)(?:orders?|ord|invoices?|inv|bestell[^ :.#="\n]*|auftrags?[^ :.#="\n]*|rechnung[^ :.#="\n]*|kunden[^ :.#="\n]*|kd|vertrags?[^ :.#="\n]*|vorgang[^ :.#="\n]*|tickets?|case|request|ref|reference|referenz|aktenzeichen|az|isbn|issn|ean|gtin|upc|asin|imei|serial|serien[^ :.#="\n]*|s/n|sn|sku|parts?|art|article|artikel[^ :.#="\n]*|item|model|modell|product|produkt|tracking[^ :.#="\n]*|sendungs?[^ :.#="\n]*|paket[^ :.#="\n]*|parcel|shipment|awb|pedidos?|factura|commande|facture|numéro de (?:commande|facture|suivi)|ordine|fattura|bestelling|factuur|zamówieni[^ :.#="\n]+|faktur[^ :.#="\n]+|encomenda|fatura|firmware|version|build|revision|commit|hash|session|transaction|trx|txn|payment|amount|total|summe|betrag|price|preis|prix|precio|id|ids|uid|uuid|guid|vat|ust|steuer[^ :.#="\n]*|tax|hrb|account|acct|konto[^ :.#="\n]*|blz|zip|plz|postcode|license|licence|policy|police|timestamp|epoch|lat|lon|lng|latitude|longitude|counter|bug|issue|pin|code|otp|token|batch|lot|charge|inventory|asset|booking|buchung[^ :.#="\n]*|reservation|pnr|flight|meter|zähler[^ :.#="\n]*|member|mitglied[^ :.#="\n]*|customer|client|claim|schaden[^ :.#="\n]*|patient|student|matrikel[^ :.#="\n]*|po|rma))(?:[\s_]+(?:id|ids|no|nr|num|number|nummer|code|ref|key))*[\s._:#"'=>()°º№-]*(?:(?:no|nr|num|number|nummer|n|id|código|code|is|was|lautet|ist|est|es)(?-u:\b)[\s._:#"'=>()°º№-]*){0,3}|[#№][\s]*|(?-u:\b)n[°º][\s]*)$"#;

/// Compiled once.
pub(super) struct Words {
    phone: Regex,
    other: Regex,
}

impl Words {
    pub(super) fn new() -> Result<Self, regex::Error> {
        Ok(Self { phone: Regex::new(PHONE)?, other: Regex::new(OTHER)? })
    }

    /// Whether the number that begins at `at` is called a telephone's.
    pub(super) fn say_phone(&self, text: &str, at: usize) -> bool {
        let words = window(text, at);
        has_words(words) && self.phone.is_match(words) && !self.other.is_match(words)
    }

    /// Whether it is called something else: an order, an invoice, a ticket, a version.
    pub(super) fn say_other(&self, text: &str, at: usize) -> bool {
        let words = window(text, at);
        has_words(words) && self.other.is_match(words)
    }
}

fn has_words(words: &str) -> bool {
    words.bytes().any(|b| b >= b'A' || b == b'#')
}

/// What is before `at` on its line, as far as words may be read.
pub(super) fn window(text: &str, at: usize) -> &str {
    let mut start = at.saturating_sub(WINDOW);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    // A word that is cut in two says something else.
    while start > 0 && start < at && char_before(text, start).is_some_and(|c| c.is_ascii_alphanumeric()) {
        start += 1;
        while !text.is_char_boundary(start) {
            start += 1;
        }
    }
    let words = &text[start..at];
    words.rfind(['\n', '\r']).map_or(words, |line| &words[line + 1..])
}
