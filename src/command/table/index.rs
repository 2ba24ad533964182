//! Names to commands: an open-addressing hash table that the compiler builds, looked up without allocation.

use super::{ACTIVE, COUNT, Command, CommandId};

/// Four slots a name, so that most look-ups end at the first.
const SLOTS: usize = (COUNT * 4).next_power_of_two();

/// No command.
const FREE: u16 = u16::MAX;

const _: () = assert!(COUNT < FREE as usize);

static INDEX: [u16; SLOTS] = build();

/// The command, or the subcommand of `container`, with this name in any case.
pub(super) fn find(container: Option<CommandId>, name: &[u8]) -> Option<&'static Command> {
    let parent = container.map_or(ROOT, CommandId::index);
    let mut slot = hash(parent, name);
    // The table is a quarter full at most: the search ends at a free slot.
    while INDEX[slot] != FREE {
        let command = &ACTIVE[usize::from(INDEX[slot])];
        if command.parent == container && command.own_name().as_bytes().eq_ignore_ascii_case(name) {
            return Some(command);
        }
        slot = (slot + 1) % SLOTS;
    }
    None
}

/// Stands for the parent of a command that has none.
const ROOT: usize = COUNT;

/// Depends on the parent, the length and the first and last eight bytes without regard to case.
const fn hash(parent: usize, name: &[u8]) -> usize {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let (head, tail) =
        if let (Some(head), Some(tail)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) {
            (u64::from_le_bytes(*head), u64::from_le_bytes(*tail))
        } else {
            let mut word = 0;
            let mut i = 0;
            while i < name.len() {
                word = word << 8 | name[i] as u64;
                i += 1;
            }
            (word, 0)
        };
    let seed = (parent as u64) << 32 | name.len() as u64;
    let mixed =
        ((head | CASE) ^ (tail | CASE).rotate_left(29) ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 40) as usize % SLOTS
}

const fn build() -> [u16; SLOTS] {
    let mut index = [FREE; SLOTS];
    let mut i = 0;
    while i < COUNT {
        let command = &ACTIVE[i];
        let parent = match command.parent {
            Some(parent) => parent.0 as usize,
            None => ROOT,
        };
        let mut slot = hash(parent, command.own_name().as_bytes());
        while index[slot] != FREE {
            slot = (slot + 1) % SLOTS;
        }
        index[slot] = i as u16;
        i += 1;
    }
    index
}
