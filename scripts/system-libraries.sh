#!/bin/sh
# Install the system libraries that Qt and the tests need: on Debian and Ubuntu, only those that are missing,
# when root; otherwise print the command. Other systems bring them along.
set -eu

python=${1:-python3}
command -v dpkg-query > /dev/null && command -v apt-get > /dev/null || exit 0

wanted="libegl1 libgl1 libxkbcommon-x11-0 libdbus-1-3 libxcb-cursor0 libxcb-icccm4
libxcb-keysyms1 libxcb-shape0 libxcb-image0 libxcb-render-util0 libxcb-xinerama0 xvfb xauth dicom3tools
chromium"
if ! "$python" -c 'import ensurepip' 2> /dev/null; then
    wanted="$wanted $(basename "$python")-venv"
fi

missing=
for package in $wanted; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null) || state=none
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

install="apt-get install --yes --no-install-recommends$missing"
if [ "$(id -u)" -ne 0 ]; then
    echo "These system libraries are missing; napari and the tests need them:" >&2
    echo "    sudo apt-get update && sudo $install" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update && $install; }; then
    echo "The system libraries could not be installed; napari and the tests need:" >&2
    echo "    apt-get update && $install" >&2
fi
