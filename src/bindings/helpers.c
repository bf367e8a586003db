// SPDX-License-Identifier: GPL-2.0
/*
 * Rust cannot call macros and static inline functions. Each function here
 * wraps one of them, with one call and no logic of its own.
 *
 * In the order of their names, which make lint checks.
 */

#include "bindings.h"

#ifdef __BINDGEN__
/* bindgen ignores inline functions. */
#define __rtmpfs_helper
#elif defined(CONFIG_RUST_INLINE_HELPERS)
/* Linked as bitcode into the Rust object, to be inlined there. */
#define __rtmpfs_helper __always_inline
#else
#define __rtmpfs_helper
#endif

__rtmpfs_helper
void rtmpfs_helper___iget(struct inode *inode)
{
	__iget(inode);
}

#ifndef CONFIG_MODULE_UNLOAD
__rtmpfs_helper
void rtmpfs_helper___module_get(struct module *module)
{
	__module_get(module);
}
#endif

__rtmpfs_helper
void *rtmpfs_helper_alloc_inode_sb(struct super_block *sb,
				   struct kmem_cache *cache, gfp_t gfp)
{
	return alloc_inode_sb(sb, cache, gfp);
}

__rtmpfs_helper
struct workqueue_struct *rtmpfs_helper_alloc_workqueue(const char *name,
						       unsigned int flags,
						       int max_active)
{
	return alloc_workqueue("%s", flags, max_active, name);
}

#ifdef CONFIG_SWAP
__rtmpfs_helper
void rtmpfs_helper_arch_swap_restore(swp_entry_t entry, struct folio *folio)
{
	arch_swap_restore(entry, folio);
}
#endif

__rtmpfs_helper
void rtmpfs_helper_cache_no_acl(struct inode *inode)
{
	cache_no_acl(inode);
}

#ifdef CONFIG_QUOTA
__rtmpfs_helper
void rtmpfs_helper_clear_bit(long nr, unsigned long *addr)
{
	clear_bit(nr, addr);
}
#endif

__rtmpfs_helper
void rtmpfs_helper_clear_highpage(struct page *page)
{
	clear_highpage(page);
}

__rtmpfs_helper
int rtmpfs_helper_cond_resched(void)
{
	return cond_resched();
}

__rtmpfs_helper
void rtmpfs_helper_cond_resched_tasks_rcu_qs(void)
{
	cond_resched_tasks_rcu_qs();
}

__rtmpfs_helper
void rtmpfs_helper_count_memcg_event_mm(struct mm_struct *mm,
					enum vm_event_item item)
{
	count_memcg_event_mm(mm, item);
}

__rtmpfs_helper
void rtmpfs_helper_count_memcg_folio_events(struct folio *folio,
					    enum vm_event_item item,
					    unsigned long nr)
{
	count_memcg_folio_events(folio, item, nr);
}

__rtmpfs_helper
void rtmpfs_helper_count_mthp_stat(int order, enum mthp_stat_item item)
{
	count_mthp_stat(order, item);
}

__rtmpfs_helper
void rtmpfs_helper_count_vm_event(enum vm_event_item item)
{
	count_vm_event(item);
}

__rtmpfs_helper
unsigned int rtmpfs_helper_current_flags(void)
{
	return current->flags;
}

__rtmpfs_helper
kgid_t rtmpfs_helper_current_fsgid(void)
{
	return current_fsgid();
}

__rtmpfs_helper
kuid_t rtmpfs_helper_current_fsuid(void)
{
	return current_fsuid();
}

#ifdef CONFIG_NUMA
__rtmpfs_helper
struct mempolicy *rtmpfs_helper_current_mempolicy(void)
{
	return get_task_policy(current);
}
#endif

__rtmpfs_helper
struct mm_struct *rtmpfs_helper_current_mm(void)
{
	return current->mm;
}

#ifdef CONFIG_FS_POSIX_ACL
__rtmpfs_helper
umode_t rtmpfs_helper_current_umask(void)
{
	return current_umask();
}
#endif

