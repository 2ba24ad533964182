//! Certificates for a test, and the files they lie in.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Who signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub file: PathBuf,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

fn write(path: PathBuf, text: &str) -> PathBuf {
    fs::write(&path, text).expect("a file of the test");
    path
}

impl Authority {
    pub fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        let key = KeyPair::generate().expect("a key");
        let own = params.self_signed(&key).expect("a certificate");
        Self {
            issuer: Issuer::new(params, key),
            file: write(folder.join(format!("{name}-ca.crt")), &own.pem()),
        }
    }

    /// Signs a certificate for `localhost`.
    pub fn sign(&self, folder: &Path, name: &str, usage: ExtendedKeyUsagePurpose) -> Pair {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        params.extended_key_usages.push(usage);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("it signs");
        Pair {
            certificate: write(folder.join(format!("{name}.crt")), &certificate.pem()),
            key: write(folder.join(format!("{name}.key")), &key.serialize_pem()),
        }
    }
}
