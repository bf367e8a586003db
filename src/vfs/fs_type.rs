// SPDX-License-Identifier: GPL-2.0

//! The registration of file system types.
//!
//! C headers: `include/linux/fs.h`, `Documentation/filesystems/vfs.rst`.

use super::control::TypeFolder;
use super::delayed_iput::DelayedIputs;
use super::features::Features;
use super::figure_folders::FigureFolders;
use super::figures::TypeFigures;
use super::file_system::Memory;
use super::folder::Folder;
use super::inode::InodeCache;
use super::internal_type::{InternalType, TypeOf};
#[cfg(CONFIG_QUOTA)]
use super::quota::QuotaFormat;
use super::{context, superblock, FileSystem};
use crate::bindings;
use crate::mm::MAX_FILE_SIZE;
use crate::units::Pos;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::ThisModule;

/// Whether the VFS and sysfs take `name`: neither empty nor with a dot or a slash in it.
#[inline(always)]
const fn is_name(name: &CStr) -> bool {
    let bytes = name.to_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if matches!(bytes[at], b'.' | b'/') {
            return false;
        }
        // Below the length.
        at = at.wrapping_add(1);
    }
    at > 0
}

/// Whether the page cache can index a file of `bytes` bytes, which may be written.
#[inline(always)]
const fn is_size(bytes: Pos) -> bool {
    0 < bytes.to_loff() && bytes.to_loff() <= MAX_FILE_SIZE.to_loff()
}

/// A type with the functions of `T`.
fn raw_type<T: FileSystem>(
    name: &'static CStr,
    module: &'static ThisModule,
) -> bindings::file_system_type {
    bindings::file_system_type {
        name: name.as_char_ptr(),
        owner: module.as_ptr().cast(),
        fs_flags: bindings::int(
            bindings::FS_USERNS_MOUNT | bindings::FS_ALLOW_IDMAP | bindings::FS_MGTIME,
        ),
        init_fs_context: Some(context::init_fs_context::<T>),
        parameters: T::PARAMETERS.as_ptr(),
        kill_sb: Some(superblock::kill_sb::<T>),
        // Lists without members, and no more functions.
        ..pin_init::zeroed()
    }
}

/// How a file system type begins.
pub(crate) struct Settings<T: FileSystem> {
    /// Whether users may mount it.
    pub(crate) mountable: bool,
    /// What its memory does.
    pub(crate) memory: <T::Memory as Memory<T>>::Settings,
}

impl<T: FileSystem> Default for Settings<T> {
    fn default() -> Self {
        Self {
            mountable: true,
            memory: Default::default(),
        }
    }
}

/// A registered file system type; dropping it unregisters the type. A module has one by
/// [`module_file_system!`](crate::vfs::module_file_system).
///
/// # Invariants
///
/// `fs_type` is registered with the VFS from the end of initialisation until drop, where users may mount it. It is
/// pinned, since the VFS holds its address, and so is `internal`. No superblock of either outlives the value.
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T: FileSystem> {
    #[pin]
    fs_type: TypeOf<T>,
    #[pin]
    internal: TypeOf<T>,
    // Dropped after `fs_type` is unregistered: by then no superblock is left.
    #[pin]
    memory: T::Memory,
    // After that, when no task writes a page out any more.
    delayed_iputs: DelayedIputs<T>,
    cache: InodeCache<T>,
    #[cfg(CONFIG_QUOTA)]
    #[pin]
    _quota: QuotaFormat,
    // Dropped before the folder that they are in, as what `memory` has there.
    _figures: TypeFigures<T>,
    figure_folders: FigureFolders<T>,
    _features: Features,
    folder: Folder,
    _fs: PhantomData<T>,
}

// SAFETY: Nothing in a registration is tied to the task that made it.
unsafe impl<T: FileSystem> Send for Registration<T> {}
// SAFETY: What a shared registration offers is made for any task: the address of its immutable cache, `memory`, which is
// `Sync`, the folders of figures, and references that are dropped later.
unsafe impl<T: FileSystem> Sync for Registration<T> {}