__rtmpfs_helper
bool rtmpfs_helper_dir_emit(struct dir_context *ctx, const char *name,
			    int namelen, u64 ino, unsigned int type)
{
	return dir_emit(ctx, name, namelen, ino, type);
}

__rtmpfs_helper
bool rtmpfs_helper_dir_emit_dots(struct file *file, struct dir_context *ctx)
{
	return dir_emit_dots(file, ctx);
}

#ifdef CONFIG_QUOTA
__rtmpfs_helper
bool rtmpfs_helper_dquot_is_busy(struct dquot *dquot)
{
	return dquot_is_busy(dquot);
}
#endif

__rtmpfs_helper
bool rtmpfs_helper_fatal_signal_pending(void)
{
	return fatal_signal_pending(current);
}

__rtmpfs_helper
bool rtmpfs_helper_fault_flag_allow_retry_first(enum fault_flag flags)
{
	return fault_flag_allow_retry_first(flags);
}

__rtmpfs_helper
void rtmpfs_helper_file_accessed(struct file *file)
{
	file_accessed(file);
}

__rtmpfs_helper
struct inode *rtmpfs_helper_file_inode(const struct file *file)
{
	return file_inode(file);
}

__rtmpfs_helper
bool rtmpfs_helper_fileattr_has_fsx(const struct file_kattr *fa)
{
	return fileattr_has_fsx(fa);
}

__rtmpfs_helper
int rtmpfs_helper_finish_open_simple(struct file *file, int error)
{
	return finish_open_simple(file, error);
}

__rtmpfs_helper
void rtmpfs_helper_flush_dcache_folio(struct folio *folio)
{
	flush_dcache_folio(folio);
}

__rtmpfs_helper
struct folio *rtmpfs_helper_folio_alloc_mpol(gfp_t gfp, unsigned int order,
					     struct mempolicy *policy,
					     pgoff_t turn, int nid)
{
	return folio_alloc_mpol(gfp, order, policy, turn, nid);
}

__rtmpfs_helper
void rtmpfs_helper_folio_batch_release(struct folio_batch *fbatch)
{
	folio_batch_release(fbatch);
}

__rtmpfs_helper
void rtmpfs_helper_folio_cancel_dirty(struct folio *folio)
{
	folio_cancel_dirty(folio);
}

__rtmpfs_helper
bool rtmpfs_helper_folio_clear_dirty(struct folio *folio)
{
	return folio_test_clear_dirty(folio);
}

__rtmpfs_helper
bool rtmpfs_helper_folio_contain_hwpoisoned_page(struct folio *folio)
{
	return folio_contain_hwpoisoned_page(folio);
}

__rtmpfs_helper
struct page *rtmpfs_helper_folio_file_page(struct folio *folio, pgoff_t index)
{
	return folio_file_page(folio, index);
}

__rtmpfs_helper
void rtmpfs_helper_folio_lock(struct folio *folio)
{
	folio_lock(folio);
}

__rtmpfs_helper
bool rtmpfs_helper_folio_mapped(struct folio *folio)
{
	return folio_mapped(folio);
}

__rtmpfs_helper
void rtmpfs_helper_folio_mark_uptodate(struct folio *folio)
{
	folio_mark_uptodate(folio);
}

__rtmpfs_helper
struct mem_cgroup *rtmpfs_helper_folio_memcg(struct folio *folio)
{
	return folio_memcg(folio);
}

#ifdef CONFIG_MEMCG
__rtmpfs_helper
int rtmpfs_helper_folio_nid(const struct folio *folio)
{
	return folio_nid(folio);
}
#endif

__rtmpfs_helper
unsigned long rtmpfs_helper_folio_nr_pages(const struct folio *folio)
{
	return folio_nr_pages(folio);
}

__rtmpfs_helper
unsigned int rtmpfs_helper_folio_order(const struct folio *folio)
{
	return folio_order(folio);
}

