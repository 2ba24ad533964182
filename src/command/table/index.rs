//! Names to commands: an open-addressing hash table that the compiler builds, looked up without allocation.
//!
//! A name is compared by its length and two words that hold its first and last bytes in lower case. Up to 16 bytes that
//! is all of the name; of a longer one the bytes themselves are compared too.

use super::{ACTIVE, COUNT, Command, CommandId};

/// Four slots a name, so that most look-ups end at the first.
const SLOTS: usize = (COUNT * 4).next_power_of_two();

const _: () = assert!(COUNT < Slot::FREE as usize);

static INDEX: [Slot; SLOTS] = build();

/// Stands for the parent of a command that has none.
const ROOT: u16 = u16::MAX;

#[derive(Clone, Copy)]
struct Slot {
    key: Key,
    /// The command, or [`Slot::FREE`].
    id: u16,
}

impl Slot {
    const FREE: u16 = u16::MAX;
}

/// What a name is looked up by.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    head: u64,
    tail: u64,
    len: usize,
    parent: u16,
}

impl Key {
    /// Names longer than this are not told apart by their keys alone.
    const EXACT: usize = 16;

    const fn new(parent: u16, name: &[u8]) -> Self {
        let (head, tail) = words(name);
        Self {
            head: lower_case(head),
            tail: lower_case(tail),
            len: name.len(),
            parent,
        }
    }

    /// The slot at which the search begins.
    const fn slot(&self) -> usize {
        let seed = (self.parent as u64) << 32 | self.len as u64;
        let mixed =
            (self.head ^ self.tail.rotate_left(29) ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 40) as usize % SLOTS
    }
}

/// The command, or the subcommand of `container`, with this name in any case.
pub(super) fn find(container: Option<CommandId>, name: &[u8]) -> Option<&'static Command> {
    let key = Key::new(container.map_or(ROOT, |id| id.0), name);
    let mut slot = key.slot();
    // The table is a quarter full at most: the search ends at a free slot.
    loop {
        let found = &INDEX[slot];
        if found.id == Slot::FREE {
            return None;
        }
        if found.key == key {
            let command = &ACTIVE[usize::from(found.id)];
            if key.len <= Key::EXACT || command.own_name().as_bytes().eq_ignore_ascii_case(name) {
                return Some(command);
            }
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// The first and the last bytes of a name. They overlap where it is short, and leave out the middle where it is long.
const fn words(name: &[u8]) -> (u64, u64) {
    if let (Some(head), Some(tail)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        return (u64::from_le_bytes(*head), u64::from_le_bytes(*tail));
    }
    if let (Some(head), Some(tail)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        return (
            u32::from_le_bytes(*head) as u64,
            u32::from_le_bytes(*tail) as u64,
        );
    }
    match name {
        [] => (0, 0),
        [.., last] => {
            let middle = name[name.len() / 2];
            (name[0] as u64 | (middle as u64) << 8, *last as u64)
        }
    }
}

/// The eight bytes of a word with `A` to `Z` in lower case and all others as they are.
const fn lower_case(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xFF;
    const HIGH: u64 = 0x80 * ONES;
    let low = word & !HIGH;
    // Bit 7 of each byte: whether it is at least `A`, and whether it is beyond `Z`. No byte carries into the next.
    let from_a = low + (0x80 - b'A' as u64) * ONES;
    let beyond_z = low + (0x7F - b'Z' as u64) * ONES;
    let upper = (from_a ^ beyond_z) & !word & HIGH;
    word | upper >> 2
}

const fn build() -> [Slot; SLOTS] {
    let mut index = [Slot {
        key: Key::new(ROOT, b""),
        id: Slot::FREE,
    }; SLOTS];
    let mut i = 0;
    while i < COUNT {
        let command = &ACTIVE[i];
        let parent = match command.parent {
            Some(parent) => parent.0,
            None => ROOT,
        };
        let key = Key::new(parent, command.own_name().as_bytes());
        let mut slot = key.slot();
        while index[slot].id != Slot::FREE {
            slot = (slot + 1) % SLOTS;
        }
        index[slot] = Slot { key, id: i as u16 };
        i += 1;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_letters_are_folded() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut bytes = [b'@'; 8];
                bytes[place] = byte;
                let folded = lower_case(u64::from_le_bytes(bytes)).to_le_bytes();
                assert_eq!(folded, bytes.to_ascii_lowercase().as_slice());
            }
        }
    }

    #[test]
    fn keys_of_short_names_are_all_of_the_name() {
        let name = b"abcdefghijklmnop";
        for len in 1..=Key::EXACT {
            for place in 0..len {
                let mut other = *name;
                other[place] = b'_';
                let key = Key::new(ROOT, &name[..len]);
                assert!(key == Key::new(ROOT, &name[..len].to_ascii_uppercase()));
                assert!(key != Key::new(ROOT, &other[..len]), "{len} {place}");
            }
        }
    }

    #[test]
    fn a_search_ends_soon() {
        let steps = |command: &Command| {
            let parent = command.parent.map_or(ROOT, |id| id.0);
            let first = Key::new(parent, command.own_name().as_bytes()).slot();
            let ids = (0..SLOTS).map(|step| INDEX[(first + step) % SLOTS].id);
            1 + ids.take_while(|&id| id != command.id.0).count()
        };
        let most = ACTIVE.iter().map(steps).max();
        assert!(most <= Some(4), "{most:?}");
    }
}
