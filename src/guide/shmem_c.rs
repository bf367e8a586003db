// SPDX-License-Identifier: GPL-2.0

//! The way from `mm/shmem.c`: where each of its functions is here.
//!
//! On the left are all functions of `mm/shmem.c` of the patched kernel, on the right the paths of what does
//! their work, beginning with a floor. `make lint` looks for each: on the left in the kernel's source, where that is at
//! hand, on the right in src/.
//!
//! "Not here" means that C tmpfs goes on doing it, for all: the controls of the system, what works on any mapping, and
//! what leaves the work to whose turn it is.
//!
//! # Limits and counts
//!
//! | `mm/shmem.c` | here |
//! | --- | --- |
//! | `SHMEM_SB()` | `vfs::inode::sb`; what it holds: `tmpfs::state::mount::SuperInfo` |
//! | `shmem_default_max_blocks()` | `tmpfs::control::options::default_blocks` |
//! | `shmem_default_max_inodes()` | `tmpfs::control::options::default_inodes` |
//! | `shmem_acct_blocks()` | `mm::commit::Commitment` |
//! | `shmem_unacct_blocks()` | `mm::commit::uncommit` |
//! | `shmem_acct_size()` | `tmpfs::data::whole_size::commit` |
//! | `shmem_reacct_size()` | `tmpfs::data::whole_size::recommit` |
//! | `shmem_unacct_size()` | `tmpfs::data::whole_size::release` |
//! | `shmem_inode_acct_blocks()` | `tmpfs::data::page_accounting::reserve`, `tmpfs::data::page_accounting::count_cached` |
//! | `shmem_inode_unacct_blocks()` | `tmpfs::data::page_accounting::release` |
//! | `shmem_recalc_inode()` | `tmpfs::data::page_accounting::recalc` |
//! | `shmem_charge()` | `shmem::hooks::charge`, `tmpfs::control::shared_memory::charge` |
//! | `shmem_uncharge()` | `shmem::hooks::charge`, `tmpfs::control::shared_memory::uncharge` |
//! | `shmem_reserve_inode()` | `tmpfs::pure::inode_limit::InodeLimit::reserve`; the number: `tmpfs::state::mount::next_ino`, `tmpfs::pure::inode_numbers::allocate` |
//! | `shmem_free_inode()` | `tmpfs::pure::inode_limit::InodeLimit::release` |
//! | `shmem_enable_quotas()` | `tmpfs::state::quota::Quota::enable`, `vfs::quota::enable_quota` |
//! | `shmem_disable_quotas()` | `vfs::quota::disable` |
//! | `shmem_get_dquots()` | `vfs::quota::get_records` |
//! | `shmem_update_stats()` | `mm::mapping::account` |
//!
//! # The page cache
//!
//! | `mm/shmem.c` | here |
//! | --- | --- |
//! | `shmem_get_folio_gfp()` | `tmpfs::data::lookup::find_or_make`; `SGP_READ`: `tmpfs::data::lookup::find` |
//! | `shmem_get_folio()` | `tmpfs::data::lookup::find_locked`, `tmpfs::data::lookup::find_or_make` |
//! | `shmem_alloc_folio()` | `mm::folio::NewFolio` |
//! | `shmem_alloc_and_add_folio()` | `tmpfs::data::lookup::make`, `tmpfs::data::lookup::make_large`, `tmpfs::data::lookup::insert` |
//! | `shmem_add_to_page_cache()` | `mm::mapping::insert`; from swap: `mm::swapped::insert_from_swap` |
//! | `shmem_delete_from_page_cache()` | `mm::swapped::replace_by_swap` |
//! | `shmem_replace_entry()` | `mm::mapping::replace` |
//! | `shmem_get_partial_folio()` | `tmpfs::data::truncate::Truncation::find`, `tmpfs::data::lookup::find_large` |
//! | `shmem_undo_range()` | `tmpfs::data::truncate::Truncation::run`, `mm::removal::remove`; of a failed fallocate: `mm::removal::remove_unwritten` |
//! | `shmem_truncate_range()` | `shmem::hooks::truncate_range`, `tmpfs::data::truncate::truncate_range` |
//! | `shmem_error_remove_folio()` | `shmem::hooks::error_remove_folio` |
//! | `shmem_read_folio_gfp()`, `shmem_read_mapping_page_gfp()` | not here: they ask `shmem::hooks::get_folio` |
//! | `shmem_unlock_mapping()` | not here: works on any mapping |
//!
//! # Swap
//!
//! | `mm/shmem.c` | here |
//! | --- | --- |
//! | `shmem_writeout()` | `shmem::writeout::writeout`, `tmpfs::data::swap::write_out`, `shmem::writeout::move_to_swap` |
//! | `shmem_writeout_done()` | `vfs::inode_list::PinnedInode`, when it goes |
//! | `shmem_write_folio()` | not here: drivers' way to `shmem::writeout::writeout` |
//! | `shmem_swapin_folio()` | `tmpfs::data::swap::swap_in` |
//! | `shmem_swapin_cluster()`, `shmem_swap_alloc_folio()` | `mm::swap::SwapDevice::find_or_read` |
//! | `shmem_should_replace_folio()` | `mm::replacement::is_in_zone_of` |
//! | `shmem_replace_folio()` | `mm::replacement::insert_copy_from_swap` |
//! | `shmem_confirm_swap()` | `mm::swapped::find_entry` |
//! | `shmem_split_large_entry()` | `mm::swapped::split_entry` |
//! | `shmem_set_folio_swapin_error()` | `mm::swapped::poison`, `tmpfs::data::page_accounting::lose_in_swap` |
//! | `shmem_free_swap()` | `mm::removal::remove_value` |
//! | `shmem_unuse()` | `shmem::hooks::unuse`, `vfs::inode_list::for_each` |
//! | `shmem_unuse_inode()`, `shmem_unuse_swap_entries()` | `tmpfs::data::swap::unuse` |
//! | `shmem_find_swap_entries()` | `mm::swapped::find_on_device` |
//! | `shmem_swap_usage()`, `shmem_partial_swap_usage()` | not here: work on any mapping, with what `shmem::inode::set_swapped` says |
//!
//! # Large folios
//!
//! | `mm/shmem.c` | here |
//! | --- | --- |
//! | `shmem_parse_huge()` | `tmpfs::pure::huge_policy::HugePolicy::parse` |
//! | `shmem_format_huge()` | `tmpfs::pure::huge_policy::HugePolicy::name` |
//! | `shmem_huge_global_enabled()` | `tmpfs::pure::folio_orders::allowed_by_mount` |
//! | `shmem_get_orders_within_size()` | `tmpfs::pure::folio_orders::within` |
//! | `shmem_allowable_huge_orders()` | `shmem::hooks::huge_orders`, `tmpfs::control::shared_memory::huge_orders`, `tmpfs::data::orders::allowed_for`, `tmpfs::pure::folio_orders::allowed` |
//! | `shmem_suitable_orders()` | `tmpfs::data::orders::without_conflict`, `shmem::fault::suitable_orders` |
//! | `shmem_unused_huge_shrink()` | `tmpfs::data::beyond_eof::shrink`, `tmpfs::data::beyond_eof::give_back_pages` |
//! | `shmem_unused_huge_scan()` | `vfs::superblock::free_cached_objects`, `tmpfs::control::file_system::free_cached` |
//! | `shmem_unused_huge_count()` | `vfs::superblock::nr_cached_objects`, `tmpfs::control::file_system::count_cached` |
//! | `shmem_get_huge_controls()` | asked by `shmem::huge::Controls::read` |
//! | `shmem_hpage_pmd_enabled()`, `shmem_enabled_show()`, `shmem_enabled_store()`, `thpsize_shmem_enabled_show()`, `thpsize_shmem_enabled_store()`, `set_shmem_enabled_mode()` | not here: the controls of the system |
//! | `setup_transparent_hugepage_shmem()`, `setup_transparent_hugepage_tmpfs()`, `setup_thp_shmem()` | not here: the kernel's command line; what it says is `shmem::huge::mount_default` |
//!
//! # Faults and mappings
//!
//! | `mm/shmem.c` | here |
//! | --- | --- |
//! | `shmem_fault()` | `shmem::fault::fault`, `tmpfs::data::fault::fault` |
//! | `shmem_falloc_wait()` | `tmpfs::data::fallocate::wait_for_punch`, `tmpfs::state::activity::wait_for_punch` |
//! | `synchronous_wake_function()` | `mm::wait::WaitKey::wake_all` |
//! | `shmem_mmap_prepare()` | `vfs::file::mmap_prepare` |
//! | `shmem_get_unmapped_area()` | `vfs::file::get_unmapped_area`, `tmpfs::data::orders::mapping_alignment`, `mm::alignment::placement` |
//! | `shmem_set_policy()` | `shmem::policy::set_policy` |
//! | `shmem_get_policy()` | `shmem::policy::get_policy` |
//! | `shmem_get_pgoff_policy()` | `tmpfs::state::inode::place`, `mm::mempolicy::SharedPolicy::place` |
//! | `shmem_show_mpol()` | `tmpfs::control::options::show`, `mm::mempolicy::fmt` |
//! | `shmem_get_sbmpol()` | `mm::mempolicy::MountPolicy` |
//! | `shmem_lock()` | not here: sets what `shmem::inode::is_shm_locked` reads |
//! | `shmem_can_userfault()` | `shmem::userfault::can_userfault` |
//! | `shmem_get_folio_noalloc()` | `shmem::userfault::get_folio_noalloc`, `tmpfs::data::lookup::find_within` |
//! | `shmem_mfill_folio_alloc()` | `shmem::userfault::alloc_folio`, `tmpfs::data::userfault::new_folio` |
//! | `shmem_mfill_filemap_add()` | `shmem::userfault::filemap_add`, `tmpfs::data::userfault::add_folio` |
//! | `shmem_mfill_filemap_remove()` | `shmem::userfault::filemap_remove`, `tmpfs::data::userfault::remove_folio` |
//!
//! # Regular files
//!
//! | `mm/shmem.c` | here |
//! | --- | --- |
//! | `shmem_file_open()` | `vfs::file::open` |
//! | `shmem_file_read_iter()` | `vfs::file::read_iter`, `tmpfs::data::read::read` |
//! | `shmem_file_write_iter()` | `vfs::file::write_iter`, `tmpfs::data::write::write` |
//! | `shmem_write_begin()`, `shmem_write_end()` | `tmpfs::data::write::write_some`; the seals: `tmpfs::data::write::check_seals` |
//! | `shmem_file_splice_read()` | `vfs::file::splice_read`, `tmpfs::data::read::splice` |
//! | `splice_zeropage_into_pipe()`, `zero_pipe_buf_get()`, `zero_pipe_buf_release()`, `zero_pipe_buf_try_steal()` | `vfs::pipe::PipeWriter::add_zeros` |
//! | `shmem_file_llseek()` | `vfs::file::llseek`, `mm::mapping::seek` |
//! | `shmem_fallocate()` | `vfs::file::fallocate`, `tmpfs::data::fallocate::allocate`, `tmpfs::data::fallocate::punch_hole` |
//!
//! # Attributes
//!
//! | `mm/shmem.c` | here |
//! | --- | --- |
//! | `shmem_getattr()` | `vfs::attr::getattr`, `tmpfs::namespace::attr::stat` |
//! | `shmem_setattr()` | `vfs::attr::setattr`, `vfs::attr::SetAttr`, `tmpfs::namespace::attr::set_attributes`; the size: `tmpfs::data::truncate::resize` |
//! | `shmem_fileattr_get()` | `vfs::fileattr::fileattr_get`, `tmpfs::namespace::flags::flags` |
//! | `shmem_fileattr_set()` | `vfs::fileattr::fileattr_set`, `tmpfs::namespace::flags::set_flags` |
//! | `shmem_set_inode_flags()` | `vfs::fileattr::enforce_flags`, `tmpfs::namespace::flags::inherit` |
//! | `shmem_inode_casefold_flags()` | `tmpfs::namespace::flags::check_case_folding` |
//! | `shmem_initxattrs()` | `vfs::new_inode::NewInode::init_security`, `vfs::xattr::init`, `tmpfs::namespace::xattr::init_xattr` |
//! | `shmem_xattr_handler_get()` | `vfs::xattr::get` |
//! | `shmem_xattr_handler_set()` | `vfs::xattr::set`, `tmpfs::namespace::xattr::set_xattr` |
//! | `shmem_listxattr()` | `vfs::xattr::list` |
//!
//! # Names
//!
//! | `mm/shmem.c` | here |
//! | --- | --- |
//! | `shmem_mknod()`, `shmem_mkdir()`, `shmem_create()` | `vfs::dir::make`, `tmpfs::namespace::dir::make` |
//! | `shmem_tmpfile()` | `vfs::dir::tmpfile`, `tmpfs::namespace::dir::make_unnamed` |
//! | `shmem_link()` | `vfs::dir::link`, `tmpfs::namespace::dir::link` |
//! | `shmem_unlink()` | `vfs::dir::unlink`, `tmpfs::namespace::dir::unlink` |
//! | `shmem_rmdir()` | `vfs::dir::rmdir`, `tmpfs::namespace::dir::rmdir` |
//! | `shmem_rename2()` | `vfs::dir::rename`, `tmpfs::namespace::dir::rename`, `tmpfs::namespace::dir::exchange` |
//! | `shmem_whiteout()` | `tmpfs::namespace::dir::rename_with_whiteout` |
//! | `shmem_symlink()` | `vfs::dir::symlink`, `tmpfs::namespace::symlink::new` |
//! | `shmem_get_link()`, `shmem_put_link()` | not needed: `vfs::new_inode::NewInode::symlink` makes the target an `i_link` |
//! | `shmem_get_offset_ctx()` | `vfs::dir_index::DirIndex`, `vfs::cookies::Entries` |
//! | `shmem_encode_fh()` | `vfs::export::encode_fh` |
//! | `shmem_fh_to_dentry()`, `shmem_find_alias()` | `vfs::export::fh_to_dentry` |
//! | `shmem_match()` | `vfs::export::is_of_handle` |
//! | `shmem_get_parent()` | `vfs::export::get_parent` |
//!
//! # Inodes
//!
//! | `mm/shmem.c` | here |
//! | --- | --- |
//! | `shmem_get_inode()` | `tmpfs::namespace::lifecycle::new` |
//! | `__shmem_get_inode()` | `tmpfs::namespace::lifecycle::init`, `vfs::new_inode::NewInode` |
//! | `shmem_evict_inode()` | `vfs::inode::evict_inode`, `tmpfs::namespace::lifecycle::evict` |
//! | `shmem_alloc_inode()` | `vfs::inode::make` |
//! | `shmem_free_in_core_inode()`, `shmem_destroy_inode()` | `vfs::inode::free_inode` |
//! | `shmem_init_inode()` | `vfs::inode::init_once` |
//! | `shmem_init_inodecache()`, `shmem_destroy_inodecache()` | `vfs::inode::InodeCache` |
//!
//! # Mounts
//!
//! | `mm/shmem.c` | here |
//! | --- | --- |
//! | `shmem_init_fs_context()` | `vfs::context::init_fs_context` |
//! | `shmem_free_fc()` | `vfs::context::free` |
//! | `shmem_parse_one()` | `vfs::context::parse_param`, `tmpfs::control::options::OPTIONS` |
//! | `shmem_parse_opt_casefold()` | `tmpfs::control::options::set_encoding`, `tmpfs::control::name_options::NameOptions` |
//! | `shmem_parse_monolithic()` | `vfs::context::parse_monolithic` |
//! | `shmem_next_opt()` | `vfs::context::next_option`, `tmpfs::control::options::begins_option` |
//! | `shmem_reconfigure()` | `vfs::context::reconfigure`, `tmpfs::control::options::Options::apply` |
//! | `shmem_show_options()` | `vfs::superblock::show_options`, `tmpfs::control::options::show` |
//! | `shmem_get_tree()` | `vfs::context::get_tree` |
//! | `shmem_fill_super()` | `vfs::superblock::fill`, `tmpfs::control::file_system::new_super` |
//! | `shmem_put_super()` | `vfs::superblock::put_super` |
//! | `shmem_statfs()` | `vfs::superblock::statfs`, `tmpfs::control::file_system::stat_fs` |
//! | `casefold_show()`, `tmpfs_sysfs_init()` | `vfs::features::show`, `vfs::features::Features` |
//! | `shmem_init()` | `vfs::fs_type::Registration` |
//!
//! # Not here: tmpfs's
//!
//! | `mm/shmem.c` | here |
//! | --- | --- |
//! | `mapping_backend()`, `vma_backend()`, `shmem_mapping()`, `vma_is_shmem()`, `vma_is_anon_shmem()`, `shmem_zero_vm_ops()` | not here: they tell what is rtmpfs's, by the table that `shmem::backend::Backend` registers |
//! | `register_shmem_backend()`, `unregister_shmem_backend()`, `shmem_backend_get()`, `shmem_backend_unuse()`, `shmem_backend_init_fs_context()`, `shmem_backend_file_setup()`, `shmem_backend_get_folio()` | not here: they keep that table, and call what is about no file |
//! | `__shmem_file_setup()` | `shmem::hooks::file_setup` where that is switched on, see `shmem::switches` |
//! | `shmem_file_setup()`, `shmem_file_setup_with_mnt()`, `shmem_kernel_file_setup()` | not here: they call `__shmem_file_setup()` for memfd, System V shared memory and drivers |
//! | `__shmem_zero_setup()`, `shmem_zero_setup()`, `shmem_zero_setup_desc()` | not here: they do so for anonymous shared memory |