__rtmpfs_helper
struct page *rtmpfs_helper_folio_page(struct folio *folio, unsigned long n)
{
	return folio_page(folio, n);
}

__rtmpfs_helper
void rtmpfs_helper_folio_put(struct folio *folio)
{
	folio_put(folio);
}

__rtmpfs_helper
void rtmpfs_helper_folio_ref_add(struct folio *folio, int nr)
{
	folio_ref_add(folio, nr);
}

__rtmpfs_helper
void rtmpfs_helper_folio_ref_sub(struct folio *folio, int nr)
{
	folio_ref_sub(folio, nr);
}

__rtmpfs_helper
void rtmpfs_helper_folio_set_locked(struct folio *folio)
{
	__folio_set_locked(folio);
}

__rtmpfs_helper
void rtmpfs_helper_folio_set_referenced(struct folio *folio)
{
	folio_set_referenced(folio);
}

__rtmpfs_helper
void rtmpfs_helper_folio_set_swapbacked(struct folio *folio)
{
	__folio_set_swapbacked(folio);
}

__rtmpfs_helper
swp_entry_t rtmpfs_helper_folio_swap_entry(struct folio *folio)
{
	return folio->swap;
}

__rtmpfs_helper
bool rtmpfs_helper_folio_test_dirty(struct folio *folio)
{
	return folio_test_dirty(folio);
}

__rtmpfs_helper
bool rtmpfs_helper_folio_test_large(const struct folio *folio)
{
	return folio_test_large(folio);
}

__rtmpfs_helper
bool rtmpfs_helper_folio_test_pmd_mappable(struct folio *folio)
{
	return folio_test_pmd_mappable(folio);
}

__rtmpfs_helper
bool rtmpfs_helper_folio_test_reclaim(struct folio *folio)
{
	return folio_test_reclaim(folio);
}

__rtmpfs_helper
bool rtmpfs_helper_folio_test_set_dirty(struct folio *folio)
{
	return folio_test_set_dirty(folio);
}

__rtmpfs_helper
bool rtmpfs_helper_folio_test_swapcache(struct folio *folio)
{
	return folio_test_swapcache(folio);
}

__rtmpfs_helper
bool rtmpfs_helper_folio_test_uptodate(struct folio *folio)
{
	return folio_test_uptodate(folio);
}

__rtmpfs_helper
void rtmpfs_helper_folio_throttle_swaprate(struct folio *folio, gfp_t gfp)
{
	folio_throttle_swaprate(folio, gfp);
}

__rtmpfs_helper
bool rtmpfs_helper_folio_trylock(struct folio *folio)
{
	return folio_trylock(folio);
}

__rtmpfs_helper
void rtmpfs_helper_folio_zero_segments(struct folio *folio, size_t start1,
				       size_t xend1, size_t start2, size_t xend2)
{
	folio_zero_segments(folio, start1, xend1, start2, xend2);
}

#ifdef CONFIG_SWAP
__rtmpfs_helper
unsigned int rtmpfs_helper_folio_zonenum(const struct folio *folio)
{
	return folio_zonenum(folio);
}
#endif

#if IS_ENABLED(CONFIG_UNICODE)
__rtmpfs_helper
bool rtmpfs_helper_generic_ci_validate_strict_name(struct inode *dir,
						   const struct qstr *name)
{
	return generic_ci_validate_strict_name(dir, name);
}
#endif

#ifndef CONFIG_FILE_LOCKING
__rtmpfs_helper
int rtmpfs_helper_generic_setlease(struct file *file, int arg,
				   struct file_lease **flp, void **priv)
{
	return generic_setlease(file, arg, flp, priv);
}
#endif

__rtmpfs_helper
struct file *rtmpfs_helper_get_file(struct file *file)
{
	return get_file(file);
}

__rtmpfs_helper
void rtmpfs_helper_get_page(struct page *page)
{
	get_page(page);
}

