//! Serving over TLS, with certificates that are read anew on a signal.

use crate::error::FeedError;
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What TLS takes, as PEM files.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, and after it those that lead to a root.
    pub cert: PathBuf,
    /// The file of its private key, as PEM.
    pub key: PathBuf,
}

impl TlsFiles {
    /// TLS 1.2 and 1.3, for HTTP/2 and HTTP/1.1, as the client likes.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or does not hold what it should, or the key is not the certificate's.
    pub(super) fn load(&self) -> Result<RustlsConfig, FeedError> {
        let of_cert = |error: Error| fault("certificate", &self.cert, &error);
        let certs = CertificateDer::pem_file_iter(&self.cert).map_err(of_cert)?;
        let certs = certs.collect::<Result<Vec<_>, _>>().map_err(of_cert)?;
        if certs.is_empty() {
            return Err(of_cert(Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key);
        let key = key.map_err(|error| fault("key", &self.key, &error))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(certs, key));
        let mut config = config.map_err(|source| FeedError::Tls {
            cert: self.cert.clone(),
            key: self.key.clone(),
            source,
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(RustlsConfig::from_config(Arc::new(config)))
    }
}

fn fault(what: &'static str, path: &Path, error: &Error) -> FeedError {
    FeedError::TlsFile { what, path: path.to_owned(), fault: error.to_string() }
}
