// SPDX-License-Identifier: GPL-2.0

//! The tables of a file system whose pages go to swap, and their registration with mm/.
//!
//! C header: `include/linux/shmem_backend.h` of the patched kernel.

use super::backend::{Backend, Registered, SharedMemory};
#[cfg(CONFIG_NUMA)]
use super::policy;
use super::switches::{Files, Mounts, Served};
#[cfg(CONFIG_USERFAULTFD)]
use super::userfault;
use super::{fault, hooks, inode, writeout};
use crate::bindings;
use crate::mm::Mapping;
use crate::vfs::control::{ControlFile, TypeFolder};
use crate::vfs::file_system::Memory;
#[cfg(CONFIG_SWAP)]
use crate::vfs::inode_list::{InodeList, Link};
use crate::vfs::internal_type::InternalType;
use crate::vfs::pins::Pins;
use crate::vfs::switch::Switch;
use crate::vfs::Inode;
use core::marker::PhantomData;
use kernel::prelude::*;
use kernel::types::Opaque;
use kernel::ThisModule;

/// The operations of mappings.
fn vm_operations<T: SharedMemory>() -> bindings::vm_operations_struct {
    bindings::vm_operations_struct {
        fault: Some(fault::fault::<T>),
        map_pages: Some(fault::map_pages::<T>),
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
    type Settings = Served;
    type InodeBase = bindings::shmem_inode_base;
    #[cfg(CONFIG_SWAP)]
    type InodeData = Link<T>;
    #[cfg(not(CONFIG_SWAP))]
    type InodeData = ();

    unsafe fn new(
        module: &'static ThisModule,
        internal: InternalType<T>,
        folder: TypeFolder,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            // SAFETY: It is a part of this value.
            files <- unsafe { ControlFile::new(folder, c"shared_memory", Files::new(internal)?) },
            // SAFETY: It is a part of this value.
            mounts <- unsafe { ControlFile::new(folder, c"mounts", Mounts::new(internal)) },
            vm_ops: Opaque::new(vm_operations::<T>()),
            anon_vm_ops: Opaque::new(vm_operations::<T>()),
            #[cfg(CONFIG_SWAP)]
            // SAFETY: There is one backend for a type, and `forget()` takes the inodes out.
            swapped <- unsafe { InodeList::new() },
            table: Opaque::new(bindings::shmem_backend {
                a_ops: bindings::address_space_operations {
                    dirty_folio: Some(bindings::noop_dirty_folio),
                    #[cfg(CONFIG_MIGRATION)]
                    migrate_folio: Some(bindings::migrate_folio),
                    error_remove_folio: Some(hooks::error_remove_folio),
                    // The other operations are absent.
                    ..pin_init::zeroed()
                },
                owner: module.as_ptr().cast(),
                // SAFETY: Computes an address inside the object that is being initialised.
                vm_ops: unsafe { Opaque::cast_into(&raw const (*this.as_ptr()).vm_ops) },
                // SAFETY: Computes an address inside the object that is being initialised.
                anon_vm_ops: unsafe { Opaque::cast_into(&raw const (*this.as_ptr()).anon_vm_ops) },
                unuse: Some(hooks::unuse::<T>),
                writeout: Some(writeout::writeout::<T>),
                get_folio: Some(hooks::get_folio::<T>),
                truncate_range: Some(hooks::truncate_range::<T>),
                charge: Some(hooks::charge::<T>),
                huge_orders: Some(hooks::huge_orders::<T>),
                file_setup: Some(hooks::file_setup::<T>),
                init_fs_context: Some(hooks::init_fs_context::<T>),
            }),
            _fs: PhantomData,
            // SAFETY: All else is there and pinned, and the table stays longer than this, which is dropped first.
            _registered: unsafe {
                Registered::new(Opaque::cast_into(&raw const (*this.as_ptr()).table))?
            },
        })
    }

    fn start(&self, Served { files, mounts }: Served) {
        // The module is of use without them.
        if let Err(e) = self.files.turn(files) {
            pr_err!("files of the kernel stay with tmpfs: {e:?}\n");
        }
        if let Err(e) = self.mounts.turn(mounts) {
            pr_err!("mounts of type tmpfs stay with it: {e:?}\n");
        }
    }

    #[cfg(CONFIG_SWAP)]
    #[inline]
    fn new_inode_data() -> Link<T> {
        Link::new()
    }

    #[cfg(not(CONFIG_SWAP))]
    #[inline]
    fn new_inode_data() {}

    unsafe fn init_base(base: *mut bindings::shmem_inode_base) {
        // SAFETY: By the caller's promise.
        unsafe { inode::init(base) };
    }

    #[inline]
    fn a_ops(&self) -> *const bindings::address_space_operations {
        // SAFETY: Computes an address inside the table, of which no reference is made.
        unsafe { &raw const (*self.table.get()).a_ops }
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
        // SAFETY: By the caller's promise the inode is new, so that the mapping has no user yet, and its operations
        // name the backend.
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

    #[cfg(CONFIG_SWAP)]
    unsafe fn pins(inode: &Inode<T>) -> Option<&Pins> {
        // SAFETY: By the caller's promise.
        Some(unsafe { inode.memory_data() }.pins())
    }

    #[cfg(not(CONFIG_SWAP))]
    unsafe fn pins(_inode: &Inode<T>) -> Option<&Pins> {
        None
    }
}
