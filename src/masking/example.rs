//! A plan for tests, fuzz targets and benchmarks: telephone numbers become X, mail addresses a letter.

use std::sync::Arc;

use super::{FieldId, Form, Hidden, NumberBecomes, Places, Plan};
use crate::detect::{Detectors, FieldKind, Settings};

/// The field of telephone numbers.
pub const PHONE: FieldId = FieldId(0);
/// The field of mail addresses.
pub const EMAIL: FieldId = FieldId(1);
/// A field that only its place tells.
pub const NAME: FieldId = FieldId(2);

/// Hides `phone` and `email` by the names that the files of `benches` have for them, and `customer_name` with a
/// fixed text; finds the first two in free text as well when `everywhere`.
///
/// # Panics
/// Never: the settings are right.
#[must_use]
pub fn plan(everywhere: bool) -> Plan {
    let settings = Settings { email: true, phone: true, regions: vec!["DE".into()], ..Settings::default() };
    let detectors = Detectors::new(&settings).unwrap_or_else(|_| unreachable!("the settings are right"));
    let hidden = |form| Some(Hidden { form, rule: 0 });
    let names = [("phone", PHONE), ("email", EMAIL), ("customer_name", NAME), ("tel", PHONE)];
    Plan {
        hidden: vec![
            hidden(Form::DigitsToX { keep_last: 0 }),
            hidden(Form::Partly),
            hidden(Form::Fixed("[hidden]".into())),
        ],
        detectors: Arc::new(detectors),
        everywhere,
        kinds: vec![(FieldKind::Phone, PHONE), (FieldKind::Email, EMAIL)],
        places: Arc::new(Places {
            names: names.iter().map(|(name, field)| ((*name).into(), *field)).collect(),
            ..Places::default()
        }),
        numbers: NumberBecomes::Null,
    }
}
