// SPDX-License-Identifier: GPL-2.0
/*
 * A driver whose memory is shared memory, as that of graphics is: each ioctl of
 * /dev/shmem_driver makes one call of include/linux/shmem_fs.h, on a file that
 * it made before or that it is given, and says what came of it.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/iversion.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

/* The numbers of the ioctls; the suite reads them here, and what is below. */
#define DRIVER_MAKE		1
#define DRIVER_READ		2
#define DRIVER_LOOK		3
#define DRIVER_TRUNCATE		4
#define DRIVER_WRITE		5
#define DRIVER_LIMIT		6
#define DRIVER_RELEASE		7

/* How a file is made */
#define DRIVER_FILE		0
#define DRIVER_KERNEL_FILE	1
#define DRIVER_MOUNT_FILE	2
#define DRIVER_NORESERVE	0x10

/* How a folio is read: the flags of the allocation, and shmem_get_folio() */
#define DRIVER_DMA32		0x1
#define DRIVER_NORETRY		0x2
#define DRIVER_GET		0x100
#define DRIVER_GET_TYPE		0xf000

/* How a folio is written out */
#define DRIVER_KEEP		0x1
#define DRIVER_CLEAN		0x2
#define DRIVER_NOWAIT		0x4

/* What is known of a folio */
#define DRIVER_PRESENT		0x1
#define DRIVER_IN_SWAP		0x2
#define DRIVER_UPTODATE		0x4
#define DRIVER_DIRTY		0x8
#define DRIVER_KEPT		0x10
#define DRIVER_KEPT_IN_SWAP	0x20
#define DRIVER_PRIVATE		0x40

/**
 * struct driver_call - the argument of each ioctl
 * @fd: the file
 * @how: of the above
 * @start: the first byte of a range, the index of a page, or the size of a file
 * @last: the last byte of a range
 * @result: what the call returned, where that is no error
 * @state: of the above
 * @order: of the folio
 * @byte: of DRIVER_READ the first of the page; where it is not zero the page is
 *	filled with it before
 * @version: the inode's i_version
 * @zone: the name of the folio's
 */
struct driver_call {
	__s32 fd;
	__u32 how;
	__u64 start;
	__u64 last;
	__s32 result;
	__u32 state;
	__u32 order;
	__u32 byte;
	__u64 version;
	char zone[16];
};

#define LAST_INDEX		((u64)MAX_LFS_FILESIZE >> PAGE_SHIFT)

/* What an open device has: a folio that it keeps, wherever that goes. */
struct driver {
	struct mutex lock; /* of @kept, and one call at a time */
	struct folio *kept;
};

static void describe(struct folio *folio, struct driver_call *call)
{
	call->order = folio_order(folio);
	if (folio_test_uptodate(folio))
		call->state |= DRIVER_UPTODATE;
	if (folio_test_dirty(folio))
		call->state |= DRIVER_DIRTY;
	strscpy(call->zone, folio_zone(folio)->name);
}

static gfp_t limited(gfp_t gfp)
{
	return (gfp & ~__GFP_HIGHMEM) | __GFP_DMA32;
}

/* As drm_gem_huge_mnt_create(), but that the mount goes with the file. */
static struct file *make_on_mount(const char *name, loff_t size, vma_flags_t flags)
{
	struct file_system_type *type = get_fs_type("tmpfs");
	struct fs_context *fc;
	struct vfsmount *mnt;
	struct file *file;
	int ret;

	if (!type)
		return ERR_PTR(-EOPNOTSUPP);
	fc = fs_context_for_mount(type, SB_KERNMOUNT);
	if (IS_ERR(fc))
		return ERR_CAST(fc);
	ret = vfs_parse_fs_string(fc, "source", "tmpfs");
	mnt = ret ? ERR_PTR(ret) : fc_mount_longterm(fc);
	put_fs_context(fc);
	if (IS_ERR(mnt))
		return ERR_CAST(mnt);

	file = shmem_file_setup_with_mnt(mnt, name, size, flags);
	kern_unmount(mnt);
	return file;
}

static int make(const struct driver_call *call)
{
	vma_flags_t flags = EMPTY_VMA_FLAGS;
	const char *name = "driver";
	struct file *file;
	int fd;

	if (call->how & DRIVER_NORESERVE)
		flags = mk_vma_flags(VMA_NORESERVE_BIT);

	switch (call->how & ~DRIVER_NORESERVE) {
	case DRIVER_FILE:
		file = shmem_file_setup(name, call->start, flags);
		break;
	case DRIVER_KERNEL_FILE:
		file = shmem_kernel_file_setup(name, call->start, flags);
		break;
	case DRIVER_MOUNT_FILE:
		file = make_on_mount(name, call->start, flags);
		break;
	default:
		return -EINVAL;
	}
	if (IS_ERR(file))
		return PTR_ERR(file);

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		fput(file);
	else
		fd_install(fd, file);
	return fd;
}

static struct folio *get(struct address_space *mapping, const struct driver_call *call)
{
	enum sgp_type type = (call->how & DRIVER_GET_TYPE) / (DRIVER_GET_TYPE & -DRIVER_GET_TYPE);
	gfp_t gfp = mapping_gfp_mask(mapping);
	struct folio *folio;
	int ret;

	if (call->how & DRIVER_GET) {
		ret = shmem_get_folio(mapping->host, call->start,
				      min(call->start + 1, LAST_INDEX) << PAGE_SHIFT,
				      &folio, type);
		if (ret)
			return ERR_PTR(ret);
		if (folio)
			folio_unlock(folio);
		return folio;
	}

	if (call->how & DRIVER_DMA32)
		gfp = limited(gfp);
	if (call->how & DRIVER_NORETRY)
		gfp |= __GFP_NORETRY | __GFP_NOWARN;
	return shmem_read_folio_gfp(mapping, call->start, gfp);
}

