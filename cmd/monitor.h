/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What crt and crt-monitor tell each other about a detached container.
 *
 * The keeper of a detached container executes crt-monitor in its own process
 * when the container runs, and crt-monitor executes crt again when it ended: the
 * process number, the lock, the namespaces and the children stay, only the
 * memory goes. What both need is struct monitor_life in a memfd; descriptors in
 * it are numbers of that process. See cmd/monitor-main.c.
 */
#ifndef CMD_MONITOR_H
#define CMD_MONITOR_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/id.h"
#include "cmd/journal.h"
#include "cmd/limits_watch.h"
#include "net/net.h"

#define MONITOR_VERSION	 2	  /* of the structure */
#define MONITOR_SOCKET	 "attach" /* in the bundle; SOCK_SEQPACKET */
#define MONITOR_EXIT	 "exit"	  /* in the bundle: the last life ended (so), the next is to come */
#define MONITOR_OOM	 "oom"	  /* in the bundle: it ended so, having more memory than it may */
#define MONITOR_STOP	 "stop"	  /* in the bundle: the user ended it, do not start it again */
#define MONITOR_NO_NET	 "no-network" /* in the bundle: crt-net ended under the container */
#define MONITOR_PACKET	 32768	      /* most bytes of one packet, its kind included */
#define MONITOR_LOG_NAME 256

enum monitor_log {
	MONITOR_LOG_NONE,
	MONITOR_LOG_K8S,
	MONITOR_LOG_JSON,
	MONITOR_LOG_JOURNALD, /* log_fd is a socket of the journal */
	MONITOR_LOG_COUNT
};

/* Why a container ended other than by itself. */
enum monitor_reason {
	MONITOR_REASON_NONE,
	MONITOR_REASON_TIMEOUT, /* --timeout */
	MONITOR_REASON_FUSE,	/* fuse-overlayfs died */
	MONITOR_REASON_MEMORY,	/* --memory, which is watched */
	MONITOR_REASON_COUNT
};

/* Exit codes of crt healthcheck run --monitor; any other one: go on. */
enum monitor_health {
	MONITOR_HEALTH_REGULAR = 0, /* the startup check is over */
	MONITOR_HEALTH_OK,	    /* healthy */
	MONITOR_HEALTH_STARTUP = 10,
	MONITOR_HEALTH_KILL,
	MONITOR_HEALTH_STOP,
	MONITOR_HEALTH_RESTART,
};

/* Packets of the attach socket: one byte of kind, then data. */
enum monitor_packet {
	/* from the monitor */
	MONITOR_PACKET_OUT = 'o', /* output, standard error */
	MONITOR_PACKET_ERR = 'e',
	MONITOR_PACKET_END = 'x', /* int: the exit code; the last packet of this life */
	/* to the monitor */
	MONITOR_PACKET_IN = 'i',    /* input */
	MONITOR_PACKET_EOF = 'f',   /* end of input */
	MONITOR_PACKET_QUIET = 'q', /* only the end is wanted */
	/* the caller's own streams: the container waits for them as for a pipe, however long */
	MONITOR_PACKET_PATIENT = 't',
	MONITOR_PACKET_SIZE = 'w', /* struct winsize of the terminal */
	MONITOR_PACKET_MEMORY =
		'm', /* int64_t: the limit to be watched; answered by an int: 0, -errno */
	MONITOR_PACKET_POLICY = 'p', /* struct monitor_policy; answered likewise */
};

struct monitor_policy {
	uint32_t restart, restart_max;
};

struct monitor_life {
	uint32_t version;
	char id[ID_LEN + 1];
	/* the container's first process, a child of this one */
	pid_t pid;
	int pid_fd;
	/* its streams: pipes (-1 = none) or the pty's master */
	int in_fd, out_fd, err_fd, console_fd;
	int listen_fd; /* MONITOR_SOCKET */
	/* held, so that their other sides live as long as we */
	int lock_fd, net_fd;
	struct limits_watch watch;   /* --memory without a cgroup */
	struct net_agent agent;	     /* serves the published TCP ports */
	int notify_fd, notify_in_fd; /* --sdnotify: the manager's socket, the container's; or -1 */
	uint32_t sdnotify;	     /* enum request_sdnotify */
	int net_pid_fd; /* of crt-net, which is no child of ours; -1 = there is none, or not any more */
	int rundir_fd;
	pid_t fuse_pid;
	int fuse_pid_fd;
	int crt_fd, monitor_fd; /* executables, O_PATH */
	/* the log */
	enum monitor_log log;
	int log_dir_fd, log_fd;
	char log_name[MONITOR_LOG_NAME];
	int64_t log_max_size;
	uint32_t log_max_files;
	/* policy */
	uint32_t restart, restart_max; /* enum request_restart */
	uint32_t restart_count;
	uint32_t timeout; /* seconds, 0 = any */
	uint32_t backoff_ms;
	uint32_t health_ms, health_startup_ms; /* between two checks, 0 = none */
	uint32_t stop_timeout;		       /* seconds */
	int stop_signal;		       /* 0 = SIGTERM */
	bool rm, pid_host, mounted;
	bool tty, interactive, passthrough;
	/* what the monitor found out */
	int status; /* of wait(2) */
	enum monitor_reason reason;
	bool again; /* start it again */
	/* only for crt: absolute paths */
	char root[PATH_MAX];	   /* of the store */
	char containers[PATH_MAX]; /* parent of the bundle */
	/* read only where it is needed: journal_fields() */
	char journal[JOURNAL_FIELDS_MAX];
};

#endif
