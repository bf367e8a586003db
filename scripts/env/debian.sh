# shellcheck shell=bash
# Shared by what makes a Debian tree with mmdebstrap. Sourced after lib.sh, never run.
# shellcheck disable=SC2034,SC2154 # used by what sources it; set by lib.sh

mirror=http://deb.debian.org/debian

# What no build or test reads in such a tree; a third of the files are saved.
leave_out=('/usr/share/man/*' '/usr/share/info/*' '/usr/share/locale/*' '/usr/share/doc/*')

# packages_of FILE...: the Debian packages that the files name, one a line.
packages_of() { sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$@" | sort -u; }

# Where mmdebstrap unpacks what becomes an archive. /tmp is in memory on Debian 13.
export TMPDIR=${TMPDIR:-/var/tmp}

# The host needs two tools, and the two set-uid helpers of uidmap when the user
# is not root. Root gets them installed; another user a line to paste.
host_tools() {
	local need=()
	command -v mmdebstrap >/dev/null || need+=(mmdebstrap)
	command -v bwrap >/dev/null || need+=(bubblewrap)
	if ((EUID)); then
		command -v newuidmap >/dev/null || need+=(uidmap)
	fi
	compgen -G '/usr/share/keyrings/debian-archive-keyring.*' >/dev/null || need+=(debian-archive-keyring)
	if ((!${#need[@]})); then
		if ((EUID)); then
			a_namespace
			subordinate "$(id -un)" "$EUID" /etc/subuid /etc/subgid
		fi
		return 0
	fi
	if ((EUID)); then
		die "the host lacks ${need[*]}; install $(by_root apt-get install -y "${need[@]}")"
	fi
	command -v apt-get >/dev/null || die "the host lacks ${need[*]}, and has no apt-get to install them with"
	step 'updating the host'\''s package lists' "$cache/logs/host-apt.log" apt-get update
	step "installing ${need[*]} on the host" "$cache/logs/host-apt.log" \
		env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${need[@]}"
}

# a_namespace: a user may make one. Where no answer comes, as on some hosts, there is none.
a_namespace() {
	timeout 10 unshare --user true 2>/dev/null ||
		die "this host lets $(id -un) make no namespace, in which mmdebstrap unpacks; allow it $(by_root sysctl -e -w \
			kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000), or run make as root"
}

# subordinate USER UID SUBUID SUBGID: the user has ids in both files, /etc/subuid and /etc/subgid, as each that is made by
# adduser. Files of all owners are unpacked by them.
subordinate() {
	local user=$1 uid=$2 file first add=()
	shift 2
	# Above all that others have.
	first=$({ cat "$@" 2>/dev/null || true; } |
		awk -F: 'BEGIN { first = 100000 } $2 + $3 > first { first = $2 + $3 } END { print first }')
	for file; do
		grep -qsE "^($user|$uid):" "$file" || add+=("--add-${file##*/}s" "$first-$((first + 65535))")
	done
	((!${#add[@]})) || die "$user has no ids in $*, which mmdebstrap needs in both; add them $(by_root usermod "${add[@]}" "$user")"
}

# can_unpack MEBIBYTES FORMAT: asked before debian FORMAT, that it has room where it unpacks, and its programs can be run.
can_unpack() {
	local mebibytes=$1 format=$2
	room "$mebibytes"
	runs_programs "$cache" XDG_CACHE_HOME
	[[ $format != directory ]] || return 0
	runs_programs "$TMPDIR" TMPDIR
	room "$mebibytes" "$TMPDIR" TMPDIR
}

# debian FORMAT TARGET PACKAGES [SUITE...]: a Debian trixie with the packages that the command PACKAGES prints, which may
# come from the other suites named as well. As tar, files keep their owners for any user.
debian() {
	local format=$1 target=$2 packages=$3 suite path mode=root option=() sources=()
	shift 3
	((!EUID)) || mode=unshare
	for path in "${leave_out[@]}"; do
		option+=(--dpkgopt="path-exclude=$path")
	done
	for suite in trixie "$@"; do
		sources+=("deb $mirror $suite main")
	done
	mmdebstrap --variant=minbase --components=main --dpkgopt=force-unsafe-io "${option[@]}" --mode="$mode" \
		--format="$format" --include="$("$packages" | paste -sd,)" trixie "$target" "${sources[@]}"
}

# What of this file makes a tree what it is, for a key.
of_debian() {
	printf '%s\n' "$mirror" "${leave_out[@]}"
	declare -f debian
}
