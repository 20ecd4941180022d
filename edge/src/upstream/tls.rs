//! Certificates of authorities that an origin's own certificate is checked against.

use pingora::utils::tls::{WrappedX509, parse_x509};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Authorities, as Pingora takes them.
#[derive(Clone)]
pub struct Authorities(pub Arc<[WrappedX509]>);

impl std::fmt::Debug for Authorities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authorities({})", self.0.len())
    }
}

/// A file of authorities that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// It can't be read.
    #[error("{}: can't be read: {cause}\n    hint: ca_file names a PEM file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// It has no certificate.
    #[error("{}: has no certificate\n    hint: ca_file names a PEM file with BEGIN CERTIFICATE in it", .0.display())]
    Empty(PathBuf),
    /// A certificate in it can't be read.
    #[error("{}: certificate {number} can't be read\n    hint: `openssl x509 -in FILE -text` shows what is wrong", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// Which one, counted from 1.
        number: usize,
    },
}

/// Reads the certificates of a PEM file.
///
/// # Errors
/// [`AuthoritiesError`]: unreadable, none in it, or a broken one.
pub fn read_authorities(path: &Path) -> Result<Authorities, AuthoritiesError> {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;
    let text = std::fs::read(path).map_err(|cause| AuthoritiesError::Unreadable { path: path.to_owned(), cause })?;
    let mut certificates = Vec::new();
    for (at, der) in CertificateDer::pem_slice_iter(&text).enumerate() {
        let bad = || AuthoritiesError::Bad { path: path.to_owned(), number: at + 1 };
        let der = der.map_err(|_| bad())?;
        // Pingora's own parser panics on what is no certificate, so it is looked at first.
        x509_parser::parse_x509_certificate(&der).map_err(|_| bad())?;
        certificates.push(WrappedX509::new(der.to_vec(), parse_x509));
    }
    if certificates.is_empty() {
        return Err(AuthoritiesError::Empty(path.to_owned()));
    }
    Ok(Authorities(certificates.into()))
}