#ifdef CONFIG_SWAP
__rtmpfs_helper
unsigned int rtmpfs_helper_gfp_zone(gfp_t flags)
{
	return gfp_zone(flags);
}
#endif

__rtmpfs_helper
bool rtmpfs_helper_has_transparent_hugepage(void)
{
	return has_transparent_hugepage();
}

#ifdef CONFIG_QUOTA
__rtmpfs_helper
bool rtmpfs_helper_i_gid_needs_update(struct mnt_idmap *idmap,
				       const struct iattr *attr,
				       const struct inode *inode)
{
	return i_gid_needs_update(idmap, attr, inode);
}
#endif

__rtmpfs_helper
loff_t rtmpfs_helper_i_size_read(const struct inode *inode)
{
	return i_size_read(inode);
}

__rtmpfs_helper
void rtmpfs_helper_i_size_write(struct inode *inode, loff_t size)
{
	i_size_write(inode, size);
}

#ifdef CONFIG_QUOTA
__rtmpfs_helper
bool rtmpfs_helper_i_uid_needs_update(struct mnt_idmap *idmap,
				       const struct iattr *attr,
				       const struct inode *inode)
{
	return i_uid_needs_update(idmap, attr, inode);
}
#endif

__rtmpfs_helper
struct timespec64 rtmpfs_helper_inode_get_mtime(const struct inode *inode)
{
	return inode_get_mtime(inode);
}

__rtmpfs_helper
void rtmpfs_helper_inode_has_no_xattr(struct inode *inode)
{
	inode_has_no_xattr(inode);
}

__rtmpfs_helper
void rtmpfs_helper_inode_inc_iversion(struct inode *inode)
{
	inode_inc_iversion(inode);
}

__rtmpfs_helper
int rtmpfs_helper_inode_init_always(struct super_block *sb, struct inode *inode)
{
	return inode_init_always(sb, inode);
}

__rtmpfs_helper
void rtmpfs_helper_inode_lock(struct inode *inode)
{
	inode_lock(inode);
}

__rtmpfs_helper
void rtmpfs_helper_inode_set_cached_link(struct inode *inode, char *link, int len)
{
	inode_set_cached_link(inode, link, len);
}

__rtmpfs_helper
struct timespec64 rtmpfs_helper_inode_set_mtime_to_ts(struct inode *inode,
						      struct timespec64 ts)
{
	return inode_set_mtime_to_ts(inode, ts);
}

__rtmpfs_helper
enum inode_state_flags_enum rtmpfs_helper_inode_state_read(struct inode *inode)
{
	return inode_state_read(inode);
}

__rtmpfs_helper
int rtmpfs_helper_inode_trylock(struct inode *inode)
{
	return inode_trylock(inode);
}

__rtmpfs_helper
bool rtmpfs_helper_inode_unhashed(struct inode *inode)
{
	return inode_unhashed(inode);
}

__rtmpfs_helper
void rtmpfs_helper_inode_unlock(struct inode *inode)
{
	inode_unlock(inode);
}

__rtmpfs_helper
bool rtmpfs_helper_kgid_has_mapping(struct user_namespace *ns, kgid_t gid)
{
	return kgid_has_mapping(ns, gid);
}

__rtmpfs_helper
bool rtmpfs_helper_kuid_has_mapping(struct user_namespace *ns, kuid_t uid)
{
	return kuid_has_mapping(ns, uid);
}

__rtmpfs_helper
pgoff_t rtmpfs_helper_linear_page_index(const struct vm_area_struct *vma,
					unsigned long address)
{
	return linear_page_index(vma, address);
}

__rtmpfs_helper
void rtmpfs_helper_lockdep_annotate_inode_mutex_key(struct inode *inode)
{
	lockdep_annotate_inode_mutex_key(inode);
}

__rtmpfs_helper
void rtmpfs_helper_lruvec_stat_mod_folio(struct folio *folio,
					 enum node_stat_item idx, int val)
{
	lruvec_stat_mod_folio(folio, idx, val);
}

