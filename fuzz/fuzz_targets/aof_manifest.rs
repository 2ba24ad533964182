//! Manifests of append-only files: any text is read or refused, what was read comes back from what is written, and no
//! name leads out of the folder.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redkeep::interchange::aof::Manifest;

fuzz_target!(|text: &str| {
    let manifest = match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(bad) => {
            assert!(bad.line > 0 && bad.line <= text.lines().count().max(1));
            return;
        }
    };
    for part in manifest.parts().chain(&manifest.history) {
        assert!(!part.name.contains(['/', '\0']), "it stays in its folder");
        assert!(!["", ".", ".."].contains(&part.name.as_str()));
    }
    if manifest != Manifest::default() {
        let again = Manifest::parse(&manifest.to_text()).expect("what is written is read");
        assert_eq!(again, manifest);
    }
});
