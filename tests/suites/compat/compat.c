// SPDX-License-Identifier: GPL-2.0
// Usage: compat PART DIR. Does one part of the tests in the empty folder DIR and prints what it sees. Built for 32 bits
// and without large file support, so that positions, sizes and inode numbers have to fit a long. Without arguments it
// says so and ends.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(long) == 4 && sizeof(off_t) == 4 && sizeof(ino_t) == 4, "not what this program is for");

#define NAMES 100

static void die(const char *what)
{
	perror(what);
	exit(1);
}

// Prints the result of a call: a number, or the name of the error.
static void say(long long result, const char *format, ...)
{
	int error = errno;
	va_list arguments;

	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	if (result == -1)
		printf(": %s\n", strerrorname_np(error));
	else
		printf(": %lld\n", result);
}

static const char *numbered(const char *prefix, int number)
{
	static char names[4][32];
	static int turn;
	char *name = names[turn++ % 4];

	snprintf(name, sizeof(names[0]), "%s%06d", prefix, number);
	return name;
}

static void make(const char *name)
{
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);

	if (fd < 0)
		die(name);
	close(fd);
}

static void fill(int count)
{
	for (int i = 0; i < count; i++)
		make(numbered("f", i));
}

// The next name, or what ends the listing.
static const char *next_name(DIR *dir)
{
	struct dirent *entry;

	errno = 0;
	entry = readdir(dir);
	if (entry)
		return entry->d_name;
	return errno ? strerrorname_np(errno) : "(end)";
}

static int is_end(const char *name)
{
	return name[0] == '(' || name[0] == 'E';
}

static void list_from(DIR *dir)
{
	const char *name;

	do {
		name = next_name(dir);
		printf("%s, then %ld\n", name, telldir(dir));
	} while (!is_end(name));
}

static DIR *open_here(void)
{
	DIR *dir = opendir(".");

	if (!dir)
		die("opendir");
	return dir;
}

static void part_list(void)
{
	DIR *dir = open_here();

	list_from(dir);
	make("one");
	rewinddir(dir);
	list_from(dir);
	fill(NAMES);
	rewinddir(dir);
	list_from(dir);
	closedir(dir);
}

static void part_seek(void)
{
	long places[NAMES + 3];
	int count = 0;
	DIR *dir;

	fill(NAMES);
	dir = open_here();
	do
		places[count++] = telldir(dir);
	while (count < NAMES + 3 && !is_end(next_name(dir)));
	say(count, "places");
	for (int i = count - 1; i >= 0; i--) {
		seekdir(dir, places[i]);
		printf("at %ld %s\n", places[i], next_name(dir));
	}
	// The last name, from the start and from where another descriptor was.
	rewinddir(dir);
	seekdir(dir, places[NAMES + 1]);
	list_from(dir);
	say(lseek(dirfd(dir), 0, SEEK_CUR), "place of the descriptor");
	say(lseek(dirfd(dir), LONG_MAX, SEEK_SET), "the last place");
	printf("there %s\n", next_name(dir));
	say(lseek(dirfd(dir), LONG_MAX - 1, SEEK_SET), "the last but one");
	closedir(dir);
	dir = open_here();
	seekdir(dir, LONG_MAX - 1);
	list_from(dir);
	closedir(dir);
}

static void part_remove(void)
{
	DIR *dir;
	const char *name;
	int removed = 0;

	fill(10 * NAMES);
	dir = open_here();
	while (!is_end(name = next_name(dir)))
		if (name[0] != '.' && !unlink(name))
			removed++;
	say(removed, "removed");
	rewinddir(dir);
	list_from(dir);
	closedir(dir);
}

static void part_rename(void)
{
	DIR *dir;

	fill(10);
	say(rename("f000002", "f000007"), "over a newer name");
	say(rename("f000008", "f000003"), "over an older name");
	say(syscall(SYS_renameat2, AT_FDCWD, "f000001", AT_FDCWD, "f000005", RENAME_EXCHANGE), "exchange");
	dir = open_here();
	for (int i = 0; i < 10; i++) {
		const char *name = numbered("f", i);
		const char *found;
		int seen = 0;

		rewinddir(dir);
		while (!is_end(found = next_name(dir)))
			seen += !strcmp(found, name);
		say(seen, "%s", name);
	}
	closedir(dir);
}

// Cookies that were given out long ago.
static void part_many(void)
{
	DIR *dir;

	for (int i = 0; i < 50 * NAMES; i++) {
		const char *name = numbered("g", i);

		make(name);
		if (i % 100)
			unlink(name);
	}
	dir = open_here();
	list_from(dir);
	closedir(dir);
}