#ifdef CONFIG_QUOTA
__rtmpfs_helper
struct kqid rtmpfs_helper_make_kqid(struct user_namespace *ns,
				   enum quota_type type, qid_t id)
{
	return make_kqid(ns, type, id);
}
#endif

__rtmpfs_helper
swp_entry_t rtmpfs_helper_make_poisoned_swp_entry(void)
{
	return make_poisoned_swp_entry();
}

__rtmpfs_helper
bool rtmpfs_helper_mapping_empty(const struct address_space *mapping)
{
	return mapping_empty((struct address_space *)mapping);
}

__rtmpfs_helper
gfp_t rtmpfs_helper_mapping_gfp_mask(const struct address_space *mapping)
{
	return mapping_gfp_mask(mapping);
}

__rtmpfs_helper
bool rtmpfs_helper_mapping_large_folio_support(const struct address_space *mapping)
{
	return mapping_large_folio_support(mapping);
}

__rtmpfs_helper
bool rtmpfs_helper_mapping_mapped(const struct address_space *mapping)
{
	return mapping_mapped(mapping);
}

__rtmpfs_helper
void rtmpfs_helper_mapping_set_exiting(struct address_space *mapping)
{
	mapping_set_exiting(mapping);
}

__rtmpfs_helper
void rtmpfs_helper_mapping_set_large_folios(struct address_space *mapping)
{
	mapping_set_large_folios(mapping);
}

__rtmpfs_helper
void rtmpfs_helper_mapping_set_shmem(struct address_space *mapping)
{
	mapping_set_shmem(mapping);
}

__rtmpfs_helper
void rtmpfs_helper_mapping_set_unevictable(struct address_space *mapping)
{
	mapping_set_unevictable(mapping);
}

__rtmpfs_helper
bool rtmpfs_helper_mapping_writably_mapped(const struct address_space *mapping)
{
	return mapping_writably_mapped(mapping);
}

__rtmpfs_helper
int rtmpfs_helper_mem_cgroup_charge(struct folio *folio, struct mm_struct *mm,
				    gfp_t gfp)
{
	return mem_cgroup_charge(folio, mm, gfp);
}

#ifdef CONFIG_MEMCG
__rtmpfs_helper
bool rtmpfs_helper_mem_cgroup_is_descendant(struct mem_cgroup *memcg,
					    struct mem_cgroup *root)
{
	return mem_cgroup_is_descendant(memcg, root);
}
#endif

#ifdef CONFIG_SWAP
__rtmpfs_helper
void rtmpfs_helper_mem_cgroup_put(struct mem_cgroup *memcg)
{
	mem_cgroup_put(memcg);
}
#endif

#ifdef CONFIG_MEMCG
__rtmpfs_helper
bool rtmpfs_helper_mem_cgroup_shrink_is_root(struct shrink_control *sc)
{
	return mem_cgroup_shrink_is_root(sc);
}
#endif

#ifdef CONFIG_SWAP
__rtmpfs_helper
bool rtmpfs_helper_mem_cgroup_tryget(struct mem_cgroup *memcg)
{
	return mem_cgroup_tryget(memcg);
}
#endif

#ifdef CONFIG_QUOTA
__rtmpfs_helper
void rtmpfs_helper_memalloc_nofs_restore(unsigned int flags)
{
	memalloc_nofs_restore(flags);
}
#endif

#ifdef CONFIG_QUOTA
__rtmpfs_helper
unsigned int rtmpfs_helper_memalloc_nofs_save(void)
{
	return memalloc_nofs_save();
}
#endif

#ifndef CONFIG_MODULE_UNLOAD
__rtmpfs_helper
void rtmpfs_helper_module_put(struct module *module)
{
	module_put(module);
}
#endif

__rtmpfs_helper
void rtmpfs_helper_mpol_cond_put(struct mempolicy *policy)
{
	mpol_cond_put(policy);
}

