//! What is left of one operation that was under way when the power went.

use super::content::Content;
use super::profile::DiskProfile;
use super::state::{InodeId, Op};
use crate::seed::{Stream, mix};

/// How the atoms of operations that are kept are torn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tear {
    /// Not at all.
    Whole,
    /// The first atoms are new, the others old.
    Head,
    /// The last atoms are new, the others old.
    Tail,
    /// Each atom for itself: new, old, garbage, zero or cut, as the profile permits.
    Drawn,
    /// Every atom is garbage.
    Garbage,
    /// Every atom is zeroes.
    Zero,
}

impl Tear {
    /// Every way.
    pub const ALL: [Tear; 6] = [
        Tear::Whole,
        Tear::Head,
        Tear::Tail,
        Tear::Drawn,
        Tear::Garbage,
        Tear::Zero,
    ];
}

/// What becomes of one atom of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Atom {
    New,
    Old,
    Garbage,
    Zero,
    /// The bytes left of the cut are new, or those right of it.
    Cut {
        at: u64,
        left_new: bool,
    },
}

/// Garbage bytes for a place in a file: fixed by the seed, the file, the place and `generation`, and the same at
/// every reading.
pub fn garbage(seed: u64, inode: InodeId, generation: u64, offset: u64, out: &mut [u8]) {
    let base = mix(seed ^ mix(inode ^ mix(generation)));
    for (i, byte) in out.iter_mut().enumerate() {
        let at = offset + i as u64;
        let word = mix(base ^ (at / 8));
        *byte = word.to_le_bytes()[(at % 8) as usize];
    }
}

/// Applies an operation with its atoms torn. `seq` is the operation's number: the generation of its garbage.
pub fn apply_torn(
    content: &mut Content,
    op: &Op,
    tear: Tear,
    seq: u64,
    profile: &DiskProfile,
    stream: &mut Stream,
) {
    match op {
        Op::Write {
            inode,
            offset,
            bytes,
        } => {
            let place = Place {
                inode: *inode,
                seq,
                profile,
            };
            place.write(content, *offset, bytes, tear, stream);
        }
        Op::SetLen { inode, old, new } if new > old => {
            let place = Place {
                inode: *inode,
                seq,
                profile,
            };
            place.grow(content, *old, *new, tear, stream);
        }
        Op::SetLen { .. } | Op::AddName { .. } | Op::DropName { .. } => {
            super::state::apply(content, op);
        }
    }
}

struct Place<'a> {
    inode: InodeId,
    seq: u64,
    profile: &'a DiskProfile,
}