impl<T: FileSystem> Registration<T> {
    /// Registers the file system type of module `module`.
    ///
    /// Fails with `EBUSY` where the name is taken, with `ENOMEM` without memory for the slab cache.
    ///
    /// # Safety
    ///
    /// What is made must stay until `module` goes: mounts, which hold the module and nothing else, use it.
    /// There must be no other of `T`.
    pub(crate) unsafe fn new(
        module: &'static ThisModule,
        settings: Settings<T>,
    ) -> impl PinInit<Self, Error> {
        let Settings { mountable, memory } = settings;
        const { assert!(is_name(T::NAME), "no name of a file system type") };
        const { assert!(is_name(T::INTERNAL_NAME), "no name of a file system type") };
        const { assert!(is_name(T::INODE_CACHE_NAME), "no name of a slab cache") };
        const { assert!(is_size(T::MAX_BYTES), "no file can be that large") };
        try_pin_init!(&this in Self {
            cache: InodeCache::new()?,
            // SAFETY: No superblock is left when it is dropped, by the type invariants; and `memory` is dropped before.
            delayed_iputs: unsafe { DelayedIputs::new()? },
            // Before the first mount can ask for it.
            #[cfg(CONFIG_QUOTA)]
            _quota <- QuotaFormat::new(&T::QUOTA_FORMAT, module),
            folder: Folder::new(T::NAME)?,
            // SAFETY: The folder is dropped later.
            _features: unsafe { Features::new(folder, T::FEATURES)? },
            // SAFETY: It is a part of this value, which by the caller's promise stays for as long as the module.
            fs_type <- unsafe {
                TypeOf::new(raw_type::<T>(T::NAME, module), this.as_ptr(), mountable)
            },
            // SAFETY: It is a part of this value, which by the caller's promise stays for as long as the module.
            internal <- unsafe {
                TypeOf::new(raw_type::<T>(T::INTERNAL_NAME, module), this.as_ptr(), mountable)
            },
            // SAFETY: The types were just initialised, and have nothing to drop; the folder is dropped later.
            _figures: unsafe { TypeFigures::new(folder, this)? },
            // SAFETY: The same; no superblock is left when it is dropped, by the type invariants.
            figure_folders: unsafe { FigureFolders::new(this)? },
            memory <- {
                // SAFETY: The folder is dropped later than what is made with it.
                let folder = unsafe { TypeFolder::of(folder) };
                // SAFETY: The type was just initialised, and goes with what is made with it.
                let internal = unsafe {
                    InternalType::new(NonNull::new_unchecked(&raw mut (*this.as_ptr()).internal))
                };
                // SAFETY: It is made where it stays, beside the folder and the type.
                unsafe { T::Memory::new(module, internal, folder) }
            },
            _fs: PhantomData,
        })
        .pin_chain(move |this| {
            if mountable {
                // SAFETY: The type is complete and pinned, and stays valid until drop unregisters it.
                bindings::to_result(unsafe {
                    bindings::register_filesystem(this.fs_type.as_ptr())
                })?;
            }
            // SAFETY: Nothing can fail any more, and by the caller's promise it stays.
            unsafe { this.internal.set_live() };
            this.memory.start(memory);
            Ok(())
        })
    }

    /// The registration that a `file_system_type` belongs to.
    ///
    /// # Safety
    ///
    /// `fs_type` must be one of a `Registration<T>` that lives for `'a`.
    pub(super) unsafe fn from_fs_type<'a>(fs_type: *mut bindings::file_system_type) -> &'a Self {
        // SAFETY: By the caller's promise.
        unsafe { &*TypeOf::<T>::owner(fs_type) }
    }

    pub(super) fn cache(&self) -> &InodeCache<T> {
        &self.cache
    }

