//! Rows of the commands on positions on Earth, kept in sorted sets.

use super::argument::Arg;
use super::key_finders;
use super::key_spec::{
    KeyFlag::{Access, Ow, Ro, Rw, Update},
    KeySpec,
};
use super::row::{
    Flag::{DenyOom, ReadOnly, Write},
    Group, Row, Rows,
};

pub(super) const ROWS: Rows = Rows {
    group: Group::Geo,
    rows: &[
        Row::new("geoadd", "3.2.0", -5, &[Write, DenyOom])
            .summary("Adds members with their positions, or changes the positions.")
            .complexity("O(log(N)) a member, N members in the set")
            .history(&[("6.2.0", "`CH`, `NX` and `XX`.")])
            .keys(&[KeySpec::at(1, &[Rw, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::one_of("condition", &[Arg::word("nx", "NX"), Arg::word("xx", "XX")])
                    .since("6.2.0")
                    .optional(),
                Arg::word("change", "CH").since("6.2.0").optional(),
                Arg::block(
                    "data",
                    &[
                        Arg::double("longitude"),
                        Arg::double("latitude"),
                        Arg::string("member"),
                    ],
                )
                .multiple(),
            ]),
        Row::new("geodist", "3.2.0", -4, &[ReadOnly])
            .summary("Returns the distance between two members.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("member1"),
                Arg::string("member2"),
                Arg::one_of(
                    "unit",
                    &[
                        Arg::word("m", "M"),
                        Arg::word("km", "KM"),
                        Arg::word("ft", "FT"),
                        Arg::word("mi", "MI"),
                    ],
                )
                .optional(),
            ]),
        Row::new("geohash", "3.2.0", -2, &[ReadOnly])
            .summary("Returns the positions of members as geohashes.")
            .complexity("O(1) a member")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("member").optional().multiple(),
            ]),
        Row::new("geopos", "3.2.0", -2, &[ReadOnly])
            .summary("Returns the longitude and latitude of members.")
            .complexity("O(1) a member")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("member").optional().multiple(),
            ]),
        Row::new("georadius", "3.2.0", -6, &[Write, DenyOom])
            .summary("Returns or stores the members within a distance of a position.")
            .complexity("O(N+log(M)), N members in the box around the circle, M in the circle")
            .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS`")
            .history(&[
                ("6.2.0", "`ANY` after `COUNT`."),
                ("7.0.0", "Units may be in upper case."),
            ])
            .keys(&[
                KeySpec::at(1, &[Ro, Access]),
                KeySpec::after("STORE", 6, &[Ow, Update]),
                KeySpec::after("STOREDIST", 6, &[Ow, Update]),
            ])
            .key_finder(key_finders::georadius)
            .args(&[
                Arg::key("key", 0),
                Arg::double("longitude"),
                Arg::double("latitude"),
                Arg::double("radius"),
                Arg::one_of(
                    "unit",
                    &[
                        Arg::word("m", "M"),
                        Arg::word("km", "KM"),
                        Arg::word("ft", "FT"),
                        Arg::word("mi", "MI"),
                    ],
                ),
                Arg::word("withcoord", "WITHCOORD").optional(),
                Arg::word("withdist", "WITHDIST").optional(),
                Arg::word("withhash", "WITHHASH").optional(),
                Arg::block(
                    "count-block",
                    &[
                        Arg::integer("count").token("COUNT"),
                        Arg::word("any", "ANY").since("6.2.0").optional(),
                    ],
                )
                .optional(),
                Arg::one_of(
                    "order",
                    &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
                )
                .optional(),
                Arg::one_of(
                    "store",
                    &[
                        Arg::key("storekey", 1).token("STORE").display("key"),
                        Arg::key("storedistkey", 2)
                            .token("STOREDIST")
                            .display("key"),
                    ],
                )
                .optional(),
            ]),
        Row::new("georadius_ro", "3.2.10", -6, &[ReadOnly])
            .summary("Returns the members within a distance of a position.")
            .complexity("O(N+log(M)), N members in the box around the circle, M in the circle")
            .deprecated("6.2.0", "`GEOSEARCH` with `BYRADIUS`")
            .history(&[
                ("6.2.0", "`ANY` after `COUNT`."),
                ("7.0.0", "Units may be in upper case."),
            ])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::double("longitude"),
                Arg::double("latitude"),
                Arg::double("radius"),
                Arg::one_of(
                    "unit",
                    &[
                        Arg::word("m", "M"),
                        Arg::word("km", "KM"),
                        Arg::word("ft", "FT"),
                        Arg::word("mi", "MI"),
                    ],
                ),
                Arg::word("withcoord", "WITHCOORD").optional(),
                Arg::word("withdist", "WITHDIST").optional(),
                Arg::word("withhash", "WITHHASH").optional(),
                Arg::block(
                    "count-block",
                    &[
                        Arg::integer("count").token("COUNT"),
                        Arg::word("any", "ANY").since("6.2.0").optional(),
                    ],
                )
                .optional(),
                Arg::one_of(
                    "order",
                    &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
                )
                .optional(),
            ]),
        Row::new("georadiusbymember", "3.2.0", -5, &[Write, DenyOom])
            .summary("Returns or stores the members within a distance of a member.")
            .complexity("O(N+log(M)), N members in the box around the circle, M in the circle")
            .deprecated(
                "6.2.0",
                "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS` and `FROMMEMBER`",
            )
            .history(&[
                ("6.2.0", "`ANY` after `COUNT`."),
                ("7.0.0", "Units may be in upper case."),
            ])
            .keys(&[
                KeySpec::at(1, &[Ro, Access]),
                KeySpec::after("STORE", 5, &[Ow, Update]),
                KeySpec::after("STOREDIST", 5, &[Ow, Update]),
            ])
            .key_finder(key_finders::georadius)
            .args(&[
                Arg::key("key", 0),
                Arg::string("member"),
                Arg::double("radius"),
                Arg::one_of(
                    "unit",
                    &[
                        Arg::word("m", "M"),
                        Arg::word("km", "KM"),
                        Arg::word("ft", "FT"),
                        Arg::word("mi", "MI"),
                    ],
                ),
                Arg::word("withcoord", "WITHCOORD").optional(),
                Arg::word("withdist", "WITHDIST").optional(),
                Arg::word("withhash", "WITHHASH").optional(),
                Arg::block(
                    "count-block",
                    &[
                        Arg::integer("count").token("COUNT"),
                        Arg::word("any", "ANY").optional(),
                    ],
                )
                .optional(),
                Arg::one_of(
                    "order",
                    &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
                )
                .optional(),
                Arg::one_of(
                    "store",
                    &[
                        Arg::key("storekey", 1).token("STORE").display("key"),
                        Arg::key("storedistkey", 2)
                            .token("STOREDIST")
                            .display("key"),
                    ],
                )
                .optional(),
            ]),
        Row::new("georadiusbymember_ro", "3.2.10", -5, &[ReadOnly])
            .summary("Returns the members within a distance of a member.")
            .complexity("O(N+log(M)), N members in the box around the circle, M in the circle")
            .deprecated("6.2.0", "`GEOSEARCH` with `BYRADIUS` and `FROMMEMBER`")
            .history(&[
                ("6.2.0", "`ANY` after `COUNT`."),
                ("7.0.0", "Units may be in upper case."),
            ])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("member"),
                Arg::double("radius"),
                Arg::one_of(
                    "unit",
                    &[
                        Arg::word("m", "M"),
                        Arg::word("km", "KM"),
                        Arg::word("ft", "FT"),
                        Arg::word("mi", "MI"),
                    ],
                ),
                Arg::word("withcoord", "WITHCOORD").optional(),
                Arg::word("withdist", "WITHDIST").optional(),
                Arg::word("withhash", "WITHHASH").optional(),
                Arg::block(
                    "count-block",
                    &[
                        Arg::integer("count").token("COUNT"),
                        Arg::word("any", "ANY").optional(),
                    ],
                )
                .optional(),
                Arg::one_of(
                    "order",
                    &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
                )
                .optional(),
            ]),
        Row::new("geosearch", "6.2.0", -7, &[ReadOnly])
            .summary("Returns the members inside a circle or a box.")
            .complexity("O(N+log(M)), N members in the box around the shape, M in the shape")
            .history(&[("7.0.0", "Units may be in upper case.")])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::one_of(
                    "from",
                    &[
                        Arg::string("member").token("FROMMEMBER"),
                        Arg::block(
                            "fromlonlat",
                            &[Arg::double("longitude"), Arg::double("latitude")],
                        )
                        .token("FROMLONLAT"),
                    ],
                ),
                Arg::one_of(
                    "by",
                    &[
                        Arg::block(
                            "circle",
                            &[
                                Arg::double("radius").token("BYRADIUS"),
                                Arg::one_of(
                                    "unit",
                                    &[
                                        Arg::word("m", "M"),
                                        Arg::word("km", "KM"),
                                        Arg::word("ft", "FT"),
                                        Arg::word("mi", "MI"),
                                    ],
                                ),
                            ],
                        ),
                        Arg::block(
                            "box",
                            &[
                                Arg::double("width").token("BYBOX"),
                                Arg::double("height"),
                                Arg::one_of(
                                    "unit",
                                    &[
                                        Arg::word("m", "M"),
                                        Arg::word("km", "KM"),
                                        Arg::word("ft", "FT"),
                                        Arg::word("mi", "MI"),
                                    ],
                                ),
                            ],
                        ),
                    ],
                ),
                Arg::one_of(
                    "order",
                    &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
                )
                .optional(),
                Arg::block(
                    "count-block",
                    &[
                        Arg::integer("count").token("COUNT"),
                        Arg::word("any", "ANY").optional(),
                    ],
                )
                .optional(),
                Arg::word("withcoord", "WITHCOORD").optional(),
                Arg::word("withdist", "WITHDIST").optional(),
                Arg::word("withhash", "WITHHASH").optional(),
            ]),
        Row::new("geosearchstore", "6.2.0", -8, &[Write, DenyOom])
            .summary("Stores the members inside a circle or a box.")
            .complexity("O(N+log(M)), N members in the box around the shape, M in the shape")
            .history(&[("7.0.0", "Units may be in upper case.")])
            .keys(&[KeySpec::at(1, &[Ow, Update]), KeySpec::at(2, &[Ro, Access])])
            .args(&[
                Arg::key("destination", 0),
                Arg::key("source", 1),
                Arg::one_of(
                    "from",
                    &[
                        Arg::string("member").token("FROMMEMBER"),
                        Arg::block(
                            "fromlonlat",
                            &[Arg::double("longitude"), Arg::double("latitude")],
                        )
                        .token("FROMLONLAT"),
                    ],
                ),
                Arg::one_of(
                    "by",
                    &[
                        Arg::block(
                            "circle",
                            &[
                                Arg::double("radius").token("BYRADIUS"),
                                Arg::one_of(
                                    "unit",
                                    &[
                                        Arg::word("m", "M"),
                                        Arg::word("km", "KM"),
                                        Arg::word("ft", "FT"),
                                        Arg::word("mi", "MI"),
                                    ],
                                ),
                            ],
                        ),
                        Arg::block(
                            "box",
                            &[
                                Arg::double("width").token("BYBOX"),
                                Arg::double("height"),
                                Arg::one_of(
                                    "unit",
                                    &[
                                        Arg::word("m", "M"),
                                        Arg::word("km", "KM"),
                                        Arg::word("ft", "FT"),
                                        Arg::word("mi", "MI"),
                                    ],
                                ),
                            ],
                        ),
                    ],
                ),
                Arg::one_of(
                    "order",
                    &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
                )
                .optional(),
                Arg::block(
                    "count-block",
                    &[
                        Arg::integer("count").token("COUNT"),
                        Arg::word("any", "ANY").optional(),
                    ],
                )
                .optional(),
                Arg::word("storedist", "STOREDIST").optional(),
            ]),
    ],
};
