//! Rows of the commands on strings as arrays of bits.

use super::argument::Arg;
use super::key_finders;
use super::key_spec::{
    KeyFlag::{Access, Ow, Ro, Rw, Update, VariableFlags},
    KeySpec,
};
use super::row::{
    Flag::{DenyOom, Fast, ReadOnly, Write},
    Group, Row, Rows,
};

pub(super) const ROWS: Rows = Rows {
    group: Group::Bitmap,
    rows: &[
        Row::new("bitcount", "2.6.0", -2, &[ReadOnly])
            .summary("Counts the bits that are 1, in a string or a part of it.")
            .complexity("O(N)")
            .history(&[("7.0.0", "`BYTE` and `BIT`.")])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::block(
                    "range",
                    &[
                        Arg::integer("start"),
                        Arg::integer("end"),
                        Arg::one_of(
                            "unit",
                            &[Arg::word("byte", "BYTE"), Arg::word("bit", "BIT")],
                        )
                        .since("7.0.0")
                        .optional(),
                    ],
                )
                .optional(),
            ]),
        Row::new("bitfield", "3.2.0", -2, &[Write, DenyOom])
            .summary("Reads and changes integers of any width inside a string.")
            .complexity("O(1) an operation")
            .keys(&[KeySpec::at(1, &[Rw, Update, Access, VariableFlags])
                .notes("A request may read, change, or do both")])
            .key_finder(key_finders::bitfield)
            .args(&[
                Arg::key("key", 0),
                Arg::one_of(
                    "operation",
                    &[
                        Arg::block(
                            "get-block",
                            &[Arg::string("encoding"), Arg::integer("offset")],
                        )
                        .token("GET"),
                        Arg::block(
                            "write",
                            &[
                                Arg::one_of(
                                    "overflow-block",
                                    &[
                                        Arg::word("wrap", "WRAP"),
                                        Arg::word("sat", "SAT"),
                                        Arg::word("fail", "FAIL"),
                                    ],
                                )
                                .token("OVERFLOW")
                                .optional(),
                                Arg::one_of(
                                    "write-operation",
                                    &[
                                        Arg::block(
                                            "set-block",
                                            &[
                                                Arg::string("encoding"),
                                                Arg::integer("offset"),
                                                Arg::integer("value"),
                                            ],
                                        )
                                        .token("SET"),
                                        Arg::block(
                                            "incrby-block",
                                            &[
                                                Arg::string("encoding"),
                                                Arg::integer("offset"),
                                                Arg::integer("increment"),
                                            ],
                                        )
                                        .token("INCRBY"),
                                    ],
                                ),
                            ],
                        ),
                    ],
                )
                .optional()
                .multiple(),
            ]),
        Row::new("bitfield_ro", "6.0.0", -2, &[ReadOnly, Fast])
            .summary("Reads integers of any width inside a string.")
            .complexity("O(1) an operation")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::block(
                    "get-block",
                    &[Arg::string("encoding"), Arg::integer("offset")],
                )
                .token("GET")
                .optional()
                .multiple_token(),
            ]),
        Row::new("bitop", "2.6.0", -4, &[Write, DenyOom])
            .summary("Combines strings bit by bit and stores the result.")
            .complexity("O(N)")
            .keys(&[
                KeySpec::at(2, &[Ow, Update]),
                KeySpec::at(3, &[Ro, Access]).to(-1),
            ])
            .args(&[
                Arg::one_of(
                    "operation",
                    &[
                        Arg::word("and", "AND"),
                        Arg::word("or", "OR"),
                        Arg::word("xor", "XOR"),
                        Arg::word("not", "NOT"),
                    ],
                ),
                Arg::key("destkey", 0),
                Arg::key("key", 1).multiple(),
            ]),
        Row::new("bitpos", "2.8.7", -3, &[ReadOnly])
            .summary("Finds the first bit that is 1, or that is 0.")
            .complexity("O(N)")
            .history(&[("7.0.0", "`BYTE` and `BIT`.")])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("bit"),
                Arg::block(
                    "range",
                    &[
                        Arg::integer("start"),
                        Arg::block(
                            "end-unit-block",
                            &[
                                Arg::integer("end"),
                                Arg::one_of(
                                    "unit",
                                    &[Arg::word("byte", "BYTE"), Arg::word("bit", "BIT")],
                                )
                                .since("7.0.0")
                                .optional(),
                            ],
                        )
                        .optional(),
                    ],
                )
                .optional(),
            ]),
        Row::new("getbit", "2.2.0", 3, &[ReadOnly, Fast])
            .summary("Returns the bit at an offset.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0), Arg::integer("offset")]),
        Row::new("setbit", "2.2.0", 4, &[Write, DenyOom])
            .summary("Sets the bit at an offset and returns what it was.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Rw, Access, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("offset"),
                Arg::integer("value"),
            ]),
    ],
};
