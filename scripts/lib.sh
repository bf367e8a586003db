# shellcheck shell=bash
# Shared by every script here: messages, the cache folder, long steps, locks, folders for one run, checks of variables.
# Sourced, never run.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# DKMS may have no HOME, and makes no use of the folder.
cache=${XDG_CACHE_HOME:-${HOME:-}/.cache}/rtmpfs
# Only used by the scripts that source this file.
export top cache

say() { printf 'rtmpfs: %s\n' "$*" >&2; }
die() {
	say "error: $*"
	exit 1
}

# check_folders: the cache folder can be written, and the checkout and it have paths that a kernel is built at. Asked
# before anything is made on the host.
check_folders() {
	[[ $cache == /* && ${XDG_CACHE_HOME:-${HOME:-}} ]] ||
		die "the cache folder would be $cache; HOME, or XDG_CACHE_HOME, has to be a whole path"
	[[ $cache$top != *[[:space:]:,]* ]] ||
		die "$cache and $top: a path with a space or a colon is refused by the kernel's Makefile, one with a comma by QEMU"
	mkdir -p "$cache/locks" || die "$cache cannot be made; XDG_CACHE_HOME can name another folder"
	[[ -w $cache && -w $cache/locks ]] ||
		die "$cache is not $(id -un)'s to write, but $(stat -c %U "$cache")'s; XDG_CACHE_HOME can name another folder"
}

# key_of: a short name for whatever comes on stdin. Cache folders carry it, so
# that a change of any input is a new folder and never a half-updated old one.
key_of() { sha256sum | cut -c1-16; }

# step WHAT LOG CMD...: run a long command with its output in LOG. Says every
# half minute how far it is; a failure names the step, its reason and its log.
step() {
	local what=$1 log=$2 begin=$SECONDS status=0 pulse
	shift 2
	mkdir -p "$(dirname "$log")"
	: >"$log"
	say "$what (log: $log)"
	step_pulse "$log" "$$" &
	pulse=$!
	# Not "|| status=$?": a function would then go on after a command that failed.
	set +e
	(
		set -e
		"$@"
	) >"$log" 2>&1 </dev/null
	status=$?
	set -e
	kill "$pulse" 2>/dev/null || true
	wait "$pulse" 2>/dev/null || true
	if ((status)); then
		say "the end of $log:"
		tail -n 20 "$log" | sed 's/^/  | /' >&2
		remedy "$log"
		die "step '$what' failed with status $status after $((SECONDS - begin)) s; its log is $log"
	fi
	say "$what: done in $((SECONDS - begin)) s"
}

# remedy LOG: what to do about a failure whose reason its log shows plainly.
remedy() {
	case $(tail -n 200 "$1") in
	*'No space left on device'*)
		say "a disk is full; $cache has $(mebibytes_left) MB left, and what is in it may be deleted: it is made anew"
		;;
	*'Temporary failure resolving'* | *'Could not resolve'* | *'Could not connect'* | *'onnection timed out'* | \
		*'onnection refused'* | *'etwork is unreachable'*)
		say 'there is no way to a server named above: it takes a network, or a proxy in http_proxy and https_proxy'
		;;
	esac
}

# mebibytes_left [FOLDER]: on the disk of the cache folder, or of another.
mebibytes_left() { df --output=avail -BM "${1:-$cache}" | tail -n 1 | tr -dc '0-9'; }

# room MEBIBYTES [FOLDER VARIABLE]: the disk of the cache folder, or of another that VARIABLE names, has that much left.
# Asked before a long step, which would end in the middle without.
room() {
	local folder=${2:-$cache} variable=${3:-XDG_CACHE_HOME}
	[[ $folder != "$cache" ]] || mkdir -p "$cache"
	(($(mebibytes_left "$folder") >= $1)) ||
		die "$folder has $(mebibytes_left "$folder") MB left, and this takes about $1 MB; $variable can name a folder on another disk"
}

# runs_programs FOLDER VARIABLE: programs in the folder, which VARIABLE names, may be run.
runs_programs() {
	local program status=0
	program=$(mktemp "$1/program.XXXXXX" 2>/dev/null) || die "nothing can be written to $1; $2 can name another folder"
	{ printf '#!/bin/sh\n' >"$program" && chmod +x "$program" && "$program"; } 2>/dev/null || status=$?
	rm -f "$program"
	((!status)) || die "no program can be run from $1, which may be mounted noexec; $2 can name a folder on another disk"
}

# by_root CMD...: how one types what only root may do, for a message.
by_root() {
	if command -v sudo >/dev/null; then
		printf 'with: sudo %s\n' "$*"
	else
		printf 'as root with: %s\n' "$*"
	fi
}

step_pulse() {
	local log=$1 owner=$2 begin=$SECONDS last
	trap 'kill "$(jobs -p)" 2>/dev/null; exit' TERM
	while true; do
		# In the background, so that the TERM of a finished step is not kept waiting.
		sleep 30 &
		wait $!
		# The owner may have been killed without a chance to stop us.
		kill -0 "$owner" 2>/dev/null || exit 0
		last=$(tail -n 1 "$log" | tr -dc '[:print:]' | cut -c1-100)
		say "  ... $((SECONDS - begin)) s, $(wc -l <"$log") lines of log: $last"
	done
}

# with_lock NAME CMD...: run CMD while no other process holds the lock NAME, so that
# two makes at once build a thing once. CMD must look again whether it is there.
with_lock() {
	local name=$1 fd
	shift
	mkdir -p "$cache/locks"
	exec {fd}>"$cache/locks/$name"
	if ! flock -n "$fd"; then
		say "waiting for another run that is making $name"
		flock "$fd"
	fi
	"$@"
	exec {fd}>&-
}

# hold NAME: this process has the lock NAME from here to its end, for a folder of the cache that is for one at a time.
hold() {
	local fd
	mkdir -p "$cache/locks"
	exec {fd}>"$cache/locks/$1"
	if ! flock -n "$fd"; then
		say "waiting for another run that uses $1"
		flock "$fd"
	fi
}

# run_folder NAME: makes a folder for this run, whose path, which ends in NAME, is in the variable run_folder. It is locked
# as long as this process lives, or one that it starts afterwards. Folders without a lock were left by runs that were
# killed, and are removed.
run_folder() {
	local all old fd
	mkdir -p "$cache/locks" "$cache/runs"
	# No folder is without its lock while another process looks.
	exec {all}>"$cache/locks/runs"
	flock "$all"
	for old in "$cache"/runs/*; do
		# Its run may just be removing it.
		{ exec {fd}<"$old"; } 2>/dev/null || continue
		! flock -n "$fd" || rm -rf "$old"
		exec {fd}<&-
	done
	run_folder=$(mktemp -d --tmpdir="$cache/runs" --suffix=".$1")
	exec {fd}<"$run_folder"
	flock "$fd"
	exec {all}>&-
}

# one_of NAME VALUE CHOICE...: a variable of the command line has a known value.
one_of() {
	local name=$1 value=$2 choice
	shift 2
	for choice; do
		[[ $value != "$choice" ]] || return 0
	done
	die "$name=$value is not known; $name takes one of: $*"
}

# need VARIABLE PATTERN WHAT: a variable of the command line is WHAT, if it is not empty.
need() {
	[[ -z ${!1:-} || ${!1} =~ ^($2)$ ]] || die "$1=${!1} is not $3"
}

# kbuild TREE SOURCE OBJECTS ARG...: Kbuild of the built kernel TREE for the module in SOURCE, by the compiler that
# the kernel was built with.
kbuild() {
	local tree=$1 source=$2 objects=$3 llvm=()
	shift 3
	if grep -q '^CONFIG_CC_IS_CLANG=y' "$tree/.config"; then
		llvm=(LLVM=1)
	fi
	# Kbuild has noted the options as files of this folder, which has none: it does not see them change.
	if ! cmp -s "$tree/.config" "$objects/kernel.config"; then
		find "$objects" -mindepth 1 -delete
		cp "$tree/.config" "$objects/kernel.config"
	fi
	make -s -C "$tree" M="$source" MO="$objects" "${llvm[@]}" "$@"
}

# inside SCRIPT ARG...: go on in the build environment if this is the host.
inside() {
	[[ ${RTMPFS_ENV:-} ]] || exec "$top/scripts/env/enter" "$(realpath "$1")" "${@:2}"
}

# inside_with LIST SCRIPT ARG...: the same in an environment that has the packages of the file LIST as well, a path in
# the checkout.
inside_with() {
	local list=$1
	shift
	[[ ${RTMPFS_ENV:-} ]] || RTMPFS_MORE_PACKAGES=$list exec "$top/scripts/env/enter" "$(realpath "$1")" "${@:2}"
	[[ ${RTMPFS_MORE_PACKAGES:-} == "$list" ]] ||
		die "this build environment lacks the packages of $list; outside of it, ${1##*/} enters one that has them"
}
