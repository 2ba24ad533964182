//! Replies of COMMAND, byte by byte where no sentence of ours is in them.

use super::super::table::resolve;
use super::*;
use crate::resp::Proto;

/// The reply of `write`, with line ends written as spaces.
fn reply(proto: Proto, write: impl FnOnce(&mut Reply)) -> String {
    let mut out = Reply::new(proto);
    write(&mut out);
    let bytes = String::from_utf8(out.bytes().to_vec()).expect("text");
    bytes.replace("\r\n", " ")
}

fn words(request: &str) -> Vec<&[u8]> {
    request.split(' ').map(str::as_bytes).collect()
}

#[test]
fn info_of_a_command_with_one_key() {
    let expected = "*1 *10 $3 get :2 *2 +readonly +fast :1 :1 :1 *3 +@read +@string +@fast *0 \
        *1 *6 $5 flags *2 +RO +access \
        $12 begin_search *4 $4 type $5 index $4 spec *2 $5 index :1 \
        $9 find_keys *4 $4 type $5 range $4 spec *6 $7 lastkey :0 $7 keystep :1 $5 limit :0 *0 ";
    let shown = reply(Proto::Resp2, |out| {
        write_info(&Renames::default(), &[b"GeT"], out)
    });
    assert_eq!(shown, expected);
}

#[test]
fn info_in_resp3_has_sets_and_maps() {
    let expected = "*2 _ *10 $3 get :2 ~2 +readonly +fast :1 :1 :1 ~3 +@read +@string +@fast ~0 \
        ~1 %3 $5 flags ~2 +RO +access \
        $12 begin_search %2 $4 type $5 index $4 spec %1 $5 index :1 \
        $9 find_keys %2 $4 type $5 range $4 spec %3 $7 lastkey :0 $7 keystep :1 $5 limit :0 ~0 ";
    let shown = reply(Proto::Resp3, |out| {
        write_info(&Renames::default(), &[b"no", b"get"], out)
    });
    assert_eq!(shown, expected);
}

#[test]
fn info_of_a_subcommand_and_of_a_name_that_is_none() {
    let expected = "*2 *10 $12 command|list :-2 *2 +loading +stale :0 :0 :0 \
        *2 +@slow +@connection *1 $29 nondeterministic_output_order *0 *0 $-1 ";
    let shown = reply(Proto::Resp2, |out| {
        write_info(
            &Renames::default(),
            &[b"command|list", b"command list"],
            out,
        );
    });
    assert_eq!(shown, expected);
}

#[test]
fn docs_show_the_tree_of_arguments() {
    let select = reply(Proto::Resp3, |out| {
        write_docs(&Renames::default(), &[b"none", b"setnx"], out)
    });
    let tail = "$9 doc_flags ~1 +deprecated $16 deprecated_since $6 2.6.12 \
        $11 replaced_by $15 `SET` with `NX` \
        $9 arguments *2 %4 $4 name $3 key $4 type $3 key $12 display_text $3 key \
        $14 key_spec_index :0 %3 $4 name $5 value $4 type $6 string $12 display_text $5 value ";
    assert!(select.starts_with("%1 $5 setnx %8 $7 summary "), "{select}");
    assert!(select.ends_with(tail), "{select}");
}

#[test]
fn docs_of_nothing_known_are_empty() {
    let shown = reply(Proto::Resp3, |out| {
        write_docs(&Renames::default(), &[b"none"], out)
    });
    assert_eq!(shown, "%0 ");
}

#[test]
fn the_whole_table_is_told() {
    for proto in [Proto::Resp2, Proto::Resp3] {
        let info = reply(proto, |out| write_info(&Renames::default(), &[], out));
        assert!(info.starts_with(&format!("*{COMMANDS} *10 ")));
        let docs = reply(proto, |out| write_docs(&Renames::default(), &[], out));
        let names = ACTIVE
            .iter()
            .map(|c| format!("${} {} ", c.name().len(), c.name()));
        for name in names {
            assert!(info.contains(&name) && docs.contains(&name), "{name}");
        }
    }
}

fn list(filter: &str) -> Result<String, ErrorReply> {
    let mut out = Reply::new(Proto::Resp2);
    let args = if filter.is_empty() {
        Vec::new()
    } else {
        words(filter)
    };
    write_list(&Renames::default(), &args, &mut out)?;
    let text = String::from_utf8(out.bytes().to_vec()).expect("text");
    let names = text.split("\r\n").filter(|l| !l.starts_with(['*', '$']));
    Ok(names.collect::<Vec<_>>().join(" ").trim().to_owned())
}

#[test]
fn lists_are_filtered() {
    let all = list("").expect("no filter");
    assert_eq!(all.split(' ').count(), ACTIVE.len());
    assert_eq!(list("filterby pattern GETR*").as_deref(), Ok("getrange"));
    assert_eq!(
        list("FILTERBY pattern c*|re*").as_deref(),
        Ok(
            "client|reply cluster|replicas cluster|replicate cluster|reset config|resetstat config|rewrite"
        )
    );
    assert_eq!(
        list("FILTERBY ACLCAT BITMAP"),
        list("FILTERBY ACLCAT bitmap")
    );
    assert_eq!(
        list("FILTERBY ACLCAT bitmap").as_deref(),
        Ok("bitcount bitfield bitfield_ro bitop bitpos getbit setbit")
    );
    assert_eq!(list("FILTERBY ACLCAT nosuch").as_deref(), Ok(""));
    assert_eq!(list("FILTERBY MODULE json").as_deref(), Ok(""));
}

#[test]
fn a_filter_needs_its_three_words() {
    let bad = [
        "FILTERBY",
        "FILTERBY PATTERN",
        "FILTERBY PATTERN a b",
        "FILTERBY NAME a",
        "PATTERN a",
    ];
    for filter in bad {
        let error = list(filter).expect_err(filter);
        assert_eq!(error.0, "ERR syntax error", "{filter}");
    }
}

#[test]
fn keys_of_a_request_are_told() {
    let shown = |request, shown| {
        let mut out = Reply::new(Proto::Resp3);
        match write_keys(resolve(&words(request)), &words(request), shown, &mut out) {
            Ok(()) => String::from_utf8_lossy(out.bytes()).replace("\r\n", " "),
            Err(error) => error.to_string(),
        }
    };
    let rows = [
        ("mset a 1 b 2", "*2 $1 a $1 b "),
        ("object freq k", "*1 $1 k "),
        (
            "get",
            "ERR Invalid number of arguments specified for command",
        ),
        ("ping", "ERR The command has no key arguments"),
        ("nosuch a", "ERR Invalid command specified"),
        ("object nosuch a", "ERR Invalid command specified"),
        ("object", "ERR The command has no key arguments"),
    ];
    for (request, expected) in rows {
        assert_eq!(shown(request, Shown::Names), expected, "{request}");
    }
    assert_eq!(
        shown("copy a b", Shown::NamesAndFlags),
        "*2 *2 $1 a ~2 +RO +access *2 $1 b ~2 +OW +update "
    );
}
