/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel interfaces that rtmpfs needs and that the kernel's own
 * `bindings` crate lacks. bindgen reads this header with exactly the flags
 * the kernel was built with; see Kbuild.
 */

#include <linux/backing-dev.h>
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/exportfs.h>
#include <linux/falloc.h>
#include <linux/fileattr.h>
#include <linux/filelock.h>
#include <linux/folio_batch.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/fs_struct.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/huge_mm.h>
#include <linux/iversion.h>
#include <linux/magic.h>
#include <linux/memcontrol.h>
#include <linux/mempolicy.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/pagemap.h>
#include <linux/percpu_counter.h>
#include <linux/pipe_fs_i.h>
#include <linux/posix_acl.h>
#include <linux/quotaops.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/security.h>
#include <linux/seq_file.h>
#include <linux/shmem_backend.h>
#include <linux/shmem_fs.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/statfs.h>
#include <linux/leafops.h>
#include <linux/swap.h>
#include <linux/swap_ops.h>
#include <linux/swapops.h>
#include <linux/uio.h>
#include <linux/userfaultfd_k.h>
#include <linux/unicode.h>
#include <linux/uuid.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>
#include <linux/writeback.h>
#include <linux/xattr.h>
#include <linux/xarray.h>
#include <linux/zswap.h>


/* Macros with casts, which bindgen cannot evaluate, become typed constants. */
#define RTMPFS_CONST(type, name) static const type RUST_CONST_##name = (type)name

RTMPFS_CONST(gfp_t, GFP_HIGHUSER);
RTMPFS_CONST(gfp_t, GFP_KERNEL);
RTMPFS_CONST(slab_flags_t, SLAB_ACCOUNT);
RTMPFS_CONST(unsigned int, DCACHE_DONTCACHE);
RTMPFS_CONST(unsigned long, SB_ACTIVE);
RTMPFS_CONST(unsigned long, SB_NOSEC);
RTMPFS_CONST(unsigned long, PTRS_PER_PTE);
RTMPFS_CONST(unsigned long, SB_POSIXACL);
RTMPFS_CONST(unsigned long, SHMEM_F_LOCKED);
RTMPFS_CONST(unsigned long, SHMEM_F_NORESERVE);
RTMPFS_CONST(int, AOP_WRITEPAGE_ACTIVATE);
RTMPFS_CONST(vm_fault_t, VM_FAULT_LOCKED);
RTMPFS_CONST(vm_fault_t, VM_FAULT_MAJOR);
RTMPFS_CONST(vm_fault_t, VM_FAULT_NOPAGE);
RTMPFS_CONST(vm_fault_t, VM_FAULT_RETRY);
RTMPFS_CONST(vm_flags_t, VM_RAND_READ);
RTMPFS_CONST(vm_flags_t, VM_SHARED);
RTMPFS_CONST(vm_flags_t, VM_SOFTDIRTY);
RTMPFS_CONST(vm_flags_t, VM_UFFD_MINOR);
RTMPFS_CONST(vm_flags_t, VM_UFFD_MISSING);
RTMPFS_CONST(gfp_t, __GFP_HARDWALL);
RTMPFS_CONST(gfp_t, __GFP_HIGH);
RTMPFS_CONST(gfp_t, __GFP_NOMEMALLOC);
RTMPFS_CONST(gfp_t, __GFP_NORETRY);
RTMPFS_CONST(gfp_t, __GFP_NOWARN);
RTMPFS_CONST(gfp_t, __GFP_RETRY_MAYFAIL);
RTMPFS_CONST(gfp_t, __GFP_THISNODE);
RTMPFS_CONST(fmode_t, FMODE_CAN_ODIRECT);
RTMPFS_CONST(fmode_t, FMODE_WRITE);
RTMPFS_CONST(loff_t, MAX_LFS_FILESIZE);
RTMPFS_CONST(unsigned int, O_LARGEFILE);
RTMPFS_CONST(unsigned int, SB_I_VERSION);
RTMPFS_CONST(unsigned int, SB_KERNMOUNT);
RTMPFS_CONST(unsigned int, SB_NOUSER);
RTMPFS_CONST(vma_flag_t, VMA_NORESERVE_BIT);
RTMPFS_CONST(unsigned int, UTF8_LATEST);
RTMPFS_CONST(xa_mark_t, XA_PRESENT);
#ifdef CONFIG_QUOTA
RTMPFS_CONST(unsigned int, DQUOT_LIMITS_ENABLED);
RTMPFS_CONST(unsigned int, DQUOT_NOLIST_DIRTY);
RTMPFS_CONST(unsigned int, DQUOT_QUOTA_SYS_FILE);
RTMPFS_CONST(unsigned int, DQUOT_USAGE_ENABLED);
#endif
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
RTMPFS_CONST(unsigned int, HPAGE_PMD_ORDER);
RTMPFS_CONST(unsigned int, MAX_XAS_ORDER);
RTMPFS_CONST(vm_flags_t, VM_HUGEPAGE);
RTMPFS_CONST(unsigned long, MAP_FIXED);
#endif
