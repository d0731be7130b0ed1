#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: working-day.sh TOOL ARCHIVE
# What a developer does in a day, with any tool that has podman's commands. Each step prints its
# name, what it wrote to standard output, with ids and times made alike, and its exit code; two
# tools are compared by diff. ARCHIVE is a docker-archive of localhost/web:1, a Debian with nginx.
# Works in the current directory; TOOL may be several words. Standard error goes to ./errors.
set -u
read -ra tool <<<"$1"
archive=$2
exec 2>errors
t() { "${tool[@]}" "$@"; }
alike() {
	sed -E -e 's/\b(sha256:)?[0-9a-f]{64}\b/ID/g' -e 's/\b[0-9a-f]{12}\b/ID/g' \
		-e 's/Up (Less than a second|About a minute|[0-9]+ (second|minute)s?)( ago)?/Up/' \
		-e 's/(Less than a second|About a minute|[0-9]+ (second|minute)s?) ago/AGO/g' \
		-e 's/127\.0\.0\.1:[0-9]+/127.0.0.1:PORT/'
}
# step NAME COMMAND...
step() {
	echo "== $1"
	echo "# $1" >&2
	"${@:2}" </dev/null | alike
	echo "exit ${PIPESTATUS[0]}"
}
until_is() { # FORMAT VALUE CONTAINER
	local i
	for i in {1..300}; do
		[ "$(t inspect --format "$1" "$3" 2>/dev/null)" != "$2" ] || return 0
		sleep 0.1
	done
	echo "never $2"
	return 1
}
filled() { t run --rm --network none "$@"; }

step "load" t load -q -i "$archive"
step "images" t images --format '{{.Repository}}:{{.Tag}}'
step "image inspect" t image inspect --format '{{.Os}} {{json .Config.Cmd}} {{json .Config.Env}} {{json .Config.ExposedPorts}}' localhost/web:1
step "tag" t tag localhost/web:1 localhost/web:stable
step "images of a name" t images --format '{{.Repository}}:{{.Tag}}' --sort repository localhost/web

step "volume create" t volume create --label use=day data
step "volume ls" t volume ls --format '{{.Driver}} {{.Name}}'
step "volume again" t volume create data

for i in {1..20}; do
	step "web $i" t run -d --name "web$i" --network none --label "n=$i" --label day=1 -v data:/data \
		-e "NUMBER=$i" localhost/web:1
done
step "ps" t ps --sort names --format '{{.Names}} {{.Image}} {{.Status}} {{.Command}}'
step "ps -q" sh -c '"$@" | wc -l' - "${tool[@]}" ps -q
step "ps of a label" t ps --filter label=n=7 --format '{{.Names}}'
step "ps of a name" t ps --filter name=web1 --sort names --format '{{.Names}}'
step "name in use" t run --name web1 --network none localhost/web:1 true

step "exec" t exec web1 sh -c 'echo "$NUMBER"; id -u; pwd'
step "exec: exit code" t exec web1 sh -c 'exit 3'
step "exec: user, directory, environment" t exec -u www-data -w /var/www -e A=b web1 sh -c 'id -un; pwd; echo $A'
step "exec: no such program" t exec web1 nosuch
step "exec: a directory" t exec web1 /etc
step "exec: no such container" t exec nosuch true
step "exec: input" sh -c 'echo text | "$@"' - "${tool[@]}" exec -i web1 cat
step "exec -d" t exec -d web1 touch /tmp/detached
step "volume is shared" t exec web1 sh -c 'echo shared >/data/file'
step "volume is shared, seen" t exec web2 cat /data/file

echo "<p>new page" >page
step "cp in" t cp page web1:/var/www/html/index.html
step "cp in, seen" t exec web1 cat /var/www/html/index.html
step "cp of a directory" t cp web1:/etc/nginx ./nginx
step "cp of a directory, seen" sh -c 'cd nginx && find . | sort'
step "cp to standard output" sh -c '"$@" | tar t' - "${tool[@]}" cp web1:/etc/hostname -
step "cp: no such file" t cp web1:/nosuch .
step "cp into a stopped one" sh -c '"$@" stop -t 0 web6 && "$@" cp page web6:/root/page && "$@" cp web6:/root/page - | tar xO' - "${tool[@]}"

step "run: output and exit code" t run --name job --network none localhost/web:1 sh -c 'echo out; echo more; echo err >&2; exit 4'
step "logs" t logs job
step "logs --tail" t logs --tail 1 job
step "inspect" t inspect --format '{{.State.Status}} {{.State.ExitCode}} {{.State.Running}} {{.Name}} {{.Path}} {{.Args}} {{.ImageName}} {{.RestartCount}}' job
step "inspect: configuration" t inspect --format '{{json .Config.Cmd}} {{.Config.WorkingDir}} {{.Config.User}} {{.Config.StopSignal}} {{json .Config.Labels}}' web3
step "inspect: host" t inspect --format '{{.HostConfig.NetworkMode}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Privileged}} {{.HostConfig.AutoRemove}}' web3
step "inspect: mounts" t inspect --format '{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}} {{.RW}}{{end}}' web3
step "inspect: none" t inspect nosuch

