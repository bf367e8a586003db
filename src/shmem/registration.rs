// SPDX-License-Identifier: GPL-2.0

//! The tables of a file system whose pages go to swap, and their registration with mm/.
//!
//! C header: `include/linux/shmem_backend.h` of the patched kernel.

use super::backend::{Backend, SharedMemory};
#[cfg(CONFIG_NUMA)]
use super::policy;
#[cfg(CONFIG_USERFAULTFD)]
use super::userfault;
use super::{fault, hooks, writeout};
use crate::bindings;
use crate::mm::Mapping;
use crate::vfs::file_system::Memory;
#[cfg(CONFIG_SWAP)]
use crate::vfs::inode_list::{InodeList, Link};
use crate::vfs::Inode;
use core::marker::PhantomData;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::types::Opaque;
use kernel::ThisModule;

/// The operations of mappings.
fn vm_operations<T: SharedMemory>() -> bindings::vm_operations_struct {
    bindings::vm_operations_struct {
        fault: Some(fault::fault::<T>),
        map_pages: Some(bindings::filemap_map_pages),
        #[cfg(CONFIG_NUMA)]
        set_policy: Some(policy::set_policy::<T>),
        #[cfg(CONFIG_NUMA)]
        get_policy: Some(policy::get_policy::<T>),
        #[cfg(CONFIG_USERFAULTFD)]
        uffd_ops: &userfault::Tables::<T>::OPERATIONS,
        // The other operations are absent.
        ..pin_init::zeroed()
    }
}

// SAFETY: By the type invariants of the backend its tables stay, and their functions are those for files of `T`.
unsafe impl<T: SharedMemory> Memory<T> for Backend<T> {
    #[cfg(CONFIG_SWAP)]
    type InodeData = Link<T>;
    #[cfg(not(CONFIG_SWAP))]
    type InodeData = ();

    unsafe fn new(
        module: &'static ThisModule,
        fs_type: *mut bindings::file_system_type,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            vm_ops: Opaque::new(vm_operations::<T>()),
            anon_vm_ops: Opaque::new(vm_operations::<T>()),
            #[cfg(CONFIG_SWAP)]
            // SAFETY: There is one backend for a type, and `forget()` takes the inodes out.
            swapped <- unsafe { InodeList::new() },
            a_ops: Opaque::new(bindings::address_space_operations {
                dirty_folio: Some(bindings::noop_dirty_folio),
                #[cfg(CONFIG_MIGRATION)]
                migrate_folio: Some(bindings::migrate_folio),
                error_remove_folio: Some(hooks::error_remove_folio),
                // SAFETY: Computes an address inside the object that is being initialised.
                shmem_ops: unsafe { Opaque::cast_into(&raw const (*this.as_ptr()).ops) },
                // The other operations are absent.
                ..pin_init::zeroed()
            }),
            ops: Opaque::new(bindings::shmem_backend_ops {
                owner: module.as_ptr().cast(),
                fs_type,
                // SAFETY: Computes an address inside the object that is being initialised.
                vm_ops: unsafe { Opaque::cast_into(&raw const (*this.as_ptr()).vm_ops) },
                // SAFETY: Computes an address inside the object that is being initialised.
                anon_vm_ops: unsafe { Opaque::cast_into(&raw const (*this.as_ptr()).anon_vm_ops) },
                unuse: Some(hooks::unuse::<T>),
                writeout: Some(writeout::writeout::<T>),
                get_folio: Some(hooks::get_folio::<T>),
                truncate_range: Some(hooks::truncate_range::<T>),
                charge: Some(hooks::charge::<T>),
                uncharge: Some(hooks::uncharge::<T>),
                fallocend: Some(hooks::fallocend::<T>),
                huge_orders: Some(hooks::huge_orders::<T>),
                swapped: Some(hooks::pages_in_swap::<T>),
                lock: Some(hooks::lock::<T>),
                seals: Some(hooks::seals::<T>),
                file_setup: None,
            }),
            _fs: PhantomData,
        })
        .pin_chain(|this| {
            // SAFETY: The table is complete and pinned, and stays until drop unregisters it.
            to_result(unsafe { bindings::register_shmem_backend(this.ops.get()) })?;
            #[cfg(CONFIG_SWAP)]
            {
                // SAFETY: It is pinned, and drop sets null.
                unsafe { T::cell().set(&*this) };
            }
            Ok(())
        })
    }

    #[cfg(CONFIG_SWAP)]
    #[inline]
    fn new_inode_data() -> Link<T> {
        Link::new()
    }

    #[cfg(not(CONFIG_SWAP))]
    #[inline]
    fn new_inode_data() {}

    #[inline]
    fn a_ops(&self) -> *const bindings::address_space_operations {
        self.a_ops.get()
    }

    /// What has no name is anonymous shared memory.
    fn vm_ops(&self, named: bool) -> *const bindings::vm_operations_struct {
        if named {
            self.vm_ops.get()
        } else {
            self.anon_vm_ops.get()
        }
    }

    unsafe fn init_mapping(&self, mapping: &Mapping) {
        // SAFETY: By the caller's promise nobody else uses the mapping yet, and its operations name
        // the backend.
        unsafe {
            bindings::mapping_set_shmem(mapping.as_ptr());
            #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
            mapping.allow_large_folios();
        }
    }

    #[cfg(CONFIG_SWAP)]
    unsafe fn forget(&self, inode: &Inode<T>) {
        // SAFETY: By the caller's promise; there is one backend for a type, so one list of the kind.
        unsafe { self.swapped.remove(inode) };
    }

    #[cfg(not(CONFIG_SWAP))]
    unsafe fn forget(&self, _inode: &Inode<T>) {}
}

#[pinned_drop]
impl<T: SharedMemory> PinnedDrop for Backend<T> {
    fn drop(self: Pin<&mut Self>) {
        #[cfg_attr(not(CONFIG_SWAP), expect(unused_variables))]
        // SAFETY: By the type invariants. The file system type is unregistered and no superblock
        // left, so this does not fail.
        let result = unsafe { bindings::unregister_shmem_backend(self.ops.get()) };
        // Where the registration had failed, another may be registered.
        #[cfg(CONFIG_SWAP)]
        if result == 0 {
            // SAFETY: There is none any more.
            unsafe { T::cell().set(core::ptr::null()) };
        }
    }
}
