# shellcheck shell=bash
# The kernel's source with the patch series, one tree for each tarball and compiler. Sourced after lib.sh, inside the
# build environment, never run.
# shellcheck disable=SC2034,SC2154 # used by what sources it; set by lib.sh

patches=$top/scripts/kernel/patches
tarball=${KERNEL_TARBALL:-$(compgen -G '/usr/src/linux-source-7.3.tar.*' | head -n 1)}
[[ -f $tarball ]] || die "KERNEL_TARBALL=$tarball is not a file"
compiler=$({
	clang --version | head -n 1
	rustc --version
	bindgen --version
	stat -c '%n %s %Y' "$tarball"
} | key_of)
base=$cache/linux-$compiler
source=$base/source

# What nothing here builds or patches stays in the archive: the code of other architectures, device trees.
other_arches=(arch/{alpha,arc,arm,arm64,csky,hexagon,loongarch,m68k,microblaze,mips,nios2,openrisc,parisc}
	arch/{powerpc,riscv,s390,sh,sparc,um,xtensa})
unpack() {
	local to=$1 option=() path
	for path in "${other_arches[@]}"; do
		option+=(--exclude="linux-*/$path/*.[chS]")
	done
	tar -x -C "$to" --strip-components=1 --no-same-owner "${option[@]}" \
		--exclude='linux-*/Documentation/*.yaml' \
		--exclude='linux-*/tools/perf/*' -f "$tarball"
	if [[ ! $(make -s -C "$to" kernelversion) =~ ^7\.3(\.|$) ]]; then
		echo "$tarball is Linux $(make -s -C "$to" kernelversion); the patches are for 7.3"
		return 1
	fi
}

source_stamp=$({
	printf '%s\n' "${other_arches[@]}"
	declare -f unpack
	cat "$patches"/*.patch 2>/dev/null || true
} | key_of)

# apply TREE PATCH
apply() { patch -d "$1" -p1 --batch --no-backup-if-mismatch -i "$2"; }

patch_all() {
	local patch
	for patch in "$patches"/*.patch; do
		[[ -f $patch ]] || continue
		echo "== ${patch##*/}"
		apply "$source.new" "$patch"
	done
}

# The series of the source, in words, for the message below.
series() { (cd "$patches" && sha256sum -- *.patch); }

# The source is that of all checkouts, and one with another series changes it for all of them.
say_change() {
	local kernels=() differs
	[[ -s $base/source.stamp ]] || return 0
	mapfile -t kernels < <(compgen -G "$base/*.stamp" | sed -E 's|.*/(.*)\.stamp|\1|' | grep -vxF source || true)
	if [[ -f $base/source.series ]]; then
		differs=$(diff <(sed 1d "$base/source.series") <(series) | sed -nE 's/^[<>] [0-9a-f]+ +//p' | sort -u | paste -sd' ' || true)
		differs="the series of $(head -n 1 "$base/source.series") becomes that of $top (${differs:-the same patches, otherwise unpacked})"
	else
		differs="another series becomes that of $top"
	fi
	say "$base: $differs; kernels to be built anew, for all checkouts: ${kernels[*]:-none}"
}

# A file that a new series leaves as it was keeps its time, and what was made
# from it is not made again.
update_source() {
	if [[ $(cat "$base/source.stamp" 2>/dev/null) == "$source_stamp" ]]; then
		return
	fi
	say_change
	rm -rf "$source.new" "$base"/*.stamp
	mkdir -p "$source.new"
	step "unpacking ${tarball##*/}" "$cache/logs/kernel-unpack.log" unpack "$source.new"
	step "applying $(compgen -G "$patches/*.patch" | wc -l) kernel patches" \
		"$cache/logs/kernel-patch.log" patch_all
	if [[ -d $source ]]; then
		step 'bringing the kernel source up to date' "$cache/logs/kernel-source.log" \
			rsync -rlp --checksum --delete "$source.new/" "$source/"
		rm -rf "$source.new"
	else
		mv "$source.new" "$source"
	fi
	{
		printf '%s\n' "$top"
		series
	} >"$base/source.series"
	printf '%s\n' "$source_stamp" >"$base/source.stamp"
}