__rtmpfs_helper
void rtmpfs_helper_mpol_free_shared_policy(struct shared_policy *policies)
{
	mpol_free_shared_policy(policies);
}

__rtmpfs_helper
void rtmpfs_helper_mpol_get(struct mempolicy *policy)
{
	mpol_get(policy);
}

__rtmpfs_helper
void rtmpfs_helper_mpol_put(struct mempolicy *policy)
{
	mpol_put(policy);
}

__rtmpfs_helper
void rtmpfs_helper_mpol_shared_policy_init(struct shared_policy *policies,
					   struct mempolicy *policy)
{
	mpol_shared_policy_init(policies, policy);
}

__rtmpfs_helper
struct mempolicy *
rtmpfs_helper_mpol_shared_policy_lookup(struct shared_policy *policies,
					pgoff_t index)
{
	return mpol_shared_policy_lookup(policies, index);
}

#ifdef CONFIG_QUOTA
__rtmpfs_helper
void rtmpfs_helper_mutex_lock(struct mutex *lock)
{
	mutex_lock(lock);
}
#endif

#ifdef CONFIG_QUOTA
__rtmpfs_helper
void rtmpfs_helper_mutex_unlock(struct mutex *lock)
{
	mutex_unlock(lock);
}
#endif

#ifdef CONFIG_SMP
/* The CPUs that for_each_cpu_or() would visit, from one on. */
__rtmpfs_helper
unsigned long rtmpfs_helper_next_cpu_or_dying(unsigned long cpu)
{
	return find_next_or_bit(cpumask_bits(cpu_online_mask),
				cpumask_bits(cpu_dying_mask),
				small_cpumask_bits, cpu);
}
#endif

__rtmpfs_helper
int rtmpfs_helper_numa_node_id(void)
{
	return numa_node_id();
}

__rtmpfs_helper
bool rtmpfs_helper_page_hwpoison(struct page *page)
{
	return PageHWPoison(page);
}

#ifdef CONFIG_MEMCG
__rtmpfs_helper
struct mem_cgroup *rtmpfs_helper_parent_mem_cgroup(struct mem_cgroup *memcg)
{
	return parent_mem_cgroup(memcg);
}
#endif

#ifdef CONFIG_SMP
__rtmpfs_helper
void *rtmpfs_helper_per_cpu_ptr(void __percpu *ptr, unsigned long cpu)
{
	return per_cpu_ptr(ptr, cpu);
}
#endif

__rtmpfs_helper
void rtmpfs_helper_percpu_counter_add_batch(struct percpu_counter *counter,
					    s64 amount, s32 batch)
{
	percpu_counter_add_batch(counter, amount, batch);
}

#ifndef CONFIG_SMP
__rtmpfs_helper
int rtmpfs_helper_percpu_counter_compare(struct percpu_counter *counter,
					 s64 limit)
{
	return percpu_counter_compare(counter, limit);
}
#endif

__rtmpfs_helper
void rtmpfs_helper_percpu_counter_destroy_many(struct percpu_counter *counters,
					       u32 nr)
{
	percpu_counter_destroy_many(counters, nr);
}

__rtmpfs_helper
int rtmpfs_helper_percpu_counter_init_many(struct percpu_counter *counters,
					   s64 amount, gfp_t gfp, u32 nr)
{
	return percpu_counter_init_many(counters, amount, gfp, nr);
}

#ifndef CONFIG_SMP
__rtmpfs_helper
bool rtmpfs_helper_percpu_counter_limited_add(struct percpu_counter *counter,
					      s64 limit, s64 amount)
{
	return percpu_counter_limited_add(counter, limit, amount);
}
#endif

__rtmpfs_helper
s64 rtmpfs_helper_percpu_counter_sum(struct percpu_counter *counter)
{
	return percpu_counter_sum(counter);
}

/* The head is in an unnamed union, which bindgen leaves out. */
__rtmpfs_helper
void rtmpfs_helper_pipe_advance_head(struct pipe_inode_info *pipe)
{
	pipe->head++;
}

