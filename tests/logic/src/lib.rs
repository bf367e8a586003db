//! Properties of the files of the module that need nothing of the kernel. The very same files are compiled
//! here, so that what is tested is what runs.

#![cfg(test)]

#[path = "../../../src/vfs/cookies.rs"]
mod cookies;
#[path = "../../../src/vfs/handle.rs"]
mod handle;
#[path = "../../../src/tmpfs/huge.rs"]
mod huge;
#[path = "../../../src/tmpfs/huge_policy.rs"]
mod huge_policy;
#[path = "../../../src/tmpfs/inode_space.rs"]
mod inode_space;
#[path = "../../../src/tmpfs/limits.rs"]
mod limits;
mod mm;
#[path = "../../../src/tmpfs/numbers.rs"]
mod numbers;
#[path = "../../../src/tmpfs/range.rs"]
mod range;
#[path = "../../../src/tmpfs/size.rs"]
mod size;

mod of_alignment;
mod of_cookies;
mod of_handle;
mod of_huge;
mod of_inode_space;
mod of_limits;
mod of_numbers;
mod of_range;
mod of_size;
mod of_units;