// The system calls that a C library of the time used.
static void part_legacy(void)
{
	struct old_dirent {
		unsigned long d_ino, d_off;
		unsigned short d_reclen;
		char d_name[];
	};
	struct new_dirent {
		uint64_t d_ino;
		int64_t d_off;
		unsigned short d_reclen;
		unsigned char d_type;
		char d_name[];
	} __attribute__((packed, aligned(4)));
	char buffer[8192];
	long length;
	int fd;

	fill(NAMES);
	fd = open(".", O_RDONLY | O_DIRECTORY);
	while ((length = syscall(SYS_getdents, fd, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < length;) {
			struct old_dirent *entry = (void *)(buffer + at);

			printf("%s, then %lu\n", entry->d_name, entry->d_off);
			at += entry->d_reclen;
		}
	}
	say(length, "getdents");
	lseek(fd, 0, SEEK_SET);
	while ((length = syscall(SYS_getdents64, fd, buffer, 400)) > 0) {
		for (long at = 0; at < length;) {
			struct new_dirent *entry = (void *)(buffer + at);

			printf("%s, type %d, then %lld\n", entry->d_name, entry->d_type, (long long)entry->d_off);
			at += entry->d_reclen;
		}
	}
	say(length, "getdents64");
	close(fd);
}

static const long long sizes[] = {
	0, 1, 4095, 4096, 4097, (1LL << 31) - 4097, (1LL << 31) - 2, (1LL << 31) - 1, 1LL << 31, (1LL << 31) + 1,
	(1LL << 32) - 1, 1LL << 32, (1LL << 32) + 4096, (1LL << 43) - 1, LLONG_MAX,
};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static int open_large(void)
{
	int fd = open64("large", O_CREAT | O_RDWR, 0644);

	if (fd < 0)
		die("open64");
	return fd;
}

static void part_stat(void)
{
	int large = open_large();
	struct stat64 meta64;
	struct stat meta;

	for (unsigned int i = 0; i < SIZES; i++) {
		int fd;

		say(ftruncate64(large, sizes[i]), "size %lld", sizes[i]);
		say(stat("large", &meta) ?: meta.st_size, "stat");
		say(lstat("large", &meta) ?: meta.st_size, "lstat");
		say(fstat(large, &meta) ?: meta.st_size, "fstat");
		say(stat64("large", &meta64) ?: meta64.st_size, "stat64");
		fd = open("large", O_RDWR);
		say(fd < 0 ? fd : 0, "open");
		close(fd);
		say(truncate("large", 0), "truncate");
	}
	say(stat(".", &meta) ?: meta.st_size, "directory");
	close(large);
}

static void part_lseek(void)
{
	static const long places[] = { 0, 1, 4096, LONG_MAX - 1, LONG_MAX, -1, LONG_MIN };
	int large = open_large();
	int fd = open("large", O_RDWR);

	ftruncate64(large, (1LL << 31) - 1);
	for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		say(lseek(fd, places[i], SEEK_SET), "set %ld", places[i]);
		say(lseek(fd, places[i], SEEK_CUR), "on by %ld", places[i]);
		say(lseek(fd, places[i], SEEK_END), "end and %ld", places[i]);
		say(lseek(fd, places[i], SEEK_DATA), "data from %ld", places[i]);
		say(lseek(fd, places[i], SEEK_HOLE), "hole from %ld", places[i]);
	}
	ftruncate64(large, 1LL << 33);
	pwrite64(large, "x", 1, 1LL << 32);
	say(lseek(fd, 0, SEEK_END), "end of a large file");
	say(lseek(fd, 0, SEEK_CUR), "and where it is");
	say(lseek(fd, 0, SEEK_DATA), "its data");
	for (unsigned int i = 0; i < SIZES; i++) {
		say(lseek64(large, sizes[i], SEEK_SET), "lseek64 to %lld", sizes[i]);
		say(lseek64(large, sizes[i], SEEK_DATA), "data from %lld", sizes[i]);
		say(lseek64(large, sizes[i], SEEK_HOLE), "hole from %lld", sizes[i]);
	}
	close(fd);
	close(large);
}

