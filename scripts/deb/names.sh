# shellcheck shell=bash
# What the packages are called. Sourced after lib.sh, never run.
# shellcheck disable=SC2034,SC2154 # used by what sources it; set by lib.sh

config=${CONFIG:-cloud}
one_of CONFIG "$config" cloud amd64 small

# Two kernels with the same name would take each other's modules, hence a name for each configuration.
case $config in
cloud) local_version=-rtmpfs how_long='up to two hours on 2 cores' ;;
amd64) local_version=-rtmpfs-amd64 how_long='many hours on 2 cores' ;;
small) local_version=-rtmpfs-small how_long='half an hour to one and a half on 2 cores' ;;
esac

maintainer_name='The rtmpfs developers'
maintainer_address=rtmpfs@rtmpfs.invalid

# The one version of the module, the packages and the manual, as make lint checks: that of the newest heading in
# CHANGELOG.md. Where a module of that version is installed already, DKMS does not install its own: the two packages that
# have the module conflict.
version=$(sed -nE 's/^## ([0-9]+(\.[0-9]+)*)( .*)?$/\1/p' "$top/CHANGELOG.md" | head -n 1)
[[ $version ]] || die 'CHANGELOG.md has no line "## VERSION"'

# The version of the kernel's packages: that of the source, and that of rtmpfs, whose series it has.
kernel_package_version() { printf '%s+rtmpfs%s-1\n' "$(make -s -C "$source" kernelversion)" "$version"; }