    /// What reclaim leaves to be dropped later.
    pub(super) fn delayed_iputs(&self) -> &DelayedIputs<T> {
        &self.delayed_iputs
    }

    /// The folders of superblocks in sysfs.
    pub(super) fn figure_folders(&self) -> &FigureFolders<T> {
        &self.figure_folders
    }

    /// The folder of the type in sysfs. The rest of the registration may not be there yet, or on its way out.
    ///
    /// # Safety
    ///
    /// It must be initialised, and stay for `'a`.
    pub(super) unsafe fn folder_of<'a>(this: NonNull<Self>) -> &'a Folder {
        // SAFETY: By the caller's promise.
        unsafe { &(*this.as_ptr()).folder }
    }

    /// The types whose superblocks are of `T`. The rest of the registration may not be there yet, or on its way out.
    ///
    /// # Safety
    ///
    /// They must be initialised.
    pub(super) unsafe fn types_of(this: NonNull<Self>) -> [*mut bindings::file_system_type; 2] {
        let this = this.as_ptr();
        // SAFETY: By the caller's promise.
        unsafe { [(*this).fs_type.as_ptr(), (*this).internal.as_ptr()] }
    }

    /// What the type keeps registered with the MM.
    pub(crate) fn memory(&self) -> &T::Memory {
        &self.memory
    }
}

#[pinned_drop]
impl<T: FileSystem> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants no superblock is left. Where it was not registered, this finds nothing to
        // do.
        unsafe { bindings::unregister_filesystem(self.fs_type.as_ptr()) };
    }
}

/// Declares the module of a file system, which is registered for as long as the module is loaded; with `settings`, if
/// they are there, which may look at the module's parameters, and behind them the module's `version`.
///
/// # Examples
///
/// ```ignore
/// module_file_system! {
///     type: MyFs,
///     name: "my_fs",
///     authors: ["The developers of my_fs"],
///     description: "A file system",
///     license: "GPL v2",
///     alias: ["fs-my_fs"],
/// }
/// ```
macro_rules! module_file_system {
    (type: $type:ty, settings: $settings:expr, version: $version:literal, $($info:tt)*) => {
        // What MODULE_VERSION() says in C; module! has no word for it.
        const _: () = {
            const FIELD: &str = concat!("version=", $version, "\0");

            #[link_section = ".modinfo"]
            #[used]
            static VERSION: [u8; FIELD.len()] = *FIELD.as_bytes().first_chunk().unwrap();
        };

        $crate::vfs::module_file_system! {
            type: $type,
            settings: $settings,
            $($info)*
        }
    };
    (type: $type:ty, settings: $settings:expr, $($info:tt)*) => {
        /// The module: what is registered for as long as it is loaded.
        #[::kernel::prelude::pin_data]
        struct Module {
            #[pin]
            _fs_type: $crate::vfs::Registration<$type>,
        }

        impl ::kernel::InPlaceModule for Module {
            fn init(
                module: &'static ::kernel::ThisModule,
            ) -> impl ::pin_init::PinInit<Self, ::kernel::error::Error> {
                use ::kernel::sync::atomic::{Atomic, Relaxed};

                static CALLS: Atomic<u32> = Atomic::new(0);
                ::kernel::try_pin_init!(Self {
                    _: {
                        // Any code of the module can call this function, but the kernel does so first.
                        if CALLS.xchg(1, Relaxed) != 0 {
                            return Err(::kernel::error::code::EBUSY);
                        }
                    },
                    // SAFETY: This is the first call, and hence the kernel's, which keeps what is made until
                    // the module goes.
                    _fs_type <- unsafe { $crate::vfs::Registration::new(module, $settings) },
                })
            }
        }

        ::kernel::prelude::module! {
            type: Module,
            $($info)*
        }
    };
    (type: $type:ty, $($info:tt)*) => {
        $crate::vfs::module_file_system! {
            type: $type,
            settings: $crate::vfs::Settings::default(),
            $($info)*
        }
    };
}
pub(crate) use module_file_system;
