//! How often collections went from a body to trees of their own and back, by kind.

use super::header::Kind;

/// The kinds that have two forms.
pub const KINDS: [Kind; 5] = [
    Kind::List,
    Kind::Set,
    Kind::SortedSet,
    Kind::Hash,
    Kind::Stream,
];

/// Changes of form since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forms {
    grown: [u64; KINDS.len()],
    shrunk: [u64; KINDS.len()],
}

impl Forms {
    /// How often a small one of this kind became large. None: the kind has one form.
    pub fn grown(&self, kind: Kind) -> Option<u64> {
        place(kind).map(|at| self.grown[at])
    }

    /// How often a large one of this kind became small.
    pub fn shrunk(&self, kind: Kind) -> Option<u64> {
        place(kind).map(|at| self.shrunk[at])
    }

    /// A value of this kind had the one form and has the other.
    pub(super) fn changed(&mut self, kind: Kind, was_large: bool, is_large: bool) {
        let Some(at) = place(kind) else {
            return;
        };
        self.grown[at] += u64::from(!was_large && is_large);
        self.shrunk[at] += u64::from(was_large && !is_large);
    }
}

fn place(kind: Kind) -> Option<usize> {
    KINDS.iter().position(|it| *it == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_of_form_counts() {
        let mut forms = Forms::default();
        for (was_large, is_large) in [(false, false), (true, true), (false, true)] {
            forms.changed(Kind::Hash, was_large, is_large);
        }
        forms.changed(Kind::String, false, true);
        assert_eq!(forms.grown(Kind::Hash), Some(1));
        assert_eq!(forms.shrunk(Kind::Hash), Some(0));
        assert_eq!(forms.grown(Kind::Set), Some(0));
        assert_eq!(forms.grown(Kind::String), None);
    }
}
