# shellcheck shell=bash
# A Debian under QEMU, for who starts one. Sourced after lib.sh, never run.
# shellcheck disable=SC2034,SC2154 # used and set by what sources it: run, its folder; limit, the command for a time limit

# begin_machine ACCELERATOR CPUS MEMORY: the array qemu, and append for the kernel's command line; how says what runs it.
begin_machine() {
	qemu=(qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -machine pc -smp "$2" -m "$3"
		-device virtio-rng-pci -device virtio-serial-pci)
	if [[ $1 == kvm ]]; then
		qemu+=(-accel kvm -cpu host)
		how=KVM
	else
		qemu+=(-accel tcg -cpu max)
		how='TCG (software emulation)'
	fi
	append=(console=ttyS0 loglevel=8 printk.time=1 panic=-1 oops=panic watchdog_thresh=30 no_timer_check norandmaps net.ifnames=0
		# scripts/vm/run says why.
		no5lvl
		# On a busy host a disk or a port comes later than systemd waits for one, and what needs it is left out.
		systemd.default_device_timeout_sec=600
		# What a machine for a few minutes has no use for.
		systemd.mask={systemd-hwdb-update,ldconfig,systemd-journal-catalog-update,systemd-update-done,systemd-firstboot}.service
		systemd.mask={apt-daily,apt-daily-upgrade,dpkg-db-backup,e2scrub_all,fstrim,systemd-tmpfiles-clean}.timer
		systemd.mask={e2scrub_reap,systemd-pcrmachine,systemd-network-generator,systemd-machine-id-commit}.service)
}

# disk NAME FILE [OPTION]: the next disk, from /dev/vda on.
disk() {
	qemu+=(-drive "file=$2,if=none,id=$1,format=raw,cache=unsafe${3:+,$3}" -device "virtio-blk-pci,drive=$1,serial=$1")
}

# started LOG: the kernel has come to the first program.
started() { grep -Eq 'Run /(sbin/)?init as init process' "$1" 2>/dev/null; }

# Ends a machine that has not come to its first program in time.
watch_boot() {
	local second
	for ((second = 0; second < 120; second++)); do
		! started "$1" || return 0
		sleep 1
	done
	kill "$(<"$run/pid")"
}

# boot_machine LOG: runs it to its end, with what it writes to /dev/virtio-ports/rtmpfs.tap as output and the log of its
# console in LOG.
boot_machine() {
	local log=$1 status=0 reader machine watcher next
	rm -f "$run/tap"
	mkfifo "$run/tap"
	cat "$run/tap" &
	reader=$!
	# QEMU opens its outputs anew: the pipe is held open until it has ended.
	exec 3>"$run/tap"
	# Under emulation a kernel may wait for ever for its timer, or QEMU give up, while the machine starts: before the
	# first program. Then it is started once more.
	for next in '; it is started once more' ''; do
		status=0
		rm -f "$log" "$run/pid"
		"${limit[@]}" "${qemu[@]}" -append "${append[*]}" -serial "file:$log" -pidfile "$run/pid" \
			-chardev "file,id=tap,path=$run/tap" -device 'virtserialport,name=rtmpfs.tap,chardev=tap' </dev/null >&2 &
		machine=$!
		watch_boot "$log" &
		watcher=$!
		wait "$machine" || status=$?
		kill "$watcher" 2>/dev/null || true
		! started "$log" || break
		say "the machine did not come to its first program$next"
	done
	# The number may soon be that of another process.
	rm -f "$run/pid"
	exec 3>&-
	wait "$reader"
	return "$status"
}
