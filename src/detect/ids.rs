//! Numbers by which states know people: the forms in which each is written, and what its check digits say.
//!
//! A form that other numbers have too (nine digits in a row) counts only behind the number's name.

mod checks;

use regex::Regex;

use super::chars::{Mark, begins, char_at, digit, ends, mark};
use super::words::window;

/// The longest of them, without marks.
const LONGEST: usize = 18;

macro_rules! kinds {
    ($($kind:ident $name:literal $doc:literal $check:path, $forms:expr, $words:literal;)+) => {
        /// A national id.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum IdKind { $(#[doc = $doc] $kind,)+ }

        impl IdKind {
            /// Every one there is.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// Its name in a policy.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            fn rule(self) -> Rule {
                match self { $(Self::$kind => Rule { forms: $forms, check: $check, words: $words },)+ }
            }
        }
    };
}

/// How one is written and checked.
struct Rule {
    /// `d` digit, `L` letter, `A` either, ` ` one blank, `-` a hyphen, `.` a dot. `!` before: only behind its name.
    forms: &'static [&'static str],
    check: fn(&[u8]) -> bool,
    /// The names behind which the weak forms count.
    words: &'static str,
}

kinds! {
    UsSsn "us_ssn" "Social security number, United States." checks::us_ssn,
        &["ddd-dd-dddd", "!ddd dd dddd", "!ddddddddd"], r"ssn|social security|soc\.? sec";
    DeTaxId "de_tax_id" "Steuerliche Identifikationsnummer, Germany." checks::de_tax_id,
        &["dd ddd ddd ddd", "!ddddddddddd"], r"steuer|idnr|identifikationsnummer|\btin\b|tax";
    NlBsn "nl_bsn" "Burgerservicenummer, Netherlands." checks::nl_bsn,
        &["!dddd.dd.ddd", "!ddddddddd", "!ddd ddd ddd"], r"bsn|burgerservice|sofi";
    PlPesel "pl_pesel" "PESEL, Poland." checks::pl_pesel, &["!ddddddddddd"], "pesel";
    EsDni "es_dni" "DNI and NIE, Spain." checks::es_dni,
        &["ddddddddL", "dddddddd-L", "dd.ddd.ddd-L", "dd.ddd.dddL", "!dddddddd L", "LdddddddL", "L-ddddddd-L"], "dni|nif|nie";
    FrNir "fr_nir" "Numéro de sécurité sociale, France." checks::fr_nir,
        &["d dd dd dA ddd ddd dd", "ddddddddddddddd", "ddddddAdddddddd"], "nir|sécu|secu|insee";
    UkNino "uk_nino" "National Insurance number, United Kingdom." checks::uk_nino,
        &["LLddddddL", "LL dd dd dd L"], r"national insurance|nino|\bni\b";
    ItCodiceFiscale "it_codice_fiscale" "Codice fiscale, Italy." checks::it_codice_fiscale,
        &["LLLLLLddLddLdddL", "LLL LLL ddLdd LdddL"], "codice|fiscale";
    BrCpf "br_cpf" "CPF, Brazil." checks::br_cpf, &["ddd.ddd.ddd-dd", "!ddddddddddd", "!ddddddddd-dd"], "cpf";
    InAadhaar "in_aadhaar" "Aadhaar, India." checks::in_aadhaar,
        &["dddd dddd dddd", "dddd-dddd-dddd", "!dddddddddddd"], "aadhaa?r|uidai|आधार";
    SePersonnummer "se_personnummer" "Personnummer, Sweden." checks::se_personnummer,
        &["dddddd-dddd", "dddddddd-dddd", "!dddddddddddd", "!dddddddddd"], "personn|person nr|pnr";
    ChAhv "ch_ahv" "AHV number, Switzerland." checks::ch_ahv, &["ddd.dddd.dddd.dd", "ddddddddddddd"], "ahv|avs";
    BeNational "be_national" "Rijksregisternummer, Belgium." checks::be_national,
        &["dd.dd.dd-ddd.dd", "!ddddddddddd"], "rijksregister|registre|insz|niss";
    FiHetu "fi_hetu" "Henkilötunnus, Finland." checks::fi_hetu, &["dddddd-dddA", "ddddddLdddA"], "hetu|henkilö";
    NoFodselsnummer "no_fodselsnummer" "Fødselsnummer, Norway." checks::no_fodselsnummer,
        &["dddddd ddddd", "!ddddddddddd"], "fødsels|fodsels|personnummer|fnr";
    DkCpr "dk_cpr" "CPR number, Denmark." checks::dk_cpr, &["!dddddd-dddd", "!dddddddddd"], "cpr";
    CnResident "cn_resident" "Resident identity number, China." checks::cn_resident, &["dddddddddddddddddA"], "身份证|id";
}

