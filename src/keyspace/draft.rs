//! The body of a small collection while it is being changed: in memory, to be written when all changes are made.

/// A replaced part of a body: what the log gets if it is the only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Splice {
    pub at: usize,
    pub removed: usize,
    pub added: usize,
}

/// What was changed of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edits {
    None,
    One(Splice),
    Many,
}

/// A body that is being changed.
#[derive(Debug)]
pub struct Draft {
    pub body: Vec<u8>,
    pub edits: Edits,
}

impl Draft {
    /// Begins with what stands in the body.
    pub fn new(body: Vec<u8>) -> Self {
        Self {
            body,
            edits: Edits::None,
        }
    }

    /// A body that is to be written whole.
    pub fn whole(body: Vec<u8>) -> Self {
        Self {
            body,
            edits: Edits::Many,
        }
    }

    fn edited(&mut self, splice: Splice) {
        self.edits = match self.edits {
            Edits::None => Edits::One(splice),
            Edits::One(_) | Edits::Many => Edits::Many,
        };
    }

    /// Replaces the bytes from `at` to `end`.
    pub fn replace(&mut self, at: usize, end: usize, bytes: &[u8]) {
        self.body.splice(at..end, bytes.iter().copied());
        self.edited(Splice {
            at,
            removed: end - at,
            added: bytes.len(),
        });
    }

    /// Lets `push` append to the body.
    pub fn append(&mut self, push: impl FnOnce(&mut Vec<u8>)) {
        let at = self.body.len();
        push(&mut self.body);
        self.edited(Splice {
            at,
            removed: 0,
            added: self.body.len() - at,
        });
    }
}
