//! The certificate of the TLS door: given files, or one made at start by an authority made at start.

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// The names that clients of the venue insist on, and those of this machine.
const NAMES: [&str; 8] = [
    "api.kraken.com",
    "ws.kraken.com",
    "ws-auth.kraken.com",
    "ws-l3.kraken.com",
    "*.kraken.com",
    "localhost",
    "127.0.0.1",
    "::1",
];

/// Is who the server says it is.
pub(crate) struct Identity {
    /// Makes the handshakes.
    pub(crate) acceptor: TlsAcceptor,
    /// What clients have to trust, as PEM; none where files were given.
    pub(crate) authority_pem: Option<String>,
}

/// Makes an authority and a certificate by it; both live as long as the process, and their keys never leave it.
pub(crate) fn made() -> Result<Identity> {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "Remora simulated exchange (test only)");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate().context("make a key")?;
    let certificate = authority.self_signed(&authority_key).context("make an authority")?;
    let issuer = Issuer::new(authority, authority_key);
    let names = NAMES.map(str::to_owned);
    let mut leaf = CertificateParams::new(names).context("name the certificate")?;
    leaf.distinguished_name.push(DnType::CommonName, "Remora simulated exchange");
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().context("make a key")?;
    let signed = leaf.signed_by(&key, &issuer).context("sign the certificate")?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let acceptor = acceptor(vec![signed.der().clone()], key)?;
    Ok(Identity { acceptor, authority_pem: Some(certificate.pem()) })
}

/// Reads a certificate chain and its key.
pub(crate) fn from_files(chain: &Path, key: &Path) -> Result<Identity> {
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("read certificates from {}", chain.display()))?;
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("read a private key from {}", key.display()))?;
    Ok(Identity { acceptor: acceptor(certificates, key)?, authority_pem: None })
}

fn acceptor(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<TlsAcceptor> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choose TLS versions")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("use the certificate")?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
