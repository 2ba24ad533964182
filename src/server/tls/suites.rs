//! Protocols and ciphers by the names that OpenSSL gives them.

use tokio_rustls::rustls::crypto::ring::cipher_suite;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use super::TlsError;

type Suites = &'static [(&'static str, SupportedCipherSuite)];

/// Suites of TLS 1.3, the best first.
const SUITES_13: Suites = &[
    (
        "TLS_AES_256_GCM_SHA384",
        cipher_suite::TLS13_AES_256_GCM_SHA384,
    ),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_AES_128_GCM_SHA256",
        cipher_suite::TLS13_AES_128_GCM_SHA256,
    ),
];

/// Suites of TLS 1.2, the best first.
const SUITES_12: Suites = &[
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
];

/// Words that stand for every suite of TLS 1.2 here.
const ALL: [&str; 3] = ["DEFAULT", "ALL", "HIGH"];

/// Classes of suites that hold none of those here: to exclude them changes nothing.
const WEAK: [&str; 16] = [
    "MEDIUM", "LOW", "EXPORT", "EXP", "aNULL", "eNULL", "NULL", "ADH", "RC4", "MD5", "DES", "3DES",
    "SHA1", "kRSA", "PSK", "SRP",
];

fn unknown(directive: &'static str, word: &str, known: Vec<&str>) -> TlsError {
    TlsError::Word {
        directive,
        word: word.to_owned(),
        known: known.join(", "),
    }
}

fn names(suites: Suites) -> Vec<&'static str> {
    suites.iter().map(|(name, _)| *name).collect()
}

/// `tls-protocols`: words with one space between each other; empty for both.
pub fn protocols(text: &str) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    if text.is_empty() {
        return Ok(vec![&TLS13, &TLS12]);
    }
    let mut versions: Vec<&'static SupportedProtocolVersion> = Vec::new();
    for word in text.split(' ') {
        let version = match &*word.to_ascii_lowercase() {
            "tlsv1.2" => &TLS12,
            "tlsv1.3" => &TLS13,
            _ => return Err(unknown("tls-protocols", word, vec!["TLSv1.2", "TLSv1.3"])),
        };
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    Ok(versions)
}

/// `tls-ciphersuites`: names of suites of TLS 1.3 with colons between each other, the preferred first; empty for all.
pub fn suites_13(text: &str) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    if text.is_empty() {
        return Ok(SUITES_13.iter().map(|(_, suite)| *suite).collect());
    }
    text.split(':')
        .map(|word| {
            let found = SUITES_13.iter().find(|(name, _)| *name == word);
            found
                .map(|(_, suite)| *suite)
                .ok_or_else(|| unknown("tls-ciphersuites", word, names(SUITES_13)))
        })
        .collect()
}

/// `tls-ciphers`: names of suites of TLS 1.2 and words for all, with colons between each other, the preferred first;
/// `!` or `-` takes out. Empty for all.
pub fn suites_12(text: &str) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    const DIRECTIVE: &str = "tls-ciphers";
    let text = if text.is_empty() { ALL[0] } else { text };
    let (mut chosen, mut banned) = (Vec::new(), Vec::new());
    for word in text.split(':') {
        let bare = word.trim_start_matches(['!', '-']);
        let is_out = bare.len() < word.len();
        let named: Vec<SupportedCipherSuite> = SUITES_12
            .iter()
            .filter(|(name, _)| *name == bare || ALL.contains(&bare))
            .map(|(_, suite)| *suite)
            .collect();
        if named.is_empty() && !(is_out && WEAK.contains(&bare)) {
            return Err(unknown(DIRECTIVE, word, names(SUITES_12)));
        }
        if is_out {
            banned.extend(named);
        } else {
            chosen.extend(
                named
                    .into_iter()
                    .filter(|suite| !chosen.contains(suite))
                    .collect::<Vec<_>>(),
            );
        }
    }
    chosen.retain(|suite| !banned.contains(suite));
    if chosen.is_empty() {
        return Err(TlsError::Nothing(DIRECTIVE));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_those_that_are_named() {
        let named =
            |text| protocols(text).map(|all| all.iter().map(|v| v.version).collect::<Vec<_>>());
        assert_eq!(named("").unwrap().len(), 2);
        assert_eq!(named("TLSv1.2").unwrap(), [TLS12.version]);
        assert_eq!(named("tlsv1.3 TLSv1.3").unwrap(), [TLS13.version]);
        for wrong in ["TLSv1.1", "TLSv1.2 TLSv1", "TLSv1.2  TLSv1.3", " "] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ciphers_are_those_that_are_named_in_that_order() {
        let all = suites_12("").unwrap();
        assert_eq!(all.len(), 6);
        assert_eq!(suites_12("DEFAULT:!MEDIUM").unwrap(), all);
        assert_eq!(
            suites_12("ECDHE-RSA-AES128-GCM-SHA256:HIGH").unwrap()[0],
            all[5]
        );
        assert_eq!(
            suites_12("ALL:!ECDHE-RSA-AES256-GCM-SHA384").unwrap().len(),
            5
        );
        for wrong in [
            "AES128-SHA",
            "MEDIUM",
            "!MEDIUM",
            "!ALL:HIGH",
            "HIGH:",
            "@STRENGTH",
        ] {
            assert!(suites_12(wrong).is_err(), "{wrong}");
        }
        assert_eq!(suites_13("").unwrap().len(), 3);
        assert_eq!(
            suites_13("TLS_AES_128_GCM_SHA256").unwrap(),
            [cipher_suite::TLS13_AES_128_GCM_SHA256]
        );
        assert!(suites_13("TLS_AES_128_CCM_SHA256").is_err());
    }
}
