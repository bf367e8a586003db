// SPDX-License-Identifier: GPL-2.0

//! Memory cgroups, as far as reclaim asks for one of them what could be freed.
//!
//! It asks those shrinkers of which the memory cgroup has a note, see [`ShrinkerId::note`].

use super::Folio;
use crate::bindings;
use core::ffi::c_int;
use core::iter;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::sync::rcu;

/// What memory cgroups know a shrinker by. That of a shrinker which is gone may be another one's, who is then asked for
/// nothing.
#[derive(Clone, Copy)]
pub(crate) struct ShrinkerId(c_int);

impl ShrinkerId {
    /// The one of `shrinker`.
    ///
    /// # Safety
    ///
    /// It must be one of `shrinker_alloc()` with `SHRINKER_MEMCG_AWARE` that was not given to `shrinker_free()`.
    pub(crate) unsafe fn of(shrinker: NonNull<bindings::shrinker>) -> Self {
        // SAFETY: By the caller's promise.
        Self(unsafe { (*shrinker.as_ptr()).id })
    }

    /// The shrinker could free memory that `folio` keeps: the memory cgroup that this is charged to, and each above it,
    /// has a note of that from now on, until their reclaim is told that there is nothing any more. The caller has made
    /// before what is to be found. Does not sleep; see `set_shrinker_bit()`.
    pub(crate) fn note(self, folio: &Folio) {
        let _rcu = rcu::read_lock();
        // SAFETY: The folio is live. With RCU held its memory cgroup is there, which has a reference to the next one.
        let (memcg, node) = unsafe {
            (
                bindings::folio_memcg(folio.as_ptr()),
                bindings::folio_nid(folio.as_ptr()),
            )
        };
        // One that a task has left and removed is not asked any more, and what is charged to it is its parent's.
        for memcg in iter::successors(NonNull::new(memcg), |memcg| {
            // SAFETY: The memory cgroup is live, with RCU held.
            NonNull::new(unsafe { bindings::parent_mem_cgroup(memcg.as_ptr()) })
        }) {
            // SAFETY: The memory cgroup is live, with RCU held, and the node is that of a folio; the shrinker had
            // its place in all memory cgroups before it had its number.
            unsafe { bindings::set_shrinker_bit(memcg.as_ptr(), node, self.0) };
        }
    }
}

/// Whose memory is short.
///
/// # Invariants
///
/// The memory cgroup is live for `'a`.
pub(crate) struct Shortage<'a>(Option<NonNull<bindings::mem_cgroup>>, PhantomData<&'a ()>);

impl Shortage<'_> {
    /// Whatever is freed is welcome.
    pub(crate) const OF_ALL: Self = Self(None, PhantomData);

    /// What `control` wants to have freed: the machine's, or a memory cgroup's.
    ///
    /// # Safety
    ///
    /// It must be a request of reclaim, which is not over before the end of `'a`.
    pub(crate) unsafe fn of(control: NonNull<bindings::shrink_control>) -> Self {
        // SAFETY: By the caller's promise.
        let memcg = unsafe {
            if bindings::mem_cgroup_shrink_is_root(control.as_ptr()) {
                None
            } else {
                NonNull::new((*control.as_ptr()).memcg)
            }
        };
        // INVARIANT: The request has a reference to it.
        Self(memcg, PhantomData)
    }

    /// Whether it is a memory cgroup's.
    pub(crate) fn is_of_group(&self) -> bool {
        self.0.is_some()
    }

    /// Whether memory that `folio` keeps is what is short. Does not sleep.
    pub(crate) fn is_of(&self, folio: &Folio) -> bool {
        let Some(short) = self.0 else {
            return true;
        };
        let _rcu = rcu::read_lock();
        // SAFETY: The folio is live. With RCU held its memory cgroup is there, and by the type invariants the other one is.
        unsafe {
            let memcg = bindings::folio_memcg(folio.as_ptr());
            !memcg.is_null() && bindings::mem_cgroup_is_descendant(memcg, short.as_ptr())
        }
    }
}