__rtmpfs_helper
unsigned int rtmpfs_helper_pipe_buf_usage(const struct pipe_inode_info *pipe)
{
	return pipe_buf_usage(pipe);
}

__rtmpfs_helper
struct pipe_buffer *rtmpfs_helper_pipe_head_buf(const struct pipe_inode_info *pipe)
{
	return pipe_head_buf(pipe);
}

__rtmpfs_helper
bool rtmpfs_helper_pipe_is_full(const struct pipe_inode_info *pipe)
{
	return pipe_is_full(pipe);
}

__rtmpfs_helper
void rtmpfs_helper_posix_acl_release(struct posix_acl *acl)
{
	posix_acl_release(acl);
}

__rtmpfs_helper
void rtmpfs_helper_put_swap_device(struct swap_info_struct *device)
{
	put_swap_device(device);
}

__rtmpfs_helper
swp_entry_t rtmpfs_helper_radix_to_swp_entry(void *value)
{
	return radix_to_swp_entry(value);
}

#if defined(CONFIG_SMP) && defined(CONFIG_X86_64)
__rtmpfs_helper
bool rtmpfs_helper_raw_spin_is_locked(raw_spinlock_t *lock)
{
	return raw_spin_is_locked(lock);
}
#endif

__rtmpfs_helper
void rtmpfs_helper_release_fault_lock(struct vm_fault *vmf)
{
	release_fault_lock(vmf);
}

#ifdef CONFIG_QUOTA
__rtmpfs_helper
bool rtmpfs_helper_sb_has_quota_active(struct super_block *sb, int type)
{
	return sb_has_quota_active(sb, type);
}
#endif

#ifdef CONFIG_SWAP
__rtmpfs_helper
struct mem_cgroup *rtmpfs_helper_set_active_memcg(struct mem_cgroup *memcg)
{
	return set_active_memcg(memcg);
}
#endif

#ifdef CONFIG_QUOTA
__rtmpfs_helper
void rtmpfs_helper_set_bit(long nr, unsigned long *addr)
{
	set_bit(nr, addr);
}
#endif

__rtmpfs_helper
bool rtmpfs_helper_signal_pending(void)
{
	return signal_pending(current);
}

#ifdef CONFIG_SMP
/* What next_cpu_or_dying() returns at the end. */
__rtmpfs_helper
unsigned long rtmpfs_helper_small_cpumask_bits(void)
{
	return small_cpumask_bits;
}
#endif

__rtmpfs_helper
bool rtmpfs_helper_softleaf_is_swap(swp_entry_t entry)
{
	return softleaf_is_swap(entry);
}

__rtmpfs_helper
void rtmpfs_helper_spin_lock(spinlock_t *lock)
{
	spin_lock(lock);
}

__rtmpfs_helper
void rtmpfs_helper_spin_unlock(spinlock_t *lock)
{
	spin_unlock(lock);
}

__rtmpfs_helper
void rtmpfs_helper_super_set_uuid(struct super_block *sb, const u8 *uuid,
				  unsigned int len)
{
	super_set_uuid(sb, uuid, len);
}

__rtmpfs_helper
void *rtmpfs_helper_swp_to_radix_entry(swp_entry_t entry)
{
	return swp_to_radix_entry(entry);
}

__rtmpfs_helper
unsigned int rtmpfs_helper_swp_type(swp_entry_t entry)
{
	return swp_type(entry);
}

__rtmpfs_helper
unsigned long rtmpfs_helper_task_size(void)
{
	return TASK_SIZE;
}

#ifdef CONFIG_QUOTA
__rtmpfs_helper
bool rtmpfs_helper_test_bit(long nr, const unsigned long *addr)
{
	return test_bit(nr, addr);
}
#endif

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
__rtmpfs_helper
bool rtmpfs_helper_thp_disabled_by_hw(void)
{
	return thp_disabled_by_hw();
}
#endif

