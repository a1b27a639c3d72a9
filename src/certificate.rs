//! The certificates that listeners show, and their keys: read and checked here, and read again without a connection lost.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::parse_x509_certificate;

use crate::clock::Timestamp;

/// Why a certificate and its key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// A file is not here, or cannot be read: it may be elsewhere.
    NotHere {
        /// `certificate` or `key`.
        which: &'static str,
        /// What is wrong, with the file's name.
        message: String,
    },
    /// What was read is wrong anywhere.
    Wrong {
        /// `certificate` or `key`.
        which: &'static str,
        /// What is wrong, with the file's name.
        message: String,
    },
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::NotHere { message, .. } | Self::Wrong { message, .. }) = self;
        f.write_str(message)
    }
}

/// A certificate that can be used, with its key.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// What the handshake takes.
    pub key: Arc<CertifiedKey>,
    /// To when it is good.
    pub good_until: Timestamp,
}

/// Reads a chain of certificates, the server's own first, and its key, both PEM (RFC 7468).
///
/// # Errors
/// When one cannot be read, is none, is over or not yet good, or when they do not fit.
pub fn read(certificate: &str, key: &str, now: Timestamp) -> Result<Certificate, Unusable> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|e| unreadable("certificate", certificate, &e))?;
    let wrong = |which, message| Unusable::Wrong { which, message };
    let Some(own) = chain.first() else {
        let message = format!(
            "{certificate} holds no certificate: write the PEM file with the whole chain; are certificate and key swapped?"
        );
        return Err(wrong("certificate", message));
    };
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| unreadable("key", key, &e))?;
    let (_, parsed) = parse_x509_certificate(own)
        .map_err(|e| wrong("certificate", format!("{certificate} holds no certificate that can be read: {e}")))?;
    let time = |time: x509_parser::time::ASN1Time| Timestamp(u64::try_from(time.timestamp()).unwrap_or(0) * 1_000);
    let (from, good_until) = (time(parsed.validity().not_before), time(parsed.validity().not_after));
    if now >= good_until {
        let message = format!("{certificate} was good until {good_until}; get a new one");
        return Err(wrong("certificate", message));
    }
    if now < from {
        return Err(wrong("certificate", format!("{certificate} is good only from {from} on")));
    }
    let fits = CertifiedKey::from_der(chain, private, &ring::default_provider());
    let key = fits.map_err(|e| wrong("key", format!("{key} is not the key of {certificate}: {e}")))?;
    Ok(Certificate { key: Arc::new(key), good_until })
}

fn unreadable(which: &'static str, path: &str, error: &pem::Error) -> Unusable {
    match error {
        pem::Error::Io(e) => Unusable::NotHere { which, message: format!("{path} cannot be read: {e}") },
        pem::Error::NoItemsFound if which == "key" => {
            Unusable::Wrong { which, message: format!("{path} holds no private key; are certificate and key swapped?") }
        }
        e => Unusable::Wrong { which, message: format!("{path} is no PEM file that can be read: {e}") },
    }
}

/// The certificate of one listener, which may be replaced while it is shown.
#[derive(Debug)]
pub struct Shown {
    certificate: String,
    key: String,
    current: ArcSwap<Certificate>,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load().key.clone())
    }
}

/// The certificates of all listeners.
#[derive(Default)]
pub struct Certificates(Mutex<Vec<Arc<Shown>>>);

impl Certificates {
    /// Reads a certificate that a listener shows from now on.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn show(&self, certificate: &str, key: &str, now: Timestamp) -> Result<Arc<Shown>, Unusable> {
        let read = read(certificate, key, now)?;
        let shown = Shown { certificate: certificate.into(), key: key.into(), current: ArcSwap::from_pointee(read) };
        let shown = Arc::new(shown);
        self.0.lock().push(shown.clone());
        Ok(shown)
    }

    /// Reads all files again. One that cannot be used leaves the certificate that is shown.
    pub fn renew(&self, now: Timestamp) {
        for shown in self.0.lock().iter() {
            match read(&shown.certificate, &shown.key, now) {
                Ok(certificate) => {
                    log::info!("certificate {} is shown, good until {}", shown.certificate, certificate.good_until);
                    shown.current.store(Arc::new(certificate));
                }
                Err(wrong) => log::error!("{wrong}; the certificate before stays in use"),
            }
        }
    }

    /// The file of each certificate that is shown, and to when it is good.
    #[must_use]
    pub fn good_until(&self) -> Vec<(String, Timestamp)> {
        let shown = self.0.lock();
        shown.iter().map(|shown| (shown.certificate.clone(), shown.current.load().good_until)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(directory: &std::path::Path, name: &str, years: std::ops::Range<i32>) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["desk.acme.example".into()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        let certificate = parameters.self_signed(&key).unwrap();
        let path = |end: &str| directory.join(format!("{name}.{end}")).to_str().unwrap().to_owned();
        std::fs::write(path("cert"), certificate.pem()).unwrap();
        std::fs::write(path("key"), key.serialize_pem()).unwrap();
        (path("cert"), path("key"))
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let directory = tempfile::tempdir().unwrap();
        // 2026-03-02T09:00:00Z
        let now = Timestamp(1_772_442_000_000);
        let (certificate, key) = written(directory.path(), "good", 2020..2040);
        let (other, other_key) = written(directory.path(), "other", 2020..2040);
        let (old, old_key) = written(directory.path(), "old", 2020..2021);
        let (young, young_key) = written(directory.path(), "young", 2030..2040);
        assert_eq!(read(&certificate, &key, now).unwrap().good_until.to_string(), "2040-01-01T00:00:00.000Z");
        for (certificate, key, which, said) in [
            (&certificate, &other_key, "key", "is not the key of"),
            (&key, &key, "certificate", "holds no certificate"),
            (&certificate, &other, "key", "are certificate and key swapped?"),
            (&old, &old_key, "certificate", "was good until 2021-01-01"),
            (&young, &young_key, "certificate", "is good only from 2030-01-01"),
        ] {
            let Err(Unusable::Wrong { which: found, message }) = read(certificate, key, now) else { panic!("{said}") };
            assert!(found == which && message.contains(said), "{found}: {message}");
        }
        assert!(matches!(read("/nowhere", &key, now), Err(Unusable::NotHere { which: "certificate", .. })));
        assert!(matches!(read(&certificate, "/nowhere", now), Err(Unusable::NotHere { which: "key", .. })));
    }

    #[test]
    fn a_renewed_one_is_shown_and_a_wrong_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let now = Timestamp(1_772_442_000_000);
        let (certificate, key) = written(directory.path(), "a", 2020..2040);
        let certificates = Certificates::default();
        let shown = certificates.show(&certificate, &key, now).unwrap();
        let chain = || shown.current.load().key.cert.clone();
        let told = || certificates.good_until()[0].1.to_string();
        let first = chain();
        assert_eq!(told(), "2040-01-01T00:00:00.000Z");
        written(directory.path(), "a", 2020..2041);
        certificates.renew(now);
        let second = chain();
        assert_ne!(first, second);
        assert_eq!(told(), "2041-01-01T00:00:00.000Z");
        std::fs::write(&certificate, "nothing").unwrap();
        certificates.renew(now);
        assert_eq!((chain(), &*told()), (second, "2041-01-01T00:00:00.000Z"));
    }
}
