// SPDX-License-Identifier: GPL-2.0

//! Raw bindings to the kernel interfaces that the `kernel` crate does not bind.
//!
//! bindgen generates them from `helpers.c` and `bindings.h` with the flags of the kernel that the
//! module is built for, so that the layout of every structure is that of the running kernel.
//! Only [`crate::mm`], [`crate::vfs`] and [`crate::shmem`] may use this module.

#![allow(
    clippy::all,
    clippy::arithmetic_side_effects,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

use pin_init::{MaybeZeroable, Zeroable};

// Types that bindgen is told to leave out, since it would map them by width.
type __kernel_size_t = usize;
type __kernel_ssize_t = isize;
type __kernel_ptrdiff_t = isize;

// SAFETY: It is `Storage` and nothing else. bindgen does not derive it for this type of its own.
unsafe impl<Storage> Zeroable for __BindgenBitfieldUnit<Storage> where Storage: Zeroable {}

mod numbers;
mod status;

pub(crate) use numbers::*;
pub(crate) use status::to_result;

include!(env!("RTMPFS_BINDINGS"));

// bindgen names what is declared inside another structure by where it is.
pub(crate) use shmem_inode_info__bindgen_ty_2_shmem_inode_base as shmem_inode_base;