__rtmpfs_helper
gfp_t rtmpfs_helper_thp_shmem_limit_gfp_mask(gfp_t huge_gfp, gfp_t limit_gfp)
{
	return thp_shmem_limit_gfp_mask(huge_gfp, limit_gfp);
}

__rtmpfs_helper
unsigned long rtmpfs_helper_thp_vma_suitable_orders(struct vm_area_struct *vma,
						    unsigned long addr,
						    unsigned long orders)
{
	return thp_vma_suitable_orders(vma, addr, orders);
}

__rtmpfs_helper
unsigned long rtmpfs_helper_totalhigh_pages(void)
{
	return totalhigh_pages();
}

__rtmpfs_helper
unsigned long rtmpfs_helper_totalram_pages(void)
{
	return totalram_pages();
}

#ifndef CONFIG_MODULE_UNLOAD
__rtmpfs_helper
bool rtmpfs_helper_try_module_get(struct module *module)
{
	return try_module_get(module);
}
#endif

__rtmpfs_helper
bool rtmpfs_helper_user_backed_iter(const struct iov_iter *i)
{
	return user_backed_iter(i);
}

__rtmpfs_helper
bool rtmpfs_helper_userfaultfd_armed(struct vm_area_struct *vma)
{
	return userfaultfd_armed(vma);
}

__rtmpfs_helper
bool rtmpfs_helper_userfaultfd_minor(struct vm_area_struct *vma)
{
	return userfaultfd_minor(vma);
}

__rtmpfs_helper
bool rtmpfs_helper_userfaultfd_missing(struct vm_area_struct *vma)
{
	return userfaultfd_missing(vma);
}

__rtmpfs_helper
__kernel_fsid_t rtmpfs_helper_uuid_to_fsid(__u8 *uuid)
{
	return uuid_to_fsid(uuid);
}

__rtmpfs_helper
void rtmpfs_helper_vm_acct_memory(long pages)
{
	vm_acct_memory(pages);
}

__rtmpfs_helper
bool rtmpfs_helper_vma_flags_test(const vma_flags_t *flags, vma_flag_t bit)
{
	return vma_flags_test(flags, bit);
}

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
__rtmpfs_helper
bool rtmpfs_helper_vma_thp_disabled(struct vm_area_struct *vma,
				    vm_flags_t vm_flags, bool forced_collapse)
{
	return vma_thp_disabled(vma, vm_flags, forced_collapse);
}
#endif

__rtmpfs_helper
vm_fault_t rtmpfs_helper_vmf_error(int err)
{
	return vmf_error(err);
}

__rtmpfs_helper
void rtmpfs_helper_xa_lock_irq(struct xarray *xa)
{
	xa_lock_irq(xa);
}

__rtmpfs_helper
struct xa_state rtmpfs_helper_xa_state(struct xarray *xa, unsigned long index,
				       unsigned int order)
{
	XA_STATE_ORDER(xas, xa, index, order);

	return xas;
}

__rtmpfs_helper
void rtmpfs_helper_xa_unlock_irq(struct xarray *xa)
{
	xa_unlock_irq(xa);
}

__rtmpfs_helper
int rtmpfs_helper_xas_error(const struct xa_state *xas)
{
	return xas_error(xas);
}

__rtmpfs_helper
int rtmpfs_helper_xas_get_order(struct xa_state *xas)
{
	return xas_get_order(xas);
}

__rtmpfs_helper
bool rtmpfs_helper_xas_retry(struct xa_state *xas, const void *entry)
{
	return xas_retry(xas, entry);
}

__rtmpfs_helper
void rtmpfs_helper_xas_set_order(struct xa_state *xas, unsigned long index,
				 unsigned int order)
{
	xas_set_order(xas, index, order);
}

__rtmpfs_helper
struct page *rtmpfs_helper_zero_page(void)
{
	return ZERO_PAGE(0);
}

__rtmpfs_helper
bool rtmpfs_helper_zswap_never_enabled(void)
{
	return zswap_never_enabled();
}
