// SPDX-License-Identifier: GPL-2.0
// Usage: memory KIND COUNT DIR. Makes COUNT things of a kind in the empty folder DIR, all before the first goes, and
// removes them.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static int count;

// Ends the program where a call failed.
#define must(call)                                                                                                     \
	({                                                                                                             \
		typeof(call) result = (call);                                                                          \
		if (result < 0) {                                                                                      \
			fprintf(stderr, "line %d: %s: %s\n", __LINE__, #call, strerror(errno));                        \
			exit(1);                                                                                       \
		}                                                                                                      \
		result;                                                                                                \
	})

static const char *numbered(const char *prefix, int number)
{
	static char names[4][256];
	static int turn;
	char *name = names[turn++ % 4];

	snprintf(name, sizeof(names[0]), "%s%07d", prefix, number);
	return name;
}

static const char *file(int number)
{
	return numbered("f", number);
}

// Longer than what a dentry has room for.
static const char *long_name(int number)
{
	static char prefix[200];

	memset(prefix, 'n', sizeof(prefix) - 1);
	return numbered(prefix, number);
}

static void make(const char *name)
{
	must(mknod(name, S_IFREG | 0644, 0));
}

static void fill(int number)
{
	for (int i = 0; i < number; i++)
		make(file(i));
}

static void empty(int number)
{
	for (int i = 0; i < number; i++)
		must(unlink(file(i)));
}

static void oldest_first(void)
{
	fill(count);
	empty(count);
}

static void newest_first(void)
{
	fill(count);
	for (int i = count - 1; i >= 0; i--)
		must(unlink(file(i)));
}

// One of a thousand stays.
static void thinned(void)
{
	fill(count);
	for (int i = 0; i < count; i++)
		if (i % 1000 != 500)
			must(unlink(file(i)));
}

// One name stays, in a directory that was large.
static void all_but_one(void)
{
	fill(count);
	for (int i = 1; i < count; i++)
		must(unlink(file(i)));
}

static void links(void)
{
	make("first");
	for (int i = 0; i < count; i++)
		must(link("first", file(i)));
	empty(count);
	must(unlink("first"));
}

static void long_names(void)
{
	for (int i = 0; i < count; i++)
		make(long_name(i));
	// A third becomes short, and a third long again.
	for (int i = 0; i < count; i++)
		if (i % 3)
			must(rename(long_name(i), file(i)));
	for (int i = 0; i < count; i++)
		if (i % 3 == 1)
			must(rename(file(i), long_name(i)));
	for (int i = 0; i < count; i++)
		must(unlink(i % 3 == 2 ? file(i) : long_name(i)));
}

static void renamed_over(void)
{
	fill(10);
	for (int i = 0; i < count; i++) {
		make("new");
		must(rename("new", file(i % 10)));
	}
	empty(10);
}

static void moved_about(void)
{
	must(mkdir("a", 0755));
	must(mkdir("b", 0755));
	for (int i = 0; i < count; i++)
		make(numbered("a/", i));
	for (int i = 0; i < count; i++)
		must(rename(numbered("a/", i), numbered("b/", i)));
	for (int i = 0; i < count; i++)
		must(unlink(numbered("b/", i)));
}

// A thousandth of so many directories stays, each of which was full once.
static void directories(void)
{
	for (int i = 0; i < count / 1000; i++) {
		must(mkdir(numbered("d", i), 0755));
		must(chdir(numbered("d", i)));
		fill(1000);
		empty(1000);
		must(chdir(".."));
	}
}

static void nested(void)
{
	for (int i = 0; i < count; i++) {
		must(mkdir(numbered("d", i), 0755));
		must(chdir(numbered("d", i)));
		make("file");
		must(chdir(".."));
	}
	for (int i = 0; i < count; i++) {
		must(chdir(numbered("d", i)));
		must(unlink("file"));
		must(chdir(".."));
		must(rmdir(numbered("d", i)));
	}
}

static void symlinks(void)
{
	char target[1500];

	memset(target, 't', sizeof(target));
	for (int i = 0; i < count; i++) {
		// On tmpfs a long one takes a page: a million of these are more than there is.
		size_t length = 1 + i % (i % 16 ? 100 : sizeof(target) - 1);

		target[length] = 0;
		must(symlink(target, file(i)));
		target[length] = 't';
	}
	empty(count);
}

static void unnamed(void)
{
	for (int i = 0; i < count; i++) {
		int fd = must(open(".", O_TMPFILE | O_RDWR, 0644));

		if (i % 2) {
			char name[32];

			snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
			must(linkat(AT_FDCWD, name, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
		}
		close(fd);
		if (i % 2)
			must(unlink("linked"));
	}
}

// Attributes of two kinds on each file; of every second one they are taken away before it goes.
static void xattrs(void)
{
	char value[200];

	memset(value, 'v', sizeof(value));
	fill(count);
	for (int i = 0; i < count; i++) {
		must(setxattr(file(i), "trusted.attribute", value, sizeof(value), 0));
		must(setxattr(file(i), "user.attribute", value, i % sizeof(value), 0));
		must(setxattr(file(i), "user.attribute", value, sizeof(value), XATTR_REPLACE));
	}
	for (int i = 0; i < count; i += 2) {
		must(removexattr(file(i), "trusted.attribute"));
		must(removexattr(file(i), "user.attribute"));
	}
	empty(count);
}

static void xattr_names(void)
{
	make("file");
	for (int i = 0; i < count; i++)
		must(setxattr("file", numbered("trusted.name", i % 100), &i, sizeof(i), 0));
	for (int i = 0; i < 100 && i < count; i++)
		must(removexattr("file", numbered("trusted.name", i)));
}

// A file's access control list with an entry for a user of its own.
static void set_acl(const char *name, const char *kind, uint32_t user)
{
	struct {
		uint32_t version;
		struct {
			uint16_t tag, permissions;
			uint32_t id;
		} entries[5];
	} acl = { 2, { { 1, 6, -1 }, { 2, 4, user }, { 4, 4, -1 }, { 16, 4, -1 }, { 32, 4, -1 } } };

	must(setxattr(name, kind, &acl, sizeof(acl), 0));
}

static void acls(void)
{
	fill(count);
	for (int i = 0; i < count; i++)
		set_acl(file(i), "system.posix_acl_access", i);
	for (int i = 0; i < count; i += 2)
		must(removexattr(file(i), "system.posix_acl_access"));
	empty(count);
	// Those that a directory hands on.
	must(mkdir("d", 0755));
	set_acl("d", "system.posix_acl_default", 1);
	must(chdir("d"));
	oldest_first();
	must(chdir(".."));
	must(removexattr("d", "system.posix_acl_default"));
}

// Each user and group owns something for a while.
static void owners(void)
{
	make("file");
	for (int i = 1; i <= count; i++)
		must(chown("file", i, i));
	must(chown("file", 0, 0));
	fill(count / 10);
	for (int i = 0; i < count / 10; i++)
		must(chown(file(i), 1000000 + i, 1000000 + i));
	empty(count / 10);
}

static void marks(void)
{
	int fd = must(inotify_init1(IN_NONBLOCK));

	fill(count);
	for (int i = 0; i < count; i++) {
		int mark = must(inotify_add_watch(fd, file(i), IN_ACCESS));

		if (i % 2)
			must(inotify_rm_watch(fd, mark));
	}
	empty(count);
	close(fd);
}

static const struct {
	const char *name;
	void (*run)(void);
} kinds[] = {
	{ "oldest_first", oldest_first }, { "newest_first", newest_first }, { "thinned", thinned },
	{ "all_but_one", all_but_one }, { "links", links }, { "long_names", long_names },
	{ "renamed_over", renamed_over }, { "moved_about", moved_about }, { "directories", directories },
	{ "nested", nested }, { "symlinks", symlinks }, { "unnamed", unnamed }, { "xattrs", xattrs },
	{ "xattr_names", xattr_names }, { "acls", acls }, { "owners", owners }, { "marks", marks },
};

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: memory KIND COUNT DIR\n");
		return 2;
	}
	count = atoi(argv[2]);
	must(chdir(argv[3]));
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strcmp(kinds[i].name, argv[1])) {
			kinds[i].run();
			return 0;
		}
	}
	fprintf(stderr, "there is no kind %s\n", argv[1]);
	return 2;
}