impl Place<'_> {
    fn garbage(&self, offset: u64, len: u64) -> Vec<u8> {
        let mut out = vec![0; len as usize];
        garbage(
            self.profile.garbage_seed,
            self.inode,
            self.seq,
            offset,
            &mut out,
        );
        out
    }

    fn write(
        &self,
        content: &mut Content,
        offset: u64,
        bytes: &[u8],
        tear: Tear,
        stream: &mut Stream,
    ) {
        if tear == Tear::Whole {
            content.write(offset, bytes);
            return;
        }
        let end = offset + bytes.len() as u64;
        let atom = self.profile.atom;
        let atoms = end.div_ceil(atom) - offset / atom;
        // How many atoms are new in a head or tail tear: at least none, never all.
        let cut = stream.below(atoms);
        for (index, number) in (offset / atom..end.div_ceil(atom)).enumerate() {
            let (from, to) = ((number * atom).max(offset), ((number + 1) * atom).min(end));
            let fate = match tear {
                Tear::Whole => Atom::New,
                Tear::Head if (index as u64) < cut => Atom::New,
                Tear::Tail if (index as u64) >= atoms - cut => Atom::New,
                // The atom at the edge of a tear may itself be cut, where atoms are not atomic.
                Tear::Head | Tear::Tail if self.at_edge(tear, index as u64, cut, atoms) => {
                    Atom::Cut {
                        at: stream.between(0, to - from),
                        left_new: tear == Tear::Head,
                    }
                }
                Tear::Head | Tear::Tail => Atom::Old,
                Tear::Garbage if self.profile.garbage_atoms => Atom::Garbage,
                Tear::Zero if self.profile.garbage_atoms => Atom::Zero,
                Tear::Garbage | Tear::Zero => Atom::Old,
                Tear::Drawn => self.draw(to - from, stream),
            };
            let new = &bytes[(from - offset) as usize..(to - offset) as usize];
            self.put(content, number, from, new, fate);
        }
    }

    fn at_edge(&self, tear: Tear, index: u64, cut: u64, atoms: u64) -> bool {
        let edge = match tear {
            Tear::Head => cut,
            _ => atoms - cut - 1,
        };
        !self.profile.atoms_atomic && index == edge
    }

    /// Half of the atoms are new, a quarter old, a quarter bad.
    fn draw(&self, len: u64, stream: &mut Stream) -> Atom {
        let bad = match stream.below(4) {
            0 | 1 => return Atom::New,
            2 => return Atom::Old,
            _ => stream.below(3),
        };
        match bad {
            0 if self.profile.garbage_atoms => Atom::Garbage,
            1 if self.profile.garbage_atoms => Atom::Zero,
            _ if self.profile.atoms_atomic => Atom::Old,
            _ => Atom::Cut {
                at: stream.between(0, len),
                left_new: stream.below(2) == 0,
            },
        }
    }

    fn put(&self, content: &mut Content, number: u64, from: u64, new: &[u8], fate: Atom) {
        let len = new.len() as u64;
        match fate {
            Atom::New => content.write(from, new),
            Atom::Old => {}
            Atom::Garbage if self.profile.psow => content.write(from, &self.garbage(from, len)),
            Atom::Garbage => {
                let start = number * self.profile.atom;
                content.write(start, &self.garbage(start, self.profile.atom));
            }
            Atom::Zero if self.profile.psow => content.write(from, &vec![0; new.len()]),
            Atom::Zero => {
                let start = number * self.profile.atom;
                content.write(start, &vec![0; self.profile.atom as usize]);
            }
            Atom::Cut { at, left_new: true } => content.write(from, &new[..at as usize]),
            Atom::Cut { at, .. } => content.write(from + at, &new[at as usize..]),
        }
    }

    /// A length that grew: where it stops, and what is behind the old end until data comes (F08).
    fn grow(&self, content: &mut Content, old: u64, new: u64, tear: Tear, stream: &mut Stream) {
        let reached = match tear {
            Tear::Whole | Tear::Garbage | Tear::Zero => new,
            Tear::Head | Tear::Tail | Tear::Drawn => self.stop(old, new, stream),
        };
        let fill = self.profile.garbage_growth
            && match tear {
                Tear::Garbage => true,
                Tear::Drawn => stream.below(2) == 0,
                Tear::Whole | Tear::Head | Tear::Tail | Tear::Zero => false,
            };
        let from = content.len().max(old);
        content.grow(reached);
        if fill && reached > from {
            content.seep(from, &self.garbage(from, reached - from));
        }
    }

    /// The old end, the new end, or an atom boundary between.
    fn stop(&self, old: u64, new: u64, stream: &mut Stream) -> u64 {
        let atom = self.profile.atom;
        let first = old / atom + 1;
        let boundaries = (new.div_ceil(atom)).saturating_sub(first);
        match stream.below(boundaries + 2) {
            0 => new,
            1 => old,
            n => (first + n - 2) * atom,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Purpose, Seed};
    use std::collections::BTreeSet;

    fn torn(tear: Tear, profile: &DiskProfile, seed: u64) -> Vec<u8> {
        let mut content = Content::default();
        content.grow(4096);
        content.write(0, &[1; 4096]);
        let op = Op::Write {
            inode: 1,
            offset: 700,
            bytes: vec![2; 2000].into(),
        };
        let mut stream = Seed(seed).stream(Purpose::Crash);
        apply_torn(&mut content, &op, tear, 1, profile, &mut stream);
        content.bytes(0, 4096)
    }

    fn profile(atom: u64) -> DiskProfile {
        DiskProfile {
            atom,
            ..DiskProfile::default()
        }
    }

    #[test]
    fn atomic_atoms_are_all_new_or_all_old() {
        let strict = DiskProfile {
            atoms_atomic: true,
            garbage_atoms: false,
            ..profile(512)
        };
        let mut seen = BTreeSet::new();
        for seed in 0..50 {
            for tear in [Tear::Head, Tear::Tail, Tear::Drawn] {
                let bytes = torn(tear, &strict, seed);
                for atom in bytes.chunks(512) {
                    assert!(atom.iter().all(|b| *b == 1 || *b == 2));
                }
                assert!(bytes[1024..1536].iter().all(|b| *b == bytes[1024]));
                assert!(bytes[1536..2048].iter().all(|b| *b == bytes[1536]));
                seen.insert(bytes);
            }
        }
        assert!(seen.len() > 8, "{} states in 150 draws", seen.len());
    }

    #[test]
    fn bytes_beside_a_write_survive_only_with_power_safe_overwrite() {
        for (psow, tear) in [(true, Tear::Garbage), (true, Tear::Zero)] {
            let bytes = torn(
                tear,
                &DiskProfile {
                    psow,
                    ..profile(512)
                },
                1,
            );
            assert!(bytes[..700].iter().chain(&bytes[2700..]).all(|b| *b == 1));
            assert!(bytes[700..2700].iter().any(|b| *b != 1));
        }
        let bytes = torn(Tear::Garbage, &profile(512), 1);
        assert!(
            bytes[512..700].iter().any(|b| *b != 1),
            "the neighbour was spared"
        );
        assert!(
            bytes[..512].iter().all(|b| *b == 1),
            "an atom not written was hit"
        );
        assert!(bytes[2700..3072].iter().any(|b| *b != 1));
        assert!(bytes[3072..].iter().all(|b| *b == 1));
    }

    #[test]
    fn atoms_that_are_not_atomic_are_cut_inside() {
        let loose = DiskProfile {
            garbage_atoms: false,
            ..profile(4096)
        };
        let cut = (0..50).any(|seed| {
            let bytes = torn(Tear::Drawn, &loose, seed);
            let new = bytes.iter().filter(|b| **b == 2).count();
            new > 0 && new < 2000
        });
        assert!(cut);
    }

    #[test]
    fn garbage_is_the_same_at_every_reading_and_differs_by_place() {
        let read = |inode, generation, offset| {
            let mut out = [0; 16];
            garbage(7, inode, generation, offset, &mut out);
            out
        };
        assert_eq!(read(1, 2, 512), read(1, 2, 512));
        assert_eq!(read(1, 2, 512)[8..], read(1, 2, 520)[..8]);
        assert_ne!(read(1, 2, 512), read(1, 3, 512));
        assert_ne!(read(1, 2, 512), read(2, 2, 512));
    }

    #[test]
    fn a_length_stops_at_the_old_end_the_new_end_and_atoms_between() {
        let mut lengths = BTreeSet::new();
        let mut shown = BTreeSet::new();
        for seed in 0..200 {
            let mut content = Content::default();
            content.grow(100);
            content.write(0, &[1; 100]);
            let op = Op::SetLen {
                inode: 1,
                old: 100,
                new: 1500,
            };
            let mut stream = Seed(seed).stream(Purpose::Crash);
            apply_torn(
                &mut content,
                &op,
                Tear::Drawn,
                1,
                &profile(512),
                &mut stream,
            );
            lengths.insert(content.len());
            shown.insert(content.bytes(100, 1).first().map(|b| *b == 0));
        }
        assert_eq!(lengths, BTreeSet::from([100, 512, 1024, 1500]));
        assert_eq!(shown.len(), 3, "nothing, zeroes and garbage: {shown:?}");
    }
}
