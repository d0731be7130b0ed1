/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of crt: one file each, named like the verb. */
#ifndef CMD_VERBS_H
#define CMD_VERBS_H

#include "cmd/opt.h"

extern const struct cmd_verb cmd_verb_complete;
extern const struct cmd_verb cmd_verb_completion;
extern const struct cmd_verb cmd_verb_container;
extern const struct cmd_verb cmd_verb_container_inspect;
extern const struct cmd_verb cmd_verb_history;
extern const struct cmd_verb cmd_verb_image;
extern const struct cmd_verb cmd_verb_events;
extern const struct cmd_verb cmd_verb_image_inspect;
extern const struct cmd_verb cmd_verb_image_prune;
extern const struct cmd_verb cmd_verb_image_tree;
extern const struct cmd_verb cmd_verb_healthcheck;
extern const struct cmd_verb cmd_verb_images;
extern const struct cmd_verb cmd_verb_inspect;
extern const struct cmd_verb cmd_verb_pause;
extern const struct cmd_verb cmd_verb_unpause;
extern const struct cmd_verb cmd_verb_update;
extern const struct cmd_verb cmd_verb_top;
extern const struct cmd_verb cmd_verb_stats;
extern const struct cmd_verb cmd_verb_info;
extern const struct cmd_verb cmd_verb_port;
extern const struct cmd_verb cmd_verb_ps;
extern const struct cmd_verb cmd_verb_login;
extern const struct cmd_verb cmd_verb_logout;
extern const struct cmd_verb cmd_verb_search;
extern const struct cmd_verb cmd_verb_manifest;
extern const struct cmd_verb cmd_verb_delete;
extern const struct cmd_verb cmd_verb_load;
extern const struct cmd_verb cmd_verb_pull;
extern const struct cmd_verb cmd_verb_copy;
extern const struct cmd_verb cmd_verb_save;
extern const struct cmd_verb cmd_verb_push;
extern const struct cmd_verb cmd_verb_rm;
extern const struct cmd_verb cmd_verb_rmi;
extern const struct cmd_verb cmd_verb_run;
extern const struct cmd_verb cmd_verb_commit;
extern const struct cmd_verb cmd_verb_cp;
extern const struct cmd_verb cmd_verb_create;
extern const struct cmd_verb cmd_verb_keep;
extern const struct cmd_verb cmd_verb_kill;
extern const struct cmd_verb cmd_verb_start;
extern const struct cmd_verb cmd_verb_stop;
extern const struct cmd_verb cmd_verb_wait;
extern const struct cmd_verb cmd_verb_logs;
extern const struct cmd_verb cmd_verb_exec;
extern const struct cmd_verb cmd_verb_export;
extern const struct cmd_verb cmd_verb_attach;
extern const struct cmd_verb cmd_verb_restart;
extern const struct cmd_verb cmd_verb_rename;
extern const struct cmd_verb cmd_verb_tag;
extern const struct cmd_verb cmd_verb_unshare;
extern const struct cmd_verb cmd_verb_untag;
extern const struct cmd_verb cmd_verb_version;
extern const struct cmd_verb cmd_verb_network;
extern const struct cmd_verb cmd_verb_volume;

int cmd_container(int argc, char **argv, const struct cmd_global *g);
int cmd_image(int argc, char **argv, const struct cmd_global *g);
int cmd_events(int argc, char **argv, const struct cmd_global *g);
int cmd_container_inspect(int argc, char **argv, const struct cmd_global *g);
int cmd_history(int argc, char **argv, const struct cmd_global *g);
int cmd_image_inspect(int argc, char **argv, const struct cmd_global *g);
int cmd_image_prune(int argc, char **argv, const struct cmd_global *g);
int cmd_image_tree(int argc, char **argv, const struct cmd_global *g);
int cmd_tag(int argc, char **argv, const struct cmd_global *g);
int cmd_untag(int argc, char **argv, const struct cmd_global *g);
int cmd_healthcheck(int argc, char **argv, const struct cmd_global *g);
int cmd_images(int argc, char **argv, const struct cmd_global *g);
int cmd_inspect(int argc, char **argv, const struct cmd_global *g);
int cmd_pause(int argc, char **argv, const struct cmd_global *g);
int cmd_unpause(int argc, char **argv, const struct cmd_global *g);
int cmd_update(int argc, char **argv, const struct cmd_global *g);
int cmd_top(int argc, char **argv, const struct cmd_global *g);
int cmd_stats(int argc, char **argv, const struct cmd_global *g);
int cmd_info(int argc, char **argv, const struct cmd_global *g);
int cmd_port(int argc, char **argv, const struct cmd_global *g);
int cmd_ps(int argc, char **argv, const struct cmd_global *g);
int cmd_push(int argc, char **argv, const struct cmd_global *g);
int cmd_save(int argc, char **argv, const struct cmd_global *g);
int cmd_copy(int argc, char **argv, const struct cmd_global *g);
int cmd_login(int argc, char **argv, const struct cmd_global *g);
int cmd_logout(int argc, char **argv, const struct cmd_global *g);
int cmd_search(int argc, char **argv, const struct cmd_global *g);
int cmd_manifest(int argc, char **argv, const struct cmd_global *g);
int cmd_delete(int argc, char **argv, const struct cmd_global *g);
int cmd_load(int argc, char **argv, const struct cmd_global *g);
int cmd_pull(int argc, char **argv, const struct cmd_global *g);
int cmd_rm(int argc, char **argv, const struct cmd_global *g);
int cmd_rmi(int argc, char **argv, const struct cmd_global *g);
int cmd_run(int argc, char **argv, const struct cmd_global *g);
int cmd_complete(int argc, char **argv, const struct cmd_global *g);
int cmd_completion(int argc, char **argv, const struct cmd_global *g);
int cmd_commit(int argc, char **argv, const struct cmd_global *g);
int cmd_cp(int argc, char **argv, const struct cmd_global *g);
int cmd_create(int argc, char **argv, const struct cmd_global *g);
int cmd_keep(int argc, char **argv, const struct cmd_global *g);
int cmd_kill(int argc, char **argv, const struct cmd_global *g);
int cmd_start(int argc, char **argv, const struct cmd_global *g);
int cmd_stop(int argc, char **argv, const struct cmd_global *g);
int cmd_wait(int argc, char **argv, const struct cmd_global *g);
int cmd_logs(int argc, char **argv, const struct cmd_global *g);
int cmd_export(int argc, char **argv, const struct cmd_global *g);
int cmd_exec(int argc, char **argv, const struct cmd_global *g);
int cmd_attach(int argc, char **argv, const struct cmd_global *g);
int cmd_restart(int argc, char **argv, const struct cmd_global *g);
int cmd_rename(int argc, char **argv, const struct cmd_global *g);
int cmd_unshare(int argc, char **argv, const struct cmd_global *g);
int cmd_version(int argc, char **argv, const struct cmd_global *g);
int cmd_network(int argc, char **argv, const struct cmd_global *g);
int cmd_volume(int argc, char **argv, const struct cmd_global *g);

/* crt.c: the table of all verbs, NULL at the end, and the entry of crt itself (global options). */
extern const struct cmd_verb *const cmd_verbs[];
extern const struct cmd_verb cmd_verb_crt;

#endif
