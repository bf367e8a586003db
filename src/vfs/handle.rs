// SPDX-License-Identifier: GPL-2.0

//! The contents of a file handle: the number and the generation of an inode.
//!
//! Nothing here needs the kernel: user space tests this very file.

use crate::mm::Ino;

/// What names an inode of a superblock over its life, and no other ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle {
    /// The number of the inode.
    pub(crate) ino: Ino,
    /// What tells the inode from others that have, or had, the same number.
    pub(crate) generation: u32,
}

impl Handle {
    /// How many words of 32 bits a handle takes.
    pub(crate) const WORDS: usize = 3;

    /// The words that a client gets.
    pub(crate) fn to_words(self) -> [u32; Self::WORDS] {
        [self.generation, self.ino.low(), self.ino.high()]
    }

    /// Takes the words that a client gives back, which may be anything; more than there should be
    /// do not matter. `None` where there are too few.
    pub(crate) fn from_words(words: &[u32]) -> Option<Self> {
        match *words {
            [generation, low, high, ..] => Some(Self {
                ino: Ino::from_halves(low, high),
                generation,
            }),
            _ => None,
        }
    }

    /// Where the inode is in the hash table of all inodes.
    pub(crate) fn hash(self) -> u64 {
        self.ino.to_u64().wrapping_add(u64::from(self.generation))
    }
}
