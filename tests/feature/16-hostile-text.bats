#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Text of foreign origin reaches no terminal raw.
load helpers

# clear screen, window title, clipboard, carriage return, bell, right-to-left override, invalid UTF-8, C1 control
BAD=$'x\e[2J\e]8;;http://a\a\e]52;c;YQ==\a\rover\b\u202egnp\xff\x9b31m'

# harmless FILE: only printable characters, newline and tab; carriage returns only before newlines (the pty adds them)
harmless() {
	/usr/bin/python3 - "$1" <<-'END'
		import sys, unicodedata
		data = open(sys.argv[1], "rb").read().replace(b"\r\n", b"\n")
		try:
		    text = data.decode("utf-8")
		except UnicodeDecodeError as e:
		    sys.exit(f"invalid UTF-8: {e}")
		for i, c in enumerate(text):
		    if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf"):
		        sys.exit(f"raw U+{ord(c):04X} in {text[max(0, i - 60) : i + 20]!r}")
	END
}

# look CMD...: both to a file and to a terminal
look() {
	as alice "$@" >"$T/seen" 2>&1 || true
	harmless "$T/seen" || flunk "to a file: $*"
	pty alice -- "$@" >"$T/seen" 2>&1 || true
	harmless "$T/seen" || flunk "to a terminal: $*"
}

@test "T9: names and references in error messages" {
	look crt run --rm "$BAD"
	look crt run --rm "oci:/tmp/$BAD"
	look crt run --rm "docker-archive:$BAD"
	look crt run --name "$BAD" builtin:busybox true
	look crt run "--$BAD" builtin:busybox
	look crt "$BAD"
	look crt run -v "$BAD:/x" builtin:busybox true
	look crt run --network "$BAD" builtin:busybox true
	look crt run --rm builtin:busybox "$BAD"
	look crt run --rm --workdir "$BAD" builtin:busybox true
	look crt rmi "$BAD"
	look crt inspect "$BAD"
}

@test "T9: what an image says about itself" {
	image evil --author "$BAD" --config.label "$BAD=$BAD" --config.env "E=$BAD" --config.entrypoint "/bin/$BAD" --config.workingdir "/$BAD" ||
		skip "umoci refuses to make the image"
	as alice crt pull -q "oci:$T/img/evil:latest" || true
	look crt run --rm "oci:$T/img/evil:latest"
	look crt run --explain "oci:$T/img/evil:latest"
	look crt images
	as alice crt run "oci:$T/img/evil:latest" || true
	look crt ps -a
	local id
	for id in $(as alice crt ps -aq); do
		look crt inspect "$id"
		as alice crt inspect "$id" | jq . >/dev/null || flunk "inspect is not JSON"
	done
}

@test "T9: what a registry says in an error" {
	local port
	port=$(free_port)
	cat >"$T/registry.py" <<-'END'
		import http.server, sys
		bad = b'x\x1b[2J\x1b]52;c;YQ==\x07\rover\xe2\x80\xaegnp\xff\x9b31m'
		class H(http.server.BaseHTTPRequestHandler):
		    def do_GET(self):
		        body = b'{"errors":[{"code":"DENIED","message":"' + bad.replace(b'\x1b', b'\\u001b').replace(b'\r', b'\\r').replace(b'\x07', b'\\u0007').replace(b'\xff\x9b', b'\\u009b') + b'"}]}'
		        if "raw" in self.path: body = bad
		        self.send_response(403, "No\x1b[31m")
		        self.send_header("Content-Type", "application/json")
		        self.send_header("Content-Length", str(len(body)))
		        self.end_headers()
		        self.wfile.write(body)
		    do_HEAD = do_GET
		    def log_message(self, *a): pass
		http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
	END
	job_start /usr/bin/python3 "$T/registry.py" "$port"
	wait_for 10 curl -s -o /dev/null "http://127.0.0.1:$port/"
	look crt run --rm --tls-verify=false "127.0.0.1:$port/json:1"
	look crt run --rm --tls-verify=false "127.0.0.1:$port/raw:1"
}