step "stop" t stop -t 1 web3
step "stopped" t inspect --format '{{.State.Status}}' web3
step "stop again" t stop web3
step "start" t start web3
step "start again" t start web3
step "restart" t restart -t 0 web2
step "kill" t kill web4
step "wait" t wait web4
step "kill again" t kill web4
step "rm" t rm web4
step "rm of a running one" t rm web5
step "rm -f" t rm -f -t 0 web5
step "rm of none" t rm nosuch
step "rm -f of none" t rm -f nosuch
step "rename" t rename web7 seven
step "renamed" t ps --filter name=seven --format '{{.Names}}'
step "rename to one in use" t rename web8 web9
step "ps -a of exited" t ps -a --filter status=exited --sort names --format '{{.Names}} {{.Status}}'

step "change files" t exec web1 sh -c 'rm /etc/nginx/nginx.conf; echo x >>/etc/motd; mkdir /new; echo y >/new/file'
step "diff" sh -c '"$@" | grep -E " /(new|etc/nginx|etc/motd|var/www)" | sort' - "${tool[@]}" diff web1
step "commit" t commit -q -c 'CMD ["cat", "/new/file"]' -c 'ENV COMMITTED=yes' -a "me" web1 localhost/page:1
step "committed" filled localhost/page:1
step "committed: configuration" t image inspect --format '{{json .Config.Cmd}} {{.Author}}' localhost/page:1
step "committed: environment" sh -c '"$@" | grep COMMITTED' - "${tool[@]}" image inspect --format '{{range .Config.Env}}{{println .}}{{end}}' localhost/page:1
step "committed: files" filled localhost/page:1 sh -c 'cat /var/www/html/index.html /etc/motd; ls /etc/nginx/nginx.conf; ls /data'
step "history" sh -c '"$@" | wc -l' - "${tool[@]}" history -q localhost/page:1
step "export" sh -c '"$@" | tar t | grep -cE "^(etc/motd|new/file|etc/nginx/nginx.conf)$"' - "${tool[@]}" export web1
step "save and load" sh -c '"$@" save -q -o page.tar localhost/page:1 && "$@" rmi -f localhost/page:1 >/dev/null && "$@" load -q -i page.tar' - "${tool[@]}"
step "loaded" filled localhost/page:1

step "healthy" t run -d --name ill --network none --health-cmd 'test -e /tmp/well' --health-interval 600s --health-retries 1 localhost/web:1
step "healthcheck: no" t healthcheck run ill
step "make well" t exec ill touch /tmp/well
step "healthcheck: yes" t healthcheck run ill
step "health" t inspect --format '{{.State.Health.Status}}' ill

step "restart on failure" t run -d --name again --network none --restart on-failure:2 localhost/web:1 sh -c 'exit 5'
step "restarted" until_is '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}' "2 exited 5" again
step "read-only" filled --read-only localhost/web:1 sh -c 'echo x >/etc/x'
step "tmpfs" filled --tmpfs /fast:size=1m localhost/web:1 sh -c 'df -k --output=size /fast | tail -n 1'
step "ulimit" filled --ulimit nofile=100:200 localhost/web:1 sh -c 'ulimit -Sn; ulimit -Hn'
step "user" filled -u 33:33 localhost/web:1 id
step "hostname" filled --hostname box localhost/web:1 hostname
step "entry point" filled --entrypoint /bin/echo localhost/web:1 a b
step "no such program" filled localhost/web:1 nosuch
step "a directory" filled localhost/web:1 /etc
step "no such image" t run --pull never localhost/nosuch true
step "bad option" t run --nosuch localhost/web:1 true
step "init" filled --init localhost/web:1 sh -c 'tr "\0" " " </proc/1/cmdline | grep -c -- --'
step "bind mount" filled -v "$PWD:/here:ro" localhost/web:1 sh -c 'cat /here/page; touch /here/x'
step "environment file" sh -c 'printf "A=1\n# c\nB=two words\n" >env && "$@" | grep -E "^(A|B)=" | sort' - "${tool[@]}" run --rm --network none --env-file env localhost/web:1 env
step "create, start -a" sh -c '"$@" create --name made --network none localhost/web:1 echo made && "$@" start -a made' - "${tool[@]}"
step "top" sh -c '"$@" | head -n 1 | tr -s " "' - "${tool[@]}" top web9
step "port" sh -c '"$@" run -d --name port -p 127.0.0.1::80 localhost/web:1 && "$@" port port' - "${tool[@]}"
step "a page" sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do curl -sf -o answer "http://$("$@" port port 80)/" && break; sleep 0.3; done; grep -o "Welcome to nginx" answer | head -n 1' - "${tool[@]}"

step "volume in use" t volume rm data
step "volume inspect" t volume inspect --format '{{.Name}} {{.Driver}} {{json .Labels}}' data
step "rmi in use" t rmi localhost/web:1 localhost/web:stable
step "container prune" sh -c '"$@" | wc -l' - "${tool[@]}" container prune -f
step "left" t ps -a --sort names --format '{{.Names}}'
step "rm -fa" sh -c '"$@" | wc -l' - "${tool[@]}" rm -fa -t 0
step "volume prune" t volume prune -f
step "rmi" t rmi -f localhost/page:1
step "system prune" sh -c '"$@" >/dev/null' - "${tool[@]}" system prune -af
step "nothing" t images -q
