// SPDX-License-Identifier: GPL-2.0

//! Mount options, and the faces of the file system to the VFS and the MM, which call all the other rooms.

mod file_system;
mod name_options;
mod options;
mod shared_memory;
