# shellcheck shell=bash
# The machine that measures, for `run`, `parallel`, `shared` and `profile`. Sourced, never run.
#
# It holds the kernel, the module and the benchmark and nothing else: no disk and
# no shared folder, because what comes from the host at its own time would make
# the count of instructions depend on the host. Operations on a disk have a machine
# of their own, which counts what is executed while there is something to do.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
bench_dir=$top/tests/bench
# How long a machine may run, in seconds.
boot_limit=900

# types_are DEFAULT: sets types to the file systems that TYPES names, or to those of DEFAULT.
types_are() {
	local type
	read -ra types <<<"${TYPES:-$1}"
	for type in "${types[@]}"; do
		one_of TYPES "${type%%,*}" tmpfs rtmpfs ramfs
	done
}

# build PACKAGE: prints the folder with what was built, one for each checkout.
build() {
	local target folder
	target=$(rustc -vV | sed -n 's/^host: //p')
	folder=$cache/bench/target-$(key_of <<<"$top")
	CARGO_TARGET_DIR=$folder cargo build --quiet --release --locked \
		--manifest-path "$top/tests/Cargo.toml" --target "$target" --package "$1" >&2 || die "cannot build $1"
	printf '%s\n' "$folder/$target/release"
}

# The benchmark is linked statically: where it runs there is no other file.
build_bench() {
	local folder
	folder=$(RUSTFLAGS='-C target-feature=+crt-static' build bench)
	printf '%s\n' "$folder/bench"
}

# pack OUT BENCH MODULE ARG...: the machine's root, with the arguments that
# `bench` gets; MODULE may be empty.
pack() {
	local out=$1 bench=$2 module=$3 root
	shift 3
	root=$(mktemp -d)
	mkdir -p "$root"/{bin,dev,proc,sys}
	cp "$(command -v busybox)" "$root/bin/busybox"
	ln -s busybox "$root/bin/sh"
	strip -o "$root/bin/bench" "$bench"
	install -m 755 "$bench_dir/init" "$root/init"
	[[ -z $module ]] || cp "$module" "$root/rtmpfs.ko"
	printf '%s\n' "$@" >"$root/arguments"
	# The same input is to be the same machine, down to the byte.
	find "$root" -exec touch -h -d @0 {} +
	(cd "$root" && find . | LC_ALL=C sort |
		cpio --quiet --create --format=newc --reproducible --owner=0:0) >"$out"
	rm -rf "$root"
}

# boot ACCEL[+disk] SEED BZIMAGE INITRD DIR [QEMU-OPTION...]: runs the machine to its end. DIR
# gets kernel.log, figures.json and symbols; what the benchmark says goes to stdout.
boot() {
	local accel=$1 seed=$2 bzimage=$3 initrd=$4 dir=$5 status=0 sleep=off line
	# Without these processor features the kernel copies by the word: a repeated
	# string instruction counts once for each repetition.
	local processor='max,-erms,-fsrm,-fsrs,-fzrm'
	local append='console=ttyS0 loglevel=8 norandmaps panic=-1 oops=panic'
	local qemu=(-smp 1 -m 2G -nodefaults -no-user-config -display none -no-reboot)
	shift 5
	if [[ $accel == *+disk ]]; then
		# While the machine waits for the disk its clock must not leap from timer to timer.
		sleep=on
		truncate -s 128M "$dir/disk"
		# A file of the host's may answer before the task that asks comes to wait, or after, as the host pleases. A disk
		# takes its time: so a second one is asked as well, whose answers come a millisecond later and are not taken
		# (of two different answers QEMU takes that of the last child). An interrupt by a line, which stays up until
		# it is answered, cannot get lost while the kernel looks for disks.
		# shellcheck disable=SC2054 # QEMU's commas
		qemu+=(-blockdev "driver=file,node-name=file,filename=$dir/disk,cache.no-flush=on"
			-blockdev driver=null-co,node-name=late,size=134217728,latency-ns=1000000
			-blockdev driver=quorum,node-name=disk,vote-threshold=1,children.0=late,children.1=file
			-device virtio-blk-pci,drive=disk,vectors=0)
	fi
	case ${accel%+disk} in
	icount)
		qemu+=(-accel tcg -cpu "$processor" -seed "$seed"
			-rtc 'base=2026-01-01T00:00:00,clock=vm' -icount "shift=0,sleep=$sleep")
		;;
	# Two processors are looked at, and one has what the kernel does at its own time, its clock among it, which goes to
	# another where the first may sleep. Each is a thread of QEMU's: where they take turns in one, QEMU tells a plugin
	# of the first only.
	beside)
		qemu+=(-accel 'tcg,thread=multi' -cpu "$processor" -smp 3)
		append+=' isolcpus=1,2 nohz=off'
		;;
	threads) qemu+=(-accel 'tcg,thread=multi' -cpu "$processor") ;;
	kvm) qemu+=(-accel kvm -cpu host) ;;
	esac
	timeout --foreground -k 5 "$boot_limit" qemu-system-x86_64 "${qemu[@]}" "$@" -kernel "$bzimage" -initrd "$initrd" \
		-append "$append" \
		-serial "file:$dir/kernel.log" -chardev stdio,id=talk,signal=off -serial chardev:talk \
		-serial "file:$dir/raw" -serial "file:$dir/symbols" </dev/null || status=$?
	rm -f "$dir/disk"
	((!status)) || die "the machine with seed $seed ended with status $status; its log is $dir/kernel.log"
	"$top/scripts/vm/check-log" "$dir/kernel.log" || die "the kernel log is not clean: $dir/kernel.log"
	{
		read -r line || true
		cat >"$dir/figures.json"
	} <"$dir/raw"
	rm "$dir/raw"
	case $line in
	'status 0') ;;
	'status '*) die "the benchmark failed in the machine with seed $seed (${line})" ;;
	*) die "the machine with seed $seed died before the benchmark ended; its log is $dir/kernel.log" ;;
	esac
}

# prepare_machine TYPE...: sets bzimage, tree and module (MODULE=FILE, or built here, or empty
# where rtmpfs is not wanted).
prepare_machine() {
	tree=$("$top/scripts/kernel/build")
	bzimage=$tree/arch/x86/boot/bzImage
	module=''
	if [[ " $* " =~ \ rtmpfs[\ ,] ]]; then
		module=${MODULE:-$("$top/scripts/module/build")/rtmpfs.ko}
		[[ -f $module ]] || die "MODULE=$module is not a file"
	fi
	export tree bzimage module
}