static void part_write(void)
{
	int large = open_large();
	int fd = open("large", O_RDWR);
	char bytes[10] = "0123456789";
	off_t place = LONG_MAX - 3;
	struct stat64 meta;

	signal(SIGXFSZ, SIG_IGN);
	for (int less = 12; less >= 0; less -= 3) {
		say(pwrite(fd, bytes, 10, LONG_MAX - less), "at the limit less %d", less);
		say(fstat64(fd, &meta) ?: meta.st_size, "size");
		say(pread(fd, bytes, 10, LONG_MAX - less), "read there");
	}
	say(lseek(fd, LONG_MAX - 4, SEEK_SET), "seek");
	say(write(fd, "0123456789", 10), "write");
	say(lseek(fd, 0, SEEK_CUR), "place");
	say(write(fd, "0123456789", 10), "write again");
	say(pwrite64(fd, "x", 1, 1LL << 31), "pwrite64 without O_LARGEFILE");
	say(pwrite64(large, "x", 1, 1LL << 31), "pwrite64");
	say(pread64(fd, bytes, 10, (1LL << 31) - 5), "pread64");
	say(sendfile(large, fd, &place, 10), "sendfile");
	say(place, "its place");
	say(copy_file_range(fd, NULL, large, NULL, 10, 0), "copy_file_range");
	say(fallocate(fd, 0, LONG_MAX - 100, 100), "fallocate");
	say(fallocate(fd, 0, LONG_MAX - 100, 4096), "fallocate beyond");
	say(fallocate64(fd, 0, 1LL << 31, 4096), "fallocate64 without O_LARGEFILE");
	say(fallocate64(large, 0, 1LL << 32, 4096), "fallocate64");
	say(fstat64(fd, &meta) ?: meta.st_size, "size");
	say(meta.st_blocks, "blocks");
	close(fd);
	close(large);
}

static void part_truncate(void)
{
	int large = open_large();
	int fd = open("large", O_RDWR);
	struct stat64 meta;

	for (unsigned int i = 0; i < SIZES; i++) {
		say(ftruncate64(fd, sizes[i]), "ftruncate64 without O_LARGEFILE to %lld", sizes[i]);
		say(ftruncate64(large, sizes[i]), "ftruncate64");
		say(truncate64("large", sizes[i]), "truncate64");
		say(fstat64(fd, &meta) ?: meta.st_size, "size");
	}
	say(ftruncate(fd, LONG_MAX), "ftruncate to the limit");
	say(ftruncate(fd, LONG_MIN), "beyond");
	say(ftruncate(fd, -1), "and to -1");
	say(truncate("large", LONG_MAX), "truncate to the limit");
	say(truncate("large", -1), "and to -1");
	say(fstat64(fd, &meta) ?: meta.st_size, "size");
	close(fd);
	close(large);
}

static void part_map(void)
{
	static const long long places[] = { 0, (1LL << 31) - 4096, 1LL << 31, (1LL << 32) - 4096, 1LL << 32, 1LL << 43 };
	int large = open_large();

	ftruncate64(large, (1LL << 32) + 4096);
	for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char *page = mmap64(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, large, places[i]);
		char byte = 0;

		say(page == MAP_FAILED ? -1 : 0, "page at %lld", places[i]);
		if (page == MAP_FAILED || places[i] > 1LL << 32)
			continue;
		page[5] = 'x';
		say(pread64(large, &byte, 1, places[i] + 5), "byte %d", byte);
		munmap(page, 4096);
	}
	close(large);
}

static void part_space(void)
{
	struct statfs64 large;
	struct statfs space;

	say(statfs(".", &space), "statfs");
	say(space.f_type, "type");
	say(space.f_bsize, "block");
	say(space.f_namelen, "length of a name");
	say(statfs64(".", &large), "statfs64");
	say(large.f_blocks == space.f_blocks && large.f_bfree == space.f_bfree, "the same");
	fill(3);
	say(statfs(".", &space) ?: (long)(large.f_ffree - space.f_ffree), "three files");
}

static const struct {
	const char *name;
	void (*run)(void);
} parts[] = {
	{ "list", part_list }, { "seek", part_seek }, { "remove", part_remove }, { "rename", part_rename },
	{ "many", part_many }, { "legacy", part_legacy }, { "stat", part_stat }, { "lseek", part_lseek },
	{ "write", part_write }, { "truncate", part_truncate }, { "map", part_map }, { "space", part_space },
};

int main(int argc, char **argv)
{
	if (argc != 3) {
		printf("%zu bits\n", CHAR_BIT * sizeof(long));
		return 0;
	}
	if (chdir(argv[2]))
		die(argv[2]);
	for (unsigned int i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!strcmp(parts[i].name, argv[1])) {
			parts[i].run();
			return 0;
		}
	}
	fprintf(stderr, "there is no part %s\n", argv[1]);
	return 1;
}
