/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: make-syscall-table CPU_FAMILY ENDIAN
 *
 * Writes the C source of the table of system calls that runtime/seccomp.c uses: every name with its
 * number in each ABI that a kernel of this CPU family can run, and a hash index over the names. Runs at
 * build time, with libseccomp as the source of the numbers: asking libseccomp at run time costs a third
 * of a millisecond for a profile of 430 names and three ABIs, the table costs a hundredth.
 *
 * Calls that libseccomp answers with a negative pseudo number for an ABI, because it bundles them behind
 * socketcall(2) or ipc(2), often have a number of their own as well; it is found by asking for the name of
 * every number. Calls newer than the distribution's libseccomp but with one number for all ABIs are added.
 */
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS	      3
#define ROWS	      1024
#define NAME	      32
#define SLOTS	      2048 /* a power of two, at least twice the rows */
#define SPAN	      1200 /* numbers of one ABI that are asked for */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct column {
	uint32_t token;
	uint32_t base;
};
struct row {
	char name[NAME];
	int64_t nr[COLUMNS];
};
struct number {
	const char *name;
	unsigned int nr;
};

static const struct {
	const char *family, *endian;
	struct column columns[COLUMNS];
} families[] = {
	{ "x86_64",
	  "little",
	  { { SCMP_ARCH_X86_64, 0 }, { SCMP_ARCH_X86, 0 }, { SCMP_ARCH_X32, 0x40000000 } } },
	{ "x86",
	  "little",
	  { { SCMP_ARCH_X86_64, 0 }, { SCMP_ARCH_X86, 0 }, { SCMP_ARCH_X32, 0x40000000 } } },
	{ "aarch64", "little", { { SCMP_ARCH_AARCH64, 0 }, { SCMP_ARCH_ARM, 0 } } },
	{ "arm", "little", { { SCMP_ARCH_AARCH64, 0 }, { SCMP_ARCH_ARM, 0 } } },
	{ "mips64",
	  "big",
	  { { SCMP_ARCH_MIPS64, 5000 }, { SCMP_ARCH_MIPS, 4000 }, { SCMP_ARCH_MIPS64N32, 6000 } } },
	{ "mips64",
	  "little",
	  { { SCMP_ARCH_MIPSEL64, 5000 },
	    { SCMP_ARCH_MIPSEL, 4000 },
	    { SCMP_ARCH_MIPSEL64N32, 6000 } } },
	{ "ppc64", "big", { { SCMP_ARCH_PPC64, 0 }, { SCMP_ARCH_PPC, 0 } } },
	{ "ppc64", "little", { { SCMP_ARCH_PPC64LE, 0 } } },
	{ "s390x", "big", { { SCMP_ARCH_S390X, 0 }, { SCMP_ARCH_S390, 0 } } },
	{ "riscv64", "little", { { SCMP_ARCH_RISCV64, 0 } } },
};

/* One number for every ABI, plus the ABI's base. */
static const struct number newer_calls[] = {
	{ "set_mempolicy_home_node", 450 },
	{ "cachestat", 451 },
	{ "fchmodat2", 452 },
	{ "map_shadow_stack", 453 },
	{ "futex_wake", 454 },
	{ "futex_wait", 455 },
	{ "futex_requeue", 456 },
	{ "statmount", 457 },
	{ "listmount", 458 },
	{ "lsm_get_self_attr", 459 },
	{ "lsm_set_self_attr", 460 },
	{ "lsm_list_modules", 461 },
	{ "mseal", 462 },
	{ "setxattrat", 463 },
	{ "getxattrat", 464 },
	{ "listxattrat", 465 },
	{ "removexattrat", 466 },
	{ "open_tree_attr", 467 },
	{ "file_getattr", 468 },
	{ "file_setattr", 469 },
	{ "listns", 470 },
};

/* First arguments of socketcall(2) and ipc(2). */
static const struct number socketcall_calls[] = {
	{ "socket", 1 },    { "bind", 2 },	  { "connect", 3 },	{ "listen", 4 },
	{ "accept", 5 },    { "getsockname", 6 }, { "getpeername", 7 }, { "socketpair", 8 },
	{ "send", 9 },	    { "recv", 10 },	  { "sendto", 11 },	{ "recvfrom", 12 },
	{ "shutdown", 13 }, { "setsockopt", 14 }, { "getsockopt", 15 }, { "sendmsg", 16 },
	{ "recvmsg", 17 },  { "accept4", 18 },	  { "recvmmsg", 19 },	{ "sendmmsg", 20 },
};
static const struct number ipc_calls[] = {
	{ "semop", 1 },	  { "semget", 2 },  { "semctl", 3 },  { "semtimedop", 4 },
	{ "msgsnd", 11 }, { "msgrcv", 12 }, { "msgget", 13 }, { "msgctl", 14 },
	{ "shmat", 21 },  { "shmdt", 22 },  { "shmget", 23 }, { "shmctl", 24 },
};

