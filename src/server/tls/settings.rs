//! What the `tls-` directives say, as a configuration of rustls.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{
    NoServerSessionStorage, ServerSessionMemoryCache, WebPkiClientVerifier,
};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::{TlsError, certificates, suites};
use crate::config::{Config, Key, TlsClients};

/// Directives that [`from_config`] reads, and the one that says whether it is asked.
pub const READS: [Key; 13] = [
    Key::TlsPort,
    Key::TlsCertFile,
    Key::TlsKeyFile,
    Key::TlsKeyFilePass,
    Key::TlsCaCertFile,
    Key::TlsCaCertDir,
    Key::TlsAuthClients,
    Key::TlsProtocols,
    Key::TlsCiphers,
    Key::TlsCiphersuites,
    Key::TlsPreferServerCiphers,
    Key::TlsSessionCaching,
    Key::TlsSessionCacheSize,
];

/// The most sessions that are remembered, because room for all of them is taken at once; also what 0 means.
const SESSIONS_MAX: usize = 65_536;

/// Reads the files and puts everything together.
pub fn from_config(config: &Config) -> Result<ServerConfig, TlsError> {
    let text = |key| String::from_utf8_lossy(&config.text(key)).into_owned();
    let file = |key: Key| -> Result<PathBuf, TlsError> {
        config
            .path(key)
            .ok_or(TlsError::Unset(key.directive().name))
    };
    let (cert_file, key_file) = (file(Key::TlsCertFile)?, file(Key::TlsKeyFile)?);
    let versions = suites::protocols(&text(Key::TlsProtocols))?;
    let mut provider = ring::default_provider();
    provider.cipher_suites = suites::suites_13(&text(Key::TlsCiphersuites))?;
    provider
        .cipher_suites
        .extend(suites::suites_12(&text(Key::TlsCiphers))?);
    let provider = Arc::new(provider);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(TlsError::Rules)?;
    let builder = match verifier(config, Arc::clone(&provider))? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let shown = certificates::shown(&cert_file, &key_file, &provider)?;
    let mut tls = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    tls.ignore_client_order = config.is_on(Key::TlsPreferServerCiphers);
    if config.is_on(Key::TlsSessionCaching) {
        let sessions = match config.tls_session_cache_size() {
            0 => SESSIONS_MAX,
            count => count.min(SESSIONS_MAX),
        };
        tls.session_storage = ServerSessionMemoryCache::new(sessions);
    } else {
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        tls.send_tls13_tickets = 0;
    }
    Ok(tls)
}

/// Who judges certificates of clients; None where they are not asked for one.
fn verifier(
    config: &Config,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    let clients = config.tls_auth_clients();
    if clients == TlsClients::Any {
        return Ok(None);
    }
    let (file, folder) = (
        config.path(Key::TlsCaCertFile),
        config.path(Key::TlsCaCertDir),
    );
    if file.is_none() && folder.is_none() {
        return Err(TlsError::NoAuthority);
    }
    let mut roots = RootCertStore::empty();
    if let Some(path) = file {
        certificates::trust_file(&mut roots, &path)?;
    }
    if let Some(path) = folder {
        certificates::trust_folder(&mut roots, &path)?;
    }
    let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if clients == TlsClients::MayProve {
        verifier = verifier.allow_unauthenticated();
    }
    Ok(Some(verifier.build()?))
}
