//! Why the network failed, in words for a person: reqwest's own leave out that it was the certificate, and those of the
//! TLS library are for its makers.

use std::error::Error;
use std::io;

use rustls::CertificateError;

/// What went wrong, in its last cause's words.
pub(super) fn words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "nothing came in time".to_owned();
    }
    let mut cause: &(dyn Error + 'static) = error;
    loop {
        if let Some(fault) = certificate_fault(cause) {
            return format!("the server's certificate is not good: {}", fault_words(fault));
        }
        match cause.source() {
            Some(deeper) => cause = deeper,
            None => return cause.to_string(),
        }
    }
}

/// An I/O error hides what it is made of from those who ask for its source; and it may be made of another one.
fn certificate_fault<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a CertificateError> {
    if let Some(rustls::Error::InvalidCertificate(fault)) = cause.downcast_ref() {
        return Some(fault);
    }
    certificate_fault(cause.downcast_ref::<io::Error>()?.get_ref()?)
}

fn fault_words(fault: &CertificateError) -> &'static str {
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "it is for another name",
        CertificateError::Revoked => "it was revoked",
        _ => "nobody whom this machine trusts vouches for it",
    }
}
