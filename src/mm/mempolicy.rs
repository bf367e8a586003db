// SPDX-License-Identifier: GPL-2.0

//! Memory policies: from which NUMA nodes the memory of a file comes.
//!
//! Without `CONFIG_NUMA` there is one node, and all of this is nothing.
//!
//! C header: `include/linux/mempolicy.h`; `Documentation/admin-guide/mm/numa_memory_policy.rst`.
//!
//! Lock order: the lock of a [`SharedPolicy`] and that of a [`MountPolicy`] are innermost.

use crate::bindings;
use crate::units::PageIndex;
use core::marker::PhantomData;
use kernel::prelude::*;
use kernel::types::Opaque;

pub(crate) use numa::{MountPolicy, Policy, IS_BUILT_IN};

/// The policies of a file by ranges of its pages (`struct shared_policy`), as mbind(2) has set them
/// on shared mappings.
///
/// # Invariants
///
/// The object is initialised, and pinned.
#[pin_data(PinnedDrop)]
pub(crate) struct SharedPolicy {
    #[pin]
    raw: Opaque<bindings::shared_policy>,
}

// SAFETY: The C functions lock where they must.
unsafe impl Send for SharedPolicy {}
// SAFETY: The C functions lock where they must.
unsafe impl Sync for SharedPolicy {}

impl SharedPolicy {
    /// No policy: that of the task counts.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: Initialises the object; without a policy it does nothing else.
            raw <- Opaque::ffi_init(|raw| unsafe {
                bindings::mpol_shared_policy_init(raw, core::ptr::null_mut())
            }),
        })
    }

    /// Where a new folio at page `index` shall come from: as the policy for that page says, else as
    /// that of the current task. Where the policy interleaves, `turn` is the folio's turn.
    #[inline]
    pub(crate) fn place(&self, index: PageIndex, turn: c_ulong) -> Placement<'_> {
        // SAFETY: By the type invariants. A policy of the file comes with a reference; that of the
        // task is changed by system calls of the task only.
        let policy = unsafe {
            let policy = bindings::mpol_shared_policy_lookup(self.raw.get(), index.to_pgoff());
            if policy.is_null() {
                of_current()
            } else {
                policy
            }
        };
        // INVARIANT: One of the file, with the reference that came with it, or else that of the current task.
        Placement {
            policy,
            turn,
            _policy: PhantomData,
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::shared_policy {
        self.raw.get()
    }

    /// Forgets all policies. Does not sleep.
    pub(crate) fn clear(&self) {
        // SAFETY: By the type invariants; takes the lock of the object where there is any policy.
        unsafe { bindings::mpol_free_shared_policy(self.raw.get()) }
    }
}

#[pinned_drop]
impl PinnedDrop for SharedPolicy {
    fn drop(self: Pin<&mut Self>) {
        self.clear();
    }
}

/// The policy of the current task, or the system's where that has none.
#[cfg(CONFIG_NUMA)]
#[inline]
fn of_current() -> *mut bindings::mempolicy {
    // SAFETY: Only looks at the current task.
    unsafe { bindings::current_mempolicy() }
}

/// There are no policies.
#[cfg(not(CONFIG_NUMA))]
#[inline]
fn of_current() -> *mut bindings::mempolicy {
    core::ptr::null_mut()
}

/// Where the memory of a folio shall come from.
///
/// # Invariants
///
/// `policy` is null, or a policy of the current task, or one of a file with a reference that this
/// owns.
pub(crate) struct Placement<'a> {
    policy: *mut bindings::mempolicy,
    turn: c_ulong,
    _policy: PhantomData<&'a SharedPolicy>,
}

impl Placement<'_> {
    /// The policy, for as long as this lives.
    pub(super) fn policy(&self) -> *mut bindings::mempolicy {
        self.policy
    }

    /// The folio's turn where the policy interleaves.
    pub(super) fn turn(&self) -> c_ulong {
        self.turn
    }
}

impl Drop for Placement<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants; gives back a reference only to a policy of a file.
        unsafe { bindings::mpol_cond_put(self.policy) }
    }
}

#[cfg(CONFIG_NUMA)]
mod numa {
    use super::SharedPolicy;
    use crate::bindings;
    use core::ptr::NonNull;
    use kernel::fmt;
    use kernel::prelude::*;
    use kernel::sync::atomic::{Atomic, Relaxed};
    use kernel::sync::{new_spinlock, SpinLock};

    /// Whether the kernel has memory policies (`CONFIG_NUMA`).
    pub(crate) const IS_BUILT_IN: bool = true;

    /// The policy of a mount (`struct mempolicy`), which each file of the mount starts with.
    ///
    /// # Invariants
    ///
    /// Owns a reference. The policy was made by `mpol_parse_str()` and does not change.
    pub(crate) struct Policy(NonNull<bindings::mempolicy>);

    // SAFETY: The policy does not change, and references are counted atomically.
    unsafe impl Send for Policy {}
    // SAFETY: The policy does not change, and references are counted atomically.
    unsafe impl Sync for Policy {}

    impl Policy {
        /// Parses what `Documentation/filesystems/tmpfs.rst` says of `mpol=`. `None` is the default
        /// policy. May sleep.
        ///
        /// Fails with `EINVAL`, and with `ENOMEM`.
        pub(crate) fn parse(text: &CStr) -> Result<Option<Self>> {
            let mut copy = KVec::new();
            copy.extend_from_slice(text.to_bytes_with_nul(), GFP_KERNEL)?;
            let mut policy = core::ptr::null_mut();
            // SAFETY: The string is terminated, and may be changed; the result is written where it
            // succeeds.
            let failed = unsafe { bindings::mpol_parse_str(copy.as_mut_ptr().cast(), &mut policy) };
            if failed != 0 {
                return Err(EINVAL);
            }
            // INVARIANT: The parser returns a reference.
            Ok(NonNull::new(policy).map(Self))
        }
    }

