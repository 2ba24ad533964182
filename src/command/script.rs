//! SCRIPT: looking after the scripts that the server knows.

use super::argument::is_word;
use super::eval::{NESTED, digest};
use super::running::Kind;
use super::script_cache::Origin;
use super::{Call, Outcome, help};
use crate::resp::ErrorReply;

/// SCRIPT LOAD script
pub fn load(call: &mut Call<'_>) -> Outcome {
    let scripting = &call.server.scripting;
    let mut scripts = scripting.scripts.try_lock().ok_or(NESTED)?;
    match scripts.learn(call.args[2], Origin::ScriptLoad, &scripting.figures) {
        Ok(digest) => call.out.bulk(digest.as_bytes()),
        Err(line) => call.out.error_bytes(&line),
    }
    Ok(())
}

/// SCRIPT EXISTS sha1 ...
pub fn exists(call: &mut Call<'_>) -> Outcome {
    let scripts = call.server.scripting.scripts.try_lock().ok_or(NESTED)?;
    let digests = &call.args[2..];
    call.out.array(digests.len());
    for word in digests {
        let is_known = digest(word).is_some_and(|digest| scripts.knows(&digest));
        call.out.int(i64::from(is_known));
    }
    Ok(())
}

/// SCRIPT FLUSH [ASYNC | SYNC]
pub fn flush(call: &mut Call<'_>) -> Outcome {
    const WRONG_WORD: ErrorReply =
        ErrorReply::new("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
    match call.args[2..] {
        [] => {}
        [how] if is_word(how, "sync") || is_word(how, "async") => {}
        _ => return Err(WRONG_WORD.into()),
    }
    let scripting = &call.server.scripting;
    let mut scripts = scripting.scripts.try_lock().ok_or(NESTED)?;
    scripts.flush(&scripting.figures);
    call.out.ok();
    Ok(())
}

/// SCRIPT KILL
pub fn kill(call: &mut Call<'_>) -> Outcome {
    call.server.scripting.running.kill(Kind::Script)?;
    call.out.ok();
    Ok(())
}

/// SCRIPT HELP
pub fn help(call: &mut Call<'_>) -> Outcome {
    help::write(call, help::SCRIPT)
}