impl IdKind {
    /// The one of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// One way of writing one kind.
struct Form {
    kind: IdKind,
    check: fn(&[u8]) -> bool,
    text: &'static str,
    /// Counts only behind the name of its kind.
    name: Option<Regex>,
    /// Letters and digits at its beginning.
    letters: usize,
    digits: usize,
    /// Something may follow these digits that is a digit too.
    open: bool,
}

/// Those that are looked for.
pub(super) struct Ids {
    forms: Vec<Form>,
    /// How many digits in a row one may begin with, as bits.
    digits: u32,
    /// How many letters.
    letters: u32,
}

impl Ids {
    pub(super) fn new(kinds: &[IdKind]) -> Result<Self, regex::Error> {
        let mut forms = Vec::new();
        for &kind in kinds {
            let rule = kind.rule();
            for form in rule.forms {
                forms.push(Form::new(kind, &rule, form)?);
            }
        }
        let digits = forms.iter().filter(|form| form.letters == 0);
        let digits = digits
            .map(|form| 1 << form.digits | u32::from(form.open) << (form.digits + 1))
            .fold(0, |all, one| all | one);
        let letters = forms.iter().map(|form| 1 << form.letters).fold(0, |all, one: u32| all | one);
        Ok(Self { forms, digits, letters })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// What begins with the run of digits from `at` to `run`, and its end.
    pub(super) fn with_digits_first(&self, text: &str, at: usize, run: usize) -> Option<(IdKind, usize)> {
        let ascii = text.as_bytes().get(at)?.is_ascii();
        let count = if ascii { run - at } else { text.get(at..run)?.chars().count() };
        if count >= 32 || self.digits >> count & 1 == 0 || !begins(text, at) {
            return None;
        }
        let fits =
            |form: &&Form| form.letters == 0 && (form.digits == count || (form.open && form.digits + 1 == count));
        self.forms.iter().filter(fits).find_map(|form| Some((form.kind, form.end(text, at)?)))
    }

    /// What begins with so many letters at `at`, before digits that end at `run`, and its end.
    pub(super) fn with_letters_first(
        &self,
        text: &str,
        at: usize,
        letters: usize,
        run: usize,
    ) -> Option<(IdKind, usize)> {
        if letters >= 32 || self.letters >> letters & 1 == 0 {
            return None;
        }
        let digits = run - at - letters;
        let fits = |form: &&Form| form.letters == letters && form.digits <= digits;
        self.forms.iter().filter(fits).find_map(|form| Some((form.kind, form.end(text, at)?)))
    }
}

impl Form {
    fn new(kind: IdKind, rule: &Rule, form: &'static str) -> Result<Self, regex::Error> {
        let text = form.trim_start_matches('!');
        let letters = text.bytes().take_while(|&c| c == b'L').count();
        let digits = text.bytes().skip(letters).take_while(|&c| c == b'd').count();
        let open = text.as_bytes().get(letters + digits) == Some(&b'A');
        let weak = text.len() < form.len();
        let name = weak.then(|| Regex::new(&format!("(?i){}", rule.words))).transpose()?;
        Ok(Self { kind, check: rule.check, text, name, letters, digits, open })
    }

    fn end(&self, text: &str, at: usize) -> Option<usize> {
        let mut read = [0_u8; LONGEST];
        let (end, count) = matched(text, at, self.text, &mut read)?;
        if !(self.check)(read.get(..count)?) || !ends(text, end) {
            return None;
        }
        match &self.name {
            Some(name) => name.is_match(window(text, at)).then_some(end),
            // A longer number in groups of four is another one.
            None if !self.text.contains(' ') => Some(end),
            None => (!is_digit_behind_blank(text, end) && !ends_in_digit(text, at)).then_some(end),
        }
    }
}

fn is_digit_behind_blank(text: &str, at: usize) -> bool {
    mark(text, at).is_some_and(|(mark, length)| mark == Mark::Blank && digit(text.as_bytes(), at + length).is_some())
}

/// Whether digits and a blank are before `at`.
fn ends_in_digit(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    before.strip_suffix([' ', '\u{a0}']).is_some_and(|before| before.ends_with(|c: char| c.is_ascii_digit()))
}

/// Where the form ends that begins at `at`; its digits and letters, without marks, are in `read`.
fn matched(text: &str, mut at: usize, form: &str, read: &mut [u8; LONGEST]) -> Option<(usize, usize)> {
    let mut count = 0;
    for wanted in form.bytes() {
        let (value, length) = match wanted {
            b'd' => digit(text.as_bytes(), at).map(|(d, length)| (d + b'0', length))?,
            b'L' | b'A' => character(text, at, wanted == b'A')?,
            _ => {
                let (mark, length) = mark(text, at)?;
                let fits = matches!((wanted, mark), (b' ', Mark::Blank) | (b'-', Mark::Hyphen) | (b'.', Mark::Dot));
                at += if fits { length } else { return None };
                continue;
            }
        };
        *read.get_mut(count)? = value;
        (at, count) = (at + length, count + 1);
    }
    Some((at, count))
}

fn character(text: &str, at: usize, digits_too: bool) -> Option<(u8, usize)> {
    if let Some((value, length)) = digit(text.as_bytes(), at) {
        return digits_too.then_some((value + b'0', length));
    }
    let c = char_at(text, at)?;
    c.is_ascii_alphabetic().then(|| (c.to_ascii_uppercase() as u8, 1))
}
