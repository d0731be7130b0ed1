/* SPDX-License-Identifier: Apache-2.0 */
/* Private to crt-monitor: its one structure and its parts. */
#ifndef CMD_MONITOR_INT_H
#define CMD_MONITOR_INT_H

#include "cmd/monitor.h"
#include "cmd/request.h"

#define MONITOR_CLIENTS	 16
#define MONITOR_LOG_BUF	 65536
#define MONITOR_STALL_MS 5000 /* a client that reads nothing for so long is let go */

struct monitor_client {
	int fd; /* -1 = free */
	bool full;
	bool quiet;   /* wants the end only */
	bool patient; /* is waited for */
	int64_t full_since;
};

/* monitor_health.c */
struct monitor_checks {
	pid_t pid;
	int pid_fd;   /* of the check that runs, -1 = none */
	int64_t due;  /* the next one, or when this one is stuck; 0 = never */
	bool startup; /* the startup check has not passed */
};

struct monitor {
	struct monitor_life life;
	int memfd; /* of life */
	struct monitor_checks health;
	bool restart_wanted, stop_wanted; /* by a health check */
	bool told_healthy;
	int64_t stop_kill_at;	    /* 0 = never */
	bool ended;		    /* the container has */
	bool used;		    /* the buffers have pages */
	int64_t kill_at;	    /* --timeout; 0 = none */
	int64_t console_idle_until; /* nobody has the terminal open: look again then */
	struct monitor_client clients[MONITOR_CLIENTS];
	/* log */
	int64_t log_size;
	int64_t stamp_second; /* of the text below */
	char stamp[32];
	size_t log_len;
	/* input that the container did not take yet */
	size_t input_len, input_start;
	bool input_eof;
	/* buffers, each on pages of their own */
	char packet[MONITOR_PACKET] __attribute__((aligned(4096))); /* kind, then data */
	char input[MONITOR_PACKET] __attribute__((aligned(4096)));
	char log_buf[MONITOR_LOG_BUF] __attribute__((aligned(4096)));
	char journal[JOURNAL_FIELDS_MAX] __attribute__((aligned(4096)));
};

void monitor_close(int *fd); /* and -1 */

/* monitor-main.c: has SIGTERM come, or does it wait to come in? */
bool monitor_is_asked_to_end(void);

/* monitor_log.c */
void monitor_log_init(struct monitor *m);
void monitor_log_write(struct monitor *m, const char *data, size_t len, bool is_err);

/* monitor_journal.c */
void monitor_journal_write(struct monitor *m, const char *data, size_t len, bool is_err);

/* monitor_health.c */
void monitor_health_init(struct monitor *m);
int64_t monitor_health_due(const struct monitor *m); /* -1 = never */
void monitor_health_check(struct monitor *m, int64_t now);
/* The check has ended. */
void monitor_health_event(struct monitor *m);
void monitor_health_end(struct monitor *m);

/* monitor_attach.c */
void monitor_attach_init(struct monitor *m);
void monitor_attach_accept(struct monitor *m);
/* What to poll client i for; 0 = nothing. */
short monitor_attach_events(const struct monitor *m, int i);
void monitor_attach_event(struct monitor *m, int i, short revents);
/* Is somebody attached who cannot take more, so that nothing may be read from the container? */
bool monitor_attach_stalled(const struct monitor *m);
/* When such a one is given up (clock_now_ms()), -1 = never; and do so. */
int64_t monitor_attach_due(const struct monitor *m);
void monitor_attach_check(struct monitor *m, int64_t now);
/* len bytes behind m->packet[0] to everybody. */
void monitor_attach_send(struct monitor *m, enum monitor_packet kind, size_t len);
/* Tell everybody, also who connects at this moment, the exit code; and let them go. */
void monitor_attach_finish(struct monitor *m, int code);
/* Write pending input to the container. */
void monitor_input_flush(struct monitor *m);

#endif