static int read(struct address_space *mapping, struct driver_call *call)
{
	struct folio *folio;
	void *data;

again:
	folio = get(mapping, call);
	if (IS_ERR(folio))
		return PTR_ERR(folio);
	/* A hole */
	if (!folio)
		return 0;

	folio_lock(folio);
	/* It may just have been truncated, or have gone to swap. */
	if (folio->mapping != mapping) {
		folio_unlock(folio);
		folio_put(folio);
		goto again;
	}
	data = kmap_local_folio(folio, offset_in_folio(folio, call->start << PAGE_SHIFT));
	if (call->byte) {
		memset(data, call->byte, PAGE_SIZE);
		folio_mark_dirty(folio);
	}
	call->byte = *(u8 *)data;
	kunmap_local(data);
	call->state = DRIVER_PRESENT;
	describe(folio, call);
	folio_unlock(folio);
	folio_put(folio);
	return 0;
}

/* What the file has at an index, of which nothing changes. */
static void look(struct address_space *mapping, const struct folio *kept, struct driver_call *call)
{
	struct folio *folio = filemap_get_folio(mapping, call->start);

	if (!IS_ERR(folio)) {
		call->state |= DRIVER_PRESENT;
		if (folio == kept)
			call->state |= DRIVER_KEPT;
		describe(folio, call);
		folio_put(folio);
	} else if (xa_is_value(xa_load(&mapping->i_pages, call->start))) {
		call->state |= DRIVER_IN_SWAP;
	}
	if (kept && folio_test_swapcache(kept))
		call->state |= DRIVER_KEPT_IN_SWAP;
	if (IS_PRIVATE(mapping->host))
		call->state |= DRIVER_PRIVATE;
	call->version = inode_peek_iversion_raw(mapping->host) >> I_VERSION_QUERIED_SHIFT;
}

/* As ttm_backup_backup_folio(), but that it may be told to write a clean folio, too. */
static int write(struct address_space *mapping, struct folio **kept, struct driver_call *call)
{
	struct folio *folio = filemap_lock_folio(mapping, call->start);
	int ret = 0;

	if (IS_ERR(folio))
		return PTR_ERR(folio);

	if (folio_mapped(folio))
		ret = -EBUSY;
	else if (!folio_clear_dirty_for_io(folio) && !(call->how & DRIVER_CLEAN))
		ret = -ENODATA;
	if (ret) {
		describe(folio, call);
		folio_unlock(folio);
		folio_put(folio);
		return ret;
	}

	folio_set_reclaim(folio);
	call->result = shmem_write_folio(folio);
	if (!folio_test_writeback(folio))
		folio_clear_reclaim(folio);
	describe(folio, call);
	if (call->result == AOP_WRITEPAGE_ACTIVATE)
		folio_unlock(folio);
	if (!(call->how & DRIVER_NOWAIT))
		folio_wait_writeback(folio);
	if (call->how & DRIVER_KEEP)
		swap(*kept, folio);
	if (folio)
		folio_put(folio);
	return 0;
}

static void release_kept(struct driver *driver)
{
	if (driver->kept)
		folio_put(driver->kept);
	driver->kept = NULL;
}

static int on_file(struct driver *driver, unsigned int number, struct driver_call *call)
{
	struct address_space *mapping;

	CLASS(fd, f)(call->fd);
	if (fd_empty(f))
		return -EBADF;
	if (!shmem_file(fd_file(f)))
		return -EINVAL;
	mapping = fd_file(f)->f_mapping;

	switch (number) {
	case DRIVER_READ:
		return read(mapping, call);
	case DRIVER_LOOK:
		look(mapping, driver->kept, call);
		return 0;
	case DRIVER_TRUNCATE:
		shmem_truncate_range(mapping->host, call->start, call->last);
		return 0;
	case DRIVER_WRITE:
		return write(mapping, &driver->kept, call);
	case DRIVER_LIMIT:
		mapping_set_gfp_mask(mapping, limited(mapping_gfp_mask(mapping)));
		return 0;
	}
	return -ENOTTY;
}

static long driver_ioctl(struct file *file, unsigned int number, unsigned long arg)
{
	struct driver *driver = file->private_data;
	void __user *user = (void __user *)arg;
	struct driver_call call;
	int ret;

	if (_IOC_SIZE(number) != sizeof(call))
		return -ENOTTY;
	if (copy_from_user(&call, user, sizeof(call)))
		return -EFAULT;

	number = _IOC_NR(number);
	if (number == DRIVER_MAKE)
		return make(&call);

	scoped_guard(mutex, &driver->lock) {
		ret = 0;
		if (number == DRIVER_RELEASE)
			release_kept(driver);
		else
			ret = on_file(driver, number, &call);
	}
	if (copy_to_user(user, &call, sizeof(call)))
		return -EFAULT;
	return ret;
}

static int driver_open(struct inode *inode, struct file *file)
{
	struct driver *driver = kzalloc_obj(struct driver);

	if (!driver)
		return -ENOMEM;
	mutex_init(&driver->lock);
	file->private_data = driver;
	return 0;
}

static int driver_close(struct inode *inode, struct file *file)
{
	struct driver *driver = file->private_data;

	release_kept(driver);
	kfree(driver);
	return 0;
}

static const struct file_operations driver_fops = {
	.owner		= THIS_MODULE,
	.open		= driver_open,
	.release	= driver_close,
	.unlocked_ioctl	= driver_ioctl,
};

static struct miscdevice driver_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "shmem_driver",
	.fops	= &driver_fops,
	.mode	= 0600,
};
module_misc_device(driver_device);

MODULE_DESCRIPTION("A driver whose memory is shared memory");
MODULE_LICENSE("GPL");
