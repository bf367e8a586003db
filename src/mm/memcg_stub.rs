// SPDX-License-Identifier: GPL-2.0

//! Memory cgroups in a kernel without `CONFIG_MEMCG`: all memory is the machine's.

use super::Folio;
use crate::bindings;
use core::marker::PhantomData;
use core::ptr::NonNull;

/// What memory cgroups know a shrinker by: there are none.
#[derive(Clone, Copy)]
pub(crate) struct ShrinkerId;

impl ShrinkerId {
    /// The one of any shrinker.
    ///
    /// # Safety
    ///
    /// None is asked for.
    pub(crate) unsafe fn of(_shrinker: NonNull<bindings::shrinker>) -> Self {
        Self
    }

    /// There is no memory cgroup that could have a note.
    #[inline(always)]
    pub(crate) fn note(self, _folio: &Folio) {}
}

/// Whose memory is short: the machine's.
pub(crate) struct Shortage<'a>(PhantomData<&'a ()>);

impl Shortage<'_> {
    /// Whatever is freed is welcome.
    pub(crate) const OF_ALL: Self = Self(PhantomData);

    /// What a request wants to have freed: the machine's.
    ///
    /// # Safety
    ///
    /// None is asked for.
    pub(crate) unsafe fn of(_control: NonNull<bindings::shrink_control>) -> Self {
        Self(PhantomData)
    }

    /// It is no memory cgroup's.
    #[inline(always)]
    pub(crate) fn is_of_group(&self) -> bool {
        false
    }

    /// Whether memory that a folio keeps is what is short: it is.
    #[inline(always)]
    pub(crate) fn is_of(&self, _folio: &Folio) -> bool {
        true
    }
}
