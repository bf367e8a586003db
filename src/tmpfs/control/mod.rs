// SPDX-License-Identifier: GPL-2.0

//! Mount options, and the face to the VFS and the MM.

#[cfg(CONFIG_UNICODE)]
pub(super) mod name_options;
pub(super) mod options;
