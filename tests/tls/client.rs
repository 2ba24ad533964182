//! A client that speaks TLS, and one that does not.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned,
};

use crate::authority::Pair;

/// Longer than any reply takes, and than a handshake may.
const PATIENCE: Duration = Duration::from_secs(30);

pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

pub struct Client<S: Read + Write>(BufReader<S>);

pub fn dial(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

impl Client<TlsStream> {
    /// Connects and asks for a PING, because TLS 1.3 tells of a refusal only then.
    pub fn over_tls(port: u16, trusted: &Path, shown: Option<&Pair>) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_file(trusted).expect("a certificate");
        roots.add(root).expect("a certificate of an authority");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match shown {
            Some(pair) => {
                let chain = CertificateDer::from_pem_file(&pair.certificate).expect("one");
                let key = PrivateKeyDer::from_pem_file(&pair.key).expect("a key");
                builder.with_client_auth_cert(vec![chain], key)
            }
            .expect("a pair"),
            None => builder.with_no_client_auth(),
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut client = Self(BufReader::new(StreamOwned::new(tls, dial(port)?)));
        client.send("PING\r\n")?;
        match client.line()?.as_str() {
            "+PONG" => Ok(client),
            other => panic!("PING is answered with {other}"),
        }
    }

    /// The version and the suite that were agreed on.
    pub fn agreed(&self) -> (ProtocolVersion, String) {
        let tls = &self.0.get_ref().conn;
        let suite = tls.negotiated_cipher_suite().expect("after the handshake");
        let version = tls.protocol_version().expect("after the handshake");
        (version, format!("{:?}", suite.suite()))
    }
}

impl Client<TcpStream> {
    pub fn plain(port: u16) -> io::Result<Self> {
        Ok(Self(BufReader::new(dial(port)?)))
    }
}

impl<S: Read + Write> Client<S> {
    pub fn send(&mut self, bytes: &str) -> io::Result<()> {
        let stream = self.0.get_mut();
        stream.write_all(bytes.as_bytes())?;
        stream.flush()
    }

    /// A line without its end. An end of the stream is an error.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let text = line.strip_suffix("\r\n").map(str::to_owned);
        text.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Reads to the end of the stream; true where the end was announced and nothing came before.
    pub fn is_over(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0))
    }

    /// The first line of the answer.
    pub fn ask(&mut self, request: &str) -> String {
        self.send(&format!("{request}\r\n")).expect("it is read");
        self.line().expect("an answer")
    }

    /// The answer, a bulk string.
    pub fn bulk(&mut self, request: &str) -> String {
        let head = self.ask(request);
        let bytes = head.trim_start_matches(['$', '=']).parse::<usize>();
        let mut body = vec![0; bytes.unwrap_or_else(|_| panic!("no bulk string: {head}")) + 2];
        self.0.read_exact(&mut body).expect("a body");
        body.truncate(body.len() - 2);
        String::from_utf8(body).expect("text")
    }

    /// The value of a directive.
    pub fn setting(&mut self, name: &str) -> String {
        assert_eq!(self.ask(&format!("CONFIG GET {name}")), "*2");
        let mut text = || {
            self.line().expect("a length");
            self.line().expect("a text")
        };
        assert_eq!(text(), name);
        text()
    }
}