    impl Clone for Policy {
        fn clone(&self) -> Self {
            // SAFETY: By the type invariants.
            unsafe { bindings::mpol_get(self.0.as_ptr()) };
            // INVARIANT: The reference was just taken.
            Self(self.0)
        }
    }

    impl Drop for Policy {
        fn drop(&mut self) {
            // SAFETY: By the type invariants.
            unsafe { bindings::mpol_put(self.0.as_ptr()) }
        }
    }

    /// Shows the policy as the value of `mpol=`; a very long list of nodes is cut off.
    impl fmt::Display for Policy {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let mut text = [0u8; 64];
            // SAFETY: The policy is live, and the buffer of that size; it is terminated.
            unsafe {
                bindings::mpol_to_str(
                    text.as_mut_ptr().cast(),
                    bindings::int(bindings::uint(text.len())),
                    self.0.as_ptr(),
                )
            };
            let len = text.iter().position(|&byte| byte == 0).unwrap_or(0);
            f.write_str(core::str::from_utf8(&text[..len]).unwrap_or(""))
        }
    }

    /// The policy of a mount, which remount can change; once there is one, there always is.
    ///
    /// # Examples
    ///
    /// ```
    /// use crate::mm::mempolicy::{MountPolicy, Policy};
    /// use kernel::prelude::*;
    ///
    /// // As `mpol=` of a remount: files have it that are made from now on.
    /// fn reconfigure(mount: &MountPolicy, option: &CStr) -> Result {
    ///     if let Some(policy) = Policy::parse(option)? {
    ///         mount.set(policy);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[pin_data]
    pub(crate) struct MountPolicy {
        #[pin]
        policy: SpinLock<Option<Policy>>,
        /// Whether there is one, so that mounts without need not lock.
        is_set: Atomic<bool>,
    }

    impl MountPolicy {
        /// That of a new mount.
        pub(crate) fn new(policy: Option<Policy>) -> impl PinInit<Self> {
            let is_set = policy.is_some();
            pin_init!(Self {
                policy <- new_spinlock!(policy, "mount_policy"),
                is_set: Atomic::new(is_set),
            })
        }

        /// The policy. Does not sleep.
        #[inline]
        pub(crate) fn get(&self) -> Option<Policy> {
            if self.is_set.load(Relaxed) {
                self.policy.lock().clone()
            } else {
                None
            }
        }

        /// Changes the policy for files that are made from now on. Does not sleep.
        pub(crate) fn set(&self, policy: Policy) {
            // The old one is dropped without the lock.
            let _old = self.policy.lock().replace(policy);
            self.is_set.store(true, Relaxed);
        }
    }

    impl SharedPolicy {
        /// Whether the file has no policy of its own; a snapshot.
        #[inline]
        pub(crate) fn is_empty(&self) -> bool {
            // SAFETY: By the type invariants; the root is looked at without the lock in C, too.
            unsafe { core::ptr::read_volatile(&(*self.raw.get()).root.rb_node).is_null() }
        }

        /// Starts anew with a policy for all pages, restricted to the nodes that the current task
        /// may use; without any such node, or without memory, there is none. May sleep.
        pub(crate) fn start_with(self: Pin<&mut Self>, policy: Policy) {
            self.clear();
            let policy = core::mem::ManuallyDrop::new(policy);
            // SAFETY: By the type invariants. The object is borrowed for this alone, and empty, so
            // that it may be initialised again. The function takes over the reference.
            unsafe { bindings::mpol_shared_policy_init(self.raw.get(), policy.0.as_ptr()) }
        }
    }
}

/// There are no policies: [`Policy`] has no values.
#[cfg(not(CONFIG_NUMA))]
mod numa {
    use super::SharedPolicy;
    use core::convert::Infallible;
    use kernel::fmt;
    use kernel::prelude::*;

    /// Whether the kernel has memory policies.
    pub(crate) const IS_BUILT_IN: bool = false;

    /// The policy of a mount.
    #[derive(Clone)]
    pub(crate) struct Policy(Infallible);

    impl Policy {
        /// Fails with `EINVAL`.
        pub(crate) fn parse(_text: &CStr) -> Result<Option<Self>> {
            Err(EINVAL)
        }
    }

    impl fmt::Display for Policy {
        fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.0 {}
        }
    }

    /// The policy of a mount: none, for ever.
    pub(crate) struct MountPolicy(());

    impl MountPolicy {
        /// That of a new mount.
        pub(crate) fn new(_policy: Option<Policy>) -> impl PinInit<Self> {
            Self(())
        }

        /// The policy.
        #[inline(always)]
        pub(crate) fn get(&self) -> Option<Policy> {
            None
        }

        /// Changes the policy.
        pub(crate) fn set(&self, policy: Policy) {
            match policy.0 {}
        }
    }

    impl SharedPolicy {
        /// Whether the file has no policy of its own.
        #[inline(always)]
        pub(crate) fn is_empty(&self) -> bool {
            true
        }

        /// Starts anew with a policy for all pages.
        pub(crate) fn start_with(self: Pin<&mut Self>, policy: Policy) {
            match policy.0 {}
        }
    }
}
