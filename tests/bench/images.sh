#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/images.sh [-n ROUNDS] [-u USER] [BIN]
#
# Images side by side with podman, skopeo and umoci, and the floor (curl, igzip, tar): pull into an empty
# store, push to another registry, save, load; of a Debian-like image with one layer and of the same in 40
# layers. Registries are Debian's docker-registry on 127.0.0.1. Prints tables of medians and fails on nothing.
# As root; measured as USER (default: the first account with subordinate ids).
set -u
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
rounds=5
user=
while getopts n:u: option; do
	case $option in
	n) rounds=$OPTARG ;;
	u) user=$OPTARG ;;
	*) sed -n '3,8p' "$0" && exit 125 ;;
	esac
done
shift $((OPTIND - 1))
bin=$(cd "${1:-$here/../../build/plain}" && pwd) || exit 125
[ "$(id -u)" = 0 ] || { echo "run it as root" >&2 && exit 125; }
[ -n "$user" ] || user=$(head -n1 /etc/subuid | cut -d: -f1)
for program in docker-registry skopeo umoci curl; do
	command -v "$program" >/dev/null || { echo "$program is missing" >&2 && exit 125; }
done

W=$(mktemp -d /var/tmp/crt-bench-XXXXXX)
registries=()
clean() {
	[ "${#registries[@]}" = 0 ] || kill "${registries[@]}"
	rm -rf --one-file-system "$W"
}
trap clean EXIT
chmod 755 "$W"
install -d -m 700 -o "$user" "$W/user" "$W/user/run"

registry() { # NAME: starts one, its address in $ADDRESS
	local port
	port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	mkdir "$W/$1"
	cat >"$W/$1.yml" <<-END
		version: 0.1
		log: { level: error, accesslog: { disabled: true } }
		storage: { filesystem: { rootdirectory: $W/$1 } }
		http: { addr: 127.0.0.1:$port }
	END
	docker-registry serve "$W/$1.yml" >/dev/null 2>&1 &
	registries+=($!)
	ADDRESS=127.0.0.1:$port
	until curl -fsS -o /dev/null "http://$ADDRESS/v2/" 2>/dev/null; do sleep 0.1; done
}

# ---- the images --------------------------------------------------------------------------------
one=$("$here/../feature/debian-image.sh" "${CRT_TEST_CACHE:-/var/cache/crt-tests}") || exit 125
umoci init --layout "$W/many" && umoci new --image "$W/many:latest"
mkdir "$W/tars"
/usr/bin/python3 - "$one" "$W/tars" <<'END'
import gzip, json, sys, tarfile
layout, out = sys.argv[1:]
def blob(d): return layout + "/blobs/" + d.replace(":", "/")
index = json.load(open(layout + "/index.json"))
manifest = json.load(open(blob(index["manifests"][0]["digest"])))
tars = [tarfile.open("%s/%02d.tar" % (out, i), "w") for i in range(40)]
with tarfile.open(fileobj=gzip.open(blob(manifest["layers"][0]["digest"]))) as t:
    members = t.getmembers()
    for n, m in enumerate(members):
        # directories first and links last, so that each finds what it needs
        at = 0 if m.isdir() else 39 if m.islnk() else n * 40 // len(members)
        tars[at].addfile(m, t.extractfile(m) if m.isreg() else None)
for t in tars:
    t.close()
END
for tar in "$W"/tars/*.tar; do umoci raw add-layer --image "$W/many:latest" "$tar"; done
registry from && FROM=$ADDRESS
registry to && TO=$ADDRESS
skopeo copy -q --dest-tls-verify=false "oci:$one:latest" "docker://$FROM/one:1"
skopeo copy -q --dest-tls-verify=false "oci:$W/many:latest" "docker://$FROM/many:1"

# ---- what is compared ----------------------------------------------------------------------------
script() { # NAME: from stdin
	(echo "#!/bin/sh" && echo "cd $W/user && export HOME=$W/user XDG_RUNTIME_DIR=$W/user/run" && cat) >"$W/$1"
	chmod 755 "$W/$1"
}
script floor <<END
rm -rf floor && mkdir floor && cd floor
manifest=\$(curl -fsS -H "Accept: application/vnd.oci.image.manifest.v1+json" http://$FROM/v2/\$1/manifests/1)
echo "\$manifest" | grep -o 'sha256:[0-9a-f]*' | tail -n +2 | while read -r d; do
	curl -fsS http://$FROM/v2/\$1/blobs/\$d | igzip -d | tar x --no-same-owner 2>/dev/null
done
END
script skopeo <<END
rm -rf layout bundle
skopeo copy -q --src-tls-verify=false docker://$FROM/\$1:1 oci:layout:1 && umoci unpack --rootless --image layout:1 bundle >/dev/null 2>&1
END
script podman <<END
exec podman --root $W/user/podman --runroot $W/user/run/podman "\$@" >/dev/null 2>&1
END
script crt <<END
exec $bin/crt "\$@" >/dev/null
END
script wipe <<END
chmod -R u+rwX floor layout bundle 2>/dev/null; rm -rf floor layout bundle *.tar
exec 2>/dev/null
case \$1 in
podman) $W/podman rmi -af ;;
crt) $W/crt rmi -af ;;
esac
exit 0
END

for image in one many; do
	{
		printf '*podman'
		printf '\t=%s' "$W/wipe podman"
		printf '\tpull=%s' "$W/podman pull -q --tls-verify=false $FROM/$image:1"
		printf '\tpush=%s' "$W/podman push -q --tls-verify=false $FROM/$image:1 $TO/podman%i:1"
		printf '\tsave=%s' "$W/podman save -q -o $W/user/podman.tar $FROM/$image:1"
		printf '\t=%s' "$W/podman rmi -af"
		printf '\tload=%s\n' "$W/podman load -q -i $W/user/podman.tar"
		printf 'crt'
		printf '\t=%s' "$W/wipe crt"
		printf '\tpull=%s' "$W/crt pull -q --tls-verify=false $FROM/$image:1"
		printf '\tpush=%s' "$W/crt push -q --tls-verify=false $FROM/$image:1 $TO/crt%i:1"
		printf '\tsave=%s' "$W/crt save -o $W/user/crt.tar $FROM/$image:1"
		printf '\t=%s' "$W/crt rmi -af"
		printf '\tload=%s\n' "$W/crt load -q -i $W/user/crt.tar"
		printf 'skopeo+umoci\t=%s\tpull=%s\n' "$W/wipe none" "$W/skopeo $image"
		printf 'floor\t=%s\tpull=%s\n' "$W/wipe none" "$W/floor $image"
	} >"$W/$image.list"
	echo "== $image =="
	(cd "$W/user" && setpriv --reuid="$user" --regid="$user" --init-groups env -i HOME="$W/user" USER="$user" PATH="$PATH" \
		XDG_RUNTIME_DIR="$W/user/run" "$bin/measure" "$rounds" 1 "$W/$image.list")
done
# files of subordinate ids
setpriv --reuid="$user" --regid="$user" --init-groups env HOME="$W/user" XDG_RUNTIME_DIR="$W/user/run" \
	sh -c "cd $W/user && $W/wipe podman; $W/wipe crt; podman unshare rm -rf $W/user/podman" >/dev/null 2>&1
