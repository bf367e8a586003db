# shellcheck shell=bash
# Which kernel is asked for: KERNEL=release|debug, and WITHOUT="OPTION..." for one
# that lacks some of what the module can do without. Sourced after lib.sh, never run.

# What WITHOUT takes: the module is written to do without each of these.
optional=(UNICODE TMPFS_XATTR TMPFS_POSIX_ACL TMPFS_QUOTA QUOTA USERFAULTFD TRANSPARENT_HUGEPAGE NUMA SWAP MEMCG)

# Off only together with the options that select it, a regular expression.
declare -A selected_by=([TMPFS_XATTR]=TMPFS_POSIX_ACL [QUOTA]=TMPFS_QUOTA)

# kernel_name: release, or say release-without-NUMA-SWAP.
kernel_name() {
	local name=${KERNEL:-release} option
	one_of KERNEL "$name" release debug
	for option in ${WITHOUT:-}; do
		one_of WITHOUT "$option" "${optional[@]}"
	done
	if [[ ${WITHOUT:-} ]]; then
		[[ ! ${KDIR:-} ]] || die "WITHOUT=$WITHOUT is for the kernels that are built here, and KDIR=$KDIR is another one"
		name+=-without$(tr -s ' ' '\n' <<<"$WITHOUT" | sort -u | sed '/./s/^/-/' | tr -d '\n')
	fi
	printf '%s\n' "$name"
}

# a_kernel_of_ones_own: KDIR, if there is one, is a built kernel that may have modules in Rust.
a_kernel_of_ones_own() {
	local file
	[[ ${KDIR:-} ]] || return 0
	for file in include/config/kernel.release Module.symvers .config scripts/target.json; do
		[[ -f $KDIR/$file ]] ||
			die "KDIR=$KDIR is not a built kernel tree with Rust: it has no $file (README.md, 'Install it', says which kernel it takes)"
	done
}

# fragments_without "OPTION..." FILE...: the lines of configuration fragments but for those that
# switch the options on.
fragments_without() {
	local options=$1 option expression=()
	shift
	for option in $options; do
		expression+=(-e "/^CONFIG_$option=/d" -e "/^CONFIG_${selected_by[$option]:-$option}=/d")
	done
	sed -e '' "${expression[@]}" "$@"
}

# lacking CONFIG: which of the optional ones a final configuration does not have.
lacking() {
	local option
	for option in "${optional[@]}"; do
		grep -q "^CONFIG_$option=y" "$1" || printf '%s\n' "$option"
	done | paste -sd' '
}

# all_off "OPTION..." CONFIG: says which of them a final configuration has all the same.
all_off() {
	local options=$1 config=$2 option status=0
	for option in $options; do
		! grep -q "^CONFIG_$option=" "$config" || {
			echo "CONFIG_$option stays on"
			status=1
		}
	done
	return "$status"
}

# holds FRAGMENT CONFIG [MAY_FALL]: Kconfig drops silently what cannot be; here every line of the fragment holds in the
# final configuration, or is named. With MAY_FALL, what is not on is only named.
holds() {
	local fragment=$1 config=$2 may_fall=${3:-} line option missing=0
	while read -r line; do
		case $line in
		CONFIG_*) grep -qxF -- "$line" "$config" || {
			echo "not in the final configuration: $line"
			[[ $may_fall ]] || missing=1
		} ;;
		'# CONFIG_'*' is not set')
			option=${line#\# }
			! grep -q "^${option%% *}=" "$config" || {
				echo "set in the final configuration, against: $line"
				missing=1
			}
			;;
		esac
	done <"$fragment"
	return "$missing"
}
