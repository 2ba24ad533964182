//! The numbered invariants of a database at rest. `docs/FORMAT.md` has the same list, in words.

use std::fmt;

macro_rules! invariants {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $title:literal;)*) => {
        /// What holds for the files of a database that nobody has open.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Invariant {
            $($(#[$doc])* $name = $number,)*
        }

        impl Invariant {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The invariant in a few words.
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                }
            }
        }
    };
}

invariants! {
    /// Every meta copy is valid, blank, or the one that a crash leaves torn.
    MetaCopies = 1, "meta copies are whole";
    /// Copies of a slot, and the two slots, follow from each other by one write at a time.
    MetaOrder = 2, "meta copies follow each other";
    /// What the newest meta says is possible.
    MetaContent = 3, "the newest meta is possible";
    /// The file holds every page that the newest meta counts.
    FileLength = 4, "the file is as long as its meta says";
    /// No page is reached twice.
    ReachedOnce = 5, "a page is reached once";
    /// No page is both reached and free.
    UsedOrFree = 6, "a page in use is not free";
    /// Every page is reached or free.
    NoLeak = 7, "no page is lost";
    /// Pointers stay between the meta region and the end of the file.
    PointerInFile = 8, "pointers stay in the file";
    /// The checksum of every page in use.
    PageChecksum = 9, "page checksums";
    /// The page says the number of its place.
    PageNumber = 10, "page numbers";
    /// The page has the stamp that its pointer expects, of a life that has been.
    PageStamp = 11, "page stamps";
    /// Kind, level and unused header bytes are what the place asks for.
    PageKind = 12, "page kinds and levels";
    /// Slots, heap, hints and order inside a tree page.
    NodeLayout = 13, "the inside of tree pages";
    /// Keys ascend over the whole tree and lie between the separators above them.
    KeyOrder = 14, "keys are in order";
    /// Entries are as many as children and descriptors count.
    Counts = 15, "counts add up";
    /// Cells and their descriptors hold together.
    Cells = 16, "cells hold together";
    /// A blob's height and pages fit its length.
    BlobGeometry = 17, "blobs have the shape of their length";
    /// Bytes behind the end of a blob are zero.
    BlobTail = 18, "bytes behind the end of a blob are zero";
    /// The catalog holds roots and the list of dropped trees, and nothing else.
    Catalog = 19, "the catalog is understood";
    /// The runs of the stored free map ascend, do not touch, and lie in the file.
    FreeMap = 20, "the free map is in order";
    /// The log that the file needs is there and is this database's.
    LogPresent = 21, "the log is there and belongs to the file";
    /// Nothing that was synced to the log is damaged or missing.
    LogWhole = 22, "the log is whole";
    /// The log names no checkpoint newer than the newest meta.
    LogCheckpoint = 23, "the log names no newer checkpoint";
    /// Behind a file that is whole without its log, the log holds nothing.
    LogIdle = 24, "a whole file has nothing in its log";
    /// Every transaction behind the checkpoint can be read.
    LogRecords = 25, "log records are understood";
    /// The bytes of a tree are those of its entries and of what hangs at them.
    Bytes = 26, "bytes add up";
}

impl Invariant {
    /// Its number in `docs/FORMAT.md`.
    pub fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "I{}", self.number())
    }
}
