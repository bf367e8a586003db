// SPDX-License-Identifier: GPL-2.0
/*
 * For LD_PRELOAD: memory that a program asks of memfd_create(2), or of mmap(2) as shared and anonymous, is a file
 * without a name in /dev/shm instead, and so is served by whatever is mounted there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

static int unnamed(int flags)
{
	return open("/dev/shm", O_TMPFILE | O_RDWR | flags, 0600);
}

/* Huge pages of hugetlbfs and files that are about to be sealed are left to the kernel. */
int memfd_create(const char *name, unsigned int flags)
{
	if (flags & ~(MFD_CLOEXEC | MFD_NOEXEC_SEAL))
		return syscall(SYS_memfd_create, name, flags);
	return unnamed(flags & MFD_CLOEXEC ? O_CLOEXEC : 0);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	int file = -1, error;
	void *where;

	if ((flags & MAP_TYPE) == MAP_SHARED && flags & MAP_ANONYMOUS && !(flags & MAP_HUGETLB)) {
		file = unnamed(O_CLOEXEC);
		if (file < 0 || ftruncate(file, length) != 0)
			return MAP_FAILED;
		flags &= ~MAP_ANONYMOUS;
		fd = file;
		offset = 0;
	}
	where = (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
	error = errno;
	if (file >= 0)
		close(file);
	errno = error;
	return where;
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset)
	__attribute__((alias("mmap")));
