//! Files of ACL users: no panic, and users that were understood are described so that they are understood again, as the
//! same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redkeep::command::acl::users::Users;

fuzz_target!(|content: &[u8]| {
    let users = Users::default();
    if users.load("users.acl", content).is_err() {
        return;
    }
    let lines = users.to_lines();
    let again = Users::default();
    let loaded = again.load("users.acl", &lines.join(&b'\n'));
    assert!(loaded.is_ok(), "descriptions are understood");
    assert_eq!(again.to_lines(), lines);
});
