//! Certificates and keys in PEM files.

use std::path::Path;

use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, InconsistentKeys, RootCertStore};

use super::TlsError;

/// How the two forms of an encrypted key say so.
const ENCRYPTED: [&[u8]; 2] = [
    b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
    b"Proc-Type: 4,ENCRYPTED",
];

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

/// The certificates of a file, in its order.
fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|source| TlsError::Pem {
            path: path.to_owned(),
            source,
        })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    Ok(chain)
}

/// What the server shows to clients: the certificates of a file and the key to the first.
pub fn shown(
    certificates: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain = chain(certificates)?;
    let loaded = provider.key_provider.load_private_key(private_key(key)?);
    let loaded = loaded.map_err(|source| TlsError::Certificate {
        path: key.to_owned(),
        source,
    })?;
    let shown = CertifiedKey::new(chain, loaded);
    match shown.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(shown),
        // A certificate of X.509 version 1, which rustls shows but does not read.
        Err(rustls::Error::InvalidCertificate(_)) if holds_key(&shown) => Ok(shown),
        Err(source) => Err(TlsError::Certificate {
            path: certificates.to_owned(),
            source,
        }),
    }
}

/// Whether the public key is somewhere in the first certificate, byte for byte.
fn holds_key(shown: &CertifiedKey) -> bool {
    match (shown.cert.first(), shown.key.public_key()) {
        (Some(first), Some(public)) => memchr::memmem::find(first, &public).is_some(),
        _ => false,
    }
}

/// The private key of a file.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path)?;
    let is_encrypted = ENCRYPTED
        .iter()
        .any(|mark| memchr::memmem::find(&text, mark).is_some());
    if is_encrypted {
        return Err(TlsError::EncryptedKey(path.to_owned()));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey(path.to_owned()),
        source => TlsError::Pem {
            path: path.to_owned(),
            source,
        },
    })
}

/// Trusts every certificate of a file.
pub fn trust_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    for certificate in chain(path)? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::Certificate {
                path: path.to_owned(),
                source,
            })?;
    }
    Ok(())
}

/// Trusts every certificate in the files of a folder. Files that are no certificates may lie there too.
pub fn trust_folder(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let failed = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    for item in std::fs::read_dir(path).map_err(failed)? {
        let file = item.map_err(failed)?.path();
        if file.is_file()
            && let Err(error) = trust_file(roots, &file)
        {
            tracing::debug!("not trusted: {error}");
        }
    }
    Ok(())
}
