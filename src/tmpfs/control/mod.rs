// SPDX-License-Identifier: GPL-2.0

//! Mount options, and the face to the VFS and the MM.

mod file_system;
#[cfg(CONFIG_UNICODE)]
mod name_options;
mod options;
mod shared_memory;