static struct row rows[ROWS];
static size_t rows_n;

static struct row *row_of(const char *name)
{
	for (size_t i = 0; i < rows_n; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	if (rows_n == ROWS || strlen(name) >= NAME) {
		(void)fprintf(stderr, "make-syscall-table: \"%s\" does not fit\n", name);
		return NULL;
	}
	memcpy(rows[rows_n].name, name, strlen(name) + 1);
	for (int c = 0; c < COLUMNS; c++)
		rows[rows_n].nr[c] = -1;
	return &rows[rows_n++];
}

static int ask_number(const struct column *columns, int c, uint32_t nr)
{
	char *name = seccomp_syscall_resolve_num_arch(columns[c].token, (int)nr);
	struct row *row;

	if (name == NULL)
		return 0;
	row = row_of(name);
	if (row != NULL && row->nr[c] < 0) {
		int own = seccomp_syscall_resolve_name_arch(columns[c].token, name);

		row->nr[c] = own >= 0 ? own : (int64_t)nr;
	}
	free(name);
	return row == NULL ? -1 : 0;
}

static int fill(const struct column *columns)
{
	for (int c = 0; c < COLUMNS && columns[c].token != 0; c++) {
		for (uint32_t i = 0; i < SPAN; i++)
			if (ask_number(columns, c, columns[c].base + i) < 0)
				return -1;
		/* arm's private calls */
		for (uint32_t i = 0; i < 16; i++)
			if (columns[c].token == SCMP_ARCH_ARM &&
			    ask_number(columns, c, 0xf0000 + i) < 0)
				return -1;
		for (size_t i = 0; i < ARRAY_SIZE(newer_calls); i++) {
			struct row *row = row_of(newer_calls[i].name);

			if (row == NULL)
				return -1;
			if (row->nr[c] < 0)
				row->nr[c] = (int64_t)columns[c].base + newer_calls[i].nr;
		}
	}
	/* these exist by name even where they have no number of their own */
	for (size_t i = 0; i < ARRAY_SIZE(socketcall_calls); i++)
		if (row_of(socketcall_calls[i].name) == NULL)
			return -1;
	for (size_t i = 0; i < ARRAY_SIZE(ipc_calls); i++)
		if (row_of(ipc_calls[i].name) == NULL)
			return -1;
	return 0;
}

static unsigned int number_in(const struct number *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].name, name) == 0)
			return list[i].nr;
	return 0;
}

/* The same function as in runtime/seccomp_names.c. */
static uint32_t hash(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h ^ h >> 15;
}

static void print(const struct column *columns)
{
	static unsigned short slots[SLOTS];

	(void)printf(
		"/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by runtime/make-syscall-table.c. */\n"
		"#include \"runtime/seccomp_int.h\"\n\nconst uint32_t seccomp_columns[SECCOMP_COLUMNS] = {\n");
	for (int c = 0; c < COLUMNS; c++)
		(void)printf("\t%#xu,\n", columns[c].token);
	(void)printf("};\n\nconst struct seccomp_row seccomp_rows[] = {\n");
	for (size_t i = 0; i < rows_n; i++) {
		uint32_t slot = hash(rows[i].name) % SLOTS;

		while (slots[slot] != 0)
			slot = (slot + 1) % SLOTS;
		slots[slot] = (unsigned short)(i + 1);
		(void)printf("\t{ \"%s\", %u, %u, { ", rows[i].name,
			     number_in(socketcall_calls, ARRAY_SIZE(socketcall_calls),
				       rows[i].name),
			     number_in(ipc_calls, ARRAY_SIZE(ipc_calls), rows[i].name));
		for (int c = 0; c < COLUMNS; c++)
			(void)printf("%lld, ", (long long)rows[i].nr[c]);
		(void)printf("} },\n");
	}
	(void)printf(
		"};\n\n/* 0 = empty, else a row + 1 */\nconst uint16_t seccomp_slots[SECCOMP_SLOTS] = {");
	for (size_t i = 0; i < SLOTS; i++)
		(void)printf("%s%u,", i % 16 == 0 ? "\n\t" : " ", slots[i]);
	(void)printf("\n};\n");
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 3 && i < ARRAY_SIZE(families); i++) {
		if (strcmp(families[i].family, argv[1]) != 0 ||
		    strcmp(families[i].endian, argv[2]) != 0)
			continue;
		if (fill(families[i].columns) < 0)
			return 1;
		print(families[i].columns);
		return 0;
	}
	(void)fprintf(stderr, "make-syscall-table: no system call numbers for this CPU family\n");
	return 1;
}
